/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of tabrmctl, and its completion in each shell. */
#include "tabrmctl.h"

static void test_the_help_names_each_subcommand(void **state)
{
    expect(*state, "tabrmctl --help", EX_OK, "run -- PROGRAM", "doctor", "bridge [-- PROGRAM",
           "--no-pager", "SUBCOMMAND --help");
    expect(*state, "tabrmctl --no-color -h", EX_OK, "run -- PROGRAM");
    expect(*state, "tabrmctl run --help", EX_OK, "--tcti=CONF", "--json", "126 or 127");
}

static void test_the_version_is_told(void **state)
{
    expect(*state, "tabrmctl --version", EX_OK, "tabrmctl version 1.");
}

static void test_a_command_line_that_is_wrong_says_what_is_meant(void **state)
{
    expect(*state, "tabrmctl", EX_USAGE, "name a subcommand");
    expect(*state, "tabrmctl rum", EX_USAGE, "no subcommand \"rum\"; the nearest is \"run\"");
    expect(*state, "tabrmctl --jason run", EX_USAGE, "--jason", "--help lists");
    expect(*state, "tabrmctl run --no-such -- true", EX_USAGE, "--no-such");
}

static void test_bash_completes(void **state)
{
    expect(*state, "bash -u \"$T/complete.bash\" '" TEST_COMPLETION_DIR "'", EX_OK, "1[run]",
           "2[--json]", "3[--tcti=]", "4[tabrmctl]");
}

static void test_fish_completes(void **state)
{
    expect(*state,
           "export HOME=$PWD; fish --no-config -c 'source " TEST_COMPLETION_DIR "/tabrmctl.fish\n"
           "for line in ru --js \"run --tc\" \"run -- tabrmct\"\n"
           "echo $line: (complete -C \"tabrmctl $line\")\n"
           "end'",
           EX_OK, "ru: run", "--js: --json", "run --tc: --tcti", "run -- tabrmct: tabrmctl");
}

static void test_zsh_completes(void **state)
{
    expect(*state, "export HOME=$PWD; zsh -f \"$T/complete.zsh\" '" TEST_COMPLETION_DIR "'", EX_OK,
           "1[tabrmctl run ]", "2[tabrmctl --json ]", "3[tabrmctl run --tcti=]",
           "4[tabrmctl run -- tabrmctl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_the_help_names_each_subcommand),
        suite_empty_test(test_the_version_is_told),
        suite_empty_test(test_a_command_line_that_is_wrong_says_what_is_meant),
        suite_empty_test(test_bash_completes),
        suite_empty_test(test_fish_completes),
        suite_empty_test(test_zsh_completes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
