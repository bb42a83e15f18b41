/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may use the TPM, tried with users of the machine: the socket's file, and the policy files for
 * the system bus, which stand in the rules of the world's own bus.
 */
#include "served.h"
#include "shell.h"

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

static enum entry use_as(const struct world *world, const char *user, const char *name)
{
    g_autofree char *destination = g_strconcat("--dest=", name, NULL);
    const char *words[] = {destination, "/com/intel/tss2/Tabrmd/Tcti",
                           "com.intel.tss2.TctiTabrmd.CreateConnection", NULL};

    return call_as(world, user, words);
}

/* Stands in line for the name, which the daemon has already. */
static enum entry own_as(const struct world *world, const char *user, const char *name)
{
    g_autofree char *wanted = g_strconcat("string:", name, NULL);
    const char *words[] = {"--dest=org.freedesktop.DBus",
                           "/org/freedesktop/DBus",
                           "org.freedesktop.DBus.RequestName",
                           wanted,
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

/* What one may do at the one, it may at the other. */
static void test_R90_the_managers_socket_is_as_the_clients(void **state)
{
    char *clients = served_socket(*state), *manager = world_path(*state, "run/manager.sock");
    struct stat of_clients, of_manager;

    assert_int_equal(stat(clients, &of_clients), 0);
    assert_int_equal(stat(manager, &of_manager), 0);
    assert_int_equal(of_manager.st_mode, of_clients.st_mode);
    assert_int_equal(of_manager.st_uid, of_clients.st_uid);
    assert_int_equal(of_manager.st_gid, of_clients.st_gid);
    g_free(manager);
    g_free(clients);
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

/* What a policy file says is all of this, in this order. */
static void expect_policy(const char *path, const char *const *expected, size_t count)
{
    struct policy policy = {.rules = g_ptr_array_new_with_free_func(g_free)};
    GMarkupParser parser = {.start_element = policy_element};
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &policy, NULL);
    char *text;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_true(g_markup_parse_context_parse(context, text, -1, NULL));
    assert_true(g_markup_parse_context_end_parse(context, NULL));
    assert_int_equal(policy.rules->len, count);
    for (size_t i = 0; i < policy.rules->len; i++)
        assert_string_equal(policy.rules->pdata[i], expected[i]);
    g_markup_parse_context_free(context);
    g_ptr_array_free(policy.rules, TRUE);
    g_free(text);
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

    (void)state;
    expect_policy(TEST_BUS_POLICY ".conf", expected, sizeof(expected) / sizeof(expected[0]));
}

static void test_R85_the_policy_file_of_further_tpms_allows_no_others(void **state)
{
    static const char *const expected[] = {
        "allow user=tss own_prefix=" BUS_NAME,
        "allow user=root own_prefix=" BUS_NAME,
        "allow user=root send_destination_prefix=" BUS_NAME,
        "allow group=tss send_destination_prefix=" BUS_NAME,
    };

    (void)state;
    expect_policy(TEST_BUS_POLICY "-tpms.conf", expected, sizeof(expected) / sizeof(expected[0]));
}

/* What stands in a policy file, to be freed with g_free(). */
static char *policy_text(const char *path)
{
    char *text = NULL, *from, *to, *policy;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    from = strstr(text, "<busconfig>");
    to = strstr(text, "</busconfig>");
    assert_non_null(from);
    assert_non_null(to);
    *to = '\0';
    policy = g_strdup(from + strlen("<busconfig>"));
    g_free(text);
    return policy;
}

/* The world's bus with the rules of a system bus, which denies what is not allowed, and those of
 * the policy file; and of that for further TPMs. */
static char *system_rules(bool tpms)
{
    g_autofree char *policy = policy_text(TEST_BUS_POLICY ".conf");
    g_autofree char *of_tpms = tpms ? policy_text(TEST_BUS_POLICY "-tpms.conf") : g_strdup("");

    return g_strdup_printf("<allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
                           "<allow send_destination='org.freedesktop.DBus'/></policy>%s%s"
                           "<policy context='default'>",
                           policy, of_tpms);
}

/* The daemon has the name, and runs as this user. */
static void expect_root_and_group(const struct world *world, const char *name)
{
    assert_int_equal(use_as(world, "root", name), ENTRY_OPEN);
    assert_int_equal(use_as(world, "tss", name), ENTRY_OPEN);
    assert_int_equal(use_as(world, "nobody", name), ENTRY_DENIED);
    assert_int_equal(own_as(world, "tss", name), ENTRY_OPEN);
    assert_int_equal(own_as(world, "nobody", name), ENTRY_DENIED);
}

/* A world with that bus, with a daemon unless it is one for further TPMs; NULL where there is
 * nobody to try it with. */
static struct world *system_world(bool tpms)
{
    struct world *world;
    char *rules;

    if (geteuid() != 0 || !getgrnam("tss") || !getpwnam("tss"))
        return NULL;
    rules = system_rules(tpms);
    world = world_new(&(struct world_setup){.bus_rules = rules, .no_daemon = tpms});
    assert_non_null(world);
    assert_int_equal(chmod(world->dir, 0711), 0);
    g_free(rules);
    return world;
}

static void test_R44_the_bus_is_for_root_and_the_group(void **state)
{
    struct world *world = system_world(false);

    (void)state;
    if (!world)
        skip();
    expect_root_and_group(world, BUS_NAME);
    assert_true(world_free(world));
}

static bool tpm1_serves(void *world)
{
    return world_name_owned(world, BUS_NAME ".tpm1");
}

static void test_R85_the_bus_of_another_tpm_is_for_root_and_the_group(void **state)
{
    struct world *world = system_world(true);
    g_autofree char *tcti = world ? g_strconcat("--tcti=", world->tcti, NULL) : NULL;
    const char *args[] = {"--session", "--allow-root", "--tpm=tpm1", tcti, NULL};
    struct shell *daemon;

    (void)state;
    if (!world)
        skip();
    daemon = shell_start_daemon(world, args, NULL);
    assert_non_null(daemon);
    assert_true(world_poll(tpm1_serves, world, WORLD_START_MS));
    expect_root_and_group(world, BUS_NAME ".tpm1");
    /* What begins alike is somebody else's. */
    assert_int_equal(own_as(world, "tss", BUS_NAME "tpm1"), ENTRY_DENIED);
    process_signal(&daemon->process, SIGTERM);
    assert_int_equal(shell_finish(daemon), 0);
    shell_free(daemon);
    assert_true(world_free(world));
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
    struct world *world = system_world(false);

    (void)state;
    if (!world)
        skip();
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
}

static enum entry manage_as(const struct world *world, const char *user, const char *method,
                            const char *argument)
{
    g_autofree char *name = g_strconcat("org.tabrmd.Manager1.", method, NULL);
    const char *words[] = {"--dest=" BUS_NAME, "/org/tabrmd/Manager", name, argument, NULL};

    return call_as(world, user, words);
}

/* The bus lets all members call; what they may is for the daemon to say. */
static void test_R91_members_steer_nothing_over_the_bus(void **state)
{
    static const char *const for_all[] = {"GetStatus", "ListConnections", "ListUsers", "GetSlots",
                                          "GetLockout"};
    static const struct {
        const char *method, *argument;
    } for_root[] = {{"GetStatistics", NULL}, {"FlushIdle", NULL}, {"SetLogLevel", "string:info"}};
    struct world *world = system_world(false);

    (void)state;
    if (!world)
        skip();
    for (size_t i = 0; i < sizeof(for_all) / sizeof(for_all[0]); i++) {
        assert_int_equal(manage_as(world, "tss", for_all[i], NULL), ENTRY_OPEN);
        assert_int_equal(manage_as(world, "nobody", for_all[i], NULL), ENTRY_DENIED);
    }
    for (size_t i = 0; i < sizeof(for_root) / sizeof(for_root[0]); i++) {
        assert_int_equal(manage_as(world, "tss", for_root[i].method, for_root[i].argument),
                         ENTRY_DENIED);
        assert_int_equal(manage_as(world, "root", for_root[i].method, for_root[i].argument),
                         ENTRY_OPEN);
    }
    assert_int_equal(manage_as(world, "tss", "Disconnect", "uint64:1"), ENTRY_DENIED);
    assert_true(world_free(world));
}

/* How many connections a user is told of over the bus. */
static unsigned listed_as(const struct world *world, const char *user)
{
    char *bus = g_strdup_printf("--bus=%s", world->address), *said = NULL;
    const char *argv[] = {"dbus-send",
                          bus,
                          "--print-reply",
                          "--dest=" BUS_NAME,
                          "/org/tabrmd/Manager",
                          "org.tabrmd.Manager1.ListConnections",
                          NULL};
    unsigned count = 0;
    int status;

    assert_true(g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH,
                             become_child, (gpointer)(uintptr_t)user, &said, NULL, &status, NULL));
    assert_int_equal(status, 0);
    for (const char *at = said; (at = strstr(at, "\"Number\"")); at++)
        count++;
    g_free(said);
    g_free(bus);
    return count;
}

static void test_R91_members_see_no_others_over_the_bus(void **state)
{
    struct world *world = system_world(false);
    struct raw_client *raw;

    (void)state;
    if (!world)
        skip();
    raw = raw_client_new(world);
    assert_non_null(raw);
    assert_int_equal(listed_as(world, "root"), 1);
    assert_int_equal(listed_as(world, "tss"), 0);
    raw_client_free(raw);
    assert_true(world_free(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R44_the_sockets_mode_and_group),
        served_test(test_R90_the_managers_socket_is_as_the_clients),
        served_test(test_R44_the_socket_is_for_root_and_the_group),
        cmocka_unit_test(test_R44_the_policy_file_allows_root_and_the_group_only),
        cmocka_unit_test(test_R44_the_bus_is_for_root_and_the_group),
        cmocka_unit_test(test_R85_the_policy_file_of_further_tpms_allows_no_others),
        cmocka_unit_test(test_R85_the_bus_of_another_tpm_is_for_root_and_the_group),
        cmocka_unit_test(test_R56_members_see_counts_rounded),
        cmocka_unit_test(test_R91_members_steer_nothing_over_the_bus),
        cmocka_unit_test(test_R91_members_see_no_others_over_the_bus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
