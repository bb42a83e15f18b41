/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: every option, its bounds, and what is said of a bad one. */
#include "options.h"

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_WORDS 8

static enum options_result parse(struct options *options, const char *const *words, char **text)
{
    char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "tabrmd"};
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return options_parse(options, argc, argv, NULL, text);
}

#define PARSE(options, text, ...) parse(options, (const char *const[]){__VA_ARGS__, NULL}, text)

static void test_defaults(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(parse(&options, (const char *const[]){NULL}, &text), OPTIONS_RUN);
    assert_null(text);
    assert_string_equal(options.tcti, "device:/dev/tpm0");
    assert_string_equal(options.bus_name, "com.intel.tss2.Tabrmd");
    assert_false(options.session_bus);
    assert_int_equal(options.logger, LOG_SINK_STDOUT);
    assert_int_equal(options.level, LOG_LEVEL_INFO);
    assert_false(options.flush_all);
    assert_int_equal(options.limits.max_connections, 1024);
    assert_int_equal(options.limits.max_sessions, 16);
    assert_int_equal(options.limits.max_transients, 64);
    assert_int_equal(options.limits.max_connections_per_user, 1024);
    assert_int_equal(options.limits.max_sessions_per_user, 48);
    assert_int_equal(options.limits.max_transients_per_user, 1024);
    assert_int_equal(options.limits.max_abandoned_per_user, 16);
    assert_false(options.no_bus || options.no_socket);
    assert_null(options.socket);
    assert_int_equal(options.rules->len, 0);
    assert_int_equal(options.reserve.kind, RESERVE_AUTO);
    assert_false(options.guests_apart);
    assert_int_equal(options.idle_release_ms, IDLE_AUTO);
    assert_false(settings_given(&options.settings, OPTION_PRNG_SEED_FILE));
    assert_false(options.allow_root);
    assert_false(options.show_version);
    options_clear(&options);
}

static void test_short_options(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "-t", "swtpm:port=5", "-sfov", "-n", "a.b", "-l",
                           "syslog", "-m", "10"),
                     OPTIONS_RUN);
    assert_string_equal(options.tcti, "swtpm:port=5");
    assert_true(options.session_bus);
    assert_true(options.flush_all);
    assert_true(options.allow_root);
    assert_true(options.show_version);
    assert_string_equal(options.bus_name, "a.b");
    assert_int_equal(options.logger, LOG_SINK_SYSLOG);
    assert_int_equal(options.limits.max_connections, 10);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "-r", "12", "-g", "/dev/urandom", "-e", "11"),
                     OPTIONS_RUN);
    assert_int_equal(options.limits.max_transients, 12);
    assert_int_equal(options.limits.max_sessions, 11);
    assert_true(settings_given(&options.settings, OPTION_PRNG_SEED_FILE));
    options_clear(&options);
}

static void test_long_options(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "--tcti=device:/dev/tpm1", "--session",
                           "--dbus-name=x.y.z", "--logger=stdout", "--flush-all", "--allow-root",
                           "--version", "--verbose"),
                     OPTIONS_RUN);
    assert_string_equal(options.tcti, "device:/dev/tpm1");
    assert_true(options.session_bus && options.flush_all && options.allow_root
                && options.show_version);
    assert_string_equal(options.bus_name, "x.y.z");
    assert_int_equal(options.logger, LOG_SINK_STDOUT);
    assert_int_equal(options.level, LOG_LEVEL_DEBUG);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--max-connections=1", "--max-sessions=2",
                           "--max-transients=3", "--prng-seed-file=x", "--idle-release=4"),
                     OPTIONS_RUN);
    assert_int_equal(options.limits.max_connections, 1);
    assert_int_equal(options.limits.max_sessions, 2);
    assert_int_equal(options.limits.max_transients, 3);
    assert_int_equal(options.idle_release_ms, 4);
    assert_true(settings_given(&options.settings, OPTION_PRNG_SEED_FILE));
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--idle-release=auto"), OPTIONS_RUN);
    assert_int_equal(options.idle_release_ms, IDLE_AUTO);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--idle-release=never"), OPTIONS_RUN);
    assert_int_equal(options.idle_release_ms, IDLE_NEVER);
    options_clear(&options);
}

static void test_R53_guests_can_be_kept_apart(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "--guests=apart"), OPTIONS_RUN);
    assert_true(options.guests_apart);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--guests=together"), OPTIONS_RUN);
    assert_false(options.guests_apart);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--guests=many"), OPTIONS_BAD);
    assert_non_null(strstr(text, "\"many\""));
    free(text);
    options_clear(&options);
}

static void test_R41_totals_per_user(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "--max-connections-per-user=2",
                           "--max-sessions-per-user=3", "--max-transients-per-user=4",
                           "--max-abandoned-per-user=0"),
                     OPTIONS_RUN);
    assert_int_equal(options.limits.max_connections_per_user, 2);
    assert_int_equal(options.limits.max_sessions_per_user, 3);
    assert_int_equal(options.limits.max_transients_per_user, 4);
    assert_int_equal(options.limits.max_abandoned_per_user, 0);
    options_clear(&options);
    /* What follows from others when it is not said. */
    assert_int_equal(PARSE(&options, &text, "-m", "1", "-e", "64"), OPTIONS_RUN);
    assert_int_equal(options.limits.max_connections_per_user, 1);
    assert_int_equal(options.limits.max_sessions_per_user, 64);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "-e", "64", "--max-sessions-per-user=5"), OPTIONS_RUN);
    assert_int_equal(options.limits.max_sessions_per_user, 5);
    options_clear(&options);
}

static void test_ways_in(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "--no-dbus", "--socket=/a/b"), OPTIONS_RUN);
    assert_true(options.no_bus);
    assert_string_equal(options.socket, "/a/b");
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--no-socket"), OPTIONS_RUN);
    assert_true(options.no_socket);
    options_clear(&options);
}

static void expect_priority(const struct options *options, unsigned index, uint32_t uid,
                            enum scheduler_priority priority)
{
    const struct rule *rule = &g_array_index(options->rules, struct rule, index);

    assert_int_equal(rule->subject, RULE_FOR_USER);
    assert_int_equal(rule->id, uid);
    assert_true(rule->said[RULE_PRIORITY]);
    assert_int_equal(rule->values[RULE_PRIORITY], priority);
}

static void test_R38_priorities(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(
        PARSE(&options, &text, "--high-priority=root,1000", "--low-priority=4294967294"),
        OPTIONS_RUN);
    assert_int_equal(options.rules->len, 3);
    expect_priority(&options, 0, 0, SCHEDULER_HIGH);
    expect_priority(&options, 1, 1000, SCHEDULER_HIGH);
    expect_priority(&options, 2, UINT32_C(4294967294), SCHEDULER_LOW);
    options_clear(&options);
}

static void test_R63_reserve(void **state)
{
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "--reserve=auto"), OPTIONS_RUN);
    assert_int_equal(options.reserve.kind, RESERVE_AUTO);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--reserve=never"), OPTIONS_RUN);
    assert_int_equal(options.reserve.kind, RESERVE_NEVER);
    options_clear(&options);
    assert_int_equal(PARSE(&options, &text, "--reserve=64,0"), OPTIONS_RUN);
    assert_int_equal(options.reserve.kind, RESERVE_SLOTS);
    assert_int_equal(options.reserve.objects, 64);
    assert_int_equal(options.reserve.sessions, 0);
    options_clear(&options);
}

static void test_bounds_are_inside(void **state)
{
    static const char *const good[] = {
        "--max-connections=1",
        "--max-connections=16384",
        "--max-sessions=1",
        "--max-sessions=64",
        "--max-transients=1",
        "--max-transients=1024",
        "--idle-release=0",
        "--idle-release=86400000",
        "--max-connections-per-user=16384",
        "--max-sessions-per-user=64",
        "--max-transients-per-user=65536",
        "--max-abandoned-per-user=64",
    };
    struct options options;
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(PARSE(&options, &text, good[i]), OPTIONS_RUN);
        assert_null(text);
        options_clear(&options);
    }
}

static void test_bad_words_get_one_line(void **state)
{
    /* What must be named in the line. */
    static const struct {
        const char *words[2];
        const char *named;
    } cases[] = {
        {{"-m", "0"}, "--max-connections"},
        {{"-m", "16385"}, "--max-connections"},
        {{"-m", "-1"}, "--max-connections"},
        {{"--max-connections=1x"}, "1x"},
        {{"--max-connections="}, "--max-connections"},
        {{"--max-connections=99999999999999999999"}, "--max-connections"},
        {{"-m", " 5"}, "--max-connections"},
        {{"-e", "0"}, "--max-sessions"},
        {{"-e", "65"}, "--max-sessions"},
        {{"-r", "0"}, "--max-transients"},
        {{"-r", "1025"}, "--max-transients"},
        {{"--max-connections-per-user=0"}, "--max-connections-per-user"},
        {{"--max-sessions-per-user=65"}, "--max-sessions-per-user"},
        {{"--max-transients-per-user=0"}, "--max-transients-per-user"},
        {{"--max-abandoned-per-user=65"}, "--max-abandoned-per-user"},
        {{"--socket=relative"}, "relative"},
        {{"--socket="}, "--socket"},
        {{"--no-socket", "--socket=/x"}, "--socket"},
        {{"--no-socket", "--no-dbus"}, "--no-dbus"},
        {{"--no-dbus", "--session"}, "--session"},
        {{"--no-dbus", "--dbus-name=a.b"}, "--dbus-name"},
        {{"--high-priority="}, "--high-priority"},
        {{"--high-priority=root,"}, "--high-priority"},
        {{"--high-priority=no such user"}, "no such user"},
        {{"--low-priority=4294967295"}, "4294967295"},
        {{"--low-priority=-1"}, "--low-priority"},
        {{"--high-priority=5", "--low-priority=4,5"}, "user 5"},
        {{"--reserve="}, "--reserve"},
        {{"--reserve=2"}, "--reserve"},
        {{"--reserve=2,"}, "--reserve"},
        {{"--reserve=2,1,1"}, "2,1,1"},
        {{"--reserve=65,1"}, "65,1"},
        {{"--reserve=1,65"}, "0 to 64"},
        {{"--reserve=-1,1"}, "--reserve"},
        {{"--reserve=Auto"}, "auto"},
        {{"--idle-release=-1"}, "--idle-release"},
        {{"--idle-release=86400001"}, "--idle-release"},
        {{"--idle-release=sometimes"}, "never"},
        {{"--idle-release="}, "auto"},
        {{"-l", "stderr"}, "stderr"},
        {{"-l", ""}, "--logger"},
        {{"-t", ""}, "--tcti"},
        {{"-n", "nodots"}, "nodots"},
        {{"-n", ":1.5"}, ":1.5"},
        {{"--nonsense"}, "--nonsense"},
        {{"-z"}, "-z"},
        {{"word"}, "word"},
        {{"-t"}, "-t"},
        {{"--max-sessions=1\nx"}, "--max-sessions"},
        {{"--non\nsense"}, "--non"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char *text;

        assert_int_equal(PARSE(&options, &text, cases[i].words[0], cases[i].words[1]), OPTIONS_BAD);
        assert_non_null(text);
        assert_non_null(strstr(text, cases[i].named));
        assert_null(strchr(text, '\n'));
        free(text);
        options_clear(&options);
    }
}

static void test_help_names_every_option(void **state)
{
    static const char *const names[] = {
        "--tcti",
        "--session",
        "--dbus-name",
        "--logger",
        "--flush-all",
        "--max-connections",
        "--max-sessions",
        "--max-transients",
        "--prng-seed-file",
        "--allow-root",
        "--version",
        "--idle-release",
        "--reserve",
        "--verbose",
        "--help",
        "--no-dbus",
        "--socket",
        "--no-socket",
        "--high-priority",
        "--low-priority",
        "--max-connections-per-user",
        "--max-sessions-per-user",
        "--max-transients-per-user",
        "--max-abandoned-per-user",
    };
    struct options options;
    char *text;

    (void)state;
    assert_int_equal(PARSE(&options, &text, "-h"), OPTIONS_PRINT);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_non_null(strstr(text, names[i]));
    free(text);
    options_clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_short_options),
        cmocka_unit_test(test_long_options),
        cmocka_unit_test(test_R53_guests_can_be_kept_apart),
        cmocka_unit_test(test_R41_totals_per_user),
        cmocka_unit_test(test_ways_in),
        cmocka_unit_test(test_R38_priorities),
        cmocka_unit_test(test_R63_reserve),
        cmocka_unit_test(test_bounds_are_inside),
        cmocka_unit_test(test_bad_words_get_one_line),
        cmocka_unit_test(test_help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
