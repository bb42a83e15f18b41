/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of a configuration file: which are wrong, which go together, and how they are shown. */
#include "options.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* One file, and what became of it. */
struct sheet {
    char *path;
    struct options options;
    char *text;
};

static int setup(void **state)
{
    struct sheet *sheet = g_new0(struct sheet, 1);
    int fd = g_file_open_tmp("tabrmd-conf.XXXXXX", &sheet->path, NULL);

    assert_true(fd >= 0);
    close(fd);
    *state = sheet;
    return 0;
}

static void forget(struct sheet *sheet)
{
    g_clear_pointer(&sheet->text, free);
    options_clear(&sheet->options);
}

static int teardown(void **state)
{
    struct sheet *sheet = *state;

    forget(sheet);
    assert_int_equal(g_remove(sheet->path), 0);
    g_free(sheet->path);
    g_free(sheet);
    return 0;
}

/* Reads the file with these lines below its section, and one more word on the command line. */
static enum options_result read_lines(struct sheet *sheet, const char *lines, const char *word)
{
    struct conf_places places = {sheet->path, NULL};
    char *argv[] = {(char *)(uintptr_t) "tabrmd", (char *)(uintptr_t)word, NULL};
    g_autofree char *text = g_strdup_printf("[Daemon]\n%s\n", lines);

    forget(sheet);
    assert_true(g_file_set_contents(sheet->path, text, -1, NULL));
    return options_parse(&sheet->options, word ? 2 : 1, argv, &places, &sheet->text);
}

static void test_R72_each_bad_value_is_a_finding(void **state)
{
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"tcti=\\s", NULL},
        {"session=perhaps", "session takes yes or no, not \"perhaps\""},
        {"dbus-name=nodots", "dbus-name takes a well-known D-Bus name"},
        {"no-dbus=2", "no-dbus takes yes or no"},
        {"socket=relative", "socket takes an absolute path"},
        {"no-socket=YES", "no-socket takes yes or no"},
        {"logger=paper", "logger takes \"stdout\" or \"syslog\", not \"paper\""},
        {"verbose=very", "verbose takes yes or no"},
        {"flush-all=all", "flush-all takes yes or no"},
        {"max-connections=0", "max-connections takes a number from 1 to 16384, not \"0\""},
        {"max-connections-per-user=many", "max-connections-per-user takes a number"},
        {"max-sessions=65", "max-sessions takes a number from 1 to 64"},
        {"max-sessions-per-user=-1", "max-sessions-per-user takes a number"},
        {"max-transients=1025", "max-transients takes a number"},
        {"max-transients-per-user=65537", "max-transients-per-user takes a number"},
        {"max-abandoned-per-user=0x1", "max-abandoned-per-user takes a number from 0"},
        {"guests=many", "guests takes \"together\" or \"apart\""},
        {"high-priority=root,", "high-priority takes user names and numbers"},
        {"low-priority=4,", "low-priority takes user names and numbers"},
        {"policy=lax",
         "policy takes \"open\", \"standard\", \"guarded\" or \"strict\", not \"lax\""},
        {"guest-policy=None", "guest-policy takes \"open\", \"standard\""},
        {"allow=Sgin",
         "allow takes names of TPM commands, or numbers such as 0x20000001, with commas "
         "between; there is no command \"Sgin\"; the nearest is \"Sign\""},
        {"deny=Sign,0x40000001", "between; 0x40000001 is no command code"},
        {"admin=root,", "admin takes user names and numbers"},
        {"admin=@", "those of groups behind @, with commas between; there is no group \"\""},
        {"reserve=2", "reserve takes two numbers from 0 to 64"},
        {"idle-release=soon", "idle-release takes a number from 0 to 86400000 (milliseconds)"},
        {"allow-root=maybe", "allow-root takes yes or no"},
        {"no-socket=yes\nsocket=/x", "no-socket does not go with "},
        {"no-socket=yes\nno-dbus=yes", ": no-dbus: clients need one of both"},
        {"no-dbus=yes\nsession=yes", "no-dbus does not go with "},
        {"no-dbus=yes\ndbus-name=a.b", ": dbus-name"},
        {"high-priority=5\nlow-priority=4,5", "low-priority names user 5"},
    };
    struct sheet *sheet = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum options_result result = read_lines(sheet, cases[i].line, NULL);

        assert_int_equal(result, cases[i].said ? OPTIONS_UNFIT : OPTIONS_RUN);
        if (!cases[i].said)
            continue;
        assert_int_equal(strncmp(sheet->text, sheet->path, strlen(sheet->path)), 0);
        assert_non_null(strstr(sheet->text, cases[i].said));
        assert_ptr_equal(strchr(sheet->text, '\n'), sheet->text + strlen(sheet->text) - 1);
    }
}

static void test_R72_several_bad_values_are_told_at_once(void **state)
{
    struct sheet *sheet = *state;
    g_auto(GStrv) lines = NULL;

    assert_int_equal(read_lines(sheet, "guests=x\nmax-sessions=0\nreserve=y\nidle-release=z", NULL),
                     OPTIONS_UNFIT);
    lines = g_strsplit(sheet->text, "\n", -1);
    assert_int_equal(g_strv_length(lines), 5);
}

static void test_R72_a_user_that_is_not_there_is_a_finding_and_no_failure(void **state)
{
    struct sheet *sheet = *state;
    const char *line = "high-priority=root,no such user,7";

    assert_int_equal(read_lines(sheet, line, NULL), OPTIONS_RUN);
    assert_non_null(strstr(sheet->text, ":2: high-priority"));
    assert_non_null(strstr(sheet->text, "there is no user \"no such user\""));
    assert_int_equal(sheet->options.rules->len, 2);
    assert_int_equal(g_array_index(sheet->options.rules, struct rule, 1).id, 7);
    assert_int_equal(read_lines(sheet, "low-priority=@root", NULL), OPTIONS_RUN);
    assert_non_null(strstr(sheet->text, "there is no user \"@root\""));
    assert_int_equal(read_lines(sheet, line, "--check-config"), OPTIONS_UNFIT);
    assert_int_equal(read_lines(sheet, line, "--show-config"), OPTIONS_PRINT);
    assert_int_equal(sheet->text[0], '#');
    assert_non_null(strstr(sheet->text, "no such user\"\n"));
}

static bool permits(const struct policy *policy, uint32_t code)
{
    return policy_judge(policy, code, NULL, 0, 0) == 0;
}

static void test_R82_keys_make_policies(void **state)
{
    struct sheet *sheet = *state;
    const struct option_policies *policies = &sheet->options.policies;

    assert_int_equal(read_lines(sheet, "", NULL), OPTIONS_RUN);
    assert_false(permits(&policies->member, TPM2_CC_ClockSet));
    assert_true(permits(&policies->member, TPM2_CC_EvictControl));
    assert_false(permits(&policies->guest, TPM2_CC_EvictControl));
    assert_int_equal(policies->admins->len, 0);
    assert_int_equal(
        read_lines(sheet, "allow=ClockSet,Sign\ndeny=Sign,Quote\nguest-policy=open\nadmin=7", NULL),
        OPTIONS_RUN);
    assert_true(permits(&policies->member, TPM2_CC_ClockSet));
    assert_true(permits(&policies->guest, TPM2_CC_ClockRateAdjust));
    /* What is denied is denied to all but administrators. */
    assert_false(permits(&policies->denied, TPM2_CC_Sign));
    assert_false(permits(&policies->denied, TPM2_CC_Quote));
    assert_true(permits(&policies->denied, TPM2_CC_ClockSet));
    assert_int_equal(g_array_index(policies->admins, uint32_t, 0), 7);
    assert_int_equal(read_lines(sheet, "admin=7,@5,@root,root", NULL), OPTIONS_RUN);
    assert_null(sheet->text);
    assert_int_equal(policies->admins->len, 2);
    assert_int_equal(g_array_index(policies->admins, uint32_t, 1), 0);
    assert_int_equal(policies->admin_groups->len, 2);
    assert_int_equal(g_array_index(policies->admin_groups, gid_t, 0), 5);
    assert_int_equal(g_array_index(policies->admin_groups, gid_t, 1), 0);
    /* Groups that may come to be are no reason not to start. */
    assert_int_equal(read_lines(sheet, "admin=@no such group", NULL), OPTIONS_RUN);
    assert_non_null(strstr(sheet->text, "there is no group \"no such group\""));
    assert_int_equal(policies->admin_groups->len, 0);
}

static void test_R71_the_command_line_takes_back_what_does_not_go_with_it(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(read_lines(sheet, "session=yes\ndbus-name=a.b", "--no-dbus"), OPTIONS_RUN);
    assert_true(sheet->options.no_bus);
    assert_false(sheet->options.session_bus);
    assert_int_equal(read_lines(sheet, "no-dbus=yes", "--session"), OPTIONS_RUN);
    assert_false(sheet->options.no_bus);
    assert_true(sheet->options.session_bus);
    assert_int_equal(read_lines(sheet, "no-socket=yes", "--socket=/x"), OPTIONS_RUN);
    assert_false(sheet->options.no_socket);
    assert_string_equal(sheet->options.socket, "/x");
    assert_int_equal(read_lines(sheet, "socket=/x", "--no-socket"), OPTIONS_RUN);
    assert_null(sheet->options.socket);
    /* What is said not to be goes with anything. */
    assert_int_equal(read_lines(sheet, "no-dbus=no\nsession=yes", NULL), OPTIONS_RUN);
    assert_int_equal(read_lines(sheet, "no-dbus=yes", "--no-dbus=no"), OPTIONS_RUN);
    assert_false(sheet->options.no_bus);
}

static void test_R73_a_good_file_is_said_to_be_good(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(read_lines(sheet, "max-sessions=5", "--check-config"), OPTIONS_PRINT);
    assert_non_null(strstr(sheet->text, "nothing is wrong; configuration files: 1"));
}

static void test_R73_values_are_shown_with_their_origin(void **state)
{
    struct sheet *sheet = *state;
    g_autofree char *said = g_strdup_printf("# %s:2\nmax-connections=5\n", sheet->path);
    struct conf_places places = {sheet->path, NULL};
    char *argv[] = {(char *)(uintptr_t) "tabrmd", (char *)(uintptr_t) "-sl",
                    (char *)(uintptr_t) "syslog", (char *)(uintptr_t) "--show-config", NULL};

    assert_int_equal(read_lines(sheet, "max-connections=5", NULL), OPTIONS_RUN);
    forget(sheet);
    assert_int_equal(options_parse(&sheet->options, 4, argv, &places, &sheet->text), OPTIONS_PRINT);
    assert_non_null(strstr(sheet->text, said));
    assert_non_null(strstr(sheet->text, "# command line\nlogger=syslog\n"));
    assert_non_null(strstr(sheet->text, "# command line\nsession=yes\n"));
    /* Where a default follows from something else, it is what follows. */
    assert_non_null(strstr(sheet->text, "# default\nmax-connections-per-user=5\n"));
    assert_non_null(strstr(sheet->text, "# default\nhigh-priority=\n"));
    assert_null(strstr(sheet->text, "show-config"));
}

/* Takes the mark of a comment off all lines that are keys. */
static char *uncommented(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        if (lines[i][0] == '#' && g_ascii_islower(lines[i][1]))
            memmove(lines[i], lines[i] + 1, strlen(lines[i]));
    }
    return g_strjoinv("\n", lines);
}

/* The values that are shown, without the comments. */
static char *shown_values(struct sheet *sheet, const char *text)
{
    GString *values = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    assert_int_equal(read_lines(sheet, text, "--show-config"), OPTIONS_PRINT);
    lines = g_strsplit(sheet->text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        if (lines[i][0] != '#')
            g_string_append_printf(values, "%s\n", lines[i]);
    }
    return g_string_free(values, FALSE);
}

static void test_R73_the_installed_file_has_the_defaults(void **state)
{
    g_autofree char *text = NULL, *all = NULL, *defaults = NULL, *values = NULL;

    assert_true(g_file_get_contents(TEST_CONF, &text, NULL, NULL));
    all = uncommented(text);
    assert_non_null(strstr(all, "\nmax-sessions=16\n"));
    defaults = shown_values(*state, "");
    values = shown_values(*state, all);
    assert_string_equal(values, defaults);
}

static void test_R73_what_is_shown_can_be_read(void **state)
{
    g_autofree char *first = NULL, *again = NULL;
    struct sheet *sheet = *state;

    first = shown_values(sheet, "tcti=\\s\\\\x\\ty\nmax-sessions=60\nreserve=1,2\nno-socket=true");
    again = shown_values(sheet, first);
    assert_string_equal(again, first);
    assert_non_null(strstr(first, "tcti=\\s\\\\x\ty\n"));
}

#define sheet_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sheet_test(test_R72_each_bad_value_is_a_finding),
        sheet_test(test_R72_several_bad_values_are_told_at_once),
        sheet_test(test_R72_a_user_that_is_not_there_is_a_finding_and_no_failure),
        sheet_test(test_R82_keys_make_policies),
        sheet_test(test_R71_the_command_line_takes_back_what_does_not_go_with_it),
        sheet_test(test_R73_a_good_file_is_said_to_be_good),
        sheet_test(test_R73_values_are_shown_with_their_origin),
        sheet_test(test_R73_the_installed_file_has_the_defaults),
        sheet_test(test_R73_what_is_shown_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
