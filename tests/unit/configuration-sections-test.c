/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections about users: what rules they make, what is wrong with them, and how they are shown. */
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

/* A main file, a drop-in of it, and what became of them. */
struct sheet {
    char *dir, *path;
    struct options options;
    char *text;
};

static int setup(void **state)
{
    struct sheet *sheet = g_new0(struct sheet, 1);
    g_autofree char *drop_ins = NULL;

    sheet->dir = g_dir_make_tmp("tabrmd-sections.XXXXXX", NULL);
    assert_non_null(sheet->dir);
    sheet->path = g_build_filename(sheet->dir, "test.conf", NULL);
    drop_ins = g_strconcat(sheet->path, ".d", NULL);
    assert_int_equal(g_mkdir(drop_ins, 0700), 0);
    *state = sheet;
    return 0;
}

static void forget(struct sheet *sheet)
{
    g_clear_pointer(&sheet->text, free);
    options_clear(&sheet->options);
}

static char *drop_in(const struct sheet *sheet)
{
    return g_strconcat(sheet->path, ".d/10.conf", NULL);
}

static int teardown(void **state)
{
    struct sheet *sheet = *state;
    g_autofree char *second = drop_in(sheet), *drop_ins = g_strconcat(sheet->path, ".d", NULL);

    forget(sheet);
    g_remove(second);
    g_remove(drop_ins);
    g_remove(sheet->path);
    assert_int_equal(g_remove(sheet->dir), 0);
    g_free(sheet->path);
    g_free(sheet->dir);
    g_free(sheet);
    return 0;
}

/* Reads a main file and, if there is one, a drop-in, and one more word on the command line. */
static enum options_result read_files(struct sheet *sheet, const char *text, const char *more,
                                      const char *word)
{
    struct conf_places places = {sheet->path, NULL};
    char *argv[] = {(char *)(uintptr_t) "tabrmd", (char *)(uintptr_t)word, NULL};
    g_autofree char *second = drop_in(sheet);

    forget(sheet);
    assert_true(g_file_set_contents(sheet->path, text, -1, NULL));
    assert_true(g_file_set_contents(second, more ? more : "", -1, NULL));
    return options_parse(&sheet->options, word ? 2 : 1, argv, &places, &sheet->text);
}

static const struct rule *rule_at(const struct sheet *sheet, unsigned index)
{
    assert_true(index < sheet->options.rules->len);
    return &g_array_index(sheet->options.rules, struct rule, index);
}

static void expect_rule(const struct sheet *sheet, unsigned index, enum rule_key key,
                        uint32_t value)
{
    assert_true(rule_at(sheet, index)->said[key]);
    assert_int_equal(rule_at(sheet, index)->values[key], value);
}

static void expect_text(const struct sheet *sheet, const char *text)
{
    if (!strstr(sheet->text, text))
        print_error("no \"%s\" in:\n%s", text, sheet->text);
    assert_non_null(strstr(sheet->text, text));
}

static void test_R75_each_key_of_a_section_makes_a_rule(void **state)
{
    static const struct {
        const char *line;
        enum rule_key key;
        uint32_t value;
    } cases[] = {
        {"max-connections-per-user=7", RULE_CONNECTIONS_PER_USER, 7},
        {"max-sessions=8", RULE_SESSIONS, 8},
        {"max-sessions-per-user=9", RULE_SESSIONS_PER_USER, 9},
        {"max-transients=10", RULE_TRANSIENTS, 10},
        {"max-transients-per-user=11", RULE_TRANSIENTS_PER_USER, 11},
        {"max-abandoned-per-user=0", RULE_ABANDONED_PER_USER, 0},
        {"priority=high", RULE_PRIORITY, SCHEDULER_HIGH},
        {"priority=normal", RULE_PRIORITY, SCHEDULER_NORMAL},
        {"Priority=low", RULE_PRIORITY, SCHEDULER_LOW},
        {"localities=0, 2,4", RULE_LOCALITIES, 0x15},
    };
    static const char *const headings[] = {"[User 1000]", "[Group root]"};
    struct sheet *sheet = *state;

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const char *line = cases[i / 2].line;
        g_autofree char *text = g_strdup_printf("%s\n%s\n", headings[i % 2], line);

        assert_int_equal(read_files(sheet, text, NULL, "--check-config"), OPTIONS_PRINT);
        assert_int_equal(sheet->options.rules->len, 1);
        assert_int_equal(rule_at(sheet, 0)->subject, i % 2 ? RULE_FOR_GROUP : RULE_FOR_USER);
        assert_int_equal(rule_at(sheet, 0)->id, i % 2 ? 0 : 1000);
        expect_rule(sheet, 0, cases[i / 2].key, cases[i / 2].value);
        for (enum rule_key key = 0; key < RULE_COUNT; key++)
            assert_int_equal(rule_at(sheet, 0)->said[key], key == cases[i / 2].key);
    }
}

static const struct policies_rule *policy_rule_at(const struct sheet *sheet, unsigned index)
{
    assert_true(index < sheet->options.policies.rules->len);
    return &g_array_index(sheet->options.policies.rules, struct policies_rule, index);
}

static bool is_in(const struct policy *commands, uint32_t code)
{
    return policy_judge(commands, code, NULL, 0, 0) == POLICY_DENIED;
}

static void test_R82_sections_make_policies(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet,
                                "[User 1000]\nPolicy=guarded\n[Group 50]\nallow=ClockSet, "
                                "TPM2_Sign\npriority=low\n[Group 51]\npriority=high\n",
                                "[Group 50]\ndeny=0x20000001,Quote\n[User 1000]\nallow=Sign\n",
                                "--check-config"),
                     OPTIONS_PRINT);
    assert_int_equal(sheet->options.rules->len, 3);
    assert_int_equal(sheet->options.policies.rules->len, 2);
    assert_int_equal(policy_rule_at(sheet, 0)->subject, RULE_FOR_USER);
    assert_int_equal(policy_rule_at(sheet, 0)->id, 1000);
    assert_int_equal(policy_rule_at(sheet, 0)->preset, POLICY_GUARDED);
    assert_true(is_in(&policy_rule_at(sheet, 0)->allowed, TPM2_CC_Sign));
    assert_false(is_in(&policy_rule_at(sheet, 0)->denied, TPM2_CC_Sign));
    assert_int_equal(policy_rule_at(sheet, 1)->subject, RULE_FOR_GROUP);
    assert_int_equal(policy_rule_at(sheet, 1)->id, 50);
    assert_int_equal(policy_rule_at(sheet, 1)->preset, POLICY_PRESETS);
    assert_true(is_in(&policy_rule_at(sheet, 1)->allowed, TPM2_CC_ClockSet));
    assert_true(is_in(&policy_rule_at(sheet, 1)->allowed, TPM2_CC_Sign));
    assert_false(is_in(&policy_rule_at(sheet, 1)->allowed, TPM2_CC_Quote));
    assert_true(is_in(&policy_rule_at(sheet, 1)->denied, TPM2_CC_Quote));
    assert_true(is_in(&policy_rule_at(sheet, 1)->denied, UINT32_C(0x20000001)));
    /* What is taken back is not said, and nobody has a policy who is not there. */
    assert_int_equal(read_files(sheet, "[User 1]\npolicy=open\n[User no such user]\npolicy=open\n",
                                "[User 1]\npolicy=\n", NULL),
                     OPTIONS_RUN);
    assert_int_equal(sheet->options.policies.rules->len, 0);
}

/* What is said for all, and is an option, is that option; the command line wins over it. */
static void test_R75_what_is_said_for_all_is_the_option(void **state)
{
    static const char text[] = "[Daemon]\nmax-transients=3\n[default]\nMAX-TRANSIENTS=5\n"
                               "priority=low\nlocalities=0,1\n";
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet, text, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(sheet->options.limits.max_transients, 5);
    assert_int_equal(sheet->options.rules->len, 1);
    assert_int_equal(rule_at(sheet, 0)->subject, RULE_FOR_ALL);
    expect_rule(sheet, 0, RULE_PRIORITY, SCHEDULER_LOW);
    expect_rule(sheet, 0, RULE_LOCALITIES, 3);
    assert_false(rule_at(sheet, 0)->said[RULE_TRANSIENTS]);
    assert_int_equal(read_files(sheet, text, NULL, "--max-transients=6"), OPTIONS_RUN);
    assert_int_equal(sheet->options.limits.max_transients, 6);
}

static void test_R82_policy_for_all_is_the_option(void **state)
{
    static const char text[] = "[Default]\npolicy=open\nallow=Clear\ndeny=Sign\n"
                               "[Daemon]\npolicy=guarded\n";
    const struct option_policies *policies;
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet, text, NULL, NULL), OPTIONS_RUN);
    policies = &sheet->options.policies;
    assert_int_equal(policies->rules->len, 0);
    assert_int_equal(policy_judge(&policies->member, TPM2_CC_ClockSet, NULL, 0, 0), POLICY_DENIED);
    assert_int_equal(policy_judge(&policies->member, TPM2_CC_Clear, NULL, 0, 0), 0);
    assert_true(is_in(&policies->denied, TPM2_CC_Sign));
    /* Guests have their own. */
    assert_true(is_in(&policies->guest, TPM2_CC_Clear));
    assert_true(is_in(&policies->guest, TPM2_CC_EvictControl));
    assert_int_equal(read_files(sheet, text, NULL, "--deny=Quote"), OPTIONS_RUN);
    assert_false(is_in(&sheet->options.policies.denied, TPM2_CC_Sign));
}

/* Whatever it is called by. An empty value takes back what was said. */
static void test_R75_a_user_has_one_section_over_all_files(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet, "[User root]\nmax-sessions=1\nmax-transients=1\n",
                                "[USER 0]\nmax-sessions=2\nmax-transients=\n[Group 0]\n", NULL),
                     OPTIONS_RUN);
    assert_null(sheet->text);
    assert_int_equal(sheet->options.rules->len, 2);
    expect_rule(sheet, 0, RULE_SESSIONS, 2);
    assert_false(rule_at(sheet, 0)->said[RULE_TRANSIENTS]);
    assert_int_equal(rule_at(sheet, 1)->subject, RULE_FOR_GROUP);
}

static void test_R75_all_that_is_wrong_with_sections_is_found(void **state)
{
    static const struct {
        const char *lines, *said;
        enum options_result result; /* without --check-config */
    } cases[] = {
        {"[User no such user]\npriority=low",
         "test.conf:1: there is no user \"no such user\"; [User no such user] is for nobody",
         OPTIONS_RUN},
        {"\n[Group no such group]",
         "test.conf:2: there is no group \"no such group\"; [Group no such group] is for nobody",
         OPTIONS_RUN},
        {"[User 1]\n[User 1]\nmax-sessions=1",
         "test.conf:2: [User 1] stands in line 1 already; of each key the last value counts",
         OPTIONS_RUN},
        {"[User root]\n[User 0]", "test.conf:2: [User root] stands in line 1 already", OPTIONS_RUN},
        {"[Daemon]\n\n[daemon]", "test.conf:3: [Daemon] stands in line 1 already", OPTIONS_RUN},
        {"[Default]\n[Default]", "test.conf:2: [Default] stands in line 1 already", OPTIONS_RUN},
        {"[User]\npriority=high", "test.conf:1: [User] wants to be [User NAME]", OPTIONS_UNFIT},
        {"[Group ]", "test.conf:1: [Group] wants to be [Group NAME]", OPTIONS_UNFIT},
        {"[Default all]", "test.conf:1: [Default all] wants to be [Default]", OPTIONS_UNFIT},
        {"[Daemon x]", "test.conf:1: [Daemon x] wants to be [Daemon]", OPTIONS_UNFIT},
        {"[Usr root]", "there is no section [Usr root]; the nearest is [User NAME]", OPTIONS_UNFIT},
        {"[Groups tss]", "there is no section [Groups tss]; the nearest is [Group NAME]",
         OPTIONS_UNFIT},
        {"[Defaults]", "there is no section [Defaults]; the nearest is [Default]", OPTIONS_UNFIT},
        {"[User 1]\nmax-session=1",
         "test.conf:2: there is no key \"max-session\" of [User 1]; the nearest is "
         "\"max-sessions\"",
         OPTIONS_UNFIT},
        {"[User 1]\nlocality=1", "the nearest is \"localities\"", OPTIONS_UNFIT},
        {"[User 1]\nhelp=yes", "there is no key \"help\" of [User 1]", OPTIONS_UNFIT},
        {"[User 1]\nverbose=yes", "verbose is no key of [User 1]; put it below [Daemon]",
         OPTIONS_UNFIT},
        {"[Default]\nmax-connections=5", "max-connections is no key of [Default]", OPTIONS_UNFIT},
        {"[Default]\nmax-sessions=65", "max-sessions takes a number from 1 to 64, not \"65\"",
         OPTIONS_UNFIT},
        {"[Daemon]\npriority=low", "priority is no key of [Daemon]; put it below [Default]",
         OPTIONS_UNFIT},
        {"[User 1]\nmax-connections-per-user=0",
         "test.conf:2: max-connections-per-user takes a number from 1 to 16384, not \"0\"",
         OPTIONS_UNFIT},
        {"[User 1]\nmax-sessions=65", "max-sessions takes a number from 1 to 64, not \"65\"",
         OPTIONS_UNFIT},
        {"[User 1]\nmax-sessions-per-user=x", "max-sessions-per-user takes a number",
         OPTIONS_UNFIT},
        {"[User 1]\nmax-transients=1025", "max-transients takes a number", OPTIONS_UNFIT},
        {"[User 1]\nmax-transients-per-user=-1", "max-transients-per-user takes a number",
         OPTIONS_UNFIT},
        {"[User 1]\nmax-abandoned-per-user=65", "max-abandoned-per-user takes a number from 0",
         OPTIONS_UNFIT},
        {"[User 1]\npriority=most", "priority takes \"high\", \"normal\" or \"low\", not \"most\"",
         OPTIONS_UNFIT},
        {"[User 1]\nlocalities=0,5",
         "localities takes numbers from 0 to 4 with commas between, not \"0,5\"", OPTIONS_UNFIT},
        {"[User 1]\nlocalities=0,,1", "localities takes numbers from 0 to 4", OPTIONS_UNFIT},
        {"[User 1]\nlocalities=\\q", "localities has an escape that means nothing", OPTIONS_UNFIT},
        {"[User nobody at all]\npriority=most", "priority takes", OPTIONS_UNFIT},
        {"[User 1]\n\npolicy=lax",
         "test.conf:3: policy takes \"open\", \"standard\", \"guarded\" or \"strict\", not \"lax\"",
         OPTIONS_UNFIT},
        {"[Group 1]\nallow=Sign,Cleaar",
         "test.conf:2: allow takes names of TPM commands, or numbers such as 0x20000001, with "
         "commas between; there is no command \"Cleaar\"; the nearest is \"Clear\"",
         OPTIONS_UNFIT},
        {"[User 1]\ndeny=GetRandm", "the nearest is \"GetRandom\"", OPTIONS_UNFIT},
        {"[User 1]\ndeny=0x40000001", "0x40000001 is no command code", OPTIONS_UNFIT},
        {"[User nobody at all]\ndeny=x", "deny takes", OPTIONS_UNFIT},
        {"[Default]\ndeny=Shutdwn", "test.conf:2: deny takes names", OPTIONS_UNFIT},
        {"[User 1]\npolicies=open", "the nearest is \"policy\"", OPTIONS_UNFIT},
        {"[User 1]\nguest-policy=open", "guest-policy is no key of [User 1]; put it below",
         OPTIONS_UNFIT},
        {"[User 1]\nadmin=1", "admin is no key of [User 1]", OPTIONS_UNFIT},
    };
    struct sheet *sheet = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_int_equal(read_files(sheet, cases[i].lines, NULL, NULL), cases[i].result);
        expect_text(sheet, cases[i].said);
        assert_int_equal(read_files(sheet, cases[i].lines, NULL, "--check-config"), OPTIONS_UNFIT);
        expect_text(sheet, cases[i].said);
    }
}

static void test_R75_who_is_not_there_is_no_reason_not_to_start(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet,
                                "[User no such user]\npriority=low\n[Group no such]\n"
                                "[User root]\npriority=high\n",
                                NULL, NULL),
                     OPTIONS_RUN);
    assert_int_equal(sheet->options.rules->len, 1);
    assert_int_equal(rule_at(sheet, 0)->id, 0);
}

/* A user's section is stronger than a list in a file, one on the command line stronger than both.
 */
static void test_R75_lists_of_users_are_rules_too(void **state)
{
    static const char text[] = "[Daemon]\nlow-priority=0,5\n[User 0]\npriority=normal\n";
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet, text, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(sheet->options.rules->len, 2);
    expect_rule(sheet, 0, RULE_PRIORITY, SCHEDULER_NORMAL);
    assert_int_equal(rule_at(sheet, 1)->id, 5);
    expect_rule(sheet, 1, RULE_PRIORITY, SCHEDULER_LOW);
    assert_int_equal(read_files(sheet, text, NULL, "--low-priority=root"), OPTIONS_RUN);
    assert_int_equal(sheet->options.rules->len, 1);
    expect_rule(sheet, 0, RULE_PRIORITY, SCHEDULER_LOW);
}

static void test_R75_sessions_of_a_user_follow_those_of_a_connection(void **state)
{
    struct sheet *sheet = *state;

    assert_int_equal(
        read_files(sheet, "[User 1]\nmax-sessions=60\n[User 2]\nmax-sessions=8\n", NULL, NULL),
        OPTIONS_RUN);
    expect_rule(sheet, 0, RULE_SESSIONS_PER_USER, 60);
    assert_false(rule_at(sheet, 1)->said[RULE_SESSIONS_PER_USER]);
    assert_int_equal(
        read_files(sheet, "[User 1]\nmax-sessions=60\nmax-sessions-per-user=3", NULL, NULL),
        OPTIONS_RUN);
    expect_rule(sheet, 0, RULE_SESSIONS_PER_USER, 3);
    assert_int_equal(
        read_files(sheet, "[User 1]\nmax-sessions=60\n", NULL, "--max-sessions-per-user=3"),
        OPTIONS_RUN);
    assert_false(rule_at(sheet, 0)->said[RULE_SESSIONS_PER_USER]);
}

static void test_R75_sections_are_shown_with_their_origin(void **state)
{
    g_autofree char *first = NULL, *said = NULL, *default_said = NULL, *policy_said = NULL;
    struct sheet *sheet = *state;

    assert_int_equal(read_files(sheet, "", NULL, "--show-config"), OPTIONS_PRINT);
    expect_text(sheet, "\n[Default]\n# default\npriority=normal\n# default\nlocalities=\n");
    said = g_strdup_printf("\n[User root]\n# %s:2\nmax-sessions=4\n# %s.d/10.conf:2\n"
                           "localities=0,1\n",
                           sheet->path, sheet->path);
    default_said = g_strdup_printf("# %s:4\npriority=low\n", sheet->path);
    assert_int_equal(
        read_files(sheet,
                   "[User root]\nmax-sessions=4\n[Default]\npriority=low\n[Group no such]\n"
                   "max-transients=2\n[Group 0]\npolicy=strict\nallow=Clear\ndeny=Sign\n",
                   "[user 0]\nlocalities=0,1\n", "--show-config"),
        OPTIONS_PRINT);
    expect_text(sheet, said);
    expect_text(sheet, default_said);
    expect_text(sheet, "\n[Group no such]\n");
    policy_said = g_strdup_printf("\n[Group 0]\n# %s:8\npolicy=strict\n# %s:9\nallow=Clear\n"
                                  "# %s:10\ndeny=Sign\n",
                                  sheet->path, sheet->path, sheet->path);
    expect_text(sheet, policy_said);
    expect_text(sheet, "# default\nmax-connections=1024\n");
    /* What is shown can be read. */
    first = g_strdup(sheet->text);
    assert_int_equal(read_files(sheet, first, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(sheet->options.rules->len, 3);
    expect_rule(sheet, 0, RULE_PRIORITY, SCHEDULER_LOW);
    expect_rule(sheet, 1, RULE_SESSIONS, 4);
    expect_rule(sheet, 1, RULE_LOCALITIES, 3);
    assert_int_equal(policy_rule_at(sheet, 0)->preset, POLICY_STRICT);
    assert_true(is_in(&policy_rule_at(sheet, 0)->denied, TPM2_CC_Sign));
}

#define sheet_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sheet_test(test_R75_each_key_of_a_section_makes_a_rule),
        sheet_test(test_R82_sections_make_policies),
        sheet_test(test_R75_what_is_said_for_all_is_the_option),
        sheet_test(test_R82_policy_for_all_is_the_option),
        sheet_test(test_R75_a_user_has_one_section_over_all_files),
        sheet_test(test_R75_all_that_is_wrong_with_sections_is_found),
        sheet_test(test_R75_who_is_not_there_is_no_reason_not_to_start),
        sheet_test(test_R75_lists_of_users_are_rules_too),
        sheet_test(test_R75_sessions_of_a_user_follow_those_of_a_connection),
        sheet_test(test_R75_sections_are_shown_with_their_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
