/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program on the message bus can do to others, or to the daemon, by the messages that it
 * sends to the daemon's name.
 */
#include "bus-attacker.h"
#include "raw-client.h"
#include "suite.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* Variants in the body of a large message, of 4 bytes each. */
#define VARIANTS (31u * 1024 * 1024 / 4)
#define LARGE    3

/* What the daemon may grow by. */
#define GROWTH_KIB 8192

/* Newcomers beside floods of calls, of so many programs. */
#define NEWCOMERS 4
#define FLOODS    12

/* A program that leaves all answers unread: so many calls fill what is between the bus and it, and
 * so many of these are sent at a time; then it wants more connections than the bus keeps
 * descriptors of one sender. */
#define UNREAD             600
#define UNREAD_AT_A_TIME   10
#define UNREAD_CONNECTIONS 100

/* Calls with long answers that are left unread: so many at a time, of which some are answered
 * before each call of another user, and so many times. That is more than the bus takes from one
 * sender. */
#define LONG_AT_A_TIME 32
#define LONG_BETWEEN   4
#define LONG_TIMES     900
#define LONG_RULES                                                        \
    "<allow user='*'/></policy><limit name='max_incoming_bytes'>37748736" \
    "</limit><policy context='default'>"

/* Programs of one user that call at once. */
#define PROGRAMS 100

/* Connections over the bus that a user may have without using them. */
#define UNUSED 16

/* A message above 4 KiB is not read. */
#define TOO_LONG 5000

/* A number of /proc/PID/status, in KiB. */
static unsigned long memory_of(const struct world *world, const char *what)
{
    char *path = g_strdup_printf("/proc/%d/status", (int)world->daemon.pid), *text = NULL;
    const char *line;
    unsigned long kib = 0;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, what);
    assert_non_null(line);
    assert_int_equal(sscanf(line + strlen(what), ": %lu", &kib), 1);
    g_free(text);
    g_free(path);
    return kib;
}

static bool newcomer_is_served(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);

    raw_client_free(raw);
    return raw != NULL;
}

static void test_R52_a_large_message_costs_no_memory(void **state)
{
    struct world *world = *state;
    unsigned long before;
    size_t size;
    uint8_t *call = bus_attacker_large_call(VARIANTS, &size);
    int fd = bus_attacker_connect(world);

    assert_true(fd >= 0 && newcomer_is_served(world));
    before = memory_of(world, "VmHWM");
    for (unsigned i = 0; i < LARGE; i++) {
        char *error;

        assert_true(bus_attacker_send(fd, call, size));
        error = bus_attacker_refusal(fd);
        assert_non_null(error);
        g_free(error);
    }
    assert_in_range(memory_of(world, "VmHWM"), before, before + GROWTH_KIB);
    assert_true(newcomer_is_served(world));
    close(fd);
    g_free(call);
}

static void test_R52_a_message_that_is_too_long_is_answered(void **state)
{
    struct world *world = *state;
    size_t size;
    uint8_t *call = bus_attacker_large_call(TOO_LONG / 4, &size);
    int fd = bus_attacker_connect(world);
    char *error;

    assert_true(bus_attacker_send(fd, call, size));
    error = bus_attacker_refusal(fd);
    assert_string_equal(error, "org.freedesktop.DBus.Error.LimitsExceeded");
    g_free(error);
    g_free(call);
    /* What came behind it is read from its beginning. */
    call = bus_attacker_call("Nonsense", NULL, G_DBUS_MESSAGE_FLAGS_NONE, &size);
    assert_true(bus_attacker_send(fd, call, size));
    error = bus_attacker_refusal(fd);
    assert_string_equal(error, "org.freedesktop.DBus.Error.UnknownMethod");
    g_free(error);
    g_free(call);
    close(fd);
}

/* Newcomers while programs of somebody's send without end. */
static void beside_floods(struct world *world, unsigned count, const char *user, const char *method,
                          GDBusMessageFlags flags)
{
    size_t size;
    uint8_t *call = bus_attacker_call(method, NULL, flags, &size);
    pid_t floods[FLOODS];
    bool served = true, ended = true;

    for (unsigned i = 0; i < count; i++)
        floods[i] = bus_attacker_flood(world, user, call, size);
    g_free(call);
    for (unsigned i = 0; i < NEWCOMERS && served; i++)
        served = newcomer_is_served(world);
    for (unsigned i = 0; i < count; i++)
        ended = bus_attacker_end(floods[i]) && ended;
    assert_true(ended);
    assert_true(served);
}

static void test_R52_calls_that_want_no_reply_hold_up_nobody(void **state)
{
    beside_floods(*state, 1, NULL, "CreateConnection", G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
}

static void test_R52_calls_of_another_user_hold_up_nobody(void **state)
{
    struct world *world = *state;

    if (geteuid() != 0 || !getpwnam("nobody"))
        skip();
    assert_int_equal(chmod(world->dir, 0711), 0);
    beside_floods(world, FLOODS, "nobody", "CreateConnection", G_DBUS_MESSAGE_FLAGS_NONE);
    beside_floods(world, FLOODS, "nobody", "Nonsense", G_DBUS_MESSAGE_FLAGS_NONE);
}

/* A program of another user. */
static int connect_as(const struct world *world, uid_t uid)
{
    int fd;

    assert_int_equal(seteuid(uid), 0);
    fd = bus_attacker_connect(world);
    assert_int_equal(seteuid(0), 0);
    return fd;
}

/* Calls that want an answer, and a newcomer of another user after so many. */
static bool newcomers_beside(struct world *world, int fd, const char *method, unsigned count,
                             unsigned at_a_time)
{
    size_t size;
    uint8_t *call = bus_attacker_call(method, NULL, G_DBUS_MESSAGE_FLAGS_NONE, &size);
    bool served = true;

    for (unsigned i = 0; i < count && served; i++) {
        bus_attacker_set_serial(call, i + 2);
        served = bus_attacker_send(fd, call, size)
                 && ((i + 1) % at_a_time != 0 || newcomer_is_served(world));
    }
    g_free(call);
    return served;
}

/* The bus counts the descriptors that a program leaves unread against who sent them. */
static void test_R52_descriptors_that_nobody_reads_lock_out_nobody(void **state)
{
    const struct passwd *nobody = getpwnam("nobody");
    struct world *world = *state;
    int fd;

    if (geteuid() != 0 || !nobody)
        skip();
    assert_int_equal(chmod(world->dir, 0711), 0);
    fd = connect_as(world, nobody->pw_uid);
    assert_true(fd >= 0);
    assert_true(newcomers_beside(world, fd, "Nonsense", UNREAD, UNREAD_AT_A_TIME));
    assert_true(newcomers_beside(world, fd, "CreateConnection", UNREAD_CONNECTIONS, 1));
    close(fd);
}

/* Leaves the answers to so many long calls unread. False when somebody else gets no answer. */
static bool leave_unread(int fd, uint8_t *introspection, size_t size, int other)
{
    size_t call_size;
    uint8_t *call = bus_attacker_call("Nonsense", NULL, G_DBUS_MESSAGE_FLAGS_NONE, &call_size);
    bool served = bus_attacker_send_calls(fd, introspection, size, LONG_AT_A_TIME);

    for (unsigned i = 0; i < LONG_AT_A_TIME / LONG_BETWEEN && served; i++) {
        char *error = NULL;

        served = bus_attacker_send(other, call, call_size)
                 && (error = bus_attacker_refusal(other)) != NULL;
        g_free(error);
    }
    g_free(call);
    return served;
}

/* The bus counts their bytes against who sent them, too. */
static void test_R52_answers_that_nobody_reads_lock_out_nobody(void **state)
{
    const struct passwd *nobody = getpwnam("nobody");
    struct world *world = *state;
    uint8_t *introspection;
    bool served = true;
    int fd, other;
    size_t size;

    if (geteuid() != 0 || !nobody)
        skip();
    assert_int_equal(chmod(world->dir, 0711), 0);
    introspection = bus_attacker_introspection(&size);
    fd = connect_as(world, nobody->pw_uid);
    other = bus_attacker_connect(world);
    assert_true(fd >= 0 && other >= 0);
    for (unsigned i = 0; i < LONG_TIMES && served; i++)
        served = leave_unread(fd, introspection, size, other);
    assert_true(served);
    assert_true(newcomer_is_served(world));
    close(fd);
    close(other);
    g_free(introspection);
}

static void free_all(struct raw_client *clients[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        raw_client_free(clients[i]);
}

static void test_R52_unused_connections_are_few_until_they_are_used(void **state)
{
    struct world *world = *state;
    struct raw_client *clients[UNUSED];
    uint32_t rc;
    char *error;

    for (unsigned i = 0; i < UNUSED; i++)
        assert_non_null(clients[i] = raw_client_new(world));
    assert_false(newcomer_is_served(world));
    /* The answer is an error; the command has come. */
    raw_client_send_handle(clients[0], TPM2_CC_FlushContext, 0x80000000);
    assert_true(newcomer_is_served(world));
    /* Who cancels has read the answer that its connection was in. */
    raw_client_free(clients[0]);
    assert_non_null(clients[0] = raw_client_new(world));
    assert_false(newcomer_is_served(world));
    assert_true(
        raw_client_call(clients[1], "Cancel", g_variant_new("(t)", clients[1]->id), &rc, &error));
    assert_true(newcomer_is_served(world));
    free_all(clients, UNUSED);
    assert_true(newcomer_is_served(world));
}

static void test_R52_who_leaves_the_bus_may_keep_an_unused_connection(void **state)
{
    struct world *world = *state;
    struct raw_client *clients[2 * UNUSED];

    for (unsigned i = 0; i < 2 * UNUSED; i++) {
        assert_non_null(clients[i] = raw_client_new(world));
        assert_true(g_dbus_connection_close_sync(clients[i]->bus, NULL, NULL));
        g_clear_object(&clients[i]->bus);
    }
    free_all(clients, 2 * UNUSED);
}

/* A hundred programs of one user call while the daemon is held, as all do after a restart. Each is
 * told that it has no such connection, and none that too many calls wait. */
static void test_R52_many_programs_of_a_user_call_at_once(void **state)
{
    struct world *world = *state;
    int programs[PROGRAMS];
    unsigned sent = 0, told = 0;
    size_t size;
    uint8_t *call = bus_attacker_call("SetLocality", g_variant_new("(ty)", UINT64_C(1), 0),
                                      G_DBUS_MESSAGE_FLAGS_NONE, &size);

    bus_attacker_set_serial(call, 2);
    process_signal(&world->daemon, SIGSTOP);
    for (unsigned i = 0; i < PROGRAMS; i++) {
        programs[i] = bus_attacker_connect(world);
        sent += programs[i] >= 0 && bus_attacker_send(programs[i], call, size);
    }
    process_signal(&world->daemon, SIGCONT);
    for (unsigned i = 0; i < PROGRAMS; i++) {
        char *error = bus_attacker_refusal(programs[i]);

        told += g_strcmp0(error, "com.intel.tss2.Tabrmd.Error.NotPermitted") == 0;
        g_free(error);
        close(programs[i]);
    }
    g_free(call);
    assert_int_equal(sent, PROGRAMS);
    assert_int_equal(told, PROGRAMS);
}

static int open_world(void **state)
{
    *state = world_new(&(struct world_setup){.bus_rules = "<allow user='*'/>"});
    return *state ? 0 : -1;
}

static int open_strict_world(void **state)
{
    *state = world_new(&(struct world_setup){.bus_rules = LONG_RULES});
    return *state ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R52_a_large_message_costs_no_memory),
        suite_usual_test(test_R52_a_message_that_is_too_long_is_answered),
        suite_usual_test(test_R52_calls_that_want_no_reply_hold_up_nobody),
        suite_usual_test(test_R52_many_programs_of_a_user_call_at_once),
        suite_usual_test(test_R52_unused_connections_are_few_until_they_are_used),
        suite_usual_test(test_R52_who_leaves_the_bus_may_keep_an_unused_connection),
        cmocka_unit_test_setup_teardown(test_R52_calls_of_another_user_hold_up_nobody, open_world,
                                        suite_end_world),
        cmocka_unit_test_setup_teardown(test_R52_answers_that_nobody_reads_lock_out_nobody,
                                        open_strict_world, suite_end_world),
        cmocka_unit_test_setup_teardown(test_R52_descriptors_that_nobody_reads_lock_out_nobody,
                                        open_world, suite_end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
