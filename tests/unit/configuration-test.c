/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files: which are read and in what order, and all that is found wrong in them. */
#include "options.h"

#include "nearest.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_WORDS 8

/* A directory with etc/tabrmd.conf, etc/tabrmd.conf.d/ and lib/tabrmd.conf.d/. */
struct tree {
    char *dir;
    char *file, *vendor;
    struct conf_places places;
    struct options options;
    char *text; /* what options_parse() said last */
};

static int setup(void **state)
{
    struct tree *tree = g_new0(struct tree, 1);
    g_autofree char *own = NULL, *theirs = NULL;

    tree->dir = g_dir_make_tmp("tabrmd-conf.XXXXXX", NULL);
    assert_non_null(tree->dir);
    tree->file = g_build_filename(tree->dir, "etc", "tabrmd.conf", NULL);
    tree->vendor = g_build_filename(tree->dir, "lib", NULL);
    tree->places = (struct conf_places){tree->file, tree->vendor};
    own = g_build_filename(tree->dir, "etc", "tabrmd.conf.d", NULL);
    theirs = g_build_filename(tree->vendor, "tabrmd.conf.d", NULL);
    assert_int_equal(g_mkdir_with_parents(own, 0700), 0);
    assert_int_equal(g_mkdir_with_parents(theirs, 0700), 0);
    *state = tree;
    return 0;
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *below = g_build_filename(path, name, NULL);

        remove_tree(below);
    }
    assert_int_equal(g_remove(path), 0);
}

static void forget(struct tree *tree)
{
    g_clear_pointer(&tree->text, free);
    options_clear(&tree->options);
}

static int teardown(void **state)
{
    struct tree *tree = *state;

    forget(tree);
    remove_tree(tree->dir);
    g_free(tree->file);
    g_free(tree->vendor);
    g_free(tree->dir);
    g_free(tree);
    return 0;
}

/* Writes a file of the tree. */
static void put(struct tree *tree, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(tree->dir, name, NULL);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* The same of "10.conf" in a directory that need not be there. */
static void put_below(struct tree *tree, const char *directory, const char *text)
{
    g_autofree char *path = g_build_filename(tree->dir, directory, NULL);
    g_autofree char *name = g_build_filename(directory, "10.conf", NULL);

    assert_int_equal(g_mkdir_with_parents(path, 0700), 0);
    put(tree, name, text);
}

static enum options_result parse(struct tree *tree, const char *const *words)
{
    char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "tabrmd"};
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    forget(tree);
    return options_parse(&tree->options, argc, argv, &tree->places, &tree->text);
}

#define PARSE(tree, ...)  parse(tree, (const char *const[]){__VA_ARGS__, NULL})
#define PARSE_FILES(tree) parse(tree, (const char *const[]){NULL})

static void test_R71_no_file_is_the_defaults(void **state)
{
    struct tree *tree = *state;

    assert_int_equal(PARSE_FILES(tree), OPTIONS_RUN);
    assert_null(tree->text);
    assert_int_equal(tree->options.limits.max_connections, 1024);
}

static void test_R71_a_file_says_what_an_option_would(void **state)
{
    struct tree *tree = *state;

    put(tree, "etc/tabrmd.conf",
        "# A comment\n\n[Daemon]\n max-connections = 7 "
        "\nsocket=\\s/a\nverbose=on\r\n"
        "flush-all=no\n");
    assert_int_equal(PARSE(tree, "--socket=/b"), OPTIONS_RUN);
    assert_null(tree->text);
    assert_int_equal(tree->options.limits.max_connections, 7);
    assert_int_equal(tree->options.limits.max_connections_per_user, 7);
    assert_string_equal(tree->options.socket, "/b");
    assert_int_equal(tree->options.level, LOG_LEVEL_DEBUG);
    assert_false(tree->options.flush_all);
}

static void test_R71_drop_ins_go_by_name_and_the_command_line_wins(void **state)
{
    struct tree *tree = *state;

    put(tree, "etc/tabrmd.conf", "[Daemon]\nmax-connections=1\nmax-sessions=1\nverbose=yes\n");
    put(tree, "etc/tabrmd.conf.d/20.conf", "[Daemon]\nmax-connections=2\n");
    put(tree, "lib/tabrmd.conf.d/10.conf", "[Daemon]\nmax-connections=3\nmax-sessions=3\n");
    put(tree, "lib/tabrmd.conf.d/30.conf", "[Daemon]\nmax-transients=3\n");
    put(tree, "etc/tabrmd.conf.d/90.txt", "what is no drop-in\n");
    put(tree, "etc/tabrmd.conf.d/.91.conf", "an editor's\n");
    assert_int_equal(PARSE_FILES(tree), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_connections, 2);
    assert_int_equal(tree->options.limits.max_sessions, 3);
    assert_int_equal(tree->options.limits.max_transients, 3);
    assert_int_equal(PARSE(tree, "-m", "9", "--verbose=no"), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_connections, 9);
    assert_int_equal(tree->options.level, LOG_LEVEL_INFO);
    /* A file of the same name switches the vendor's off. */
    put(tree, "etc/tabrmd.conf.d/10.conf", "");
    assert_int_equal(PARSE_FILES(tree), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_sessions, 1);
}

static void test_R71_a_link_to_dev_null_masks(void **state)
{
    struct tree *tree = *state;
    g_autofree char *mask = g_build_filename(tree->dir, "etc/tabrmd.conf.d/10.conf", NULL);

    put(tree, "lib/tabrmd.conf.d/10.conf", "[Daemon]\nmax-sessions=3\n");
    assert_int_equal(symlink("/dev/null", mask), 0);
    assert_int_equal(PARSE_FILES(tree), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_sessions, 16);
}

static void test_R71_an_empty_value_is_the_default(void **state)
{
    struct tree *tree = *state;

    put(tree, "etc/tabrmd.conf", "[Daemon]\nsocket=/a\nhigh-priority=1\nmax-connections=5\n");
    put(tree, "etc/tabrmd.conf.d/1.conf", "[Daemon]\nsocket=\nhigh-priority=\nmax-connections=\n");
    assert_int_equal(PARSE(tree, "-e", "5"), OPTIONS_RUN);
    assert_null(tree->options.socket);
    assert_int_equal(tree->options.rules->len, 0);
    assert_int_equal(tree->options.limits.max_connections, 1024);
    assert_int_equal(tree->options.limits.max_sessions, 5);
}

static void test_R71_another_file_has_its_own_drop_ins(void **state)
{
    struct tree *tree = *state;
    g_autofree char *dir = g_build_filename(tree->dir, "etc", "tpm1.conf.d", NULL);
    g_autofree char *word = g_strdup_printf("--config=%s/etc/tpm1.conf", tree->dir);

    put(tree, "etc/tabrmd.conf", "[Daemon]\nmax-sessions=3\n");
    assert_int_equal(PARSE(tree, word), OPTIONS_UNFIT);
    assert_non_null(strstr(tree->text, "tpm1.conf: cannot be read"));
    put(tree, "etc/tpm1.conf", "[Daemon]\nmax-transients=3\n");
    assert_int_equal(g_mkdir(dir, 0700), 0);
    put(tree, "etc/tpm1.conf.d/x.conf", "[Daemon]\nmax-transients=4\n");
    assert_int_equal(PARSE(tree, word), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_sessions, 16);
    assert_int_equal(tree->options.limits.max_transients, 4);
}

/* Each line of a file, and what is said of it; all at once, in order. */
static void test_R85_a_tpm_has_its_own_defaults_and_files(void **state)
{
    struct tree *tree = *state;

    put(tree, "etc/tabrmd.conf", "[Daemon]\nmax-sessions=3\n");
    put(tree, "etc/tabrmd.conf.d/10.conf", "[Daemon]\nmax-connections=3\n");
    assert_int_equal(PARSE(tree, "--tpm=tpm1"), OPTIONS_RUN);
    assert_string_equal(tree->options.tcti, "device:/dev/tpm1");
    assert_string_equal(tree->options.bus_name, "com.intel.tss2.Tabrmd.tpm1");
    assert_int_equal(tree->options.limits.max_sessions, 16);
    assert_int_equal(tree->options.limits.max_connections, 1024);
    put(tree, "etc/tpm1.conf", "[Daemon]\nmax-sessions=5\ntcti=\n");
    put_below(tree, "etc/tpm1.conf.d", "[Daemon]\ndbus-name=a.b\n");
    put_below(tree, "lib/tpm1.conf.d", "[Daemon]\nmax-transients=7\n");
    assert_int_equal(PARSE(tree, "--tpm=tpm1", "--max-connections=9"), OPTIONS_RUN);
    assert_null(tree->text);
    assert_int_equal(tree->options.limits.max_sessions, 5);
    assert_int_equal(tree->options.limits.max_connections, 9);
    assert_string_equal(tree->options.bus_name, "a.b");
    /* A drop-in of the administrator hides the vendor's of its name. */
    assert_int_equal(tree->options.limits.max_transients, 64);
    /* A value that is taken back is that of this TPM. */
    assert_string_equal(tree->options.tcti, "device:/dev/tpm1");
    assert_int_equal(PARSE(tree, "--tpm=tpm1", "--dbus-name=c.d", "--tcti=device:/dev/x"),
                     OPTIONS_RUN);
    assert_string_equal(tree->options.bus_name, "c.d");
    assert_string_equal(tree->options.tcti, "device:/dev/x");
}

static void test_R85_a_tpm_with_a_file_that_is_named(void **state)
{
    struct tree *tree = *state;
    g_autofree char *path = g_build_filename(tree->dir, "other.conf", NULL);
    g_autofree char *config = g_strconcat("--config=", path, NULL);

    put(tree, "etc/tpm1.conf", "[Daemon]\nmax-sessions=5\n");
    put(tree, "other.conf", "[Daemon]\nmax-sessions=6\n");
    assert_int_equal(PARSE(tree, "--tpm=tpm1", config), OPTIONS_RUN);
    assert_int_equal(tree->options.limits.max_sessions, 6);
    assert_string_equal(tree->options.tcti, "device:/dev/tpm1");
}

static void test_R85_what_the_name_of_a_tpm_says_is_shown(void **state)
{
    struct tree *tree = *state;

    assert_int_equal(PARSE(tree, "--show-config", "--tpm=tpm1"), OPTIONS_PRINT);
    assert_non_null(strstr(tree->text, "# default of --tpm\ntcti=device:/dev/tpm1\n"));
    assert_non_null(
        strstr(tree->text, "# default of --tpm\ndbus-name=com.intel.tss2.Tabrmd.tpm1\n"));
    assert_non_null(strstr(tree->text, "# default\nmax-sessions=16\n"));
}

static void test_R85_what_is_no_name_of_a_tpm_is_refused(void **state)
{
    static const char *const names[] = {
        "",          ".",     "..",          "../tpm1",
        "/dev/tpm1", "tpm1/", "tpm 1",       "tpm-1",
        "tpm.1",     "1tpm",  "0",           "tpm_1",
        "tabrmd",    "tpm%i", "tpm\xc3\xa9", "abcdefghijklmnopqrstuvwxyz0123456",
    };
    struct tree *tree = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        g_autofree char *option = g_strconcat("--tpm=", names[i], NULL);
        g_autofree char *quoted = g_strdup_printf("not \"%s\"", names[i]);

        assert_int_equal(PARSE(tree, option), OPTIONS_BAD);
        assert_non_null(strstr(tree->text, "--tpm takes the name of a TPM such as tpm1"));
        assert_true(g_str_has_suffix(tree->text, quoted));
    }
    assert_int_equal(PARSE(tree, "--tpm=abcdefghijklmnopqrstuvwxyz012345"), OPTIONS_RUN);
}

static void test_R72_all_findings_are_told_with_file_line_and_key(void **state)
{
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"verbose=yes", "verbose stands before any section"},
        {"[Demon]", "no section [Demon]; the nearest is [Daemon]"},
        {"what=is not looked at", NULL},
        {"[Daemon]", NULL},
        {"max-conections=1", "no key \"max-conections\"; the nearest is \"max-connections\""},
        {"MaxSessionsPerUser=1", "the nearest is \"max-sessions-per-user\""},
        {"priority=1", "priority is no key of [Daemon]; put it below [Default], [User NAME]"},
        {"version=yes", "version is for the command line alone"},
        {"tcti[de]=x", "no key \"tcti[de]\"; the nearest is \"tcti\""},
        {"socket=\\q", "socket has an escape that means nothing"},
        {"word", "\"word\" is no [SECTION], no KEY=VALUE and no # comment"},
        {"[Daemon", "\"[Daemon\" is no [SECTION]"},
        {"tcti=\xff", "is not UTF-8"},
    };
    struct tree *tree = *state;
    GString *text = g_string_new(NULL);
    char *at;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        g_string_append_printf(text, "%s\n", cases[i].line);
    put(tree, "etc/tabrmd.conf", text->str);
    g_string_free(text, TRUE);
    assert_int_equal(PARSE_FILES(tree), OPTIONS_UNFIT);
    at = tree->text;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        g_autofree char *place = g_strdup_printf("%s:%u: ", tree->file, i + 1);
        char *end = strchr(at, '\n');

        if (!cases[i].said)
            continue;
        assert_non_null(end);
        *end = '\0';
        assert_int_equal(strncmp(at, place, strlen(place)), 0);
        assert_non_null(strstr(at, cases[i].said));
        at = end + 1;
    }
    assert_string_equal(at, "");
}

static void test_R72_what_cannot_be_read_is_a_finding(void **state)
{
    struct tree *tree = *state;
    g_autofree char *dir = g_build_filename(tree->dir, "etc/tabrmd.conf.d", NULL);
    g_autofree char *x = g_build_filename(dir, "x.conf", NULL);

    assert_int_equal(g_mkdir(x, 0700), 0);
    assert_int_equal(PARSE_FILES(tree), OPTIONS_UNFIT);
    assert_non_null(strstr(tree->text, "x.conf: cannot be read"));
    assert_int_equal(g_rmdir(x), 0);
    assert_int_equal(g_rmdir(dir), 0);
    put(tree, "etc/tabrmd.conf.d", "no directory\n");
    assert_int_equal(PARSE_FILES(tree), OPTIONS_UNFIT);
    assert_non_null(strstr(tree->text, "tabrmd.conf.d: cannot be read"));
    assert_int_equal(g_remove(dir), 0);
    assert_true(g_file_set_contents(tree->file, "[Daemon]\n\0\n", 11, NULL));
    assert_int_equal(PARSE_FILES(tree), OPTIONS_UNFIT);
    assert_non_null(strstr(tree->text, "is no text"));
}

static void test_R72_help_and_version_need_no_good_file(void **state)
{
    struct tree *tree = *state;

    put(tree, "etc/tabrmd.conf", "nonsense\n");
    assert_int_equal(PARSE(tree, "--help"), OPTIONS_PRINT);
    assert_int_equal(PARSE(tree, "--version"), OPTIONS_RUN);
    assert_int_equal(PARSE(tree, "--check-config", "--max-sessions=0"), OPTIONS_BAD);
}

static void test_R72_distances(void **state)
{
    g_autofree char *longer = g_strnfill(300, 'a');

    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("flaw", "lawn"), 2);
    assert_int_equal(nearest_distance("Max-Sessions", "max_sessions"), 0);
    assert_int_equal(nearest_distance("idle", "idle-release"), 1);
    assert_int_equal(nearest_distance("no-socket", "socket"), 1);
    assert_int_equal(nearest_distance(longer, "b"), NEAREST_LETTERS);
    assert_int_equal(nearest_distance(longer, longer), 0);
}

#define tree_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        tree_test(test_R71_no_file_is_the_defaults),
        tree_test(test_R71_a_file_says_what_an_option_would),
        tree_test(test_R71_drop_ins_go_by_name_and_the_command_line_wins),
        tree_test(test_R71_a_link_to_dev_null_masks),
        tree_test(test_R71_an_empty_value_is_the_default),
        tree_test(test_R71_another_file_has_its_own_drop_ins),
        tree_test(test_R85_a_tpm_has_its_own_defaults_and_files),
        tree_test(test_R85_a_tpm_with_a_file_that_is_named),
        tree_test(test_R85_what_the_name_of_a_tpm_says_is_shown),
        tree_test(test_R85_what_is_no_name_of_a_tpm_is_refused),
        tree_test(test_R72_all_findings_are_told_with_file_line_and_key),
        tree_test(test_R72_what_cannot_be_read_is_a_finding),
        tree_test(test_R72_help_and_version_need_no_good_file),
        cmocka_unit_test(test_R72_distances),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
