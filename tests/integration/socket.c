/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's two ways in, socket and bus, side by side: who gets in, how many, what each can ask
 * of the daemon itself, and what a client sees when the daemon is gone. */
#include "served.h"

#include "wire/control-frame.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <tss2/tss2_tctildr.h>

#define RC_CANCELED  0xB0909
#define RC_LOCALITY  0xB0907
#define ANSWER_MS    WORLD_START_MS
#define MANY_CLIENTS 20
#define MANY_ROUNDS  3
#define LIMIT        6
#define CROWD        128

static const enum served_way ways[] = {SERVED_BUS, SERVED_SOCKET};
static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

static void send_random(struct esys_client *client)
{
    assert_int_equal(Tss2_Tcti_Transmit(client->tcti, sizeof(get_random), get_random),
                     TSS2_RC_SUCCESS);
}

/* The code of the answer, or what receiving gave. */
static uint32_t take_answer(struct esys_client *client)
{
    uint8_t response[256];
    size_t size = sizeof(response);
    TSS2_RC rc = Tss2_Tcti_Receive(client->tcti, &size, response, ANSWER_MS);

    return rc == TSS2_RC_SUCCESS ? header_load(response).code : rc;
}

/* Cancels through the library by one way, with a chip whose answer takes ten minutes unless it is
 * cancelled. */
static void cancel_by(struct world *world, enum served_way way)
{
    struct esys_client *running = served_client(world, way, NULL);
    struct esys_client *waiting = served_client(world, way, NULL);
    struct counts before, after;

    assert_non_null(running);
    assert_non_null(waiting);
    /* Nothing to cancel, and no effect on what comes next. */
    assert_int_equal(Tss2_Tcti_Cancel(waiting->tcti), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(esys_client_random(waiting, 8), TSS2_RC_SUCCESS);

    assert_true(world_set_faults(world, "code=0x17B delay=600000\n"));
    counts_read(world->counts, &before);
    send_random(running);
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    send_random(waiting);
    assert_int_equal(Tss2_Tcti_Cancel(waiting->tcti), TSS2_RC_SUCCESS);
    assert_int_equal(take_answer(waiting), RC_CANCELED);
    counts_read(world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 1);
    /* The chip's own answer: it had finished. */
    assert_int_equal(Tss2_Tcti_Cancel(running->tcti), TSS2_RC_SUCCESS);
    assert_int_equal(take_answer(running), TPM2_RC_SUCCESS);
    assert_true(world_set_faults(world, ""));
    assert_int_equal(esys_client_random(waiting, 8), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(running, 8), TSS2_RC_SUCCESS);
    esys_client_free(waiting);
    esys_client_free(running);
}

static void test_R39_cancel_by_the_bus(void **state)
{
    cancel_by(*state, SERVED_BUS);
}

static void test_R39_cancel_by_the_socket(void **state)
{
    cancel_by(*state, SERVED_SOCKET);
}

static void test_R39_a_stranger_cancels_nothing(void **state)
{
    struct world *world = *state;
    struct raw_client *owner = raw_client_new(world), *stranger = raw_client_new(world);
    uint8_t response[64];
    struct counts before;
    uint32_t rc = 1;
    char *error;

    assert_non_null(owner);
    assert_non_null(stranger);
    assert_true(world_set_faults(world, "code=0x17B delay=600000\n"));
    counts_read(world->counts, &before);
    assert_true(raw_client_send(owner, get_random, sizeof(get_random)));
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    assert_false(raw_client_call(stranger, "Cancel", g_variant_new("(t)", owner->id), &rc, &error));
    assert_string_equal(error, "com.intel.tss2.Tabrmd.Error.NotPermitted");
    g_free(error);
    assert_true(raw_client_call(owner, "Cancel", g_variant_new("(t)", owner->id), &rc, &error));
    assert_int_equal(rc, 0);
    assert_true(raw_client_receive(owner, response, sizeof(response)) > 0);
    raw_client_free(stranger);
    raw_client_free(owner);
}

/* TPM2_PCR_Reset(PCR 20), which a PC client's TPM allows under locality 2 and not under 0. */
static uint32_t reset_pcr20(struct esys_client *client)
{
    return Esys_PCR_Reset(client->esys, ESYS_TR_PCR20, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                          ESYS_TR_NONE);
}

static void locality_by(struct world *world, enum served_way way)
{
    struct esys_client *client = served_client(world, way, NULL);
    struct esys_client *other = served_client(world, way, NULL);

    assert_non_null(client);
    assert_non_null(other);
    assert_int_equal(reset_pcr20(client), TPM2_RC_LOCALITY);
    assert_int_equal(Tss2_Tcti_SetLocality(client->tcti, 2), TSS2_RC_SUCCESS);
    /* It is the connection's: in force for each of its commands, and for no other's. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(reset_pcr20(client), TSS2_RC_SUCCESS);
        assert_int_equal(reset_pcr20(other), TPM2_RC_LOCALITY);
    }
    for (uint8_t locality = 3; locality <= 4; locality++) {
        TSS2_RC rc = Tss2_Tcti_SetLocality(client->tcti, locality);

        assert_int_equal(rc, TSS2_TCTI_RC_BAD_VALUE);
    }
    assert_int_equal(reset_pcr20(client), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_SetLocality(client->tcti, 0), TSS2_RC_SUCCESS);
    assert_int_equal(reset_pcr20(client), TPM2_RC_LOCALITY);
    esys_client_free(other);
    esys_client_free(client);
}

static void test_R40_root_has_localities_up_to_2(void **state)
{
    struct world *world = *state;
    struct raw_client *raw = raw_client_new(world);
    uint32_t rc;
    char *error;

    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        locality_by(world, ways[i]);
    assert_non_null(raw);
    for (uint8_t locality = 3; locality <= 4; locality++) {
        assert_true(raw_client_call(raw, "SetLocality", g_variant_new("(ty)", raw->id, locality),
                                    &rc, &error));
        assert_int_equal(rc, RC_LOCALITY);
    }
    raw_client_free(raw);
}

static int limited_world(void **state)
{
    static const char *const args[] = {"--max-connections=6", "--max-connections-per-user=6", NULL};

    return served_world_with(state, args);
}

/* Whether CreateConnection is refused, and so with this error, whose text names the remedy. */
static bool is_refused_by_the_bus(const struct world *world, const char *name, const char *remedy)
{
    GError *error = NULL;
    GVariant *reply = g_dbus_connection_call_sync(
        world->bus, "com.intel.tss2.Tabrmd", "/com/intel/tss2/Tabrmd/Tcti",
        "com.intel.tss2.TctiTabrmd", "CreateConnection", NULL, NULL, G_DBUS_CALL_FLAGS_NONE,
        WORLD_START_MS, NULL, &error);
    char *said;

    if (reply) {
        g_variant_unref(reply);
        return false;
    }
    said = g_dbus_error_get_remote_error(error);
    assert_string_equal(said, name);
    assert_non_null(strstr(error->message, remedy));
    g_free(said);
    g_error_free(error);
    return true;
}

static bool is_refused_by_the_socket(const struct world *world)
{
    TSS2_RC rc;
    struct esys_client *client = served_client(world, SERVED_SOCKET, &rc);

    if (client) {
        esys_client_free(client);
        return false;
    }
    assert_int_equal(rc, TSS2_TCTI_RC_NO_CONNECTION);
    return true;
}

static bool is_refused(const struct world *world, const char *name, const char *remedy)
{
    return is_refused_by_the_bus(world, name, remedy) && is_refused_by_the_socket(world);
}

/* The next client that there is room for, once the daemon has noticed that there is. */
static struct esys_client *newcomer;

static bool let_in(void *argument)
{
    newcomer = served_client(argument, SERVED_SOCKET, NULL);
    return newcomer != NULL;
}

static void test_R42_no_connection_beyond_the_limit(void **state)
{
    struct world *world = *state;
    struct esys_client *clients[LIMIT];
    /* Who is not root has its share of them. */
    const unsigned most = geteuid() == 0 ? LIMIT : LIMIT / 2;

    for (unsigned i = 0; i < most; i++) {
        clients[i] = served_client(world, ways[i % 2], NULL);
        assert_non_null(clients[i]);
    }
    for (unsigned round = 0; round < 3; round++)
        assert_true(is_refused(world, "com.intel.tss2.Tabrmd.Error.General", "--max-connections"));
    for (unsigned i = 0; i < most; i++)
        assert_int_equal(esys_client_random(clients[i], 8), TSS2_RC_SUCCESS);
    esys_client_free(clients[0]);
    assert_true(world_poll(let_in, world, WORLD_START_MS));
    clients[0] = newcomer;
    assert_true(is_refused(world, "com.intel.tss2.Tabrmd.Error.General", "--max-connections"));
    for (unsigned i = 0; i < most; i++) {
        assert_int_equal(esys_client_random(clients[i], 8), TSS2_RC_SUCCESS);
        esys_client_free(clients[i]);
    }
}

static struct rlimit set_files(struct world *world, rlim_t files)
{
    struct rlimit before, now;

    assert_int_equal(prlimit(world->daemon.pid, RLIMIT_NOFILE, NULL, &before), 0);
    now = (struct rlimit){files, before.rlim_max};
    assert_int_equal(prlimit(world->daemon.pid, RLIMIT_NOFILE, &now, NULL), 0);
    return before;
}

/* Asks whether the daemon takes the connection. */
static bool welcome(struct raw_client *raw)
{
    uint8_t frame[CONTROL_FRAME_REPLY_SIZE];
    size_t size = control_frame_request_store(frame, CONTROL_FRAME_HELLO, 0);

    return raw_client_send(raw, frame, size)
           && raw_client_receive(raw, frame, sizeof(frame)) == sizeof(frame)
           && load_be32(frame + HEADER_SIZE) == TSS2_RC_SUCCESS;
}

struct crowd {
    const struct world *world;
    struct raw_client *in[CROWD];
    unsigned count;
};

/* Connects until the daemon takes no more. */
static void crowd_in(struct crowd *crowd)
{
    while (crowd->count < CROWD) {
        struct raw_client *raw = served_raw_client(crowd->world);

        assert_non_null(raw);
        if (!welcome(raw)) {
            raw_client_free(raw);
            return;
        }
        crowd->in[crowd->count++] = raw;
    }
}

/* Whether nobody else is let in, three times. The daemon may have a descriptor for a moment only,
 * such as that of a file of the user database: when it is free again, one more of the crowd is in.
 */
static bool is_crowded(void *argument)
{
    struct crowd *crowd = argument;

    crowd_in(crowd);
    for (unsigned round = 0; round < 3; round++)
        if (!is_refused(crowd->world, "com.intel.tss2.Tabrmd.Error.Internal", "descriptors"))
            return false;
    return true;
}

static void test_R42_descriptors_run_out_and_everybody_else_goes_on(void **state)
{
    struct world *world = *state;
    struct esys_client *clients[2];
    struct crowd crowd = {.world = world};
    struct rlimit before;

    for (unsigned i = 0; i < 2; i++)
        assert_non_null(clients[i] = served_client(world, ways[i], NULL));
    before = set_files(world, 64);
    assert_true(world_poll(is_crowded, &crowd, WORLD_START_MS));
    assert_in_range(crowd.count, 1, CROWD - 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(esys_client_random(clients[i], 8), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < crowd.count; i++) {
        assert_int_equal(raw_client_transact(crowd.in[i], get_random, sizeof(get_random)), 0);
        raw_client_free(crowd.in[i]);
    }
    assert_true(world_poll(let_in, world, WORLD_START_MS));
    esys_client_free(newcomer);
    set_files(world, before.rlim_cur);
    for (unsigned i = 0; i < 2; i++) {
        struct esys_client *late = served_client(world, ways[i], NULL);

        assert_non_null(late);
        assert_int_equal(esys_client_random(late, 8), TSS2_RC_SUCCESS);
        esys_client_free(late);
        esys_client_free(clients[i]);
    }
}

static bool is_loss(TSS2_RC rc)
{
    return rc == TSS2_TCTI_RC_IO_ERROR || rc == TSS2_TCTI_RC_NO_CONNECTION;
}

static void test_R47_who_waits_for_a_daemon_that_is_killed_is_told(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct esys_client *client = served_client(world, ways[i], NULL);
        struct counts before;
        TSS2_RC rc;

        assert_non_null(client);
        assert_true(world_set_faults(world, "code=0x17B delay=600000\n"));
        counts_read(world->counts, &before);
        send_random(client);
        assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
        world_kill_daemon(world);
        assert_true(is_loss(take_answer(client)));
        assert_true(is_loss(Tss2_Tcti_Transmit(client->tcti, sizeof(get_random), get_random)));
        assert_null(served_client(world, ways[i], &rc));
        assert_true(is_loss(rc));
        esys_client_free(client);
        assert_true(world_start_daemon(world));
    }
}

static void test_R47_a_stopped_daemon_keeps_nobody(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct esys_client *client;
        TSS2_RC rc;

        assert_true(served_freeze(&world->daemon));
        client = served_client(world, ways[i], &rc);
        process_signal(&world->daemon, SIGCONT);
        assert_null(client);
        assert_int_equal(rc, TSS2_TCTI_RC_NO_CONNECTION);
        client = served_client(world, ways[i], NULL);
        assert_non_null(client);
        assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
        esys_client_free(client);
    }
}

static void test_R45_a_socket_without_any_bus(void **state)
{
    struct world *world = *state;
    char *log = world_path(world, "daemon.log");
    struct esys_client *client;
    ESYS_TR key, session;

    process_end(&world->bus_daemon, WORLD_END_MS);
    assert_true(served_start_without_bus(world, log));
    g_free(log);
    client = served_client(world, SERVED_SOCKET, NULL);
    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(client, key, session), TSS2_RC_SUCCESS);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(is_loss(esys_client_random(client, 8)));
    esys_client_free(client);
    assert_true(world_chip_empty(world));
}

/* Sends what is no command at all, over and over, until the test's end closes its ears. */
static void babble(struct raw_client **raw, const struct world *world, uint32_t *seed)
{
    uint8_t bytes[64];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        *seed = *seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(*seed >> 24);
    }
    if (send((*raw)->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) == (ssize_t)sizeof(bytes))
        return;
    raw_client_free(*raw);
    *raw = served_raw_client(world);
    assert_non_null(*raw);
}

static void test_R11_twenty_work_beside_three_who_misbehave(void **state)
{
    struct world *world = *state;
    struct raw_client *garbage = served_raw_client(world), *stalled = served_raw_client(world);
    struct raw_client *deaf = served_raw_client(world);
    struct esys_client *clients[MANY_CLIENTS];
    ESYS_TR keys[MANY_CLIENTS];
    uint32_t seed = 47;

    assert_non_null(garbage);
    assert_non_null(stalled);
    assert_non_null(deaf);
    assert_true(raw_client_send(stalled, get_random, 4));
    while (send(deaf->fd, get_random, sizeof(get_random), MSG_NOSIGNAL) == sizeof(get_random))
        ;
    for (unsigned i = 0; i < MANY_CLIENTS; i++) {
        clients[i] = served_client(world, ways[i % 2], NULL);
        assert_non_null(clients[i]);
        assert_int_equal(esys_client_key(clients[i], &keys[i]), TSS2_RC_SUCCESS);
    }
    for (unsigned round = 0; round < MANY_ROUNDS; round++)
        for (unsigned i = 0; i < MANY_CLIENTS; i++) {
            babble(&garbage, world, &seed);
            assert_int_equal(esys_client_sign(clients[i], keys[i], ESYS_TR_PASSWORD),
                             TSS2_RC_SUCCESS);
        }
    assert_int_equal(raw_client_transact(stalled, get_random + 4, sizeof(get_random) - 4), 0);
    for (unsigned i = 0; i < MANY_CLIENTS; i++)
        esys_client_free(clients[i]);
    raw_client_free(deaf);
    raw_client_free(stalled);
    raw_client_free(garbage);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R39_cancel_by_the_bus),
        served_test(test_R39_cancel_by_the_socket),
        served_test(test_R39_a_stranger_cancels_nothing),
        served_test(test_R40_root_has_localities_up_to_2),
        cmocka_unit_test_setup_teardown(test_R42_no_connection_beyond_the_limit, limited_world,
                                        suite_end_world),
        served_test(test_R42_descriptors_run_out_and_everybody_else_goes_on),
        served_test(test_R47_who_waits_for_a_daemon_that_is_killed_is_told),
        served_test(test_R47_a_stopped_daemon_keeps_nobody),
        served_empty_test(test_R45_a_socket_without_any_bus),
        served_test(test_R11_twenty_work_beside_three_who_misbehave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
