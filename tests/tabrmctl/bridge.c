/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl bridge`: programs that know no TCTI, and clients of simulators, at work on the TPM. */
#include "raw-client.h"
#include "tabrmctl.h"

#include <json-glib/json-glib.h>
#include <signal.h>
#include <unistd.h>

#define CONF    "--tcti=tabrmd:bus_type=session "
#define RECIPES "'" TEST_SCRIPTS "/../tests/bench/recipes.sh'"

/* A bridge that runs beside the test, and what it said of where it listens. */
struct bridge_process {
    struct shell *shell;
    JsonParser *said;
};

static bool has_said(void *argument)
{
    struct bridge_process *bridge = argument;

    return !process_running(&bridge->shell->process)
           || (json_parser_load_from_file(bridge->said, bridge->shell->out_path, NULL)
               && json_parser_get_root(bridge->said));
}

static void bridge_start(struct world *world, struct bridge_process *bridge, const char *options)
{
    g_autofree char *script =
        g_strdup_printf("exec '%s/tabrmctl' bridge --json " CONF "%s", TEST_TABRMCTL_DIR, options);

    bridge->said = json_parser_new();
    bridge->shell = shell_start(world, script);
    assert_non_null(bridge->shell);
    assert_true(world_poll(has_said, bridge, WORLD_START_MS));
    assert_true(process_running(&bridge->shell->process));
}

static void bridge_end(struct bridge_process *bridge)
{
    process_signal(&bridge->shell->process, SIGTERM);
    shell_finish(bridge->shell);
    if (bridge->shell->status != 0)
        fprintf(stderr, "%s\n", bridge->shell->err);
    assert_int_equal(bridge->shell->status, 0);
    shell_free(bridge->shell);
    g_object_unref(bridge->said);
}

static JsonObject *said(const struct bridge_process *bridge)
{
    return json_node_get_object(json_parser_get_root(bridge->said));
}

/* The whole path of a socket that the bridge was told to have. */
static char *socket_path(struct world *world, const char *name)
{
    return g_strdup_printf("%s/work/%s", world->dir, name);
}

/* Runs a case of bridge-client.py with the places of the two channels, of which the second may be
 * left out. Where it fails, what the bridge said of it is told too. */
static void talk(struct world *world, const struct bridge_process *bridge, const char *talk_case,
                 const char *places)
{
    g_autofree char *script =
        g_strdup_printf("python3 -B \"$T/bridge-client.py\" %s %s", talk_case, places);
    g_autofree char *out = NULL, *err = NULL;

    if (tabrmctl_script(world, script, &out) == 0 && strcmp(out, "good") == 0)
        return;
    g_file_get_contents(bridge->shell->err_path, &err, NULL, NULL);
    fail_msg("%s: %s\n%s", talk_case, out, err ? err : "");
}

static void nothing_left(struct world *world)
{
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

/* Not every distribution has IBM's tools. */
static void skip_without_ibms_tools(void)
{
    g_autofree char *tool = g_find_program_in_path("tssgetcapability");

    if (!tool) {
        print_message("skipped: IBM's tools (Debian 12's package tss2) are not installed\n");
        skip();
    }
}

static void test_ibms_tools_work_two_of_them_at_once(void **state)
{
    skip_without_ibms_tools();
    expect(*state,
           "mkdir one two; tabrmctl bridge " CONF "--shared -- sh -c '"
           "(cd one; sh \"'$T'/ibm.sh\" 01800001) & first=$!\n"
           "(cd two; sh \"'$T'/ibm.sh\" 01800002) && wait $first && echo both'",
           0, "both");
    nothing_left(*state);
}

static void test_ibms_tools_speak_raw_too(void **state)
{
    skip_without_ibms_tools();
    expect(*state, "tabrmctl bridge " CONF "--protocol=raw --shared -- sh \"$T/ibm.sh\" 01800001",
           0, "all is well");
    nothing_left(*state);
}

static void test_the_mssim_tcti_runs_the_recipes(void **state)
{
    expect(*state,
           "tabrmctl bridge " CONF
           "-- sh -c 'export TPM2TOOLS_TCTI=mssim:host=127.0.0.1,port=$TPM_COMMAND_PORT; "
           "sh '" RECIPES "' && echo done'",
           0, "done");
    nothing_left(*state);
}

static void test_the_swtpm_tcti_runs_the_recipes(void **state)
{
    expect(*state,
           "tabrmctl bridge " CONF "--protocol=swtpm -- sh -c 'export "
           "TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=$TPM_COMMAND_PORT; sh '" RECIPES
           "' && echo done'",
           0, "done");
    nothing_left(*state);
}

static void test_raw_commands_at_any_pace(void **state)
{
    struct bridge_process bridge;

    bridge_start(*state, &bridge, "--protocol=raw --unix=u");
    talk(*state, &bridge, "raw", "$PWD/u");
    talk(*state, &bridge, "bounds", "$PWD/u");
    talk(*state, &bridge, "rude", "$PWD/u");
    talk(*state, &bridge, "crowd", "$PWD/u");
    bridge_end(&bridge);
    nothing_left(*state);
}

static void test_one_connection_serves_rude_programs_in_turn(void **state)
{
    struct bridge_process bridge;

    bridge_start(*state, &bridge, "--protocol=raw --shared --unix=u");
    talk(*state, &bridge, "raw", "$PWD/u");
    talk(*state, &bridge, "rude", "$PWD/u");
    bridge_end(&bridge);
}

static void test_mssim_signals_are_answered_and_change_nothing(void **state)
{
    struct bridge_process bridge;
    g_autofree char *places = NULL;

    bridge_start(*state, &bridge, "--listen=127.0.0.1:0");
    assert_string_equal(json_object_get_string_member(said(&bridge), "protocol"), "mssim");
    places = g_strdup_printf("127.0.0.1:%" G_GINT64_FORMAT " 127.0.0.1:%" G_GINT64_FORMAT,
                             json_object_get_int_member(said(&bridge), "port"),
                             json_object_get_int_member(said(&bridge), "control_port"));
    talk(*state, &bridge, "mssim", places);
    if (geteuid() == 0)
        talk(*state, &bridge, "locality", places);
    bridge_end(&bridge);
}

static void test_swtpms_control_channel_is_answered(void **state)
{
    struct bridge_process bridge;

    if (geteuid() != 0)
        skip(); /* localities are for root */
    bridge_start(*state, &bridge, "--protocol=swtpm --unix=u");
    assert_string_equal(json_object_get_string_member(said(&bridge), "control_socket"), "u.ctrl");
    talk(*state, &bridge, "swtpm", "$PWD/u $PWD/u.ctrl");
    talk(*state, &bridge, "qemu", "$PWD/u.ctrl");
    bridge_end(&bridge);
}

struct chip_wait {
    struct world *world;
    struct counts before;
};

static bool chip_has_random(void *argument)
{
    struct chip_wait *wait = argument;
    struct counts now;

    counts_read(wait->world->counts, &now);
    return counts_between(&wait->before, &now, 0x17B) > 0;
}

static void test_a_cancel_reaches_the_command_that_runs(void **state)
{
    static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};
    static const uint8_t cancel[] = {0, 0, 0, 9};
    struct chip_wait wait = {.world = *state};
    struct bridge_process bridge;
    struct raw_client *client, *orders;
    g_autofree char *path = socket_path(*state, "u"), *control = socket_path(*state, "u.ctrl");
    uint8_t answer[64];

    bridge_start(*state, &bridge, "--protocol=swtpm --unix=u");
    client = raw_client_connect(path);
    orders = raw_client_connect(control);
    assert_non_null(client);
    assert_non_null(orders);
    /* Ten minutes, unless it is cancelled. */
    assert_true(world_set_faults(*state, "code=0x17B delay=600000\n"));
    counts_read(wait.world->counts, &wait.before);
    assert_true(raw_client_send(client, get_random, sizeof(get_random)));
    assert_true(world_poll(chip_has_random, &wait, WORLD_START_MS));
    assert_true(raw_client_send(orders, cancel, sizeof(cancel)));
    assert_true(raw_client_receive(client, answer, sizeof(answer)) > 10);
    assert_true(world_set_faults(*state, ""));
    assert_int_equal(raw_client_transact(client, get_random, sizeof(get_random)), 0);
    raw_client_free(client);
    raw_client_free(orders);
    bridge_end(&bridge);
}

static void survives_a_daemon(struct world *world, const char *options)
{
    struct bridge_process bridge;

    bridge_start(world, &bridge, options);
    talk(world, &bridge, "raw", "$PWD/u");
    assert_int_equal(world_stop_daemon(world), 0);
    expect(world, "python3 -B \"$T/bridge-client.py\" raw $PWD/u", 1, "closed after 0");
    assert_true(world_start_daemon(world));
    talk(world, &bridge, "raw", "$PWD/u");
    bridge_end(&bridge);
}

static void test_the_bridge_outlives_a_daemon(void **state)
{
    survives_a_daemon(*state, "--protocol=raw --unix=u");
    survives_a_daemon(*state, "--protocol=raw --unix=u --shared");
}

static void test_sockets_are_private_and_removed(void **state)
{
    struct bridge_process bridge;

    bridge_start(*state, &bridge, "--unix=u");
    expect(*state, "stat -c %a:%F u u.ctrl | sort -u", 0, "600:socket");
    expect(*state, "tabrmctl bridge " CONF "--unix=u", EX_CANTCREAT, "u and .ctrl", "another path");
    bridge_end(&bridge);
    expect(*state, "ls -A", 0, "");
    /* One that a killed bridge left is no hindrance, but a file is. */
    bridge_start(*state, &bridge, "--unix=u");
    process_signal(&bridge.shell->process, SIGKILL);
    process_wait(&bridge.shell->process, -1);
    shell_free(bridge.shell);
    g_object_unref(bridge.said);
    bridge_start(*state, &bridge, "--unix=u");
    bridge_end(&bridge);
    expect(*state, "echo kept >u; tabrmctl bridge " CONF "--unix=u || cat u", 0, "kept");
}

static void test_other_users_of_the_machine_are_turned_away(void **state)
{
    struct bridge_process bridge;
    g_autofree char *script = NULL;

    if (geteuid() != 0)
        skip(); /* to be another user takes root */
    bridge_start(*state, &bridge, "--protocol=raw --listen=localhost:0");
    script = g_strdup_printf("for user in 0 65534; do python3 -B - $user <<'END'\n"
                             "import encodings.idna, os, socket, sys\n"
                             "os.setuid(int(sys.argv[1]))\n"
                             "client = socket.create_connection(('127.0.0.1', %" G_GINT64_FORMAT
                             "), 60)\n"
                             "try:\n"
                             "    client.sendall(bytes.fromhex('80010000000c0000017b0008'))\n"
                             "    print(os.getuid(), len(client.recv(99)))\n"
                             "except ConnectionError:\n"
                             "    print(os.getuid(), 0)\n"
                             "END\n"
                             "done",
                             json_object_get_int_member(said(&bridge), "port"));
    expect(*state, script, 0, "0 20\n65534 0");
    bridge_end(&bridge);
}

static void test_what_it_cannot_do_is_told(void **state)
{
    expect(*state, "tabrmctl bridge " CONF "--listen=0.0.0.0:2321", EX_USAGE,
           "no address of this machine alone", "ssh -L");
    expect(*state, "tabrmctl bridge " CONF "--listen=[2001:db8::1]:2321", EX_USAGE,
           "no address of this machine alone");
    expect(*state, "tabrmctl bridge " CONF "--listen=2321", EX_USAGE, "ADDRESS:PORT");
    expect(*state, "tabrmctl bridge " CONF "--listen=127.0.0.1:0 --unix=u", EX_USAGE,
           "do not go together");
    expect(*state, "tabrmctl bridge " CONF "--protocol=tis", EX_USAGE, "raw, mssim and swtpm");
    expect(*state, "tabrmctl bridge --json -- true", EX_USAGE, "no --json");
    expect(*state, "tabrmctl bridge --tcti=tabrmd:socket=/none -- true", EX_UNAVAILABLE,
           "cannot connect to tabrmd", "doctor");
    expect(*state, "tabrmctl bridge " CONF "-- sh -c 'exit 9'", 9, "");
    expect(*state, "tabrmctl bridge " CONF "-- ./none", 127, "cannot start ./none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_ibms_tools_work_two_of_them_at_once),
        suite_usual_test(test_ibms_tools_speak_raw_too),
        suite_usual_test(test_the_mssim_tcti_runs_the_recipes),
        suite_usual_test(test_the_swtpm_tcti_runs_the_recipes),
        suite_usual_test(test_raw_commands_at_any_pace),
        suite_usual_test(test_one_connection_serves_rude_programs_in_turn),
        suite_usual_test(test_mssim_signals_are_answered_and_change_nothing),
        suite_usual_test(test_swtpms_control_channel_is_answered),
        suite_usual_test(test_a_cancel_reaches_the_command_that_runs),
        suite_usual_test(test_the_bridge_outlives_a_daemon),
        suite_usual_test(test_sockets_are_private_and_removed),
        suite_usual_test(test_other_users_of_the_machine_are_turned_away),
        suite_usual_test(test_what_it_cannot_do_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
