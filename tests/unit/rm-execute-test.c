/* SPDX-License-Identifier: BSD-2-Clause */
/* One client command from its bytes to its answer: what the chip gets to see, what is believed of
 * its answer, and what the books have then. */
#include "rm-script.h"
#include "rm/rc.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION(n) (UINT32_C(0x03000000) + (n))
#define OBJECT(n)  (UINT32_C(0x80000000) + (n))

#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
#define KEPT(number)     (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})
#define SEQUENCE(number) (&(const struct script_context){number, CONTEXT_SEQUENCE, TPM2_RH_NULL})

#define CONTINUE TPMA_SESSION_CONTINUESESSION

/* Up to two authorizations without nonce and HMAC, or what answers them. */
struct authorizations {
    unsigned count;
    struct {
        uint32_t handle;
        uint8_t attributes;
    } of[2];
};

/* A command with authorizations and `count` handles before them. */
static size_t build(uint8_t *out, uint32_t code, unsigned count, uint32_t first, uint32_t second,
                    const struct authorizations *authorizations)
{
    size_t at = HEADER_SIZE + 4 * (size_t)count + 4, size = at + 9 * (size_t)authorizations->count;

    memset(out, 0, size);
    header_store(out, TPM2_ST_SESSIONS, (uint32_t)size, code);
    store_be32(out + HEADER_SIZE, first);
    if (count > 1)
        store_be32(out + HEADER_SIZE + 4, second);
    store_be32(out + at - 4, 9 * authorizations->count);
    for (unsigned i = 0; i < authorizations->count; i++, at += 9) {
        store_be32(out + at, authorizations->of[i].handle);
        out[at + 6] = authorizations->of[i].attributes;
    }
    return size;
}

/* The chip gets the command with `physical` in the place of its first handle, and answers with
 * these attributes of sessions. */
static struct exchange *expect_authorized(struct rm_script *script, uint32_t code, unsigned count,
                                          uint32_t physical, uint32_t second,
                                          const struct authorizations *authorizations,
                                          const uint8_t answers[2])
{
    struct exchange *exchange = chip_script_next(&script->chip);
    size_t at = HEADER_SIZE + 4;

    exchange->command_size =
        build(exchange->command, code, count, physical, second, authorizations);
    for (unsigned i = 0; i < authorizations->count; i++, at += 5)
        exchange->response[at + 2] = answers[i];
    header_store(exchange->response, TPM2_ST_SESSIONS, (uint32_t)at, TPM2_RC_SUCCESS);
    exchange->size = at;
    return exchange;
}

static uint32_t send(struct rm_script *script, uint32_t code, unsigned count, uint32_t first,
                     uint32_t second, const struct authorizations *authorizations)
{
    uint8_t command[64];

    return rm_script_send(script, 0, command,
                          build(command, code, count, first, second, authorizations));
}

static void test_R23_sessions_end_by_what_the_chip_says(void **state)
{
    static const struct authorizations both = {2, {{SESSION(1), 0}, {SESSION(2), CONTINUE}}};
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    expect_authorized(script, CC_PLAIN, 0, 0, 0, &both, (const uint8_t[]){CONTINUE, CONTINUE});
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->session_count, 2);
    expect_authorized(script, CC_PLAIN, 0, 0, 0, &both, (const uint8_t[]){0, CONTINUE});
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), TPM2_RC_SUCCESS);
    assert_null(rm_script_session(script, SESSION(1)));
    assert_non_null(rm_script_session(script, SESSION(2)));
    assert_int_equal(script->rm->sessions_loaded, 1);
    assert_int_equal(script->clients[0]->session_count, 1);
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), RM_RC_SESSION(0));
    rm_script_end(script);
}

/* A failure ends none; and a password is no session. */
static void test_R23_failures_end_no_session(void **state)
{
    static const struct authorizations both = {2, {{TPM2_RS_PW, 0}, {SESSION(2), 0}}};
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(2));
    exchange_answer_code(
        expect_authorized(script, CC_PLAIN, 0, 0, 0, &both, (const uint8_t[]){0, 0}),
        TPM2_RC_VALUE);
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), TPM2_RC_VALUE);
    assert_int_equal(script->rm->session_count, 1);
    expect_authorized(script, CC_PLAIN, 0, 0, 0, &both, (const uint8_t[]){0, 0});
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->session_count, 0);
    rm_script_end(script);
}

/* Each session is looked for, not the first alone. */
static void test_R02_second_session_is_looked_for(void **state)
{
    static const struct authorizations both = {2, {{TPM2_RS_PW, 0}, {SESSION(9), 0}}};
    struct rm_script *script = *state;

    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), RM_RC_SESSION(1));
    rm_script_end(script);
}

/* A session that stands in two places is needed once, and is named by the first. */
static void test_one_session_in_two_places(void **state)
{
    static const struct authorizations both = {2, {{SESSION(1), CONTINUE}, {SESSION(1), CONTINUE}}};
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 20));
    while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    exchange_answer_code(expect_load(script, SAVED(1, 20), 0),
                         TPM2_RC_INTEGRITY + TPM2_RC_P + TPM2_RC_1);
    assert_int_equal(send(script, CC_PLAIN, 0, 0, 0, &both), RM_RC_SESSION(0));
    assert_int_equal(script->rm->session_count, 0);
    rm_script_end(script);
}

/* A command that flushes what it names, when it succeeds. */
static void test_R17_objects_end_by_success(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(5));

    expect_named(script, CC_FINISH, 1, OBJECT(5), 0, TPM2_RC_VALUE);
    assert_int_equal(rm_script_name(script, 0, CC_FINISH, 1, handle, 0), TPM2_RC_VALUE);
    assert_int_equal(script->rm->objects_loaded, 1);
    expect_named(script, CC_FINISH, 1, OBJECT(5), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_FINISH, 1, handle, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 0);
    assert_int_equal(script->clients[0]->handles.count, 0);
    assert_true(list_empty(&script->rm->objects));
    assert_int_equal(rm_script_name(script, 0, CC_FINISH, 1, handle, 0), RM_RC_HANDLE(0));
    /* Its context would load, but the handle is gone. */
    handle = rm_script_make(script, 0, OBJECT(5));
    expect_save(script, OBJECT(5), KEPT(9));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0), TPM2_RC_SUCCESS);
    expect_named(script, CC_FINISH, 1, OBJECT(5), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_FINISH, 1, handle, 0), TPM2_RC_SUCCESS);
    assert_null(rm_script_object(script, 0, handle));
    assert_true(list_empty(&script->rm->objects));
    rm_script_end(script);
}

/* All that it names, wherever it stands; and the chip gets its own handles for all of it. */
static void test_R17_everything_that_is_named_ends(void **state)
{
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, OBJECT(5)),
             last = rm_script_make(script, 0, OBJECT(6));
    uint8_t command[HEADER_SIZE + 7 * 4];
    struct exchange *exchange = chip_script_next(&script->chip);

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), CC_SEVEN);
    for (uint32_t i = 0; i < 7; i++)
        store_be32(command + HEADER_SIZE + 4 * i, 0x40000000 + i);
    store_be32(command + HEADER_SIZE, first);
    store_be32(command + HEADER_SIZE + 6 * 4, last);
    memcpy(exchange->command, command, sizeof(command));
    exchange->command_size = sizeof(command);
    store_be32(exchange->command + HEADER_SIZE, OBJECT(5));
    store_be32(exchange->command + HEADER_SIZE + 6 * 4, OBJECT(6));
    exchange_answer_code(exchange, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 0);
    assert_true(list_empty(&script->rm->objects));
    rm_script_end(script);
}

/* What another client has a handle for, too, is brought back from its context. */
static void test_R17_objects_that_others_share_stay_theirs(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(5)), other;
    uint8_t command[EXCHANGE_COMMAND], context[SCRIPT_CONTEXT];

    expect_save(script, OBJECT(5), KEPT(9));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0), TPM2_RC_SUCCESS);
    script_context_store(context, KEPT(9));
    assert_int_equal(rm_script_send(script, 1, command,
                                    command_build_context_load(command, context, sizeof(context))),
                     TPM2_RC_SUCCESS);
    other = load_be32(script->response + HEADER_SIZE);
    expect_named(script, CC_FINISH, 1, OBJECT(5), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_FINISH, 1, handle, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 0);
    expect_load(script, KEPT(9), OBJECT(6));
    expect_named(script, CC_USE, 1, OBJECT(6), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 1, CC_USE, 1, other, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
}

/* An answer that cannot be believed: the chip may have what the books do not know. */
static void expect_disbelief(struct rm_script *script, uint32_t code)
{
    assert_int_equal(code, RM_RC_FAILURE);
    assert_int_equal(script->size, HEADER_SIZE);
    assert_true(script->rm->books_in_doubt);
    script->rm->books_in_doubt = false;
    rm_script_end(script);
}

static void test_R14_answers_that_are_not_believed(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange;

    /* Nothing behind the header where a handle should be, and handles of other kinds. */
    expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);
    expect_disbelief(script, rm_script_name(script, 0, CC_MAKE, 0, 0, 0));
    exchange = expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);
    store_be32(exchange->response + HEADER_SIZE, SESSION(1));
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    expect_disbelief(script, rm_script_name(script, 0, CC_MAKE, 0, 0, 0));
    exchange = expect_named(script, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL, 0);
    store_be32(exchange->response + HEADER_SIZE, OBJECT(1));
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    expect_disbelief(
        script, rm_script_name(script, 0, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL));
    assert_int_equal(script->rm->session_count, 0);
    assert_true(list_empty(&script->rm->objects));
    /* Parameters behind a failure. */
    exchange = expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_VALUE);
    exchange->size++;
    store_be32(exchange->response + 2, HEADER_SIZE + 1);
    expect_disbelief(script, rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0));
}

/* Who was named in a command whose answer is lost, or not believed, is given up. */
static void test_R62_what_was_named_is_given_up(void **state)
{
    static const struct authorizations one = {1, {{SESSION(1), CONTINUE}}};
    struct rm_script *script = *state;
    uint32_t key, sequence;

    for (unsigned i = 0; i < 2; i++) {
        struct exchange *exchange;

        rm_script_start(script, 0, SESSION(1));
        rm_script_start(script, 0, SESSION(2));
        key = rm_script_make(script, 0, OBJECT(5));
        sequence = rm_script_make(script, 0, OBJECT(6));
        rm_script_object(script, 0, sequence)->sequence = true;
        journal_touch(script->rm->journal, &rm_script_object(script, 0, sequence)->mark);
        exchange = expect_authorized(script, CC_BOTH, 2, OBJECT(5), OBJECT(6), &one,
                                     (const uint8_t[]){CONTINUE, 0});
        if (i == 0)
            exchange->error = -EIO;
        else
            exchange->response[HEADER_SIZE + 3] = 1; /* a parameter that is not there */
        assert_int_equal(send(script, CC_BOTH, 2, key, sequence, &one), RM_RC_FAILURE);
        assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_DOOMED);
        assert_int_equal(rm_script_session(script, SESSION(2))->state, SESSION_ACTIVE);
        assert_true(rm_script_session(script, SESSION(2))->loaded);
        assert_non_null(rm_script_object(script, 0, key));
        assert_null(rm_script_object(script, 0, sequence));
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

/* The same for a session in the handle area. */
static void test_R62_session_handles_are_given_up(void **state)
{
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    expect_named(script, CC_PEEK, 1, SESSION(1), 0, TPM2_RC_SUCCESS)->error = -EIO;
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), RM_RC_FAILURE);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_DOOMED);
    rm_script_end(script);
}

static void test_sequences_are_told_from_keys(void **state)
{
    static const uint32_t starts[] = {TPM2_CC_HashSequenceStart, TPM2_CC_HMAC_Start};
    struct rm_script *script = *state;
    uint8_t command[EXCHANGE_COMMAND], context[SCRIPT_CONTEXT];
    size_t size;

    assert_false(rm_script_object(script, 0, rm_script_make(script, 0, OBJECT(0)))->sequence);
    for (uint32_t i = 0; i < 2; i++) {
        struct exchange *exchange = expect_named(script, starts[i], 0, 0, 0, 0);

        store_be32(exchange->response + HEADER_SIZE, OBJECT(1 + i));
        exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
        assert_int_equal(rm_script_name(script, 0, starts[i], 0, 0, 0), TPM2_RC_SUCCESS);
        assert_true(rm_script_object(script, 0, OBJECT(1 + i))->sequence);
        expect_flush(&script->chip, OBJECT(1 + i), TPM2_RC_SUCCESS);
        assert_int_equal(rm_script_flush(script, 0, OBJECT(1 + i)), TPM2_RC_SUCCESS);
        assert_true(rm_idle(script->rm, RM_IDLE_TIDY));
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct script_context *of = i == 0 ? SEQUENCE(5) : KEPT(6);

        script_context_store(context, of);
        size = command_build_context_load(command, context, sizeof(context));
        expect_load(script, of, OBJECT(1 + i));
        assert_int_equal(rm_script_send(script, 0, command, size), TPM2_RC_SUCCESS);
        assert_int_equal(rm_script_object(script, 0, OBJECT(3 + i))->sequence, i == 0);
        assert_int_equal(rm_script_object(script, 0, OBJECT(3 + i))->immutable, i == 1);
    }
    rm_script_end(script);
}

/* What the chip says of a handle that the books have: they are put right, and it is asked once
 * more. Codes beside these say nothing of the kind. */
static void test_R32_handles_that_the_chip_does_not_have(void **state)
{
    static const struct {
        uint32_t code;
        bool asked;
    } cases[] = {{TPM2_RC_REFERENCE_H0, true},
                 {TPM2_RC_REFERENCE_S6, true},
                 {TPM2_RC_REFERENCE_H0 - 1, false},
                 {TPM2_RC_REFERENCE_S6 + 1, false}};
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_named(script, CC_PLAIN, 0, 0, 0, cases[i].code);
        if (cases[i].asked) {
            expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
            expect_state(script, 7, ALL_ENABLED);
            expect_named(script, CC_PLAIN, 0, 0, 0, cases[i].code);
        }
        assert_int_equal(rm_script_name(script, 0, CC_PLAIN, 0, 0, 0), cases[i].code);
        rm_script_end(script);
    }
}

/* A swap that goes wrong on the way puts the books in doubt: they are put right before the client's
 * command is sent, and that finds what is there then. */
static void test_R27_doubts_are_settled_before_the_command(void **state)
{
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, OBJECT(0));
    struct exchange *exchange;

    rm_script_make(script, 0, OBJECT(1));
    rm_script_make(script, 0, OBJECT(2));
    expect_save(script, OBJECT(0), KEPT(5));
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    rm_script_make(script, 0, OBJECT(0));
    rm_script_end(script);
    /* The context of the one that leaves is lost with an answer; the next try succeeds. */
    exchange = expect_save(script, OBJECT(2), KEPT(6));
    store_be32(exchange->response + 2, HEADER_SIZE);
    expect_load(script, KEPT(5), OBJECT(4));
    expect_save(script, OBJECT(2), KEPT(7));
    expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
    expect_lists(script, HANDLES(OBJECT(0), OBJECT(1), OBJECT(4)), NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, ALL_ENABLED);
    expect_named(script, CC_USE, 1, OBJECT(4), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, first, 0), TPM2_RC_SUCCESS);
    assert_false(script->rm->books_in_doubt);
    rm_script_end(script);
}

/* As many handles and sessions as there may be, of a command that ends what it names: nothing is
 * read past them, whatever comes of it. */
static void test_R10_greatest_numbers_of_handles_and_sessions(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[HEADER_SIZE + 7 * 4 + 4 + 3 * 9] = {0};
    const size_t area = HEADER_SIZE + 7 * 4;

    header_store(command, TPM2_ST_SESSIONS, sizeof(command), CC_SEVEN);
    store_be32(command + area, 3 * 9);
    for (uint32_t i = 0; i < 7; i++)
        store_be32(command + HEADER_SIZE + 4 * i, 0x81000000 + i);
    for (uint32_t i = 0; i < 3; i++)
        store_be32(command + area + 4 + 9 * i, SESSION(1 + i));
    for (unsigned round = 0; round < 3; round++) {
        struct exchange *exchange;

        for (uint32_t i = 0; i < 3; i++)
            rm_script_start(script, 0, SESSION(1 + i));
        exchange = chip_script_next(&script->chip);
        memcpy(exchange->command, command, sizeof(command));
        exchange->command_size = sizeof(command);
        exchange->size = HEADER_SIZE + 4 + 3 * 5;
        header_store(exchange->response, TPM2_ST_SESSIONS, (uint32_t)exchange->size, 0);
        /* It is lost, is none, or is well. */
        exchange->error = round == 0 ? -EIO : 0;
        exchange->response[HEADER_SIZE + 3] = round == 1;
        assert_int_equal(rm_script_send(script, 0, command, sizeof(command)),
                         round == 2 ? TPM2_RC_SUCCESS : RM_RC_FAILURE);
        rm_script_end(script);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(rm_script_session(script, SESSION(1 + i)) != NULL, round < 2);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

/* The tag is the chip's to refuse; it gets no more than a header. */
static void test_R13_bad_tags_are_the_chips(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[20] = {0};
    struct exchange *exchange = chip_script_next(&script->chip);

    header_store(command, 0x1234, sizeof(command), TPM2_CC_GetRandom);
    header_store(exchange->command, 0x1234, HEADER_SIZE, TPM2_CC_GetRandom);
    exchange->command_size = HEADER_SIZE;
    exchange_answer_code(exchange, TPM2_RC_BAD_TAG);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_BAD_TAG);
    rm_script_end(script);
}

/* What is being started, and what was, stands in the ledger. */
static void test_R37_sessions_stand_in_the_ledger(void **state)
{
    static struct ledger ledger;
    struct rm_script *script = *state;

    ledger_clear(&ledger);
    rm_set_ledger(script->rm, &ledger);
    script->chip.watch = &ledger.starting;
    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_make(script, 0, OBJECT(1));
    assert_int_equal(script->chip.exchanges[0].watched, 1);
    assert_int_equal(script->chip.exchanges[1].watched, 1);
    assert_int_equal(script->chip.exchanges[2].watched, 0);
    assert_int_equal(ledger.sessions[0], SESSION(1));
    assert_int_equal(ledger.sessions[1], SESSION(2));
    assert_int_equal(ledger.starting, 0);
    assert_int_equal(rm_script_flush(script, 0, SESSION(1)), TPM2_RC_SUCCESS);
    assert_int_equal(ledger.sessions[0], SESSION(1));
    expect_flush(&script->chip, SESSION(1), TPM2_RC_SUCCESS);
    assert_true(rm_idle(script->rm, RM_IDLE_TIDY));
    assert_int_equal(ledger.sessions[0], 0);
    /* What the manager leaves in the chip stays there. */
    rm_script_end(script);
    rm_script_teardown(state);
    assert_int_equal(ledger.sessions[1], SESSION(2));
    assert_int_equal(rm_script_setup(state), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R02_second_session_is_looked_for),
        TEST(test_R10_greatest_numbers_of_handles_and_sessions),
        TEST(test_R13_bad_tags_are_the_chips),
        TEST(test_R14_answers_that_are_not_believed),
        TEST(test_R17_everything_that_is_named_ends),
        TEST(test_R17_objects_end_by_success),
        TEST(test_R17_objects_that_others_share_stay_theirs),
        TEST(test_R23_failures_end_no_session),
        TEST(test_R23_sessions_end_by_what_the_chip_says),
        TEST(test_R27_doubts_are_settled_before_the_command),
        TEST(test_R32_handles_that_the_chip_does_not_have),
        TEST(test_R37_sessions_stand_in_the_ledger),
        TEST(test_R62_session_handles_are_given_up),
        TEST(test_R62_what_was_named_is_given_up),
        TEST(test_one_session_in_two_places),
        TEST(test_sequences_are_told_from_keys),
    };

    return cmocka_run_group_tests_name("rm-execute", tests, NULL, NULL);
}
