/* SPDX-License-Identifier: BSD-2-Clause */
/* What the manager tells of itself, against what libtpms saw and says. */
#include "rm/report.h"

#include "base/account.h"
#include "esys-jobs.h"
#include "rm-world.h"
#include "rm/rc.h"
#include "rm/state.h"
#include "wire/command.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 3 /* of libtpms, of each kind */

static struct rm_statistics statistics_of(struct rm_world *world)
{
    struct rm_statistics statistics;

    report_statistics(world->rm, &statistics);
    return statistics;
}

static uint64_t count_of(struct rm_world *world, uint32_t code)
{
    struct rm_command_count counts[RM_COMMAND_COUNTS];
    uint32_t count = report_command_counts(world->rm, counts);

    for (uint32_t i = 0; i < count; i++) {
        assert_true(counts[i].count > 0);
        if (counts[i].code == code)
            return counts[i].count;
    }
    return 0;
}

static ESYS_CONTEXT *esys_of(struct rm_world *world)
{
    return world->clients[0].esys;
}

/* A client's command with a code alone. */
static uint32_t send_code(struct rm_world *world, uint16_t tag, uint32_t code)
{
    uint8_t command[HEADER_SIZE];

    header_store(command, tag, HEADER_SIZE, code);
    return rm_world_send(world, 0, command, sizeof(command), NULL, NULL);
}

static void test_commands_are_counted_by_code(void **state)
{
    struct rm_world *world = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(job_random(esys_of(world)), 0);
    /* The chip refuses this one, and not the manager. */
    assert_int_not_equal(send_code(world, TPM2_ST_NO_SESSIONS, TPM2_CC_SelfTest), 0);
    assert_int_equal(count_of(world, TPM2_CC_GetRandom), 3);
    assert_int_equal(count_of(world, TPM2_CC_SelfTest), 1);
    assert_int_equal(count_of(world, 0), 0);
    assert_int_equal(statistics_of(world).client_commands, 4);
    assert_int_equal(statistics_of(world).failures, 1);
    for (unsigned i = 0; i < RM_REFUSALS; i++)
        assert_int_equal(statistics_of(world).refusals[i], 0);
}

/* What the chip does not have, and what is no command, is counted together. */
static void test_what_is_no_command_is_counted_too(void **state)
{
    struct rm_world *world = *state;

    assert_int_equal(send_code(world, TPM2_ST_NO_SESSIONS, 0x20001234), TPM2_RC_COMMAND_CODE);
    send_code(world, 0x1234, TPM2_CC_GetRandom);
    assert_int_equal(count_of(world, 0), 2);
    assert_int_equal(count_of(world, TPM2_CC_GetRandom), 0);
    assert_int_equal(statistics_of(world).refusals[RM_REFUSAL_MALFORMED], 1);
    assert_int_equal(statistics_of(world).failures, 2);
}

/* More keys than slots: what the chip saw is what was counted, kind by kind. */
static void test_the_chips_commands_are_counted_by_kind(void **state)
{
    struct rm_world *world = *state;
    struct libtpms_chip *chip = world->chip;
    struct rm_statistics statistics;
    ESYS_TR keys[SLOTS + 2];

    for (uint8_t i = 0; i < SLOTS + 2; i++)
        keys[i] = job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, (uint8_t)(i + 1));
    for (unsigned i = 0; i < 2 * (SLOTS + 2); i++)
        assert_int_equal(job_sign(esys_of(world), keys[i % (SLOTS + 2)], ESYS_TR_PASSWORD), 0);
    statistics = statistics_of(world);
    assert_true(statistics.chip_commands[TRACE_LOAD] > 0);
    assert_int_equal(statistics.chip_commands[TRACE_LOAD],
                     libtpms_chip_count(chip, TPM2_CC_ContextLoad));
    assert_int_equal(statistics.chip_commands[TRACE_SAVE],
                     libtpms_chip_count(chip, TPM2_CC_ContextSave));
    assert_int_equal(statistics.chip_commands[TRACE_FLUSH],
                     libtpms_chip_count(chip, TPM2_CC_FlushContext));
    assert_int_equal(statistics.chip_commands[TRACE_OWN] + statistics.chip_commands[TRACE_ASK],
                     chip->commands - chip->context_commands);
    assert_int_equal(statistics.swaps[TRACE_FOR_COMMAND],
                     libtpms_chip_count(chip, TPM2_CC_FlushContext));
    assert_int_equal(statistics.swaps[TRACE_FOR_IDLE], 0);
}

/* A save that fails moves nothing. */
static void test_what_stays_is_no_swap(void **state)
{
    struct rm_world *world = *state;

    for (uint8_t i = 0; i < SLOTS; i++)
        job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, (uint8_t)(i + 1));
    libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_ContextSave, TPM2_RC_RETRY, 1000);
    rm_idle(world->rm, RM_IDLE_EMPTY);
    libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    assert_int_equal(statistics_of(world).swaps[TRACE_FOR_IDLE], 0);
}

static void expect_emptied(void **state, enum rm_idle_goal goal, enum trace_reason reason)
{
    struct rm_world *world = *state;

    job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, 1);
    job_session(esys_of(world), false);
    while (rm_idle(world->rm, goal) == RM_IDLE_MORE)
        ;
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    for (unsigned i = 0; i < TRACE_REASONS; i++)
        assert_int_equal(statistics_of(world).swaps[i], i == reason ? 2 : 0);
}

static void test_swaps_of_a_quiet_chip(void **state)
{
    expect_emptied(state, RM_IDLE_EMPTY, TRACE_FOR_IDLE);
}

static void test_swaps_before_sleep(void **state)
{
    expect_emptied(state, RM_IDLE_SLEEP, TRACE_FOR_SLEEP);
}

static void read_public(struct rm_world *world, ESYS_TR key)
{
    assert_int_equal(Esys_ReadPublic(esys_of(world), key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     NULL, NULL, NULL),
                     0);
}

static void test_answers_without_the_chip(void **state)
{
    struct rm_world *world = *state;
    ESYS_TR key = job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, 1);
    uint8_t command[COMMAND_OWN_SIZE];
    size_t size;

    read_public(world, key);
    assert_int_equal(statistics_of(world).ways[TRACE_WAY_CACHE], 0);
    for (unsigned i = 0; i < 4; i++)
        read_public(world, key);
    size = command_build_get_capability(command, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, 8);
    assert_int_equal(rm_world_send(world, 0, command, size, NULL, NULL), 0);
    size = command_build_flush_context(command, job_handle(esys_of(world), key));
    assert_int_equal(rm_world_send(world, 0, command, size, NULL, NULL), 0);
    assert_int_equal(statistics_of(world).ways[TRACE_WAY_CACHE], 4);
    assert_int_equal(statistics_of(world).ways[TRACE_WAY_MANAGER], 2);
    assert_int_equal(statistics_of(world).ways[TRACE_WAY_REFUSED], 0);
    assert_int_equal(statistics_of(world).failures, 0);
    /* It is gone: the books refuse. */
    assert_int_equal(rm_world_send(world, 0, command, size, NULL, NULL), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(statistics_of(world).ways[TRACE_WAY_MANAGER], 3);
    assert_int_equal(statistics_of(world).refusals[RM_REFUSAL_HANDLES], 1);
}

static void test_refusals_have_reasons(void **state)
{
    struct rm_world *world = *state;
    struct rm_client *client = world->clients[0].client;
    struct rm_limits limits = rm_world_limits;
    struct policy policy = policy_preset(POLICY_OPEN);
    struct rm_statistics statistics;
    ESYS_TR made;

    assert_true(policy_deny(&policy, TPM2_CC_GetRandom));
    rm_client_set_policy(client, &policy);
    assert_int_not_equal(job_random(esys_of(world)), 0);
    limits.objects_per_client = limits.sessions_per_client = 0;
    rm_client_set_limits(client, &limits);
    assert_int_not_equal(job_try_signing_key(esys_of(world), ESYS_TR_RH_OWNER, 1, &made), 0);
    assert_int_not_equal(job_try_session(esys_of(world), TPM2_SE_HMAC, &made), 0);
    statistics = statistics_of(world);
    assert_int_equal(statistics.refusals[RM_REFUSAL_POLICY], 1);
    assert_int_equal(statistics.refusals[RM_REFUSAL_OBJECTS], 1);
    assert_int_equal(statistics.refusals[RM_REFUSAL_SESSIONS], 1);
    assert_int_equal(statistics.ways[TRACE_WAY_REFUSED], 3);
    assert_int_equal(statistics.failures, 3);
    libtpms_chip_inject(world->chip, CHIP_FAULT_TRANSPORT, TPM2_CC_GetTestResult, 0, 1);
    send_code(world, TPM2_ST_NO_SESSIONS, TPM2_CC_GetTestResult);
    assert_int_equal(statistics_of(world).refusals[RM_REFUSAL_TPM], 1);
    world->apart = true;
}

static const struct rm_slot *find_slot(const struct rm_slot *slots, uint32_t count, bool session)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slots[i].session == session)
            return &slots[i];
    }
    fail();
    return NULL;
}

static void test_slots_are_whose_they_are(void **state)
{
    struct rm_world *world = *state;
    ESYS_TR session = job_session(esys_of(world), false);
    struct rm_slot slots[2 * SLOTS];

    job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, 1);
    rm_client_set_number(world->clients[0].client, 77);
    assert_int_equal(report_slot_count(world->rm), 2);
    assert_int_equal(report_slots(world->rm, slots, 1), 1);
    assert_int_equal(report_slots(world->rm, slots, 2 * SLOTS), 2);
    assert_int_equal(find_slot(slots, 2, true)->handle, job_handle(esys_of(world), session));
    assert_int_equal(find_slot(slots, 2, true)->number, 77);
    assert_int_equal(find_slot(slots, 2, true)->account, 1000);
    /* The key was made by client 1, as the manager counts. */
    assert_int_equal(find_slot(slots, 2, false)->handle, HANDLE_TRANSIENT_FIRST);
    assert_int_equal(find_slot(slots, 2, false)->number, 1);
    assert_int_equal(find_slot(slots, 2, false)->account, 1000);
    assert_int_equal(report_client_holdings(world->clients[0].client).objects, 1);
    assert_int_equal(report_client_holdings(world->clients[0].client).sessions, 1);
    assert_int_equal(report_user_holdings(world->clients[0].client->user).objects, 1);
    rm_world_disconnect(world, 0);
    assert_int_equal(report_slots(world->rm, slots, 2 * SLOTS), 2);
    assert_int_equal(find_slot(slots, 2, true)->number, 0);
    assert_int_equal(find_slot(slots, 2, false)->number, 0);
    assert_int_equal(report_client_holdings(NULL).objects, 0);
    assert_int_equal(report_user_holdings(NULL).sessions, 0);
}

/* Another client loads the context of the key and uses it. */
static void test_an_objects_last_user_is_told(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *other = rm_world_connect(world, 1, 1001);
    ESYS_TR key = job_signing_key(esys_of(world), ESYS_TR_RH_OWNER, 1), loaded;
    TPMS_CONTEXT *context = NULL;
    struct rm_slot slots[SLOTS];

    assert_int_equal(Esys_ContextSave(esys_of(world), key, &context), 0);
    assert_int_equal(Esys_ContextLoad(other, context, &loaded), 0);
    free(context);
    assert_int_equal(report_slots(world->rm, slots, SLOTS), 1);
    assert_int_equal(slots[0].number, 1);
    assert_int_equal(job_sign(other, loaded, ESYS_TR_PASSWORD), 0);
    assert_int_equal(report_slots(world->rm, slots, SLOTS), 1);
    assert_int_equal(slots[0].number, 2);
    assert_int_equal(slots[0].account, 1001);
}

static void test_the_chip_is_what_it_says(void **state)
{
    struct rm_world *world = *state;
    struct rm_identity identity;

    report_identity(world->rm, &identity);
    assert_string_equal(identity.manufacturer, "IBM");
    assert_string_equal(identity.model, "SW   TPM");
    assert_true(identity.firmware[0] != 0);
    assert_in_range(identity.revision, 116, 200);
    assert_int_equal(identity.object_slots, world->facts.object_slots);
    assert_int_equal(identity.session_slots, world->facts.session_slots);
    assert_int_equal(identity.active_sessions, world->facts.active_sessions);
    assert_int_equal(identity.max_command, world->facts.max_command);
    assert_int_equal(identity.max_response, world->facts.max_response);
}

static void test_a_strange_name_is_made_printable(void **state)
{
    struct rm_world *world = *state;
    struct rm_identity identity;

    world->rm->chip.identity = (struct chip_identity){
        .manufacturer = 0x1B412042,                                  /* escape, "A B" */
        .vendor = {0x61620000, 0xFF636420, 0x20202020, 0x00000000}}; /* ends in blanks */
    report_identity(world->rm, &identity);
    assert_string_equal(identity.manufacturer, "?A B");
    assert_string_equal(identity.model, "ab?cd");
    memset(&world->rm->chip.identity, 'z', sizeof(world->rm->chip.identity));
    report_identity(world->rm, &identity);
    assert_string_equal(identity.manufacturer, "zzzz");
    assert_string_equal(identity.model, "zzzzzzzzzzzzzzzz");
}

static void test_the_lockout_is_what_the_chip_says(void **state)
{
    struct rm_world *world = *state;
    struct rm_lockout lockout;
    uint64_t asked = statistics_of(world).chip_commands[TRACE_ASK];

    assert_int_equal(Esys_DictionaryAttackParameters(esys_of(world), ESYS_TR_RH_LOCKOUT,
                                                     ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                                     7, 100, 200),
                     0);
    assert_true(report_ask_lockout(world->rm, &lockout));
    assert_int_equal(lockout.counter, 0);
    assert_int_equal(lockout.max_tries, 7);
    assert_int_equal(lockout.recovery, 100);
    assert_int_equal(lockout.lockout_recovery, 200);
    assert_false(lockout.in_lockout);
    assert_int_equal(statistics_of(world).chip_commands[TRACE_ASK], asked + 1);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_GetCapability, TPM2_RC_VALUE, 1);
    assert_false(report_ask_lockout(world->rm, &lockout));
    libtpms_chip_inject(world->chip, CHIP_FAULT_CUT, TPM2_CC_GetCapability, 0, 1);
    assert_false(report_ask_lockout(world->rm, &lockout));
}

#define REPORT_TEST(test) cmocka_unit_test_setup_teardown(test, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT_TEST(test_commands_are_counted_by_code),
        REPORT_TEST(test_what_is_no_command_is_counted_too),
        REPORT_TEST(test_the_chips_commands_are_counted_by_kind),
        REPORT_TEST(test_what_stays_is_no_swap),
        REPORT_TEST(test_swaps_of_a_quiet_chip),
        REPORT_TEST(test_swaps_before_sleep),
        REPORT_TEST(test_answers_without_the_chip),
        REPORT_TEST(test_refusals_have_reasons),
        REPORT_TEST(test_slots_are_whose_they_are),
        REPORT_TEST(test_an_objects_last_user_is_told),
        REPORT_TEST(test_the_chip_is_what_it_says),
        REPORT_TEST(test_a_strange_name_is_made_printable),
        REPORT_TEST(test_the_lockout_is_what_the_chip_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
