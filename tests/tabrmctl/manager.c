/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands that ask a daemon's manager interface, before one that answers what the test
 * wants: by a socket and by a bus, with what is missing, refused or wrong. */
#include "tabrmctl.h"

#include <json-glib/json-glib.h>

/* Starts the fake at a socket, and waits for it; `W` names its place for tabrmctl. */
#define FAKE(more)                                                                       \
    "rm -f manager.sock; '" TEST_FAKE "' '" TEST_MANAGER_XML "' $PWD/manager.sock " more \
    " & fake=$!; "                                                                       \
    "trap 'kill $fake' EXIT; W=--tcti=tabrmd:socket=$PWD/tcti.sock; "                    \
    "until [ -S manager.sock ]; do sleep 0.05; done; "

/* The same on the bus. */
#define FAKE_BUS(more)                                                                 \
    "'" TEST_FAKE "' '" TEST_MANAGER_XML "' bus " more " & fake=$!; "                  \
    "trap 'kill $fake' EXIT; W=--tcti=tabrmd:bus_type=session; "                       \
    "until gdbus introspect --session -d com.intel.tss2.Tabrmd -o /org/tabrmd/Manager" \
    "    >/dev/null 2>&1; do sleep 0.05; done; "

static void test_each_subcommand_asks_by_the_socket(void **state)
{
    expect(*state, FAKE("5") "tabrmctl status $W", EX_OK, "tabrmd 1.0.0: healthy, 5 connections",
           "Objects   [root #1][ ][ ]", "Sessions  [nobody][ ][ ]", "guests  70 %");
    expect(*state, FAKE("5") "tabrmctl list $W", EX_OK, "     1 1000 4242 tpm2_sign",
           "evil\\x1b[31m\\xc2\\x9b");
    expect(*state, FAKE("5") "tabrmctl list --users $W", EX_OK, "guests    0 of 256");
    expect(*state, FAKE("5") "tabrmctl stats $W", EX_OK, "Sign        1000", "0x20000001     3");
    expect(*state, FAKE("5") "tabrmctl stats --prometheus $W", EX_OK, "tabrmd_connections 5\n");
    expect(*state, FAKE("5") "tabrmctl top --count=1 $W", EX_OK, "5 connections: 1 running");
    expect(*state, FAKE("5") "tabrmctl flush $W", EX_OK, "the TPM is emptied");
    expect(*state, FAKE("5") "tabrmctl disconnect $W 5", EX_OK, "connection 5 is ended");
    expect(*state, FAKE("5") "tabrmctl log-level $W debug", EX_OK, "logs what is debug");
    expect(*state, FAKE("5") "tabrmctl log-level $W", EX_OK, "info");
}

static void test_a_daemon_on_the_bus_is_asked(void **state)
{
    expect(*state, FAKE_BUS("2") "tabrmctl status $W; tabrmctl list $W; tabrmctl flush $W", EX_OK,
           "healthy, 2 connections", "4242 tpm2_sign", "the TPM is emptied");
}

static void test_many_connections_are_all_listed(void **state)
{
    expect(*state, FAKE("500") "tabrmctl list $W | wc -l; tabrmctl status $W", EX_OK, "501\n",
           "500 connections");
    expect(*state, FAKE("0") "tabrmctl list $W | wc -l; tabrmctl status $W", EX_OK, "1\n",
           "healthy, 0 connections");
}

/* Runs a script whose last line is JSON. */
static JsonParser *parse(struct world *world, const char *script)
{
    JsonParser *parser = json_parser_new();
    g_autofree char *out = NULL;

    assert_int_equal(tabrmctl_script(world, script, &out), EX_OK);
    if (!json_parser_load_from_data(parser, out, -1, NULL)) {
        fprintf(stderr, "no JSON of %s:\n%s\n", script, out);
        fail();
    }
    return parser;
}

static void test_each_subcommand_has_json(void **state)
{
    static const char *const objects[][2] = {
        {FAKE("2") "tabrmctl --json status $W", "healthy"},
        {FAKE("2") "tabrmctl stats --json $W", "client_commands"},
        {FAKE("2") "tabrmctl top --json --count=1 $W", "connections"},
        {FAKE("2") "tabrmctl flush --json $W", "done"},
        {FAKE("2") "tabrmctl disconnect --json $W 1", "done"},
        {FAKE("2") "tabrmctl log-level --json $W", "log_level"},
        {FAKE("2") "tabrmctl log-level --json $W info", "done"},
    };
    static const char *const lists[] = {FAKE("2") "tabrmctl list --json $W",
                                        FAKE("2") "tabrmctl list --json --users $W"};

    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        g_autoptr(JsonParser) parser = parse(*state, objects[i][0]);
        JsonObject *object = json_node_get_object(json_parser_get_root(parser));

        assert_true(json_object_has_member(object, objects[i][1]));
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        g_autoptr(JsonParser) parser = parse(*state, lists[i]);

        assert_int_equal(json_array_get_length(json_node_get_array(json_parser_get_root(parser))),
                         2);
    }
}

static void test_no_daemon_is_told_with_the_remedy(void **state)
{
    expect(*state, "tabrmctl status --tcti=tabrmd:socket=$PWD/tcti.sock", EX_UNAVAILABLE,
           "tabrmd does not run", "/manager.sock: ", "systemctl start tabrmd", "tabrmctl doctor");
    expect(*state, "tabrmctl list --tcti=tabrmd:bus_type=session", EX_UNAVAILABLE,
           "tabrmd does not run: nobody is com.intel.tss2.Tabrmd on the session bus",
           "systemctl start tabrmd");
    expect(*state,
           "DBUS_SESSION_BUS_ADDRESS=unix:path=$PWD/none tabrmctl flush "
           "--tcti=tabrmd:bus_type=session",
           EX_UNAVAILABLE, "the session bus: ", "systemctl start tabrmd");
    expect(*state, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/none tabrmctl flush --tpm=absent1",
           EX_UNAVAILABLE, "/run/tabrmd-absent1/manager.sock: ", "; the system bus: ",
           "systemctl start tabrmd@absent1`");
    expect(*state, "echo >manager.sock; tabrmctl top --tcti=tabrmd:socket=$PWD/tcti.sock",
           EX_UNAVAILABLE, "tabrmd does not run");
}

/* A bus whose service of that name leaves a file when it is started. */
static void test_to_look_starts_no_daemon(void **state)
{
    expect(*state,
           "mkdir services; cat >services/com.intel.tss2.Tabrmd.service <<END\n"
           "[D-BUS Service]\nName=com.intel.tss2.Tabrmd\nExec=/bin/touch $PWD/started\nEND\n"
           "cat >bus.conf <<END\n"
           "<busconfig><type>session</type><listen>unix:path=$PWD/own</listen>\n"
           "<servicedir>$PWD/services</servicedir><policy context='default'>\n"
           "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>"
           "</policy></busconfig>\nEND\n"
           "bus=$(dbus-daemon --config-file=bus.conf --fork --print-pid); trap 'kill $bus' EXIT\n"
           "export DBUS_SESSION_BUS_ADDRESS=unix:path=$PWD/own\n"
           "tabrmctl status --tcti=tabrmd:bus_type=session || echo status $?\n"
           "[ -e started ] || echo nothing started",
           EX_OK, "tabrmd does not run: nobody is com.intel.tss2.Tabrmd", "status 69",
           "nothing started");
}

static void test_who_may_not_is_told_so(void **state)
{
    expect(*state, FAKE("1 steering") "tabrmctl flush $W", EX_NOPERM,
           "cannot empty the TPM: that is for root alone; sudo");
    expect(*state, FAKE("1 denied") "tabrmctl list --users $W", EX_NOPERM, "for root alone; sudo");
    expect(*state, FAKE("1 denied") "tabrmctl status $W", EX_OK, "healthy, 1 connection",
           "Root is told more");
}

static void test_an_older_daemon_is_told(void **state)
{
    expect(*state, FAKE("1 old") "tabrmctl list $W", EX_PROTOCOL,
           "cannot list the connections: the daemon is older than this tabrmctl",
           "systemctl restart tabrmd");
    expect(*state, FAKE("1 old") "tabrmctl status $W", EX_OK, "serving, 1 connection",
           "is older than tabrmctl, and tells less");
}

static void test_answers_that_make_no_sense_are_told(void **state)
{
    expect(*state, FAKE("1 type") "tabrmctl list $W", EX_PROTOCOL, "makes no sense (Number)");
    expect(*state, FAKE("1 buckets") "tabrmctl stats $W", EX_PROTOCOL,
           "makes no sense (QueueTimes)");
}

static void test_what_is_not_well_is_told(void **state)
{
    expect(*state, FAKE("1 locked") "tabrmctl status $W", 1, "locked out, 1 connection",
           "tpm2_dictionarylockout --clear-lockout", "Trouble   lockout 3 min ago");
    expect(*state, FAKE("1 lost") "tabrmctl status $W", 1, "TPM lost, ", "`tabrmctl doctor`");
    expect(*state, FAKE("1 lost") "tabrmctl flush $W", EX_TEMPFAIL, "there is no TPM",
           "`tabrmctl status` says how the TPM is");
    expect(*state, FAKE("1 busy") "tabrmctl status $W", EX_OK, "serving");
}

static void test_wrong_arguments_are_told(void **state)
{
    expect(*state, FAKE("1") "tabrmctl disconnect $W 7", 1, "there is no such connection",
           "tabrmctl list");
    expect(*state, FAKE("1") "tabrmctl log-level $W loud", EX_USAGE, "there is no level \"loud\"");
    expect(*state, "tabrmctl disconnect", EX_USAGE, "wants the number of one connection");
    expect(*state, "tabrmctl disconnect -- -1", EX_USAGE, "wants the number");
    expect(*state, "tabrmctl disconnect 0", EX_USAGE, "wants the number");
    expect(*state, "tabrmctl status now", EX_USAGE, "\"now\" means nothing to status");
    expect(*state, "tabrmctl top --sort=size", EX_USAGE, "no order by \"size\"");
    expect(*state, "tabrmctl top --interval=0", EX_USAGE, "--interval takes");
    expect(*state, "tabrmctl top --interval=nan", EX_USAGE, "--interval takes");
    expect(*state, "tabrmctl stats --prometheus --json", EX_USAGE, "name one of them");
    expect(*state, "tabrmctl list --tcti=swtpm:port=1", EX_USAGE, "is not tabrmd");
    expect(*state, "tabrmctl list --tcti=tabrmd:port=1", EX_USAGE, "a key is none of");
    expect(*state, "tabrmctl list --tpm=../x", EX_USAGE, "--tpm takes the name");
    expect(*state, "tabrmctl run --tpm=tpm1 --tcti=tabrmd: -- true", EX_USAGE, "name one of them");
    expect(*state, "tabrmctl bridge --tpm=../x", EX_USAGE, "--tpm takes the name");
}

static void test_another_tpm_is_named_to_programs(void **state)
{
    expect(*state, "tabrmctl run --tpm=tpm1 -- sh -c 'echo [$TPM2TOOLS_TCTI]'", EX_OK,
           "[tabrmd:tpm=tpm1]");
}

static void test_top_goes_on_in_a_pipe(void **state)
{
    expect(*state,
           FAKE("3") "tabrmctl top --interval=0.1 --count=3 $W | grep -c running\n"
                     "tabrmctl top --json --interval=0.1 $W | head -n 2 | wc -l",
           EX_OK, "3\n2");
}

/* What node_exporter reads. */
static void test_promtool_finds_nothing_wrong(void **state)
{
    g_autofree char *promtool = g_find_program_in_path("promtool");

    if (!promtool) {
        print_message("left out: there is no promtool\n");
        skip();
    }
    expect(*state, FAKE("3 locked") "tabrmctl stats --prometheus $W | promtool check metrics",
           EX_OK, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_each_subcommand_asks_by_the_socket),
        suite_empty_test(test_a_daemon_on_the_bus_is_asked),
        suite_empty_test(test_many_connections_are_all_listed),
        suite_empty_test(test_each_subcommand_has_json),
        suite_empty_test(test_no_daemon_is_told_with_the_remedy),
        suite_empty_test(test_to_look_starts_no_daemon),
        suite_empty_test(test_who_may_not_is_told_so),
        suite_empty_test(test_an_older_daemon_is_told),
        suite_empty_test(test_answers_that_make_no_sense_are_told),
        suite_empty_test(test_what_is_not_well_is_told),
        suite_empty_test(test_wrong_arguments_are_told),
        suite_empty_test(test_another_tpm_is_named_to_programs),
        suite_empty_test(test_top_goes_on_in_a_pipe),
        suite_empty_test(test_promtool_finds_nothing_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
