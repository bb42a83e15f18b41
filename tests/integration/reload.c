/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration read again while the daemon runs: what changes, what does not, and what the
 * service manager is told. */
#include "configured.h"
#include "esys-client.h"

#include <stdio.h>
#include <string.h>

#define START "[Daemon]\nmax-transients=1\n"

static int reload_world(void **state)
{
    return configured_world(state, START);
}

static void test_R74_a_limit_changes_for_connected_clients(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    ESYS_TR key;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    configured_reload(world, "[Daemon]\nmax-transients=2\n");
    assert_int_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    configured_reload(world, START);
    /* Who has more keeps it, and gets no more. */
    assert_int_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

static void test_R74_connections_are_limited_anew(void **state)
{
    struct world *world = *state;
    struct esys_client *first = esys_client_new(), *second;

    assert_non_null(first);
    configured_reload(world, "[Daemon]\nmax-connections=1\n");
    assert_null(esys_client_new());
    assert_int_equal(esys_client_random(first, 8), TSS2_RC_SUCCESS);
    configured_reload(world, "[Daemon]\nmax-connections=2\n");
    second = esys_client_new();
    assert_non_null(second);
    esys_client_free(second);
    esys_client_free(first);
}

static void test_R74_verbose_begins_and_ends(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    g_autofree char *before = NULL, *between = NULL, *after = NULL;

    assert_non_null(client);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    before = world_daemon_log(world);
    assert_null(strstr(before, "GetRandom"));
    configured_reload(world, "[Daemon]\nverbose=yes\n");
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    configured_expect_said(world, "GetRandom");
    configured_reload(world, START);
    between = world_daemon_log(world);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    after = world_daemon_log(world);
    assert_null(strstr(after + strlen(between), "GetRandom"));
}

static bool chip_is_empty(void *argument)
{
    struct counts counts;

    counts_read(((struct world *)argument)->counts, &counts);
    return counts.code[TPM2_CC_FlushContext] > 0;
}

static void test_R74_the_quiet_time_changes(void **state)
{
    struct world *world = *state;
    struct esys_client *client;
    ESYS_TR key;

    suite_leave_out_of(WORLD_IDLE_AT_ONCE, "this daemon's command line says the quiet time");
    suite_leave_out_of(WORLD_NEVER_IDLE, "this daemon's command line says the quiet time");
    configured_reload(world, "[Daemon]\nidle-release=never\n");
    client = esys_client_new();
    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_false(chip_is_empty(world));
    configured_reload(world, "[Daemon]\nidle-release=0\n");
    assert_true(world_poll(chip_is_empty, world, WORLD_START_MS));
    esys_client_free(client);
}

static void test_R74_each_key_changes_or_is_named(void **state)
{
    static const struct {
        const char *key, *value;
        bool live;
    } keys[] = {
        {"dbus-name", "a.b", false},
        {"no-socket", "yes", false},
        {"socket", "/a", false},
        {"logger", "syslog", false},
        {"verbose", "yes", true},
        {"flush-all", "yes", false},
        {"max-connections", "9", true},
        {"max-connections-per-user", "9", true},
        {"max-sessions", "9", true},
        {"max-sessions-per-user", "9", true},
        {"max-transients", "9", true},
        {"max-transients-per-user", "9", true},
        {"max-abandoned-per-user", "9", true},
        {"guests", "apart", false},
        {"high-priority", "9", true},
        {"low-priority", "9", true},
        {"reserve", "never", false},
        {"prng-seed-file", "/a", false},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        g_autofree char *text = g_strdup_printf(START "%s=%s\n", keys[i].key, keys[i].value);
        g_autofree char *said =
            g_strdup_printf("%s: %s", keys[i].live ? "changed" : "start only", keys[i].key);
        g_autofree char *before = world_daemon_log(world), *after = NULL;

        configured_reload(world, text);
        after = world_daemon_log(world);
        if (!strstr(after + strlen(before), said))
            fprintf(stderr, "no \"%s\" in:\n%s", said, after + strlen(before));
        assert_non_null(strstr(after + strlen(before), said));
        configured_reload(world, START);
    }
}

static void test_R74_a_file_that_is_wrong_changes_nothing(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    ESYS_TR key;

    assert_non_null(client);
    configured_reload(world, "[Daemon]\nmax-transients=2\nmax-sessions=0\n");
    configured_expect_said(world,
                           "test.conf:3: max-sessions takes a number from 1 to 64, not \"0\"");
    configured_expect_said(world, "what was in force stays");
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

#define reload_test(function) \
    cmocka_unit_test_setup_teardown(function, reload_world, configured_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        reload_test(test_R74_a_limit_changes_for_connected_clients),
        reload_test(test_R74_connections_are_limited_anew),
        reload_test(test_R74_verbose_begins_and_ends),
        reload_test(test_R74_the_quiet_time_changes),
        reload_test(test_R74_each_key_changes_or_is_named),
        reload_test(test_R74_a_file_that_is_wrong_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
