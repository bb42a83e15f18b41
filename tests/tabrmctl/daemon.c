/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands that ask a daemon's manager interface, before the daemon: over a bus, and by its
 * socket where there is none. */
#include "../integration/served.h"
#include "tabrmctl.h"

#include <json-glib/json-glib.h>
#include <signal.h>
#include <unistd.h>

/* Connections of a crowd. */
#define CROWD 500

/* Exit status where there is no such connection. */
#define STATUS_NO_CONNECTION 1

/* Two clients, of which one has a key, and how tabrmctl finds the daemon. */
struct visit {
    struct world *world;
    struct esys_client *first, *second;
    ESYS_TR key;
    const char *where; /* words of a shell */
};

#define BY_BUS    "W=--tcti=tabrmd:bus_type=session; "
#define BY_SOCKET "W=--tcti=tabrmd:socket=$PWD/../run/tcti.sock; "

static void come(struct visit *visit, void **state, enum served_way way)
{
    *visit = (struct visit){.world = *state, .where = way == SERVED_BUS ? BY_BUS : BY_SOCKET};
    visit->first = served_client(visit->world, way, NULL);
    visit->second = served_client(visit->world, way, NULL);
    assert_non_null(visit->first);
    assert_non_null(visit->second);
    assert_int_equal(esys_client_key(visit->first, &visit->key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(visit->second, 8), TSS2_RC_SUCCESS);
}

static void leave(struct visit *visit)
{
    esys_client_free(visit->first);
    esys_client_free(visit->second);
}

/* What a script writes, which must end with `status`; the caller frees it with g_free(). */
static char *ask(const struct visit *visit, const char *script, int status)
{
    g_autofree char *whole = g_strconcat(visit->where, script, NULL);
    char *out = NULL;
    int ended = tabrmctl_script(visit->world, whole, &out);

    if (ended != status)
        fprintf(stderr, "status %d, expected %d, of: %s\n%s\n", ended, status, script, out);
    assert_int_equal(ended, status);
    return out;
}

static void expect_said(const struct visit *visit, const char *script, int status, const char *text)
{
    g_autofree char *out = ask(visit, script, status);

    if (!strstr(out, text))
        fprintf(stderr, "not said: %s, by: %s\n%s\n", text, script, out);
    assert_non_null(strstr(out, text));
}

/* A list of JSON; *parser owns it. */
static JsonArray *ask_list(const struct visit *visit, const char *script, JsonParser **parser)
{
    g_autofree char *out = ask(visit, script, EX_OK);

    *parser = json_parser_new();
    assert_true(json_parser_load_from_data(*parser, out, -1, NULL));
    return json_node_get_array(json_parser_get_root(*parser));
}

/* The number of the connection that has so many objects; 0: there is none. */
static unsigned find_number(const struct visit *visit, gint64 objects)
{
    g_autoptr(JsonParser) parser = NULL;
    JsonArray *list = ask_list(visit, "tabrmctl list --json $W", &parser);
    unsigned number = 0;

    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonObject *one = json_array_get_object_element(list, i);

        if (json_object_get_int_member(one, "objects") == objects)
            number = (unsigned)json_object_get_int_member(one, "number");
    }
    return number;
}

static void check_views(const struct visit *visit, const char *line)
{
    g_autofree char *slot = g_strdup_printf("root #%u]", find_number(visit, 1));

    expect_said(visit, "tabrmctl status $W", EX_OK, ": healthy, 2 connections, running for ");
    expect_said(visit, "tabrmctl status $W", EX_OK, "TPM       IBM SW   TPM, firmware ");
    if (world_variant() != WORLD_IDLE_AT_ONCE)
        expect_said(visit, "tabrmctl status $W", EX_OK, slot);
    expect_said(visit, "tabrmctl status $W", EX_OK, "Lockout   0 of ");
    expect_said(visit, "tabrmctl list $W", EX_OK, line);
    expect_said(visit, "tabrmctl list --users $W", EX_OK, "root   2");
    expect_said(visit, "tabrmctl top --count=2 --interval=0.1 $W", EX_OK,
                ", 2 connections: 0 running");
    expect_said(visit, "tabrmctl stats $W", EX_OK, "CreatePrimary ");
    expect_said(visit, "tabrmctl stats --prometheus $W", EX_OK,
                "tabrmd_client_commands_total{command=\"CreatePrimary\"} 1\n");
    expect_said(visit, "tabrmctl status --json $W", EX_OK, "\"healthy\" : true");
}

/* Root alone steers; a test that is not root is the user of the daemon. */
static void check_disconnect(struct visit *visit)
{
    unsigned number = find_number(visit, 1);
    g_autofree char *script = g_strdup_printf("tabrmctl disconnect $W %u", number);
    g_autofree char *done = g_strdup_printf("connection %u is ended", number);

    assert_int_not_equal(number, 0);
    expect_said(visit, script, EX_OK, done);
    assert_int_not_equal(esys_client_random(visit->first, 8), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(visit->second, 8), TSS2_RC_SUCCESS);
    assert_int_equal(find_number(visit, 1), 0);
    expect_said(visit, script, STATUS_NO_CONNECTION, "`tabrmctl list` has those that there are");
}

static bool objects_are_gone(void *argument)
{
    struct visit *visit = argument;
    g_autofree char *out = ask(visit, "tabrmctl status $W", EX_OK);

    return strstr(out, "Objects   [ ]") != NULL;
}

static void check_steering(struct visit *visit)
{
    expect_said(visit, "tabrmctl flush $W", EX_OK, "the TPM is emptied");
    assert_true(world_poll(objects_are_gone, visit, WORLD_START_MS));
    assert_int_equal(esys_client_sign(visit->first, visit->key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    expect_said(visit, "tabrmctl log-level $W debug; tabrmctl log-level $W", EX_OK, "\ndebug");
    expect_said(visit, "tabrmctl log-level $W loud", EX_USAGE, "\"debug\"");
    check_disconnect(visit);
}

static void check_all(void **state, enum served_way way)
{
    struct visit visit;

    come(&visit, state, way);
    check_views(&visit, way == SERVED_BUS ? " tabrmctl-daemon bus " : " tabrmctl-daemon socket ");
    check_steering(&visit);
    leave(&visit);
}

static void test_R98_each_subcommand_over_a_bus(void **state)
{
    check_all(state, SERVED_BUS);
}

static void test_R98_each_subcommand_by_the_socket(void **state)
{
    check_all(state, SERVED_SOCKET);
}

static void test_R98_each_subcommand_without_a_bus(void **state)
{
    g_autofree char *log = world_path(*state, "daemon.log");

    assert_true(served_start_without_bus(*state, log));
    check_all(state, SERVED_SOCKET);
}

#define AS_NOBODY "setpriv --reuid=65534 --regid=65534 --clear-groups "
#define AS_MEMBER "setpriv --reuid=65534 --regid=65534 --groups=tss "

/* Whether programs may be run as others, who can come to the world's directory then. */
static bool others_can_come(struct world *world)
{
    g_autofree char *out = NULL;

    return geteuid() == 0
           && tabrmctl_script(world,
                              "chmod 755 .. .; " AS_NOBODY "tabrmctl --version; " AS_MEMBER
                              "tabrmctl --version",
                              &out)
                  == 0;
}

static void test_R98_members_see_their_own_and_steer_nothing(void **state)
{
    struct visit visit;

    if (!others_can_come(*state))
        skip();
    come(&visit, state, SERVED_SOCKET);
    expect_said(&visit, AS_MEMBER "tabrmctl list $W | wc -l", EX_OK, "1");
    expect_said(&visit, AS_MEMBER "tabrmctl status $W", EX_OK, "Root is told more");
    expect_said(&visit, AS_MEMBER "tabrmctl top --count=1 $W", EX_OK, " 0 connections");
    expect_said(&visit, AS_MEMBER "tabrmctl stats $W", EX_NOPERM, "sudo");
    expect_said(&visit, AS_MEMBER "tabrmctl flush $W", EX_NOPERM, "sudo");
    expect_said(&visit, AS_MEMBER "tabrmctl disconnect $W 1", EX_NOPERM, "sudo");
    expect_said(&visit, AS_MEMBER "tabrmctl log-level $W debug", EX_NOPERM, "sudo");
    expect_said(&visit, AS_NOBODY "tabrmctl status $W", EX_NOPERM, "is not open to this user");
    leave(&visit);
}

static void test_a_crowd_is_listed(void **state)
{
    struct visit visit = {.world = *state, .where = BY_SOCKET};
    static struct raw_client *crowd[CROWD];
    g_autofree char *lines = NULL, *status = NULL;

    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = served_raw_client(*state);
        assert_non_null(crowd[i]);
    }
    lines = ask(&visit, "tabrmctl list $W | wc -l", EX_OK);
    assert_string_equal(lines, G_STRINGIFY(501));
    status = ask(&visit, "tabrmctl status $W", EX_OK);
    assert_non_null(strstr(status, ": healthy, 500 connections"));
    for (unsigned i = 0; i < CROWD; i++)
        raw_client_free(crowd[i]);
}

static bool is_lost(void *argument)
{
    g_autofree char *out = NULL;

    return tabrmctl_script(argument, BY_BUS "tabrmctl status $W", &out) == 1
           && strstr(out, ": TPM lost") && strstr(out, "Trouble   tpm-lost ");
}

static void test_a_lost_tpm_is_told_with_its_remedy(void **state)
{
    struct world *world = *state;
    struct visit visit;

    come(&visit, state, SERVED_BUS);
    process_signal(&world->swtpm, SIGKILL);
    esys_client_random(visit.second, 8);
    assert_true(world_poll(is_lost, world, WORLD_START_MS));
    leave(&visit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R98_each_subcommand_over_a_bus),
        served_test(test_R98_each_subcommand_by_the_socket),
        served_empty_test(test_R98_each_subcommand_without_a_bus),
        served_test(test_R98_members_see_their_own_and_steer_nothing),
        served_test(test_a_crowd_is_listed),
        served_test(test_a_lost_tpm_is_told_with_its_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
