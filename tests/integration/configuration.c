/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon and its configuration files: each key from each place, and what it does with a file
 * that is wrong. */
#include "esys-client.h"
#include "shell.h"
#include "suite.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* The world's file, and a drop-in of it. */
static void put_file(struct world *world, const char *text)
{
    g_autofree char *path = world_path(world, "test.conf");

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void put_drop_in(struct world *world, const char *text)
{
    g_autofree char *dir = world_path(world, "test.conf.d");
    g_autofree char *path = g_build_filename(dir, "10.conf", NULL);

    assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
    assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Runs the daemon with the world's file until it ends by itself. */
static struct shell *run_daemon(struct world *world, int status, const char *one, const char *two)
{
    g_autofree char *path = world_path(world, "test.conf");
    g_autofree char *config = g_strdup_printf("--config=%s", path);
    const char *args[] = {config, one, two, NULL};
    struct shell *shell = shell_start_daemon(world, args, NULL);

    assert_non_null(shell);
    shell_finish(shell);
    if (shell->status != status)
        fprintf(stderr, "status %d: %s%s\n", shell->status, shell->out, shell->err);
    assert_int_equal(shell->status, status);
    return shell;
}

/* Whether --show-config has this value for the key, and `place` above it. */
static void expect_shown(struct world *world, const char *option, const char *key,
                         const char *value, const char *place)
{
    struct shell *shell = run_daemon(world, EX_OK, "--show-config", option);
    g_autofree char *line = g_strdup_printf("%s\n%s=%s\n", place, key, value);

    if (!strstr(shell->out, line))
        fprintf(stderr, "no \"%s\" in:\n%s", line, shell->out);
    assert_non_null(strstr(shell->out, line));
    shell_free(shell);
}

static void test_R71_each_key_from_file_drop_in_and_command_line(void **state)
{
    /* Three values of each key, of which two can be the same. */
    static const char *const keys[][4] = {
        {"tcti", "swtpm:port=1", "swtpm:port=2", "swtpm:port=3"},
        {"session", "yes", "no", "yes"},
        {"dbus-name", "a.a", "b.b", "c.c"},
        {"no-dbus", "yes", "no", "yes"},
        {"socket", "/a", "/b", "/c"},
        {"no-socket", "yes", "no", "yes"},
        {"logger", "syslog", "stdout", "syslog"},
        {"verbose", "yes", "no", "yes"},
        {"flush-all", "yes", "no", "yes"},
        {"max-connections", "1", "2", "3"},
        {"max-connections-per-user", "1", "2", "3"},
        {"max-sessions", "1", "2", "3"},
        {"max-sessions-per-user", "1", "2", "3"},
        {"max-transients", "1", "2", "3"},
        {"max-transients-per-user", "1", "2", "3"},
        {"max-abandoned-per-user", "1", "2", "3"},
        {"guests", "apart", "together", "apart"},
        {"high-priority", "1", "2", "3"},
        {"low-priority", "1", "2", "3"},
        {"socket-group", "a", "b", "c"},
        {"policy", "open", "guarded", "strict"},
        {"allow", "Sign", "Quote,0x20000001", "TPM2_Clear"},
        {"deny", "Sign", "Quote,0x20000001", "TPM2_Clear"},
        {"guest-policy", "open", "guarded", "standard"},
        {"admin", "1", "@2,1", "@3"},
        {"reserve", "1,1", "2,2", "never"},
        {"idle-release", "1", "never", "auto"},
        {"prng-seed-file", "/a", "/b", "/c"},
        {"allow-root", "yes", "no", "yes"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *const *key = keys[i];
        g_autofree char *file = g_strdup_printf("[Daemon]\n%s=%s\n", key[0], key[1]);
        g_autofree char *drop_in = g_strdup_printf("\n[Daemon]\n%s=%s\n", key[0], key[2]);
        g_autofree char *option = g_strdup_printf("--%s=%s", key[0], key[3]);

        put_file(world, file);
        put_drop_in(world, "");
        expect_shown(world, NULL, key[0], key[1], "test.conf:2");
        put_drop_in(world, drop_in);
        expect_shown(world, NULL, key[0], key[2], "test.conf.d/10.conf:3");
        expect_shown(world, option, key[0], key[3], "# command line");
    }
}

static void test_R75_each_key_of_a_section_from_file_and_drop_in(void **state)
{
    static const char *const keys[][3] = {
        {"max-connections-per-user", "1", "2"},
        {"max-sessions", "1", "2"},
        {"max-sessions-per-user", "1", "2"},
        {"max-transients", "1", "2"},
        {"max-transients-per-user", "1", "2"},
        {"max-abandoned-per-user", "0", "1"},
        {"priority", "low", "high"},
        {"localities", "0,1", "2"},
        {"policy", "strict", "open"},
        {"allow", "ClockSet", "Clear,0x20000001"},
        {"deny", "Sign", "Quote"},
    };
    static const char *const headings[] = {"[User root]", "[Group root]", "[Default]"};
    struct world *world = *state;

    for (size_t i = 0; i < 3 * sizeof(keys) / sizeof(keys[0]); i++) {
        const char *const *key = keys[i / 3];
        g_autofree char *file = g_strdup_printf("%s\n%s=%s\n", headings[i % 3], key[0], key[1]);
        g_autofree char *drop_in =
            g_strdup_printf("\n%s\n%s=%s\n", headings[i % 3], key[0], key[2]);

        put_file(world, file);
        put_drop_in(world, "");
        expect_shown(world, NULL, key[0], key[1], "test.conf:2");
        put_drop_in(world, drop_in);
        expect_shown(world, NULL, key[0], key[2], "test.conf.d/10.conf:3");
    }
}

static void test_R72_all_findings_at_once(void **state)
{
    struct world *world = *state;
    static const char *const said[] = {
        "test.conf:1: verbose stands before any section",
        "test.conf:3: there is no key \"max-conections\"; the nearest is \"max-connections\"",
        "test.conf:4: max-sessions takes a number from 1 to 64, not \"65\"",
        "test.conf:5: help is for the command line alone",
        "test.conf:6: there is no section [Demon]; the nearest is [Daemon]",
        "test.conf:7: there is no group \"no such group\"",
        "test.conf:8: there is no key \"max-transient\" of [Group no such group]; the nearest is "
        "\"max-transients\"",
        "test.conf:9: priority takes \"high\", \"normal\" or \"low\", not \"highest\"",
        "test.conf:11: [User root] stands in line 10 already",
        "test.conf:12: max-sessions takes a number from 1 to 64, not \"0\"",
        "test.conf:13: localities takes numbers from 0 to 4",
        "test.conf:14: there is no section [Usr 1]; the nearest is [User NAME]",
        "10.conf:4: there is no user \"no such user\"; [User no such user] is for nobody",
        "10.conf:1: \"word\" is no [SECTION], no KEY=VALUE and no # comment",
        "10.conf:3: high-priority takes user names and numbers with commas between; there is no "
        "user \"no such user\"",
    };
    struct shell *shell;

    put_file(world, "verbose=yes\n[Daemon]\nmax-conections=5\nmax-sessions=65\nhelp=yes\n[Demon]\n"
                    "[Group no such group]\nmax-transient=1\npriority=highest\n"
                    "[User root]\n[User 0]\nmax-sessions=0\nlocalities=5\n[Usr 1]\n");
    put_drop_in(world, "word\n[Daemon]\nhigh-priority=no such user\n[User no such user]\n");
    shell = run_daemon(world, EX_CONFIG, "--check-config", NULL);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        if (!strstr(shell->err, said[i]))
            fprintf(stderr, "no \"%s\" in:\n%s", said[i], shell->err);
        assert_non_null(strstr(shell->err, said[i]));
    }
    assert_string_equal(shell->out, "");
    shell_free(shell);
    put_file(world, "[Daemon]\nmax-sessions=5\n");
    put_drop_in(world, "");
    shell = run_daemon(world, EX_OK, "--check-config", NULL);
    assert_non_null(strstr(shell->out, "configuration files: 2"));
    assert_string_equal(shell->err, "");
    shell_free(shell);
}

static void test_R72_a_file_that_is_wrong_stops_the_start(void **state)
{
    struct world *world = *state;
    struct shell *shell;

    put_file(world, "[Daemon]\nsession=yes\nallow-root=yes\nmax-sessions=many\n");
    shell = run_daemon(world, EX_CONFIG, NULL, NULL);
    assert_non_null(strstr(shell->err, "test.conf:4: max-sessions takes a number from 1 to 64, not "
                                       "\"many\"\n"));
    shell_free(shell);
}

static bool name_is_owned(void *argument)
{
    return world_name_owned(argument, "com.intel.tss2.Tabrmd");
}

static void test_R71_what_the_file_says_is_in_force(void **state)
{
    struct world *world = *state;
    g_autofree char *text = g_strdup_printf("[Daemon]\nsession=yes\nallow-root=yes\n"
                                            "max-transients=1\nhigh-priority=root,no such user\n"
                                            "tcti=%s\n",
                                            world->tcti);
    g_autofree char *path = world_path(world, "test.conf");
    g_autofree char *config = g_strdup_printf("--config=%s", path);
    const char *args[] = {config, NULL};
    struct esys_client *client;
    struct shell *daemon;
    ESYS_TR key;

    put_file(world, text);
    daemon = shell_start_daemon(world, args, NULL);
    assert_non_null(daemon);
    assert_true(world_poll(name_is_owned, world, WORLD_START_MS));
    client = esys_client_new();
    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    esys_client_free(client);
    process_signal(&daemon->process, SIGTERM);
    assert_int_equal(shell_finish(daemon), 0);
    assert_non_null(strstr(daemon->out, "test.conf:5: high-priority"));
    shell_free(daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_R71_each_key_from_file_drop_in_and_command_line),
        suite_empty_test(test_R75_each_key_of_a_section_from_file_and_drop_in),
        suite_empty_test(test_R72_all_findings_at_once),
        suite_empty_test(test_R72_a_file_that_is_wrong_stops_the_start),
        suite_empty_test(test_R71_what_the_file_says_is_in_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
