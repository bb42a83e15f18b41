/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may use the TPM, tried with users of the machine: the socket's file, and the policy file for
 * the system bus, which stands in the rules of the world's own bus.
 */
#include "served.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"

/* What a child that tries to get in says of that. */
enum entry { ENTRY_OPEN = 0, ENTRY_DENIED = 1, ENTRY_OTHER = 2, ENTRY_NO_USER = 3 };

/* Turns the process into another user's, with that user's own group, or `group` when it names one.
 */
static bool become(const char *user, const char *group)
{
    const struct passwd *entry = getpwnam(user);
    const struct group *other = group ? getgrnam(group) : NULL;

    return entry && (!group || other) && setgroups(0, NULL) == 0
           && setgid(other ? other->gr_gid : entry->pw_gid) == 0 && setuid(entry->pw_uid) == 0;
}

static enum entry enter_socket(const struct world *world)
{
    char *path = served_socket(world);
    struct raw_client *raw = access(path, F_OK) == 0 ? served_raw_client(world) : NULL;

    if (raw)
        return ENTRY_OPEN;
    return errno == EACCES ? ENTRY_DENIED : ENTRY_OTHER;
}

/* Has a child of the test try the socket as somebody. It does nothing else, and leaves at once. */
static enum entry enter_as(const struct world *world, const char *user, const char *group)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(become(user, group) ? (int)enter_socket(world) : (int)ENTRY_NO_USER);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (enum entry)WEXITSTATUS(status);
}

static void become_child(gpointer data)
{
    if (!become(data, NULL))
        _exit(ENTRY_NO_USER);
}

/* Has somebody call a method on the world's bus, by a program: GLib's threads do not go with a
 * fork. */
static enum entry call_as(const struct world *world, const char *user, const char *const *words)
{
    char *bus = g_strdup_printf("--bus=%s", world->address), *said = NULL;
    const char *argv[9] = {"dbus-send", bus, "--print-reply"};
    enum entry entry = ENTRY_OTHER;
    int status;

    for (unsigned i = 0; words[i]; i++)
        argv[3 + i] = words[i];
    assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, become_child,
                             (gpointer)(uintptr_t)user, NULL, &said, &status, NULL));
    if (status == 0)
        entry = ENTRY_OPEN;
    else if (strstr(said, "org.freedesktop.DBus.Error.AccessDenied"))
        entry = ENTRY_DENIED;
    else
        fprintf(stderr, "access: %s\n", said);
    g_free(said);
    g_free(bus);
    return entry;
}

static enum entry use_as(const struct world *world, const char *user)
{
    static const char *const words[] = {"--dest=" BUS_NAME, "/com/intel/tss2/Tabrmd/Tcti",
                                        "com.intel.tss2.TctiTabrmd.CreateConnection", NULL};

    return call_as(world, user, words);
}

/* Stands in line for the name, which the daemon has already. */
static enum entry own_as(const struct world *world, const char *user)
{
    static const char *const words[] = {"--dest=org.freedesktop.DBus",
                                        "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus.RequestName",
                                        "string:" BUS_NAME,
                                        "uint32:0",
                                        NULL};

    return call_as(world, user, words);
}

/* The world's directories, which are the test's own, let others through to the sockets. */
static void open_directories(const struct world *world)
{
    char *run = world_path(world, "run");

    assert_int_equal(chmod(world->dir, 0711), 0);
    assert_int_equal(chmod(run, 0711), 0);
    g_free(run);
}

/* Root and group tss may use the socket, nobody else; without that group it is this user's. */
static void test_R44_the_sockets_mode_and_group(void **state)
{
    char *path = served_socket(*state);
    const struct group *group = getgrnam("tss");
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_uid, geteuid());
    if (group && (geteuid() == 0 || getegid() == group->gr_gid)) {
        assert_int_equal(status.st_mode & 07777, 0660);
        assert_int_equal(status.st_gid, group->gr_gid);
    } else {
        assert_int_equal(status.st_mode & 07177, 0);
    }
    g_free(path);
}

static void test_R44_the_socket_is_for_root_and_the_group(void **state)
{
    struct world *world = *state;

    if (geteuid() != 0 || !getgrnam("tss"))
        skip();
    open_directories(world);
    assert_int_equal(enter_as(world, "root", NULL), ENTRY_OPEN);
    assert_int_equal(enter_as(world, "nobody", "tss"), ENTRY_OPEN);
    assert_int_equal(enter_as(world, "nobody", NULL), ENTRY_DENIED);
}

/* What the policy file allows, by whom: filled while it is read. */
struct policy {
    char who[64];     /* of the policy element that is open */
    GPtrArray *rules; /* "allow who attribute=value" */
};

static void policy_element(GMarkupParseContext *context, const char *element, const char **names,
                           const char **values, gpointer data, GError **error)
{
    struct policy *policy = data;

    (void)context;
    (void)error;
    if (strcmp(element, "policy") == 0)
        snprintf(policy->who, sizeof(policy->who), "%s=%s", names[0], values[0]);
    for (size_t i = 0; strcmp(element, "busconfig") != 0 && strcmp(element, "policy") != 0; i++) {
        if (!names[i])
            break;
        g_ptr_array_add(policy->rules,
                        g_strdup_printf("%s %s %s=%s", element, policy->who, names[i], values[i]));
    }
}

static void test_R44_the_policy_file_allows_root_and_the_group_only(void **state)
{
    static const char *const expected[] = {
        "allow user=tss own=" BUS_NAME,
        "allow user=root own=" BUS_NAME,
        /* One rule each for the daemon, whose attributes hold together. */
        "allow user=tss send_interface=org.freedesktop.DBus.Peer",
        "allow user=tss send_member=Ping",
        "allow user=tss send_type=method_call",
        "allow user=root send_interface=org.freedesktop.DBus.Peer",
        "allow user=root send_member=Ping",
        "allow user=root send_type=method_call",
        "allow user=root send_destination=" BUS_NAME,
        "allow user=root receive_sender=" BUS_NAME,
        "allow group=tss send_destination=" BUS_NAME,
        "allow group=tss receive_sender=" BUS_NAME,
    };
    struct policy policy = {.rules = g_ptr_array_new_with_free_func(g_free)};
    GMarkupParser parser = {.start_element = policy_element};
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &policy, NULL);
    char *text;

    (void)state;
    assert_true(g_file_get_contents(TEST_BUS_POLICY, &text, NULL, NULL));
    assert_true(g_markup_parse_context_parse(context, text, -1, NULL));
    assert_true(g_markup_parse_context_end_parse(context, NULL));
    assert_int_equal(policy.rules->len, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < policy.rules->len; i++)
        assert_string_equal(policy.rules->pdata[i], expected[i]);
    g_markup_parse_context_free(context);
    g_ptr_array_free(policy.rules, TRUE);
    g_free(text);
}

/* The world's bus with the rules of a system bus, which denies what is not allowed, and those of
 * the policy file. */
static char *system_rules(void)
{
    char *text = NULL, *rules, *from, *to;

    assert_true(g_file_get_contents(TEST_BUS_POLICY, &text, NULL, NULL));
    from = strstr(text, "<busconfig>");
    to = strstr(text, "</busconfig>");
    assert_non_null(from);
    assert_non_null(to);
    *to = '\0';
    rules = g_strdup_printf("<allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
                            "<allow send_destination='org.freedesktop.DBus'/></policy>%s"
                            "<policy context='default'>",
                            from + strlen("<busconfig>"));
    g_free(text);
    return rules;
}

static void test_R44_the_bus_is_for_root_and_the_group(void **state)
{
    char *rules;
    struct world *world;

    (void)state;
    if (geteuid() != 0 || !getgrnam("tss") || !getpwnam("tss"))
        skip();
    rules = system_rules();
    world = world_new(&(struct world_setup){.bus_rules = rules});
    assert_non_null(world);
    assert_int_equal(chmod(world->dir, 0711), 0);
    assert_int_equal(use_as(world, "root"), ENTRY_OPEN);
    assert_int_equal(use_as(world, "tss"), ENTRY_OPEN);
    assert_int_equal(use_as(world, "nobody"), ENTRY_DENIED);
    assert_int_equal(own_as(world, "tss"), ENTRY_OPEN);
    assert_int_equal(own_as(world, "nobody"), ENTRY_DENIED);
    assert_true(world_free(world));
    g_free(rules);
}

/* GetStatus as a user sees it: the number behind a key. */
static unsigned long status_as(const struct world *world, const char *user, const char *key)
{
    char *bus = g_strdup_printf("--bus=%s", world->address), *said = NULL;
    const char *argv[] = {"dbus-send",
                          bus,
                          "--print-reply",
                          "--dest=" BUS_NAME,
                          "/org/tabrmd/Manager",
                          "org.tabrmd.Manager1.GetStatus",
                          NULL};
    unsigned long number = ULONG_MAX;
    const char *at;
    int status;

    assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH,
                             become_child, (gpointer)(uintptr_t)user, &said, NULL, &status, NULL));
    assert_int_equal(status, 0);
    at = strstr(said, key);
    at = at ? strstr(at, "uint") : NULL;
    assert_non_null(at);
    assert_int_equal(sscanf(at, "uint%*u %lu", &number), 1);
    g_free(said);
    g_free(bus);
    return number;
}

/* How many connections others have, and how many commands they send, is theirs to know. */
static void test_R56_members_see_counts_rounded(void **state)
{
    struct raw_client *clients[3];
    struct world *world;
    char *rules;

    (void)state;
    if (geteuid() != 0 || !getgrnam("tss") || !getpwnam("tss"))
        skip();
    rules = system_rules();
    world = world_new(&(struct world_setup){.bus_rules = rules});
    assert_non_null(world);
    assert_int_equal(chmod(world->dir, 0711), 0);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = raw_client_new(world);
        assert_non_null(clients[i]);
        raw_client_send_handle(clients[i], 0x173, 0x80000000);
    }
    assert_int_equal(status_as(world, "root", "Connections"), 3);
    assert_int_equal(status_as(world, "root", "ClientCommands"), 3);
    assert_int_equal(status_as(world, "tss", "Connections"), 0);
    assert_int_equal(status_as(world, "tss", "ClientCommands"), 0);
    assert_int_equal(status_as(world, "tss", "ChipCommands"), 0);
    for (unsigned i = 0; i < 3; i++)
        raw_client_free(clients[i]);
    assert_true(world_free(world));
    g_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R44_the_sockets_mode_and_group),
        served_test(test_R44_the_socket_is_for_root_and_the_group),
        cmocka_unit_test(test_R44_the_policy_file_allows_root_and_the_group_only),
        cmocka_unit_test(test_R44_the_bus_is_for_root_and_the_group),
        cmocka_unit_test(test_R56_members_see_counts_rounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
