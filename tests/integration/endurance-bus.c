/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a connection is, when the daemon went, or the bus, or both. */
#include "kept.h"

#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

static bool name_owned(void *argument)
{
    return world_name_owned(argument, BUS_NAME);
}

/* A connection to the bus for a client's calls; it had another one, which may be gone. */
static void call_from(struct raw_client *raw, const struct world *world)
{
    g_clear_object(&raw->bus);
    raw->bus =
        g_dbus_connection_new_for_address_sync(world->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    assert_non_null(raw->bus);
}

static uint32_t expect_called(struct raw_client *raw, const char *method, GVariant *arguments)
{
    char *error;
    uint32_t rc;

    if (!raw_client_call(raw, method, arguments, &rc, &error))
        fail_msg("%s: %s", method, error);
    return rc;
}

static void expect_not_permitted(struct raw_client *raw, uint64_t id)
{
    uint32_t rc;
    char *error;

    assert_false(raw_client_call(raw, "Cancel", g_variant_new("(t)", id), &rc, &error));
    assert_string_equal(error, BUS_NAME ".Error.NotPermitted");
    g_free(error);
}

/* Both methods work for whoever has this connection to the bus. */
static void expect_obeyed(struct raw_client *raw)
{
    assert_int_equal(expect_called(raw, "SetLocality", g_variant_new("(ty)", raw->id, 0)),
                     TSS2_RC_SUCCESS);
    assert_int_equal(expect_called(raw, "Cancel", g_variant_new("(t)", raw->id)),
                     TSS2_TCTI_RC_BAD_SEQUENCE);
}

static void become(gpointer data)
{
    const struct passwd *user = data;

    if (user && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
}

/* Has another program call Cancel, as a user, or as this one for NULL. What it says. */
static char *cancel_by_program(const struct world *world, const struct passwd *user, uint64_t id)
{
    char *bus = g_strdup_printf("--bus=%s", world->address);
    char *argument = g_strdup_printf("uint64:%" G_GUINT64_FORMAT, id), *out = NULL, *err = NULL;
    const char *argv[] = {"dbus-send",
                          bus,
                          "--print-reply",
                          "--dest=" BUS_NAME,
                          "/com/intel/tss2/Tabrmd/Tcti",
                          "com.intel.tss2.TctiTabrmd.Cancel",
                          argument,
                          NULL};
    char *said;

    assert_true(g_spawn_sync("/", (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, become,
                             (gpointer)(uintptr_t)user, &out, &err, NULL, NULL));
    said = g_strconcat(out, err, NULL);
    g_free(out);
    g_free(err);
    g_free(argument);
    g_free(bus);
    return said;
}

static void expect_said(char *said, const char *word)
{
    if (!strstr(said, word))
        fail_msg("dbus-send does not say \"%s\" but \"%s\"", word, said);
    g_free(said);
}

/* Another process of the same user that knows the id, and one of another user that does. */
static void expect_users_own(const struct world *world, uint64_t id)
{
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;

    expect_said(cancel_by_program(world, NULL, id), "uint32");
    if (!nobody)
        return;
    assert_int_equal(chmod(world->dir, 0711), 0);
    expect_said(cancel_by_program(world, nobody, id), BUS_NAME ".Error.NotPermitted");
}

/* All who are on a bus that is new, after a gap. */
static void restart_bus(struct kept *kept)
{
    assert_true(served_restart(kept->world, &kept->world->bus_daemon, "bus.log"));
    assert_true(served_rejoin_bus(kept->world));
}

/* Programs that share a connection each have their own to the new bus. */
static void expect_claimed(struct raw_client *raw, const struct world *world)
{
    call_from(raw, world);
    expect_not_permitted(raw, raw->id + 1);
    expect_obeyed(raw);
    expect_users_own(world, raw->id);
    call_from(raw, world);
    expect_obeyed(raw);
}

static void test_a_restarted_bus_knows_nobody_and_the_user_has_its_own(void **state)
{
    struct kept *kept = *state;
    struct raw_client *raw = raw_client_new(kept->world);

    assert_non_null(raw);
    restart_bus(kept);
    assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
    expect_claimed(raw, kept->world);
    assert_int_equal(raw_client_transact(raw, get_random, sizeof(get_random)), 0);
    raw_client_free(raw);
}

/* The bus went while there was no daemon: who made the connection is nobody for the next one. */
static void test_bus_and_daemon_go_and_the_user_has_its_own(void **state)
{
    struct kept *kept = *state;
    struct raw_client *raw = raw_client_new(kept->world);

    assert_non_null(raw);
    kept_begin_gap(kept);
    restart_bus(kept);
    kept_end_gap(kept);
    assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
    expect_claimed(raw, kept->world);
    /* Nobody has become the only one for the daemon after that. */
    assert_true(keeper_restart(kept->keeper));
    assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
    expect_claimed(raw, kept->world);
    raw_client_free(raw);
}

static void test_a_daemon_that_died_and_then_the_bus(void **state)
{
    struct kept *kept = *state;
    struct raw_client *raw = raw_client_new(kept->world);

    assert_non_null(raw);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    restart_bus(kept);
    assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
    expect_claimed(raw, kept->world);
    raw_client_free(raw);
}

/* A command at work is canceled by a process that did not make the connection. */
static void test_a_claim_cancels(void **state)
{
    struct kept *kept = *state;
    struct raw_client *raw = raw_client_new(kept->world);
    struct counts before;
    uint8_t answer[64];

    assert_non_null(raw);
    restart_bus(kept);
    assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
    assert_true(world_set_faults(kept->world, "code=0x17B delay=600000\n"));
    counts_read(kept->world->counts, &before);
    assert_true(raw_client_send(raw, get_random, sizeof(get_random)));
    assert_true(served_await_chip(kept->world, &before, 0x17B, 1));
    expect_said(cancel_by_program(kept->world, NULL, raw->id), "uint32 0");
    assert_true(raw_client_receive(raw, answer, sizeof(answer)) > 0);
    raw_client_free(raw);
}

/* On the same bus its creator is who it was, and nobody else. */
static void test_a_creator_stays_who_it_is(void **state)
{
    struct kept *kept = *state;
    struct raw_client *raw = raw_client_new(kept->world), *other = raw_client_new(kept->world);

    assert_non_null(raw);
    assert_non_null(other);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(i ? keeper_kill(kept->keeper, SIGKILL) : keeper_restart(kept->keeper));
        assert_true(world_poll(name_owned, kept->world, WORLD_START_MS));
        expect_not_permitted(other, raw->id);
        expect_said(cancel_by_program(kept->world, NULL, raw->id), ".Error.NotPermitted");
        expect_obeyed(raw);
    }
    raw_client_free(other);
    raw_client_free(raw);
}

/* Calls of a method that are under way. */
#define FLOOD 300

static void answered(GObject *source, GAsyncResult *result, gpointer data)
{
    GVariant *answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    unsigned *answers = data;

    if (answer)
        g_variant_unref(answer);
    (*answers)++;
}

static void flood(struct raw_client *raw, const char *method, GVariant *arguments,
                  unsigned *answers)
{
    g_variant_ref_sink(arguments);
    for (unsigned i = 0; i < FLOOD; i++)
        g_dbus_connection_call(raw->bus, BUS_NAME, "/com/intel/tss2/Tabrmd/Tcti",
                               "com.intel.tss2.TctiTabrmd", method, arguments, NULL,
                               G_DBUS_CALL_FLAGS_NONE, -1, NULL, answered, answers);
    g_variant_unref(arguments);
}

#define CALLERS 4

/* Calls come until the bus has the last word of the daemon. */
static void test_calls_while_the_daemon_ends_are_refused(void **state)
{
    struct kept *kept = *state;
    struct raw_client *callers[CALLERS];
    unsigned answers = 0;

    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = raw_client_new(kept->world);
        assert_non_null(callers[i]);
        assert_int_equal(raw_client_transact(callers[i], get_random, sizeof(get_random)), 0);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        flood(callers[i], "Cancel", g_variant_new("(t)", callers[i]->id), &answers);
    while (answers < FLOOD)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(keeper_stop(kept->keeper), 0);
    while (answers < CALLERS * FLOOD)
        g_main_context_iteration(NULL, TRUE);
    for (unsigned i = 0; i < CALLERS; i++)
        raw_client_free(callers[i]);
}

#define LEAVERS 48

static void *leave(void *data)
{
    struct raw_client **clients = data;

    for (unsigned i = 0; i < LEAVERS; i++) {
        shutdown(clients[i]->fd, SHUT_RDWR);
        g_usleep(200);
    }
    return NULL;
}

/* Connections that end while the daemon leaves the others to the next one. */
static void test_clients_leave_while_the_daemon_does(void **state)
{
    struct kept *kept = *state;

    for (unsigned i = 0; i < 10; i++) {
        struct raw_client *clients[LEAVERS], *stays = raw_client_new(kept->world);
        unsigned starts = keeper_starts(kept->keeper);
        GThread *thread;

        for (unsigned j = 0; j < LEAVERS; j++) {
            clients[j] = raw_client_new(kept->world);
            assert_non_null(clients[j]);
            assert_int_equal(raw_client_transact(clients[j], get_random, sizeof(get_random)), 0);
        }
        keeper_signal(kept->keeper, SIGUSR1);
        thread = g_thread_new("leavers", leave, clients);
        assert_true(keeper_await_ready(kept->keeper, starts + 1));
        assert_int_equal(keeper_status(kept->keeper), 128 + SIGUSR1);
        g_thread_join(thread);
        assert_int_equal(raw_client_transact(stays, get_random, sizeof(get_random)), 0);
        for (unsigned j = 0; j < LEAVERS; j++)
            raw_client_free(clients[j]);
        raw_client_free(stays);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_test(test_a_restarted_bus_knows_nobody_and_the_user_has_its_own),
        kept_test(test_bus_and_daemon_go_and_the_user_has_its_own),
        kept_test(test_a_daemon_that_died_and_then_the_bus),
        kept_test(test_a_claim_cancels),
        kept_test(test_a_creator_stays_who_it_is),
        kept_test(test_calls_while_the_daemon_ends_are_refused),
        kept_test(test_clients_leave_while_the_daemon_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
