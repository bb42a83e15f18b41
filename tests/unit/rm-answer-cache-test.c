/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers without the chip: what is kept and for how long, and a client's own view of what the chip
 * lists. */
#include "rm-script.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION(n)    (UINT32_C(0x03000000) + (n))
#define OBJECT(n)     (UINT32_C(0x80000000) + (n))
#define PERSISTENT(n) (UINT32_C(0x81000000) + (n))

#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})

static uint32_t ask(struct rm_script *script, uint32_t capability, uint32_t from, uint32_t count)
{
    uint8_t command[COMMAND_OWN_SIZE];
    size_t size = command_build_get_capability(command, capability, from, count);

    return rm_script_send(script, 0, command, size);
}

/* The chip is asked, and lists the words. */
static void expect_asked(struct rm_script *script, uint32_t capability, uint32_t from,
                         uint32_t count, const uint32_t *words, size_t word_count)
{
    struct exchange *exchange =
        expect_query(&script->chip, capability, from, false, words, word_count);

    exchange->command_size =
        command_build_get_capability(exchange->command, capability, from, count);
    assert_int_equal(ask(script, capability, from, count), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(script->size, CAPABILITY_ITEMS_AT + 4 * word_count);
}

/* The chip is not asked, and the answer is the same. */
static void expect_kept(struct rm_script *script, uint32_t capability, uint32_t from,
                        uint32_t count, const uint32_t *words, size_t word_count)
{
    assert_int_equal(ask(script, capability, from, count), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(script->size, CAPABILITY_ITEMS_AT + 4 * word_count);
    assert_int_equal(load_be32(script->response + CAPABILITY_AT), capability);
    for (size_t i = 0; i < word_count; i++)
        assert_int_equal(load_be32(script->response + CAPABILITY_ITEMS_AT + 4 * i), words[i]);
}

static void test_what_cannot_change_is_kept(void **state)
{
    struct rm_script *script = *state;
    static const uint32_t constant[] = {TPM2_CAP_ALGS, TPM2_CAP_COMMANDS, TPM2_CAP_ECC_CURVES};

    for (size_t i = 0; i < sizeof(constant) / sizeof(constant[0]); i++) {
        expect_asked(script, constant[i], 1, 4, WORDS(7, 8));
        expect_kept(script, constant[i], 1, 4, WORDS(7, 8));
        /* Another query is another answer. */
        expect_asked(script, constant[i], 2, 4, WORDS(8));
        expect_asked(script, constant[i], 1, 5, WORDS(7, 8, 9));
        expect_kept(script, constant[i], 1, 4, WORDS(7, 8));
    }
    for (unsigned i = 0; i < 2; i++) {
        expect_asked(script, TPM2_CAP_PCRS, 0, 4, NO_WORDS);
        expect_asked(script, TPM2_CAP_HANDLES, PERSISTENT(0), 4, WORDS(PERSISTENT(1)));
    }
}

static void test_fixed_properties_are_kept(void **state)
{
    struct rm_script *script = *state;

    expect_asked(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 4,
                 WORDS(TPM2_PT_FIXED, 1, TPM2_PT_VAR - 1, 2));
    expect_kept(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 4,
                WORDS(TPM2_PT_FIXED, 1, TPM2_PT_VAR - 1, 2));
    for (unsigned i = 0; i < 2; i++) {
        expect_asked(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 5,
                     WORDS(TPM2_PT_FIXED, 1, TPM2_PT_VAR, 2));
        expect_asked(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED - 1, 4,
                     WORDS(TPM2_PT_FIXED - 1, 1, TPM2_PT_FIXED, 2));
        expect_asked(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 0, NO_WORDS);
    }
}

/* A TPM in failure mode does not tell what it told before, and an audited command must reach it. */
static void test_kept_answers_are_not_always_given(void **state)
{
    struct rm_script *script = *state;
    int index = command_table_find(&script->rm->chip.commands, TPM2_CC_GetCapability);

    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
    script->rm->chip.audited[index] = true;
    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
    script->rm->chip.audited[index] = false;
    script->rm->condition = TPM_FAILURE_MODE;
    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
    script->rm->condition = TPM_SERVING;
    expect_kept(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
}

/* One byte more, or less, is for the chip to refuse. */
static void test_query_of_another_size_is_the_chips(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[COMMAND_OWN_SIZE + 1];

    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
    /* Nor is anything left of other queries. */
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(ask(script, TPM2_CAP_HANDLES, OBJECT(0), 4), TPM2_RC_SUCCESS);
    for (size_t size = COMMAND_OWN_SIZE - 1; size <= COMMAND_OWN_SIZE + 1; size += 2) {
        struct exchange *exchange = chip_script_next(&script->chip);

        command_build_get_capability(command, TPM2_CAP_ALGS, 1, 4);
        command[COMMAND_OWN_SIZE] = 0;
        store_be32(command + 2, (uint32_t)size);
        memcpy(exchange->command, command, size);
        exchange->command_size = size;
        exchange_answer_code(exchange, TPM2_RC_SIZE);
        assert_int_equal(rm_script_send(script, 0, command, size), TPM2_RC_SIZE);
        rm_script_end(script);
    }
}

static uint32_t send_plain(struct rm_script *script, uint32_t code, uint32_t answer)
{
    uint32_t got;

    expect_named(script, code, 0, 0, 0, answer);
    got = rm_script_name(script, 0, code, 0, 0, 0);
    rm_script_end(script);
    return got;
}

static void test_another_firmware_answers_anew(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_SetAlgorithmSet, TPM2_CC_FieldUpgradeStart,
                                     TPM2_CC_FieldUpgradeData};
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
        assert_int_equal(send_plain(script, codes[i], TPM2_RC_VALUE), TPM2_RC_VALUE);
        expect_kept(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
        assert_int_equal(send_plain(script, codes[i], TPM2_RC_SUCCESS), TPM2_RC_SUCCESS);
    }
    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
}

/* ReadPublic of an object; the answer is a mark. */
static void expect_read(struct rm_script *script, uint32_t handle, uint32_t physical, uint32_t mark)
{
    struct exchange *exchange = expect_named(script, TPM2_CC_ReadPublic, 1, physical, 0, 0);

    store_be32(exchange->response + HEADER_SIZE, mark);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ReadPublic, 1, handle, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), mark);
}

static void expect_read_again(struct rm_script *script, uint32_t handle, uint32_t mark)
{
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ReadPublic, 1, handle, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(script->size, HEADER_SIZE + 4);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), mark);
}

static void test_public_areas_are_kept(void **state)
{
    struct rm_script *script = *state;
    uint32_t one = rm_script_make(script, 0, OBJECT(5)), two = rm_script_make(script, 0, OBJECT(6));
    uint8_t command[HEADER_SIZE + 5];
    struct exchange *exchange;

    rm_script_end(script);
    expect_read(script, one, OBJECT(5), 111);
    expect_read(script, two, OBJECT(6), 222);
    expect_read_again(script, one, 111);
    expect_read_again(script, two, 222);
    for (unsigned i = 0; i < 2; i++)
        expect_read(script, PERSISTENT(1), PERSISTENT(1), 333);
    /* With a parameter it is for the chip to refuse. */
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_ReadPublic);
    store_be32(command + HEADER_SIZE, one);
    command[HEADER_SIZE + 4] = 0;
    exchange = expect_named(script, TPM2_CC_ReadPublic, 1, OBJECT(5), 0, TPM2_RC_SIZE);
    exchange->command_size = sizeof(command);
    store_be32(exchange->command + 2, sizeof(command));
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_SIZE);
    rm_script_end(script);
    send_plain(script, TPM2_CC_SetAlgorithmSet, TPM2_RC_SUCCESS);
    expect_read(script, one, OBJECT(5), 111);
}

/* With an authorization the answer bears an HMAC: it is the chip's each time. */
static void test_answers_to_sessions_are_the_chips(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(5));
    uint8_t command[HEADER_SIZE + 4 + 4 + 9] = {0};
    struct exchange *exchange;

    rm_script_end(script);
    expect_read(script, key, OBJECT(5), 111);
    header_store(command, TPM2_ST_SESSIONS, sizeof(command), TPM2_CC_ReadPublic);
    store_be32(command + HEADER_SIZE, key);
    store_be32(command + HEADER_SIZE + 4, 9);
    store_be32(command + HEADER_SIZE + 8, TPM2_RS_PW);
    exchange = chip_script_next(&script->chip);
    memcpy(exchange->command, command, sizeof(command));
    store_be32(exchange->command + HEADER_SIZE, OBJECT(5));
    exchange->command_size = sizeof(command);
    exchange_answer_code(exchange, TPM2_RC_VALUE);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_VALUE);
    rm_script_end(script);
    expect_read_again(script, key, 111);
}

/* The same of a query; and another command with the parameters of one. */
static void test_answers_to_queries_alone_are_kept(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[HEADER_SIZE + 4 + 9 + 12] = {0};
    struct exchange *exchange;

    expect_asked(script, TPM2_CAP_ALGS, 1, 4, WORDS(7));
    header_store(command, TPM2_ST_SESSIONS, sizeof(command), TPM2_CC_GetCapability);
    store_be32(command + HEADER_SIZE, 9);
    store_be32(command + HEADER_SIZE + 4, TPM2_RS_PW);
    store_be32(command + HEADER_SIZE + 13, TPM2_CAP_ALGS);
    store_be32(command + HEADER_SIZE + 17, 1);
    store_be32(command + HEADER_SIZE + 21, 4);
    exchange = chip_script_next(&script->chip);
    memcpy(exchange->command, command, sizeof(command));
    exchange->command_size = sizeof(command);
    exchange_answer_code(exchange, TPM2_RC_VALUE);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_VALUE);
    rm_script_end(script);

    command_build_get_capability(command, TPM2_CAP_ALGS, 1, 4);
    store_be32(command + 6, CC_PLAIN);
    exchange = chip_script_next(&script->chip);
    memcpy(exchange->command, command, COMMAND_OWN_SIZE);
    exchange->command_size = COMMAND_OWN_SIZE;
    exchange_answer_code(exchange, TPM2_RC_VALUE);
    assert_int_equal(rm_script_send(script, 0, command, COMMAND_OWN_SIZE), TPM2_RC_VALUE);
    rm_script_end(script);
}

/* Whether the chip is asked for one algorithm from number `from` on. */
static bool is_asked(struct rm_script *script, unsigned client, uint32_t from)
{
    uint8_t command[COMMAND_OWN_SIZE];
    size_t size = command_build_get_capability(command, TPM2_CAP_ALGS, from, 1);
    struct exchange *exchange =
        expect_query(&script->chip, TPM2_CAP_ALGS, from, false, WORDS(from));
    bool asked;

    exchange->command_size =
        command_build_get_capability(exchange->command, TPM2_CAP_ALGS, from, 1);
    assert_int_equal(rm_script_send(script, client, command, size), TPM2_RC_SUCCESS);
    asked = script->chip.done == 1;
    script->chip.count = script->chip.done;
    rm_script_end(script);
    return asked;
}

/* Two users have as many answers as there is room for: who asks for more pushes out its own, the
 * oldest first; a third one pushes out the oldest of all. */
static void test_R55_whose_kept_answers_leave(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 0; i < RM_ANSWERS; i++)
        assert_true(is_asked(script, i % 2, i));
    assert_true(is_asked(script, 1, 1000));
    assert_false(is_asked(script, 0, 0));
    assert_false(is_asked(script, 0, 3));
    assert_true(is_asked(script, 0, 1)); /* which pushes out 0 */
    assert_false(is_asked(script, 0, 2));
    assert_true(is_asked(script, 2, 2000)); /* pushes out 2 */
    assert_false(is_asked(script, 0, 3));
    assert_true(is_asked(script, 2, 2));
}

/* A vendor's command that looks like a query of properties, with an answer like one. */
static void test_R29_answers_to_other_commands_pass_unmodified(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange = expect_query(&script->chip, TPM2_CAP_TPM_PROPERTIES, 1, false,
                                             WORDS(TPM2_PT_HR_LOADED, 88));
    uint8_t command[COMMAND_OWN_SIZE];

    store_be32(exchange->command + 6, CC_PLAIN);
    memcpy(command, exchange->command, sizeof(command));
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + CAPABILITY_ITEMS_AT + 4), 88);
    rm_script_end(script);
    /* Properties of a vendor's, which have other meanings. */
    exchange = expect_query(&script->chip, TPM2_CAP_VENDOR_PROPERTY, 1, false,
                            WORDS(TPM2_PT_HR_LOADED, 88));
    store_be32(exchange->response + CAPABILITY_COUNT_AT, 1);
    memcpy(command, exchange->command, sizeof(command));
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + CAPABILITY_ITEMS_AT + 4), 88);
    rm_script_end(script);
}

/* TPM2_SetCommandCodeAuditStatus with two lists; `size` bytes of it are sent. */
static void set_audit(struct rm_script *script, const uint32_t set[2], const uint32_t clear[2],
                      size_t size)
{
    uint8_t command[HEADER_SIZE + 4 + 2 + 3 * 12] = {0};
    struct exchange *exchange = chip_script_next(&script->chip);

    header_store(command, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_CC_SetCommandCodeAuditStatus);
    /* There is no third list, but `size` may have one sent. */
    store_be32(command + 40, 2);
    for (unsigned k = 0; k < 2; k++)
        store_be32(command + 44 + 4 * k, TPM2_CC_GetRandom);
    store_be32(command + 10, TPM2_RH_OWNER);
    store_be16(command + 14, TPM2_ALG_NULL);
    for (unsigned i = 0; i < 2; i++) {
        store_be32(command + 16 + 12 * i, 2);
        for (unsigned k = 0; k < 2; k++)
            store_be32(command + 20 + 12 * i + 4 * k, (i == 0 ? set : clear)[k]);
    }
    memcpy(exchange->command, command, size);
    exchange->command_size = size;
    exchange_answer_code(exchange, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_send(script, 0, command, size), TPM2_RC_SUCCESS);
    rm_script_end(script);
}

static bool is_audited(const struct rm_script *script, uint32_t code)
{
    return script->rm->chip.audited[command_table_find(&script->rm->chip.commands, code)];
}

/* The first command of the table is one of them. */
static void test_what_is_audited_is_learned(void **state)
{
    static const uint32_t none[] = {TPM2_CC_HMAC, TPM2_CC_Sign}; /* which this chip has not */
    struct rm_script *script = *state;
    const size_t whole = HEADER_SIZE + 4 + 2 + 2 * 12;

    set_audit(script, (const uint32_t[]){TPM2_CC_HMAC, TPM2_CC_GetRandom}, none, whole);
    assert_true(is_audited(script, TPM2_CC_GetRandom));
    set_audit(script, none, none, whole + 12);
    assert_true(is_audited(script, TPM2_CC_GetRandom));
    set_audit(script, (const uint32_t[]){TPM2_CC_ReadPublic, TPM2_CC_HierarchyControl},
              (const uint32_t[]){TPM2_CC_GetRandom, TPM2_CC_Startup}, whole);
    assert_true(is_audited(script, TPM2_CC_ReadPublic));
    assert_true(is_audited(script, TPM2_CC_HierarchyControl));
    assert_false(is_audited(script, TPM2_CC_GetRandom));
    assert_false(is_audited(script, TPM2_CC_Startup));
    /* No more is read than there is. */
    set_audit(script, none, (const uint32_t[]){TPM2_CC_ReadPublic, TPM2_CC_HierarchyControl},
              whole - 1);
    assert_false(is_audited(script, TPM2_CC_ReadPublic));
    assert_true(is_audited(script, TPM2_CC_HierarchyControl));
    set_audit(script, none, (const uint32_t[]){TPM2_CC_HierarchyControl, TPM2_CC_HierarchyControl},
              HEADER_SIZE + 4 + 2 + 15);
    assert_true(is_audited(script, TPM2_CC_HierarchyControl));
}

/* What the client holds is listed, from a handle on, up to a number, and whether there is more. */
static void expect_listed(struct rm_script *script, uint32_t from, uint32_t count, bool more,
                          const uint32_t *words, size_t word_count)
{
    expect_kept(script, TPM2_CAP_HANDLES, from, count, words, word_count);
    assert_int_equal(load_be32(script->response + CAPABILITY_COUNT_AT), word_count);
    assert_int_equal(script->response[HEADER_SIZE], more);
}

static void test_R28_handles_are_listed_up_to_a_number(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 0; i < 3; i++)
        rm_script_make(script, 0, OBJECT(5 + i));
    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 20));
    rm_script_end(script);
    expect_listed(script, OBJECT(0), 2, true, WORDS(OBJECT(0), OBJECT(1)));
    expect_listed(script, OBJECT(0), 3, false, WORDS(OBJECT(0), OBJECT(1), OBJECT(2)));
    expect_listed(script, OBJECT(1), UINT32_MAX, false, WORDS(OBJECT(1), OBJECT(2)));
    expect_listed(script, OBJECT(3), 3, false, NO_WORDS);
    expect_listed(script, OBJECT(0), 0, true, NO_WORDS);
    expect_listed(script, HANDLE_LOADED_SESSIONS, 1, true, WORDS(SESSION(1)));
    expect_listed(script, HANDLE_LOADED_SESSIONS, 2, false, WORDS(SESSION(1), SESSION(3)));
    expect_listed(script, HANDLE_LOADED_SESSIONS + 2, 2, false, WORDS(SESSION(3)));
    expect_listed(script, HANDLE_SAVED_SESSIONS, 2, false, WORDS(0x02000002));
    expect_listed(script, HANDLE_SAVED_SESSIONS + 3, 2, false, NO_WORDS);
}

/* Variable properties are the client's; the others are the chip's. */
static void test_R29_properties_are_counted_for_the_client(void **state)
{
    static const uint32_t chips[] = {TPM2_PT_CONTEXT_GAP_MAX,    255, TPM2_PT_HR_NV_INDEX,     77,
                                     TPM2_PT_HR_LOADED,          88,  TPM2_PT_HR_LOADED_AVAIL, 88,
                                     TPM2_PT_HR_ACTIVE,          88,  TPM2_PT_HR_ACTIVE_AVAIL, 88,
                                     TPM2_PT_HR_TRANSIENT_AVAIL, 88};
    static const uint32_t clients[] = {
        TPM2_PT_CONTEXT_GAP_MAX,    UINT32_MAX, TPM2_PT_HR_NV_INDEX,     77,
        TPM2_PT_HR_LOADED,          1,          TPM2_PT_HR_LOADED_AVAIL, 14,
        TPM2_PT_HR_ACTIVE,          2,          TPM2_PT_HR_ACTIVE_AVAIL, 14,
        TPM2_PT_HR_TRANSIENT_AVAIL, 15};
    struct rm_script *script = *state;
    struct exchange *exchange;

    rm_script_make(script, 0, OBJECT(5));
    rm_script_make(script, 1, OBJECT(6));
    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_start(script, 1, SESSION(3));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 20));
    exchange = expect_query(&script->chip, TPM2_CAP_TPM_PROPERTIES, 1, false, chips, 14);
    exchange->command_size =
        command_build_get_capability(exchange->command, TPM2_CAP_TPM_PROPERTIES, 1, 9);
    assert_int_equal(ask(script, TPM2_CAP_TPM_PROPERTIES, 1, 9), TPM2_RC_SUCCESS);
    for (size_t i = 0; i < 14; i++)
        assert_int_equal(load_be32(script->response + CAPABILITY_ITEMS_AT + 4 * i), clients[i]);
    rm_script_end(script);
}

/* With a limit for the user, too, the lesser one counts; nobody has less than nothing left. */
static void test_R29_what_is_left_is_the_lesser(void **state)
{
    static const struct {
        uint32_t client, user, left; /* of the limits, with one object held */
    } cases[] = {{16, 0, 15}, {16, 16, 15}, {16, 8, 7}, {16, 1, 0}, {4, 8, 3}, {1, 8, 0}};
    struct rm_script *script = *state;

    rm_script_make(script, 0, OBJECT(5));
    rm_script_end(script);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        script->rm->limits.objects_per_client = cases[i].client;
        script->rm->limits.objects_per_uid = cases[i].user;
        rm_script_limit(script);
        expect_asked(script, TPM2_CAP_TPM_PROPERTIES, 1, 9, WORDS(TPM2_PT_HR_TRANSIENT_AVAIL, 88));
        assert_int_equal(load_be32(script->response + CAPABILITY_ITEMS_AT + 4), cases[i].left);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R28_handles_are_listed_up_to_a_number),
        TEST(test_R29_properties_are_counted_for_the_client),
        TEST(test_R29_what_is_left_is_the_lesser),
        TEST(test_R29_answers_to_other_commands_pass_unmodified),
        TEST(test_another_firmware_answers_anew),
        TEST(test_R55_whose_kept_answers_leave),
        TEST(test_answers_to_queries_alone_are_kept),
        TEST(test_answers_to_sessions_are_the_chips),
        TEST(test_fixed_properties_are_kept),
        TEST(test_kept_answers_are_not_always_given),
        TEST(test_public_areas_are_kept),
        TEST(test_query_of_another_size_is_the_chips),
        TEST(test_what_cannot_change_is_kept),
        TEST(test_what_is_audited_is_learned),
    };

    return cmocka_run_group_tests_name("rm-answer-cache", tests, NULL, NULL);
}
