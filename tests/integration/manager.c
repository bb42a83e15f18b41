/* SPDX-License-Identifier: BSD-2-Clause */
/* The manager interface on the bus and on its socket: what it tells, to whom, and what it steers.
 */
#include "manager-calls.h"
#include "served.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define CLIENTS 3

/* FlushContext of a handle that nobody has: executed, and refused. */
static void use(struct raw_client *raw)
{
    assert_int_not_equal(raw_client_send_handle(raw, TPM2_CC_FlushContext, 0x80000000), UINT32_MAX);
}

static void each_way(struct world *world,
                     void (*check)(struct world *, GDBusConnection *, const char *name))
{
    GDBusConnection *peer = manager_calls_connect(world);

    assert_non_null(peer);
    check(world, world->bus, MANAGER_CALLS_NAME);
    check(world, peer, NULL);
    g_object_unref(peer);
}

static void check_lists(struct world *world, GDBusConnection *connection, const char *name)
{
    struct raw_client *clients[CLIENTS];
    GVariant *list, *users, *entry;
    uint64_t before = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = served_raw_client(world);
        assert_non_null(clients[i]);
        use(clients[i]);
    }
    list = manager_calls_get(connection, name, "ListConnections", "(aa{sv})");
    assert_int_equal(g_variant_n_children(list), CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        entry = g_variant_get_child_value(list, i);
        assert_true(manager_calls_number(entry, "Number") > before);
        before = manager_calls_number(entry, "Number");
        assert_int_equal(manager_calls_number(entry, "Pid"), getpid());
        assert_int_equal(manager_calls_number(entry, "Uid"), getuid());
        assert_int_equal(manager_calls_number(entry, "Commands"), 1);
        assert_int_equal(manager_calls_number(entry, "Refusals"), 1);
        assert_int_equal(manager_calls_number(entry, "Command"), 0);
        manager_calls_expect_text(entry, "Program", "integration-man");
        manager_calls_expect_text(entry, "Origin", "socket");
        manager_calls_expect_text(entry, "State", "idle");
        g_variant_unref(entry);
    }
    g_variant_unref(list);
    users = manager_calls_get(connection, name, "ListUsers", "(aa{sv})");
    assert_int_equal(g_variant_n_children(users), 1);
    entry = g_variant_get_child_value(users, 0);
    assert_int_equal(manager_calls_number(entry, "Connections"), CLIENTS);
    g_variant_unref(entry);
    g_variant_unref(users);
    for (unsigned i = 0; i < CLIENTS; i++)
        raw_client_free(clients[i]);
}

static void test_R90_lists_of_connections_and_users(void **state)
{
    each_way(*state, check_lists);
}

/* Whether a session is among the slots; what a client left may still be there. */
static bool has_session(GVariant *slots, uint32_t session)
{
    bool found = false;

    for (gsize i = 0; i < g_variant_n_children(slots) && !found; i++) {
        GVariant *entry = g_variant_get_child_value(slots, i);

        found = manager_calls_number(entry, "Handle") == session;
        if (found)
            manager_calls_expect_text(entry, "Kind", "session");
        g_variant_unref(entry);
    }
    return found;
}

static void check_counts(struct world *world, GDBusConnection *connection, const char *name)
{
    struct raw_client *raw = served_raw_client(world);
    GVariant *before, *after, *slots, *lockout;
    uint32_t session;

    assert_non_null(raw);
    before = manager_calls_get(connection, name, "GetStatistics", "(a{sv})");
    assert_int_equal(raw_client_start_session(raw, &session), 0);
    use(raw);
    after = manager_calls_get(connection, name, "GetStatistics", "(a{sv})");
    assert_int_equal(manager_calls_number(after, "Commands"),
                     manager_calls_number(before, "Commands") + 2);
    assert_int_equal(manager_calls_number(after, "Failures"),
                     manager_calls_number(before, "Failures") + 1);
    if (world_variant() != WORLD_IDLE_AT_ONCE) {
        slots = manager_calls_get(connection, name, "GetSlots", "(aa{sv})");
        assert_true(has_session(slots, session));
        g_variant_unref(slots);
    }
    lockout = manager_calls_get(connection, name, "GetLockout", "(a{sv})");
    assert_true(manager_calls_number(lockout, "MaxTries") > 0);
    assert_int_equal(manager_calls_number(lockout, "InLockout"), 0);
    g_variant_unref(lockout);
    g_variant_unref(after);
    g_variant_unref(before);
    raw_client_free(raw);
}

static void test_R90_counts_slots_and_lockout(void **state)
{
    each_way(*state, check_counts);
}

/* The TPM was asked when it was there, which nobody waits for. */
static bool has_model(void *connection)
{
    g_autofree char *model = manager_calls_text(connection, NULL, "Model");

    return strcmp(model, "") != 0;
}

static void test_R90_properties(void **state)
{
    GDBusConnection *peer = manager_calls_connect(*state);
    const char *const names[] = {"Model",    "Manufacturer", "Firmware",
                                 "Revision", "State",        "Version"};

    assert_non_null(peer);
    assert_true(world_poll(has_model, peer, WORLD_START_MS));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        g_autofree char *here = manager_calls_text(peer, NULL, names[i]);
        g_autofree char *there =
            manager_calls_text(((struct world *)*state)->bus, MANAGER_CALLS_NAME, names[i]);

        assert_string_equal(here, there);
        assert_string_not_equal(here, "");
    }
    g_object_unref(peer);
}

static void check_disconnect(struct world *world, GDBusConnection *connection, const char *name)
{
    struct raw_client *raw = served_raw_client(world);
    GVariant *list, *entry;
    uint64_t number;

    assert_non_null(raw);
    use(raw);
    list = manager_calls_get(connection, name, "ListConnections", "(aa{sv})");
    assert_int_equal(g_variant_n_children(list), 1);
    entry = g_variant_get_child_value(list, 0);
    number = manager_calls_number(entry, "Number");
    g_variant_unref(entry);
    g_variant_unref(list);
    manager_calls_expect_error(connection, name, "Disconnect", g_variant_new("(t)", number + 100),
                               "org.tabrmd.Manager1.Error.NoSuchConnection");
    manager_calls_expect_error(connection, name, "Disconnect", g_variant_new("(t)", number), NULL);
    assert_true(raw_client_closed(raw));
    raw_client_free(raw);
}

static void test_R92_a_connection_is_ended(void **state)
{
    each_way(*state, check_disconnect);
}

static bool no_slots(void *data)
{
    const struct world *world = data;
    GVariant *slots = manager_calls_get(world->bus, MANAGER_CALLS_NAME, "GetSlots", "(aa{sv})");
    bool empty = g_variant_n_children(slots) == 0;

    g_variant_unref(slots);
    return empty;
}

/* The daemon of this world leaves nothing of its own. */
static void test_R92_the_tpm_is_left_empty(void **state)
{
    struct world *world = *state;
    struct raw_client *raw = served_raw_client(world);
    uint32_t session;

    assert_non_null(raw);
    assert_int_equal(raw_client_start_session(raw, &session), 0);
    if (world_variant() != WORLD_IDLE_AT_ONCE)
        assert_false(no_slots(world));
    manager_calls_expect_error(world->bus, MANAGER_CALLS_NAME, "FlushIdle", NULL, NULL);
    assert_true(world_poll(no_slots, world, WORLD_END_MS));
    /* The client keeps what it has. */
    assert_int_equal(raw_client_send_handle(raw, TPM2_CC_FlushContext, session), 0);
    raw_client_free(raw);
}

static void test_R92_the_logs_level(void **state)
{
    struct world *world = *state;
    GDBusConnection *peer = manager_calls_connect(world);
    struct manager_signal *signal = manager_calls_await_signal(peer, "PropertiesChanged");
    g_autofree char *level = NULL;

    manager_calls_expect_error(world->bus, MANAGER_CALLS_NAME, "SetLogLevel",
                               g_variant_new("(s)", "loud"),
                               "org.freedesktop.DBus.Error.InvalidArgs");
    manager_calls_expect_error(world->bus, MANAGER_CALLS_NAME, "SetLogLevel",
                               g_variant_new("(s)", "error"), NULL);
    assert_true(manager_calls_signal_says(signal, "error"));
    level = manager_calls_text(peer, NULL, "LogLevel");
    assert_string_equal(level, "error");
    manager_calls_forget_signal(signal);
    g_object_unref(peer);
}

static void test_R94_trouble_is_told_and_remembered(void **state)
{
    struct world *world = *state;
    GDBusConnection *peer = manager_calls_connect(world);
    struct manager_signal *here = manager_calls_await_signal(peer, "Trouble");
    struct manager_signal *there = manager_calls_await_signal(world->bus, "Trouble");
    struct raw_client *raw = served_raw_client(world);
    GVariant *status;
    uint32_t session;

    assert_non_null(raw);
    process_signal(&world->swtpm, SIGKILL);
    (void)raw_client_start_session(raw, &session);
    assert_true(manager_calls_signal_says(here, "tpm-"));
    assert_true(manager_calls_signal_says(there, "tpm-"));
    status = manager_calls_get(peer, NULL, "GetStatus", "(a{sv})");
    manager_calls_expect_text(status, "TroubleKind", "tpm-lost");
    assert_true(manager_calls_number(status, "TroubleTime")
                >= manager_calls_number(status, "StartTime"));
    g_variant_unref(status);
    manager_calls_forget_signal(there);
    manager_calls_forget_signal(here);
    raw_client_free(raw);
    g_object_unref(peer);
}

static bool serves(void *connection)
{
    g_autofree char *state = manager_calls_text(connection, NULL, "State");

    return strcmp(state, "serving") == 0;
}

struct visit {
    const struct world *world;
    GDBusConnection *peer;
};

static bool visits(void *data)
{
    struct visit *visit = data;

    visit->peer = manager_calls_connect(visit->world);
    return visit->peer != NULL;
}

static void test_R90_the_interface_is_there_without_a_bus(void **state)
{
    struct world *world = *state;
    char *log = world_path(world, "no-bus.log");
    struct visit visit = {.world = world};
    GDBusConnection *peer;
    GVariant *status;

    assert_true(served_start_without_bus(world, log));
    /* The socket of clients is there before this one. */
    assert_true(world_poll(visits, &visit, WORLD_START_MS));
    peer = visit.peer;
    assert_true(world_poll(serves, peer, WORLD_START_MS));
    status = manager_calls_get(peer, NULL, "GetStatus", "(a{sv})");
    assert_int_equal(manager_calls_number(status, "TpmPresent"), 1);
    g_variant_unref(status);
    g_object_unref(peer);
    g_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R90_lists_of_connections_and_users),
        served_test(test_R90_counts_slots_and_lockout),
        served_test(test_R90_properties),
        served_empty_test(test_R90_the_interface_is_there_without_a_bus),
        served_test(test_R92_a_connection_is_ended),
        served_test(test_R92_the_tpm_is_left_empty),
        served_test(test_R92_the_logs_level),
        served_test(test_R94_trouble_is_told_and_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
