/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program on the message bus can do to others, or to the daemon, by the messages that it
 * sends to the daemon's name.
 */
#include "bus-attacker.h"
#include "raw-client.h"
#include "suite.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Variants in the body of a large message, of 4 bytes each. */
#define VARIANTS (31u * 1024 * 1024 / 4)
#define LARGE    3

/* What the daemon may grow by. */
#define GROWTH_KIB 8192

/* Newcomers beside floods of calls, of so many programs. */
#define NEWCOMERS 4
#define FLOODS    12

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

static int open_world(void **state)
{
    *state = world_new(&(struct world_setup){.bus_rules = "<allow user='*'/>"});
    return *state ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R52_a_large_message_costs_no_memory),
        suite_usual_test(test_R52_a_message_that_is_too_long_is_answered),
        suite_usual_test(test_R52_calls_that_want_no_reply_hold_up_nobody),
        cmocka_unit_test_setup_teardown(test_R52_calls_of_another_user_hold_up_nobody, open_world,
                                        suite_end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
