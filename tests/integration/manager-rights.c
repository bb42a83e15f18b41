/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who sees what on the socket of the manager interface, and what a user can do there to others.
 * Tried with users of the machine, whom the test is while it connects.
 */
#include "manager-calls.h"
#include "served.h"

#include "swtpm-ctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* A member of the socket's group, and somebody whom the user database does not know. */
#define MEMBER   "tss"
#define STRANGER 70000

/* Connections of one user, more than there may be in all; and those that others find beside them.
 */
#define CROWD      64
#define PLACES     24
#define FOR_OTHERS 9 /* of these kept for root, and for users that have none */

/* Commands and calls of others beside an attack. */
#define ROUNDS 50

static const char greeting[] = "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/* Where there are such users, and the test may be any. */
static uid_t member_of(const struct world *world)
{
    const struct passwd *user = getpwnam(MEMBER);
    g_autofree char *run = world_path(world, "run");

    if (geteuid() != 0 || !user || !getgrnam(MEMBER))
        skip();
    assert_int_equal(chmod(world->dir, 0711), 0);
    assert_int_equal(chmod(run, 0711), 0);
    return user->pw_uid;
}

static void become(uid_t uid)
{
    assert_int_equal(setegid(getgrnam(MEMBER)->gr_gid), 0);
    assert_int_equal(seteuid(uid), 0);
}

static void come_back(void)
{
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
}

static GDBusConnection *connect_as(const struct world *world, uid_t uid)
{
    GDBusConnection *peer;

    become(uid);
    peer = manager_calls_connect(world);
    come_back();
    return peer;
}

static struct raw_client *client_of(const struct world *world, uid_t uid)
{
    struct raw_client *raw;

    become(uid);
    raw = served_raw_client(world);
    come_back();
    assert_non_null(raw);
    raw_client_send_handle(raw, TPM2_CC_FlushContext, 0x80000000);
    return raw;
}

static size_t count_of(GDBusConnection *peer, const char *method)
{
    GVariant *list = manager_calls_get(peer, NULL, method, "(aa{sv})");
    size_t count = g_variant_n_children(list);

    g_variant_unref(list);
    return count;
}

static void expect_no_steering(GDBusConnection *peer)
{
    static const char denied[] = "org.freedesktop.DBus.Error.AccessDenied";

    manager_calls_expect_error(peer, NULL, "GetStatistics", NULL, denied);
    manager_calls_expect_error(peer, NULL, "FlushIdle", NULL, denied);
    manager_calls_expect_error(peer, NULL, "Disconnect", g_variant_new("(t)", (guint64)1), denied);
    manager_calls_expect_error(peer, NULL, "SetLogLevel", g_variant_new("(s)", "debug"), denied);
}

static void expect_view(const struct world *world, uid_t uid, size_t connections, size_t users)
{
    GDBusConnection *peer = connect_as(world, uid);
    GVariant *list, *entry, *lockout;

    assert_non_null(peer);
    list = manager_calls_get(peer, NULL, "ListConnections", "(aa{sv})");
    assert_int_equal(g_variant_n_children(list), connections);
    for (size_t i = 0; uid != 0 && i < connections; i++) {
        entry = g_variant_get_child_value(list, i);
        assert_int_equal(manager_calls_number(entry, "Uid"), uid);
        g_variant_unref(entry);
    }
    g_variant_unref(list);
    assert_int_equal(count_of(peer, "ListUsers"), users);
    lockout = manager_calls_get(peer, NULL, "GetLockout", "(a{sv})");
    g_variant_unref(lockout);
    if (uid != 0)
        expect_no_steering(peer);
    g_object_unref(peer);
}

static void test_R91_a_user_sees_what_is_its_own(void **state)
{
    struct world *world = *state;
    uid_t member = member_of(world);
    const uid_t users[] = {0, member, member, STRANGER};
    struct raw_client *clients[4];
    uint32_t session;

    for (unsigned i = 0; i < 4; i++)
        clients[i] = client_of(world, users[i]);
    expect_view(world, 0, 4, 3);
    expect_view(world, member, 2, 1);
    expect_view(world, STRANGER, 1, 0);
    /* Slots are the account's. */
    assert_int_equal(raw_client_start_session(clients[1], &session), 0);
    if (world_variant() != WORLD_IDLE_AT_ONCE) {
        const uid_t callers[] = {0, member, STRANGER};
        const size_t slots[] = {1, 1, 0};

        for (unsigned i = 0; i < 3; i++) {
            GDBusConnection *peer = connect_as(world, callers[i]);

            assert_non_null(peer);
            assert_int_equal(count_of(peer, "GetSlots"), slots[i]);
            g_object_unref(peer);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        raw_client_free(clients[i]);
}

static void test_R91_counts_of_others_are_rounded(void **state)
{
    struct world *world = *state;
    uid_t member = member_of(world);
    struct raw_client *raw = client_of(world, member);
    GDBusConnection *peer = connect_as(world, member), *root = connect_as(world, 0);
    GVariant *status;

    assert_true(peer && root);
    status = manager_calls_get(peer, NULL, "GetStatus", "(a{sv})");
    assert_int_equal(manager_calls_number(status, "Connections"), 0);
    assert_int_equal(manager_calls_number(status, "ClientCommands"), 0);
    g_variant_unref(status);
    status = manager_calls_get(root, NULL, "GetStatus", "(a{sv})");
    assert_int_equal(manager_calls_number(status, "Connections"), 1);
    assert_int_equal(manager_calls_number(status, "ClientCommands"), 1);
    g_variant_unref(status);
    g_object_unref(root);
    g_object_unref(peer);
    raw_client_free(raw);
}

/* The daemon has let go of it. */
static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

struct crowd {
    int fds[CROWD];
    unsigned most; /* may be open */
};

static bool crowd_is_small(void *data)
{
    const struct crowd *crowd = data;
    unsigned open = 0;

    for (unsigned i = 0; i < CROWD; i++)
        open += !is_closed(crowd->fds[i]);
    return open <= crowd->most;
}

static void test_R93_a_user_does_not_take_all_places(void **state)
{
    struct world *world = *state;
    uid_t member = member_of(world);
    g_autofree char *path = manager_calls_socket(world);
    struct crowd crowd = {.most = PLACES - FOR_OTHERS};
    GDBusConnection *peer;

    become(STRANGER);
    for (unsigned i = 0; i < CROWD; i++)
        crowd.fds[i] = swtpm_connect(path);
    come_back();
    assert_true(world_poll(crowd_is_small, &crowd, WORLD_START_MS));
    peer = connect_as(world, member);
    assert_non_null(peer);
    assert_int_equal(count_of(peer, "ListConnections"), 0);
    g_object_unref(peer);
    for (unsigned i = 0; i < CROWD; i++)
        close(crowd.fds[i]);
}

/* The rest of an attack is a child's, which has no use for cmocka or GLib. What a connection sends,
 * again and again, by its number. */
static size_t attack_bytes(unsigned number, uint8_t bytes[4096])
{
    /* A call of more than 16 MiB, of which the beginning is sent and then zeros. */
    static const uint8_t huge[16] = {'l', 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 8, 0, 0, 0};

    memset(bytes, number % 4 == 0 ? 0xff : 0, 4096);
    if (number % 4 == 1)
        memcpy(bytes, huge, sizeof(huge));
    return 4096;
}

/* A call whose answers are not read. */
static uint8_t *attack_call(size_t *size)
{
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(
        NULL, "/org/tabrmd/Manager", "org.tabrmd.Manager1", "ListConnections");

    g_dbus_message_set_serial(message, 1);
    return g_dbus_message_to_blob(message, size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
}

static void attack_turn(int *fd, unsigned number, const char *path, const uint8_t *call,
                        size_t size)
{
    uint8_t bytes[4096];

    if (*fd < 0) {
        *fd = swtpm_connect(path);
        /* Some never send a line. */
        if (*fd >= 0 && number % 4 != 0)
            send(*fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    if (number % 4 < 2) {
        size = attack_bytes(number, bytes);
        call = bytes;
    }
    if (send(*fd, call, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        close(*fd);
        *fd = -1;
    }
}

static pid_t attack_as(uid_t uid, const char *path)
{
    size_t size;
    uint8_t *call = attack_call(&size);
    gid_t group = getgrnam(MEMBER)->gr_gid;
    pid_t child = fork(), parent;
    int fds[CROWD];

    assert_true(child >= 0);
    if (child > 0) {
        g_free(call);
        return child;
    }
    parent = getppid();
    if (setegid(group) < 0 || seteuid(uid) < 0)
        _exit(1);
    memset(fds, 0xff, sizeof(fds));
    while (getppid() == parent)
        for (unsigned i = 0; i < CROWD; i++)
            attack_turn(&fds[i], i, path, call, size);
    _exit(0);
}

static uint32_t get_random(struct raw_client *raw)
{
    static const uint8_t command[] = {0x80, 0x01, 0, 0, 0, 0x0c, 0, 0, 0x01, 0x7b, 0, 0x10};

    return raw_client_transact(raw, command, sizeof(command));
}

static void test_R93_an_attack_disturbs_nobody(void **state)
{
    struct world *world = *state;
    uid_t member = member_of(world);
    g_autofree char *path = manager_calls_socket(world);
    pid_t child = attack_as(STRANGER, path);
    int status;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct raw_client *raw = client_of(world, member);
        GDBusConnection *peer = connect_as(world, member);

        assert_int_equal(get_random(raw), TPM2_RC_SUCCESS);
        assert_non_null(peer);
        assert_int_equal(count_of(peer, "ListConnections"), 1);
        g_object_unref(peer);
        raw_client_free(raw);
    }
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R91_a_user_sees_what_is_its_own),
        served_test(test_R91_counts_of_others_are_rounded),
        served_test(test_R93_a_user_does_not_take_all_places),
        served_test(test_R93_an_attack_disturbs_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
