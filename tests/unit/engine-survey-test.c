/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists and counts of the running engine. */
#include "engine/survey.h"

#include "base/account.h"
#include "base/log.h"
#include "engine-world.h"
#include "user-database.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 300 /* connections: several pieces of a list */

static int setup_doubt(void **state)
{
    struct engine_world *world = engine_world_new(true);

    user_database_reset(false);
    world->config.accounts = user_database_config;
    engine_world_start(world);
    *state = world;
    return 0;
}

static int teardown_doubt(void **state)
{
    int result;

    user_database_set(true, false);
    result = engine_world_teardown(state);
    user_database_await_answers(user_database_questions());
    return result;
}

/* The snapshot that a survey gives, while the TPM says nothing. */
static struct snapshot *survey(struct engine_world *world, enum snapshot_kind kind)
{
    int error = engine_survey(world->engine, kind, ACCOUNT_ROOT, world);

    assert_int_equal(engine_world_request(world, error), TSS2_RC_SUCCESS);
    assert_non_null(world->answer.snapshot);
    assert_int_equal(world->answer.snapshot->kind, kind);
    return world->answer.snapshot;
}

/* Until the engine has seen all that was sent so far. */
static void poke(struct engine_world *world)
{
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
    assert_null(world->answer.snapshot);
}

/* The connection in the list of the user, which has one. */
static const struct snapshot_connection *of_user(const struct snapshot *snapshot, uint32_t uid)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (snapshot->connections[i].uid == uid)
            return &snapshot->connections[i];
    }
    fail();
    return NULL;
}

/* What this program is called. */
static void expect_own_name(const struct peer *peer)
{
    char name[16];

    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_int_equal(peer->pid, (uint32_t)getpid());
    assert_string_equal(peer->program, name);
}

/* While a command runs, another one waits, and a third client has none. */
static void test_connections_are_listed_while_a_command_runs(void **state)
{
    struct engine_world *world = *state;
    const struct snapshot_connection *one;
    struct snapshot *list;

    for (int client = 0; client < 3; client++)
        engine_world_connect(world, client, 41000 + (uint32_t)client);
    engine_world_expect_served(world, 0);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_world_put_random(world, 1, 2);
    poke(world);
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 3);
    one = of_user(list, 41000);
    assert_int_equal(one->state, SNAPSHOT_RUNNING);
    assert_int_equal(one->command, TPM2_CC_GetRandom);
    assert_int_equal(one->number, 1);
    assert_int_equal(one->account, 41000);
    assert_int_equal(one->tally.commands, 1);
    assert_true(one->tally.chip_ns > 0);
    assert_int_equal(one->peer.pid, 0);
    assert_string_equal(one->peer.program, "");
    assert_string_equal(one->policy, "open");
    assert_true(one->from_bus);
    assert_true(one->age_ms >= 0);
    one = of_user(list, 41001);
    assert_int_equal(one->state, SNAPSHOT_WAITING);
    assert_int_equal(one->command, 0);
    assert_int_equal(one->number, 2);
    assert_int_equal(one->tally.commands, 0);
    assert_int_equal(of_user(list, 41002)->state, SNAPSHOT_IDLE);
    snapshot_free(list);
    engine_chip_answer(&world->chip);
    engine_world_await_answer(world, 1);
}

static void test_a_number_is_never_given_twice(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *list;

    for (unsigned i = 1; i <= 3; i++) {
        engine_world_connect(world, 0, 41000);
        list = survey(world, SNAPSHOT_CONNECTIONS);
        assert_int_equal(list->count, 1);
        assert_int_equal(list->connections[0].number, i);
        snapshot_free(list);
        engine_world_disconnect(world, 0);
        engine_world_await_number(world, &world->gone, i);
    }
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 0);
    assert_non_null(list->data);
    snapshot_free(list);
}

static void test_who_connects_to_the_socket_is_named(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *list;

    engine_world_connect_socket(world, 0);
    engine_world_expect_served(world, 0);
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 1);
    assert_false(list->connections[0].from_bus);
    assert_int_equal(list->connections[0].uid, getuid());
    expect_own_name(&list->connections[0].peer);
    snapshot_free(list);
}

static void test_who_connects_by_the_bus_is_named(void **state)
{
    struct engine_world *world = *state;
    const struct peer_groups groups = {.known = true};
    struct snapshot *list;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(
        engine_connect(world->engine, 100, 41000, (uint32_t)getpid(), &groups, pair[0]), 0);
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 1);
    expect_own_name(&list->connections[0].peer);
    snapshot_free(list);
    close(pair[1]);
}

/* Each connection is in the list once. */
static void expect_many(struct engine_world *world)
{
    struct snapshot *list = survey(world, SNAPSHOT_CONNECTIONS);
    bool seen[MANY + 1] = {false};

    assert_int_equal(list->count, MANY);
    for (size_t i = 0; i < list->count; i++) {
        uint64_t number = list->connections[i].number;

        assert_in_range(number, 1, MANY);
        assert_false(seen[number]);
        seen[number] = true;
        assert_int_equal(list->connections[i].uid, number - 1);
    }
    snapshot_free(list);
}

static void test_many_connections_are_listed_in_pieces(void **state)
{
    struct engine_world *world = *state;
    const struct peer_groups groups = {.known = true};
    int ends[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(engine_connect(world->engine, 1000 + i, i, 0, &groups, pair[0]), 0);
        ends[i] = pair[1];
    }
    expect_many(world);
    /* Also while the TPM works. */
    world->clients[0] = ends[0];
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    expect_many(world);
    engine_chip_answer(&world->chip);
    engine_world_await_answer(world, 0);
    world->clients[0] = -1;
    for (unsigned i = 0; i < MANY; i++)
        close(ends[i]);
    engine_world_await_number(world, &world->gone, MANY);
}

static void test_who_waits_for_an_account_is_new(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *list;

    engine_world_connect(world, 0, 41000);
    poke(world);
    list = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(list->count, 1);
    assert_int_equal(list->connections[0].state, SNAPSHOT_NEW);
    assert_int_equal(list->connections[0].account, account_unknown(41000));
    assert_string_equal(list->connections[0].policy, "");
    snapshot_free(list);
    list = survey(world, SNAPSHOT_USERS);
    assert_int_equal(list->count, 0);
    snapshot_free(list);
    /* Such a one can be ended too. */
    assert_int_equal(engine_world_request(world, engine_disconnect(world->engine, 1, world)), 0);
    engine_world_expect_end(world, 0);
}

static void test_users_have_totals_of_all_their_connections(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *list;

    for (int client = 0; client < 2; client++) {
        engine_world_connect(world, client, 41000);
        engine_world_expect_served(world, client);
    }
    engine_world_disconnect(world, 0);
    engine_world_await_number(world, &world->gone, 1);
    list = survey(world, SNAPSHOT_USERS);
    assert_int_equal(list->count, 1);
    assert_int_equal(list->users[0].account, 41000);
    assert_int_equal(list->users[0].connections, 1);
    assert_int_equal(list->users[0].tally.commands, 2);
    assert_int_equal(list->users[0].tally.refusals, 0);
    assert_int_equal(list->users[0].rules.limits.objects_per_client, 64);
    assert_int_equal(list->users[0].rules.priority, SCHEDULER_NORMAL);
    snapshot_free(list);
}

static uint64_t sum(const uint64_t counts[STATISTICS_BUCKETS])
{
    uint64_t all = 0;

    for (unsigned i = 0; i < STATISTICS_BUCKETS; i++)
        all += counts[i];
    return all;
}

/* Also of users that are no more; each command has a time of waiting and of its turn. */
static void test_statistics_are_of_all(void **state)
{
    struct engine_world *world = *state;
    const struct snapshot_statistics *statistics;
    uint8_t malformed[HEADER_SIZE];
    struct snapshot *snapshot;

    engine_world_connect(world, 0, 41000);
    engine_world_expect_served(world, 0);
    engine_world_disconnect(world, 0);
    engine_world_await_number(world, &world->gone, 1);
    engine_world_connect(world, 1, 41001);
    engine_world_expect_served(world, 1);
    header_store(malformed, TPM2_ST_NO_SESSIONS, HEADER_SIZE, TPM2_CC_Sign);
    engine_world_put(world, 1, malformed, sizeof(malformed));
    assert_int_equal(engine_world_get(world, 1, HEADER_SIZE), TPM2_RC_COMMAND_CODE);
    snapshot = survey(world, SNAPSHOT_STATISTICS);
    assert_int_equal(snapshot->count, 1);
    statistics = snapshot->statistics;
    assert_int_equal(statistics->manager.client_commands, 3);
    assert_int_equal(sum(statistics->engine.queue), 3);
    assert_int_equal(sum(statistics->engine.chip), 3);
    assert_true(statistics->engine.chip_ns > 0);
    assert_int_equal(statistics->engine.canceled, 0);
    assert_int_equal(statistics->manager.refusals[RM_REFUSAL_MALFORMED], 1);
    assert_int_equal(statistics->manager.failures, 1);
    assert_int_equal(statistics->code_count, 2);
    assert_int_equal(statistics->codes[0].code, 0);
    assert_int_equal(statistics->codes[0].count, 1);
    assert_int_equal(statistics->codes[1].code, TPM2_CC_GetRandom);
    assert_int_equal(statistics->codes[1].count, 2);
    assert_int_equal(statistics->refused_connections, 0);
    assert_int_equal(world->answer.status.chip_time, statistics->engine.chip_ns / 1000);
    snapshot_free(snapshot);
}

static void test_refused_connections_are_counted(void **state)
{
    struct engine_world *world = *state;
    const struct peer_groups groups = {.known = true};
    struct snapshot *snapshot;
    int pair[2];

    for (int client = 0; client < 3; client++)
        engine_world_connect(world, client, 41000);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(engine_connect(world->engine, 200, 41000, 0, &groups, pair[0]), -EDQUOT);
    close(pair[0]);
    close(pair[1]);
    snapshot = survey(world, SNAPSHOT_STATISTICS);
    assert_int_equal(snapshot->statistics->refused_connections, 2);
    snapshot_free(snapshot);
}

static void test_the_chip_and_its_empty_slots(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *snapshot = survey(world, SNAPSHOT_CHIP);

    assert_int_equal(snapshot->count, 1);
    assert_int_equal(snapshot->chip->object_slots, 3);
    assert_string_equal(snapshot->chip->manufacturer, "");
    snapshot_free(snapshot);
    snapshot = survey(world, SNAPSHOT_SLOTS);
    assert_int_equal(snapshot->count, 0);
    snapshot_free(snapshot);
}

#define SURVEY_TEST(test) \
    cmocka_unit_test_setup_teardown(test, engine_world_setup, engine_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SURVEY_TEST(test_connections_are_listed_while_a_command_runs),
        SURVEY_TEST(test_a_number_is_never_given_twice),
        cmocka_unit_test_setup_teardown(test_who_connects_to_the_socket_is_named,
                                        engine_world_setup_socket, engine_world_teardown),
        SURVEY_TEST(test_who_connects_by_the_bus_is_named),
        SURVEY_TEST(test_many_connections_are_listed_in_pieces),
        cmocka_unit_test_setup_teardown(test_who_waits_for_an_account_is_new, setup_doubt,
                                        teardown_doubt),
        SURVEY_TEST(test_users_have_totals_of_all_their_connections),
        SURVEY_TEST(test_statistics_are_of_all),
        cmocka_unit_test_setup_teardown(test_refused_connections_are_counted,
                                        engine_world_setup_limits, engine_world_teardown),
        SURVEY_TEST(test_the_chip_and_its_empty_slots),
    };

    log_open(LOG_SINK_STDOUT, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
