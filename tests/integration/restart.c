/* SPDX-License-Identifier: BSD-2-Clause */
/* Daemons that are ended or killed, at any moment, and those that come after them. */
#include "chip-user.h"
#include "served.h"

#include <signal.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"

/* More sessions than the chip has slots, so that some are loaded and some are saved. */
#define SESSIONS 5

/* Lists sessions of the chip, which no daemon must have open. How many. */
static unsigned chip_sessions(const struct world *world, uint32_t *handles, size_t max)
{
    int loaded = world_chip_handles(world, 0x02000000, handles, max), saved;

    assert_true(loaded >= 0);
    saved = world_chip_handles(world, 0x03000000, handles + loaded, max - (size_t)loaded);
    assert_true(saved >= 0);
    return (unsigned)(loaded + saved);
}

/* The chip's other user comes back to its session, and ends it. */
static void neighbour_uses(const struct world *world, const TPMS_CONTEXT *context)
{
    struct esys_client *user = chip_user_new(world);
    ESYS_TR session;

    assert_int_equal(Esys_ContextLoad(user->esys, context, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(user->esys, session), TSS2_RC_SUCCESS);
    chip_user_free(user);
}

/* Sessions loaded, evicted and saved by their client, and a key. */
static struct esys_client *holder(const struct world *world)
{
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);
    ESYS_TR key, sessions[SESSIONS];
    TPMS_CONTEXT *context = NULL;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &sessions[i]), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, sessions[1], &context), TSS2_RC_SUCCESS);
    Esys_Free(context);
    assert_int_equal(esys_client_sign(client, key, sessions[0]), TSS2_RC_SUCCESS);
    return client;
}

static void test_R37_a_killed_daemons_sessions_go_and_a_neighbours_stay(void **state)
{
    struct world *world = *state;
    TPMS_CONTEXT *neighbours = chip_user_session(world);
    uint32_t handles[16], handle;
    struct esys_client *client;

    assert_true(world_start_daemon(world));
    client = holder(world);
    world_kill_daemon(world);
    esys_client_free(client);
    assert_int_equal(chip_sessions(world, handles, 16), SESSIONS + 1);
    /* One that releases at once may have done it before it was killed. */
    assert_in_range(world_chip_handles(world, 0x80000000, handles, 16),
                    world_variant() == WORLD_IDLE_AT_ONCE ? 0 : 1, 1);

    assert_true(world_start_daemon(world));
    world_kill_daemon(world);
    assert_int_equal(world_chip_handles(world, 0x80000000, &handle, 1), 0);
    assert_int_equal(chip_sessions(world, handles, 16), 1);
    assert_int_equal(handles[0] & 0xFFFFFF, neighbours->savedHandle & 0xFFFFFF);
    neighbour_uses(world, neighbours);
    Esys_Free(neighbours);
}

static void test_R37_an_ended_daemon_leaves_a_neighbours_session(void **state)
{
    struct world *world = *state;
    TPMS_CONTEXT *neighbours = chip_user_session(world);
    uint32_t handles[16];
    struct esys_client *client;

    assert_true(world_start_daemon(world));
    client = holder(world);
    assert_int_equal(world_stop_daemon(world), 0);
    esys_client_free(client);
    assert_int_equal(chip_sessions(world, handles, 16), 1);
    neighbour_uses(world, neighbours);
    assert_true(world_chip_empty(world));
    Esys_Free(neighbours);
}

/* A client at its work. */
struct worker {
    struct esys_client *client;
    GThread *thread;
    gint over;
};

/* A client's work, of all kinds of commands that leave something in the chip. Ends with the first
 * command that fails. */
static bool work(struct esys_client *client)
{
    ESYS_TR key, sessions[SESSIONS], loaded;
    TPMS_CONTEXT *context = NULL;
    bool going = true;

    for (unsigned i = 0; going && i < SESSIONS; i++)
        going = esys_client_session(client, TPM2_SE_HMAC, &sessions[i]) == TSS2_RC_SUCCESS;
    going = going && esys_client_key(client, &key) == TSS2_RC_SUCCESS
            && esys_client_sign(client, key, sessions[0]) == TSS2_RC_SUCCESS
            && Esys_ContextSave(client->esys, sessions[1], &context) == TSS2_RC_SUCCESS
            && Esys_ContextLoad(client->esys, context, &loaded) == TSS2_RC_SUCCESS
            && Esys_FlushContext(client->esys, sessions[2]) == TSS2_RC_SUCCESS
            && esys_client_null_key(client, &key) == TSS2_RC_SUCCESS;
    Esys_Free(context);
    return going;
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;

    (void)work(worker->client);
    g_atomic_int_set(&worker->over, 1);
    return NULL;
}

/* How far the work is to get. */
struct goal {
    const struct world *world;
    struct counts before;
    struct worker *worker;
    unsigned nth;
};

static bool goal_reached(const struct goal *goal)
{
    struct counts now;

    counts_read(goal->world->counts, &now);
    return counts_total_between(&goal->before, &now) >= goal->nth;
}

static bool goal_decided(void *argument)
{
    struct goal *goal = argument;

    return g_atomic_int_get(&goal->worker->over) || goal_reached(goal);
}

/* Starts the work with its chip command number `nth` taking `ms`, and comes back when the chip has
 * got that one, or when the work was shorter: then false. */
static bool work_up_to(struct world *world, unsigned nth, unsigned ms, struct worker *worker)
{
    char *script = g_strdup_printf("code=* nth=%u delay=%u\n", nth, ms);
    struct goal goal = {.world = world, .worker = worker, .nth = nth};

    *worker = (struct worker){0};
    assert_true(world_start_daemon(world));
    worker->client = served_client(world, SERVED_SOCKET, NULL);
    assert_non_null(worker->client);
    assert_true(world_set_faults(world, script));
    g_free(script);
    counts_read(world->counts, &goal.before);
    worker->thread = g_thread_new("client", worker_run, worker);
    assert_true(world_poll(goal_decided, &goal, WORLD_START_MS));
    return goal_reached(&goal);
}

/* With the daemon gone, the work has come to its end. */
static void worker_end(struct worker *worker)
{
    g_thread_join(worker->thread);
    esys_client_free(worker->client);
}

/* Whether the work has a step `nth`. It has as many as it costs the chip; a daemon that releases at
 * once costs it more, and not always as many. */
static bool is_step(unsigned nth, unsigned length, bool reached)
{
    if (world_variant() == WORLD_IDLE_AT_ONCE)
        return reached;
    assert_true(reached || nth > length);
    return nth <= length;
}

/* How many commands the work costs the chip. */
static unsigned work_length(struct world *world)
{
    struct counts before, after;
    struct esys_client *client;

    assert_true(world_start_daemon(world));
    client = served_client(world, SERVED_SOCKET, NULL);
    assert_non_null(client);
    counts_read(world->counts, &before);
    assert_true(work(client));
    counts_read(world->counts, &after);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
    return (unsigned)counts_total_between(&before, &after);
}

/* The same for a chip that has tested all that the work needs of it: before that it may have its
 * commands sent again (TPM_RC_TESTING). */
static unsigned usual_length(struct world *world)
{
    (void)work_length(world);
    return work_length(world);
}

static void test_R37_SIGKILL_at_every_step_leaves_no_orphan(void **state)
{
    struct world *world = *state;
    unsigned length = usual_length(world);
    bool going = true;

    for (unsigned nth = 1; going; nth++) {
        struct worker worker;

        going = is_step(nth, length, work_up_to(world, nth, 60000, &worker));
        world_kill_daemon(world);
        worker_end(&worker);
        assert_true(world_set_faults(world, ""));
        assert_true(world_start_daemon(world));
        assert_int_equal(world_stop_daemon(world), 0);
        if (!world_chip_empty(world))
            fail_msg("killed while the chip had command %u of %u", nth, length);
    }
}

static void test_R37_SIGTERM_at_every_step_leaves_no_orphan(void **state)
{
    struct world *world = *state;
    unsigned length = usual_length(world);
    bool going = true;

    for (unsigned nth = 1; going; nth++) {
        struct worker worker;

        going = is_step(nth, length, work_up_to(world, nth, 100, &worker));
        assert_int_equal(world_stop_daemon(world), 0);
        worker_end(&worker);
        assert_true(world_set_faults(world, ""));
        if (!world_chip_empty(world))
            fail_msg("ended while the chip had command %u of %u", nth, length);
    }
}

/* Longer than the daemon leaves a command alone that runs when it is told to end. */
static void test_R37_SIGTERM_does_not_wait_for_a_command_without_end(void **state)
{
    struct world *world = *state;
    struct esys_client *client = holder(world), *slow = served_client(world, SERVED_BUS, NULL);
    struct counts before;
    TPM2B_DIGEST *random = NULL;
    TSS2_RC rc;

    assert_non_null(slow);
    assert_true(world_set_faults(world, "code=0x17B delay=600000\n"));
    counts_read(world->counts, &before);
    assert_int_equal(Esys_GetRandom_Async(slow->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
                     TSS2_RC_SUCCESS);
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    assert_int_equal(world_stop_daemon(world), 0);
    /* It was cancelled, and the chip answered. */
    rc = Esys_GetRandom_Finish(slow->esys, &random);
    assert_true(rc == TSS2_RC_SUCCESS || rc == TPM2_RC_CANCELED);
    Esys_Free(random);
    esys_client_free(slow);
    esys_client_free(client);
    assert_true(world_chip_empty(world));
}

static bool name_owned(void *argument)
{
    return world_name_owned(argument, BUS_NAME);
}

static void expect_not_permitted(struct raw_client *raw, uint64_t id)
{
    uint32_t rc;
    char *error;

    assert_false(raw_client_call(raw, "Cancel", g_variant_new("(t)", id), &rc, &error));
    assert_string_equal(error, "com.intel.tss2.Tabrmd.Error.NotPermitted");
    g_free(error);
}

static void test_R36_a_bus_that_is_started_anew_finds_the_daemon_there(void **state)
{
    struct world *world = *state;
    struct esys_client *before = served_client(world, SERVED_BUS, NULL), *after, *socket;
    struct raw_client *raw = raw_client_new(world);
    ESYS_TR key, session, other;
    uint32_t rc;
    char *error;

    assert_non_null(before);
    assert_non_null(raw);
    assert_int_equal(esys_client_key(before, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(before, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_true(served_restart(world, &world->bus_daemon, "bus.log"));
    /* A connection needs the bus only while it is made. */
    assert_int_equal(esys_client_sign(before, key, session), TSS2_RC_SUCCESS);
    socket = served_client(world, SERVED_SOCKET, NULL);
    assert_non_null(socket);
    assert_true(served_rejoin_bus(world));
    assert_true(world_poll(name_owned, world, WORLD_START_MS));
    after = served_client(world, SERVED_BUS, NULL);
    assert_non_null(after);
    assert_int_equal(esys_client_key(after, &other), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(after, other, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(before, key, session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(socket, 8), TSS2_RC_SUCCESS);
    /* Who made a connection by the old bus is nobody on the new one: all of its user's programs
     * that know its id have it from now on. */
    g_clear_object(&raw->bus);
    raw->bus = g_object_ref(world->bus);
    expect_not_permitted(raw, raw->id + 1);
    assert_true(raw_client_call(raw, "Cancel", g_variant_new("(t)", raw->id), &rc, &error));
    assert_int_equal(rc, TSS2_TCTI_RC_BAD_SEQUENCE);
    g_object_unref(raw->bus);
    raw->bus =
        g_dbus_connection_new_for_address_sync(world->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    assert_non_null(raw->bus);
    assert_true(raw_client_call(raw, "Cancel", g_variant_new("(t)", raw->id), &rc, &error));
    close(raw->fd);
    g_object_unref(raw->bus);
    g_free(raw);
    esys_client_free(socket);
    esys_client_free(after);
    esys_client_free(before);
}

static void test_R36_the_bus_stays_away_and_the_daemon_ends_all_the_same(void **state)
{
    struct world *world = *state;
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);
    ESYS_TR key;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    process_signal(&world->bus_daemon, SIGKILL);
    process_wait(&world->bus_daemon, -1);
    assert_int_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
    esys_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_empty_test(test_R37_a_killed_daemons_sessions_go_and_a_neighbours_stay),
        served_empty_test(test_R37_an_ended_daemon_leaves_a_neighbours_session),
        served_empty_test(test_R37_SIGKILL_at_every_step_leaves_no_orphan),
        served_empty_test(test_R37_SIGTERM_at_every_step_leaves_no_orphan),
        served_test(test_R37_SIGTERM_does_not_wait_for_a_command_without_end),
        served_test(test_R36_a_bus_that_is_started_anew_finds_the_daemon_there),
        served_test(test_R36_the_bus_stays_away_and_the_daemon_ends_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
