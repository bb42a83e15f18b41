/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's command on its way to the chip: what is sent, and what becomes of the bytes. */
#include "mirror.h"
#include "rm-script.h"
#include "wire/tpms-context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT(n) (UINT32_C(0x80000000) + (n))

/* The chip gets a copy, each time anew, of which nothing is left. */
static void test_bytes_of_a_command_stay_as_they_came(void **state)
{
    static const uint8_t zeros[HEADER_SIZE + 8];
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, OBJECT(9)), other;
    uint8_t command[HEADER_SIZE + 8], before[HEADER_SIZE + 8];
    size_t size;

    other = rm_script_make(script, 0, OBJECT(8));
    rm_script_make(script, 0, OBJECT(7));
    assert_int_equal(rm_script_flush(script, 0, OBJECT(2)), TPM2_RC_SUCCESS);
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), CC_BOTH);
    store_be32(command + HEADER_SIZE, other);
    store_be32(command + HEADER_SIZE + 4, first);
    memcpy(before, command, sizeof(command));
    expect_named(script, CC_BOTH, 2, OBJECT(8), OBJECT(9), TPM2_RC_OBJECT_MEMORY);
    expect_flush(&script->chip, OBJECT(7), TPM2_RC_SUCCESS);
    expect_named(script, CC_BOTH, 2, OBJECT(8), OBJECT(9), TPM2_RC_SUCCESS);
    size = rm_execute(script->rm, script->clients[0], command, sizeof(command), script->response);
    assert_int_equal(size, HEADER_SIZE);
    assert_int_equal(header_load(script->response).code, TPM2_RC_SUCCESS);
    assert_memory_equal(command, before, sizeof(command));
    assert_memory_equal(script->rm->forwarded, zeros, sizeof(zeros));
    rm_script_end(script);
}

/* The phase of the run in the journal, as the next daemon would find it. */
static uint32_t look_at_phase(void *data)
{
    struct rm_script *script = data;
    struct journal_image image;
    struct record_run run;
    enum journal_kind kind;
    uint32_t serial;

    assert_true(mirror_read(script->rm, &image));
    memcpy(&run, journal_image_record(&image, JOURNAL_RUN, &kind, &serial), sizeof(run));
    assert_int_equal(run.cookie, 77);
    return run.phase;
}

static void take(struct rm_script *script)
{
    journal_run(script->rm->journal, &(struct record_run){.cookie = 77, .phase = RUN_TAKEN});
    script->chip.look = look_at_phase;
    script->chip.look_data = script;
}

/* The phase after the command, as it is at the next commit. */
static uint32_t phase_after(struct rm_script *script)
{
    journal_commit(script->rm->journal);
    return look_at_phase(script);
}

/* TAKEN for what the manager sends of its own accord, before the command and after a refusal. */
static void test_phases_of_a_run(void **state)
{
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, OBJECT(9));
    static const uint32_t phases[] = {RUN_SENT, RUN_TAKEN, RUN_TAKEN, RUN_SENT};

    rm_script_make(script, 0, OBJECT(8));
    take(script);
    expect_named(script, CC_USE, 1, OBJECT(9), 0, TPM2_RC_OBJECT_MEMORY);
    expect_save(script, OBJECT(8),
                &(const struct script_context){5, CONTEXT_OBJECT, TPM2_RH_OWNER});
    expect_flush(&script->chip, OBJECT(8), TPM2_RC_SUCCESS);
    expect_named(script, CC_USE, 1, OBJECT(9), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, first, 0), TPM2_RC_SUCCESS);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(script->chip.exchanges[i + 2].watched, phases[i]);
    assert_int_equal(phase_after(script), RUN_SENT);
    rm_script_end(script);
}

static void test_what_proves_that_a_command_was_not_run(void **state)
{
    static const struct {
        uint32_t code;
        enum run_phase phase;
    } cases[] = {
        {TPM2_RC_SUCCESS, RUN_SENT},          {TPM2_RC_VALUE, RUN_SENT},
        {TPM2_RC_RETRY, RUN_TAKEN},           {TPM2_RC_YIELDED, RUN_TAKEN},
        {TPM2_RC_TESTING, RUN_TAKEN},         {TPM2_RC_CANCELED, RUN_SENT},
        {TPM2_RC_SESSION_HANDLES, RUN_TAKEN}, {TPM2_RC_OBJECT_HANDLES, RUN_TAKEN},
        {TPM2_RC_LOCALITY, RUN_SENT},         {TPM2_RC_LOCKOUT, RUN_SENT},
        {TPM2_RC_NV_RATE, RUN_SENT},          {TPM2_RC_FAILURE, RUN_SENT},
    };
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        take(script);
        expect_named(script, CC_PLAIN, 0, 0, 0, cases[i].code);
        assert_int_equal(rm_script_name(script, 0, CC_PLAIN, 0, 0, 0), cases[i].code);
        assert_int_equal(script->chip.exchanges[0].watched, RUN_SENT);
        assert_int_equal(phase_after(script), cases[i].phase);
        rm_script_end(script);
    }
}

/* What the manager answers is TAKEN to its end. */
static void test_answers_of_the_manager_stay_taken(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(9));

    take(script);
    expect_save(script, OBJECT(9),
                &(const struct script_context){5, CONTEXT_OBJECT, TPM2_RH_OWNER});
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, key, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->chip.exchanges[1].watched, RUN_TAKEN);
    assert_int_equal(phase_after(script), RUN_TAKEN);
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    assert_int_equal(phase_after(script), RUN_TAKEN);
    rm_script_end(script);
}

/* What the chip audits it must not get twice. */
static void test_audited_commands_are_sent_once(void **state)
{
    static const struct script_context context = {5, CONTEXT_OBJECT, TPM2_RH_OWNER};
    struct rm_script *script = *state;
    struct chip *chip = &script->rm->chip;
    uint32_t key = rm_script_make(script, 0, OBJECT(9));

    for (uint32_t i = 0; i < chip->commands.count; i++)
        chip->audited[i] = true;
    take(script);
    expect_save(script, OBJECT(9), &context);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, key, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->chip.exchanges[1].watched, RUN_SENT);
    assert_int_equal(phase_after(script), RUN_SENT);
    take(script);
    expect_flush(&script->chip, OBJECT(9), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    assert_int_equal(script->chip.exchanges[2].watched, RUN_SENT);
    assert_int_equal(phase_after(script), RUN_SENT);
    /* And what is the manager's own is that again. */
    take(script);
    key = rm_script_make(script, 0, OBJECT(8));
    take(script);
    expect_save(script, OBJECT(8), &context);
    assert_int_equal(rm_idle(script->rm, RM_IDLE_SAVE), RM_IDLE_MORE);
    assert_int_equal(phase_after(script), RUN_TAKEN);
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_of_the_manager_stay_taken),
        TEST(test_audited_commands_are_sent_once),
        TEST(test_bytes_of_a_command_stay_as_they_came),
        TEST(test_phases_of_a_run),
        TEST(test_what_proves_that_a_command_was_not_run),
    };

    return cmocka_run_group_tests_name("rm-forward", tests, NULL, NULL);
}
