/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about the lockout, which go to the TPM, and what steers the engine. */
#include "engine/survey.h"

#include "base/account.h"
#include "base/log.h"
#include "engine-world.h"
#include "wire/capability.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

/* The snapshot that a survey gives, while the TPM says nothing. */
static struct snapshot *survey(struct engine_world *world, enum snapshot_kind kind)
{
    int error = engine_survey(world->engine, kind, ACCOUNT_ROOT, world);

    assert_int_equal(engine_world_request(world, error), TSS2_RC_SUCCESS);
    assert_non_null(world->answer.snapshot);
    assert_int_equal(world->answer.snapshot->kind, kind);
    return world->answer.snapshot;
}

/* A TPM that tells of its lockout, and of nothing else. */
static int lockout_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command,
                            size_t size, uint8_t *response, size_t capacity, size_t *response_size)
{
    static const uint32_t items[] = {
        TPM2_PT_PERMANENT,        TPMA_PERMANENT_INLOCKOUT,
        TPM2_PT_LOCKOUT_COUNTER,  3,
        TPM2_PT_MAX_AUTH_FAIL,    32,
        TPM2_PT_LOCKOUT_INTERVAL, 600,
        TPM2_PT_LOCKOUT_RECOVERY, 86400,
    };
    const size_t words = sizeof(items) / sizeof(items[0]);

    (void)tpm;
    (void)locality;
    (void)size;
    assert_int_equal(header_load(command).code, TPM2_CC_GetCapability);
    assert_true(CAPABILITY_ITEMS_AT + sizeof(items) <= capacity);
    response[HEADER_SIZE] = 0;
    store_be32(response + CAPABILITY_AT, TPM2_CAP_TPM_PROPERTIES);
    store_be32(response + CAPABILITY_COUNT_AT, (uint32_t)(words / 2));
    for (size_t i = 0; i < words; i++)
        store_be32(response + CAPABILITY_ITEMS_AT + 4 * i, items[i]);
    *response_size = CAPABILITY_ITEMS_AT + sizeof(items);
    header_store(response, TPM2_ST_NO_SESSIONS, (uint32_t)*response_size, 0);
    return 0;
}

static int ask_lockout(struct engine_world *world, uint32_t account)
{
    return engine_survey(world->engine, SNAPSHOT_LOCKOUT, account, world);
}

static void expect_lockout(struct engine_world *world, int error)
{
    const struct rm_lockout *lockout;

    assert_int_equal(engine_world_request(world, error), TSS2_RC_SUCCESS);
    assert_int_equal(world->answer.snapshot->kind, SNAPSHOT_LOCKOUT);
    assert_int_equal(world->answer.snapshot->count, 1);
    lockout = world->answer.snapshot->lockout;
    assert_int_equal(lockout->counter, 3);
    assert_int_equal(lockout->max_tries, 32);
    assert_int_equal(lockout->recovery, 600);
    assert_int_equal(lockout->lockout_recovery, 86400);
    assert_true(lockout->in_lockout);
    snapshot_free(world->answer.snapshot);
}

/* The TPM is asked once, and the one who asked is charged. */
static void test_the_lockout_is_asked_of_the_chip(void **state)
{
    struct engine_world *world = *state;
    struct rm_tpm tpm = {.transact = lockout_transact};
    struct snapshot *users;

    world->chip.tpm = &tpm;
    assert_int_equal(ask_lockout(world, 1000), 0);
    engine_chip_take(&world->chip);
    poll(NULL, 0, 20); /* so that there is something to charge */
    engine_chip_answer(&world->chip);
    expect_lockout(world, 0);
    for (unsigned i = 0; i < 3; i++)
        expect_lockout(world, ask_lockout(world, 1001));
    assert_false(engine_chip_has_command(&world->chip));
    world->chip.tpm = NULL;
    users = survey(world, SNAPSHOT_USERS);
    assert_int_equal(users->count, 1);
    assert_int_equal(users->users[0].account, 1000);
    assert_int_equal(users->users[0].connections, 0);
    snapshot_free(users);
}

/* It waits for the command that runs. */
static void test_the_lockout_is_not_asked_inside_of_a_command(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(ask_lockout(world, 1000), 0);
    snapshot_free(survey(world, SNAPSHOT_SLOTS));
    assert_false(engine_chip_has_command(&world->chip));
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
    /* This TPM has none of these properties. */
    engine_chip_take(&world->chip);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_request(world, 0), TSS2_TCTI_RC_IO_ERROR);
    assert_null(world->answer.snapshot);
}

static void test_a_lost_chip_is_not_asked(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_chip_break(&world->chip);
    assert_int_not_equal(engine_world_get(world, 0, HEADER_SIZE), 0);
    assert_int_equal(engine_world_request(world, ask_lockout(world, 1000)), TSS2_TCTI_RC_TRY_AGAIN);
    assert_int_equal(engine_world_request(world, engine_flush_idle(world->engine, world)),
                     TSS2_TCTI_RC_TRY_AGAIN);
    engine_chip_mend(&world->chip);
}

static void test_the_quiet_chip_is_flushed_on_order(void **state)
{
    struct engine_world *world = *state;

    assert_int_equal(engine_world_request(world, engine_flush_idle(world->engine, world)), 0);
    engine_world_connect(world, 0, 1000);
    engine_world_expect_served(world, 0);
}

static void expect_disconnected(struct engine_world *world, uint64_t number, int client)
{
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, number, world)),
                     0);
    engine_world_expect_end(world, client);
}

static void test_a_connection_is_ended(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1001);
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, 3, world)),
                     TSS2_TCTI_RC_BAD_VALUE);
    expect_disconnected(world, 1, 0);
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, 1, world)),
                     TSS2_TCTI_RC_BAD_VALUE);
    engine_world_expect_served(world, 1);
}

/* It ends with the command, which is canceled. */
static void test_a_connection_is_ended_while_its_command_runs(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *list;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, 1, world)), 0);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 1);
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, 1, world)),
                     TSS2_TCTI_RC_BAD_VALUE);
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 0);
    snapshot_free(list);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    engine_world_expect_end(world, 0);
}

/* The states that were told after the first one, which is that it serves. */
static void expect_states(struct engine_world *world, unsigned count,
                          const enum engine_state *states)
{
    /* The TPM has nothing to answer, and may be away. */
    for (unsigned i = 0;
         i < ENGINE_WORLD_MOMENTS && engine_world_number(world, &world->state_count) < 1 + count;
         i++)
        poll(NULL, 0, 5);
    assert_int_equal(engine_world_number(world, &world->state_count), 1 + count);
    pthread_mutex_lock(&world->lock);
    assert_int_equal(world->states[0], ENGINE_SERVING);
    assert_memory_equal(world->states + 1, states, count * sizeof(*states));
    pthread_mutex_unlock(&world->lock);
}

static void query(struct engine_world *world)
{
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
}

static void test_a_lost_chip_is_told_and_that_it_is_back(void **state)
{
    static const enum engine_state states[] = {ENGINE_LOST, ENGINE_SERVING, ENGINE_SUSPENDED,
                                               ENGINE_SERVING, ENGINE_STOPPING};
    struct engine_world *world = *state;

    query(world);
    assert_int_equal(world->answer.status.state, ENGINE_SERVING);
    assert_int_equal(world->answer.status.trouble, TROUBLE_NONE);
    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_chip_break(&world->chip);
    assert_int_not_equal(engine_world_get(world, 0, HEADER_SIZE), 0);
    expect_states(world, 1, states);
    query(world);
    assert_int_equal(world->answer.status.state, ENGINE_LOST);
    assert_int_equal(world->answer.status.trouble, TROUBLE_LOST);
    assert_true(world->answer.status.trouble_age_ms >= 0);
    engine_chip_mend(&world->chip);
    for (unsigned i = 0;
         i < ENGINE_WORLD_MOMENTS && engine_world_number(world, &world->state_count) < 3; i++) {
        size_t size;

        /* It is opened after a pause, and back with the first answer. */
        poll(NULL, 0, 5);
        engine_world_put_random(world, 0, 2);
        engine_world_await_answer(world, 0);
        engine_world_get_any(world, 0, &size);
    }
    expect_states(world, 2, states);
    engine_suspend(world->engine);
    expect_states(world, 3, states);
    engine_resume(world->engine);
    expect_states(world, 4, states);
    engine_world_end(world);
    expect_states(world, 5, states);
    assert_int_equal(world->troubles[TROUBLE_LOST], 1);
    assert_int_equal(world->troubles[TROUBLE_GONE], 0);
}

/* A client's command is answered with this code. */
static void answer_code(struct engine_world *world, uint32_t code)
{
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_chip_answer_code(&world->chip, code);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), code);
}

static void test_troubles_are_told_once(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    answer_code(world, TPM2_RC_VALUE);
    for (unsigned i = 0; i < 3; i++)
        answer_code(world, TPM2_RC_LOCKOUT);
    query(world);
    assert_int_equal(world->answer.status.trouble, TROUBLE_LOCKOUT);
    assert_int_equal(world->answer.status.state, ENGINE_SERVING);
    assert_int_equal(engine_world_number(world, &world->troubles[TROUBLE_LOCKOUT]), 1);
    answer_code(world, TPM2_RC_FAILURE);
    query(world);
    assert_int_equal(engine_world_number(world, &world->troubles[TROUBLE_FAILURE_MODE]), 1);
    assert_int_equal(engine_world_number(world, &world->troubles[TROUBLE_NO_SESSIONS]), 0);
}

/* Waits until the engine has seen that it is to stop. */
static void await_no_admission(struct engine_world *world)
{
    const struct peer_groups groups = {.known = true};
    int pair[2], error = 0;

    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && error == 0; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        error = engine_connect(world->engine, 1000 + i, 1000, 0, &groups, pair[0]);
        if (error)
            close(pair[0]);
        close(pair[1]);
    }
    assert_int_equal(error, -ESHUTDOWN);
}

/* All requests are answered, however late they come. */
static void test_an_engine_that_ends_says_so(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(ask_lockout(world, 1000), 0);
    engine_stop(world->engine);
    await_no_admission(world);
    engine_chip_answer(&world->chip);
    engine_world_await_flag(world, &world->stopped);
    assert_int_equal(engine_world_request(world, 0), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(engine_survey(world->engine, SNAPSHOT_USERS, 0, world), 0);
    engine_free(world->engine);
    world->engine = NULL;
    assert_int_equal(engine_world_request(world, 0), TSS2_TCTI_RC_NO_CONNECTION);
    assert_null(world->answer.snapshot);
}

#define STEERING_TEST(test) \
    cmocka_unit_test_setup_teardown(test, engine_world_setup, engine_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEERING_TEST(test_the_lockout_is_asked_of_the_chip),
        STEERING_TEST(test_the_lockout_is_not_asked_inside_of_a_command),
        STEERING_TEST(test_a_lost_chip_is_not_asked),
        STEERING_TEST(test_the_quiet_chip_is_flushed_on_order),
        STEERING_TEST(test_a_connection_is_ended),
        STEERING_TEST(test_a_connection_is_ended_while_its_command_runs),
        STEERING_TEST(test_a_lost_chip_is_told_and_that_it_is_back),
        STEERING_TEST(test_troubles_are_told_once),
        STEERING_TEST(test_an_engine_that_ends_says_so),
    };

    log_open(LOG_SINK_STDOUT, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
