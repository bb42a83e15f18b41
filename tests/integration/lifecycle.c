/* SPDX-License-Identifier: BSD-2-Clause */
/* How the daemon starts, why it does not, and how it ends. */
#include "esys-client.h"
#include "shell.h"
#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"

/* Runs the daemon with `args` and has it refuse to start: with this status, and one line on
 * standard error that has `word` in it. Gives the line (g_free()). */
static char *refusal(struct world *world, const char *const *args, const char *const *env,
                     int status, const char *word)
{
    struct shell *shell = shell_start_daemon(world, args, env);
    char *line;

    assert_non_null(shell);
    shell_finish(shell);
    if (shell->status != status || !strstr(shell->err, word))
        fprintf(stderr, "status %d: %s%s\n", shell->status, shell->out, shell->err);
    assert_int_equal(shell->status, status);
    assert_non_null(strstr(shell->err, word));
    assert_ptr_equal(strchr(shell->err, '\n'), shell->err + strlen(shell->err) - 1);
    line = g_strdup(shell->err);
    shell_free(shell);
    return line;
}

static char *tcti_option(struct world *world)
{
    return g_strdup_printf("--tcti=%s", world->tcti);
}

static void test_bad_options_are_refused(void **state)
{
    static const struct {
        const char *option, *word;
    } bad[] = {
        {"--no-such-option", "no-such-option"},        {"surplus", "surplus"},
        {"--max-connections=0", "--max-connections"},  {"--max-sessions=65", "--max-sessions"},
        {"--max-transients=many", "--max-transients"}, {"--max-transients=-1", "--max-transients"},
        {"--idle-release=soon", "--idle-release"},     {"--logger=paper", "--logger"},
        {"--dbus-name=not a name", "--dbus-name"},     {"--tcti=", "--tcti"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *args[] = {bad[i].option, NULL};

        g_free(refusal(*state, args, NULL, EX_USAGE, bad[i].word));
    }
}

static void test_version_and_help_are_printed(void **state)
{
    static const char *const options[] = {"--version", "-v", "--help"};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *args[] = {options[i], NULL};
        struct shell *shell = shell_start_daemon(*state, args, NULL);

        assert_non_null(shell);
        assert_int_equal(shell_finish(shell), 0);
        assert_string_not_equal(shell->out, "");
        assert_string_equal(shell->err, "");
        shell_free(shell);
    }
}

static void test_root_must_be_allowed(void **state)
{
    const char *args[] = {"--session", NULL};

    if (geteuid() != 0)
        skip();
    g_free(refusal(*state, args, NULL, EX_NOPERM, "--allow-root"));
}

static void test_R35_no_tpm_is_one_line_and_a_status(void **state)
{
    const char *device[] = {"--session", "--allow-root", "--tcti=device:/nonexistent/tpm0", NULL};
    const char *socket[] = {"--session", "--allow-root", "--tcti=swtpm:path=/nonexistent/swtpm",
                            NULL};
    const char *library[] = {"--session", "--allow-root", "--tcti=nosuch:tpm", NULL};

    g_free(refusal(*state, device, NULL, EX_UNAVAILABLE, "/nonexistent/tpm0"));
    g_free(refusal(*state, socket, NULL, EX_UNAVAILABLE, "/nonexistent/swtpm"));
    g_free(refusal(*state, library, NULL, EX_CONFIG, "nosuch"));
}

static int tpm12_world(void **state)
{
    *state = world_new(&(struct world_setup){.no_daemon = true, .tpm12 = true});
    return *state ? 0 : -1;
}

static void test_R35_a_tpm12_is_named(void **state)
{
    char *tcti = tcti_option(*state);
    const char *args[] = {"--session", "--allow-root", tcti, NULL};

    g_free(refusal(*state, args, NULL, EX_UNAVAILABLE, "TPM 1.2"));
    g_free(tcti);
}

static void test_R35_a_tpm_in_failure_mode_is_named(void **state)
{
    char *tcti = tcti_option(*state);
    const char *args[] = {"--session", "--allow-root", tcti, NULL};

    assert_true(world_set_faults(*state, "code=* times=0 rc=0x101\n"));
    g_free(refusal(*state, args, NULL, EX_UNAVAILABLE, "failure mode"));
    g_free(tcti);
}

static void take_name(struct world *world)
{
    GVariant *reply = g_dbus_connection_call_sync(world->bus, "org.freedesktop.DBus",
                                                  "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                  "RequestName", g_variant_new("(su)", BUS_NAME, 0),
                                                  NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);

    assert_non_null(reply);
    g_variant_unref(reply);
    assert_true(world_name_owned(world, BUS_NAME));
}

static void test_R36_no_bus_and_name_taken_differ(void **state)
{
    static const char *const no_bus[] = {"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus",
                                         NULL};
    struct world *world = *state;
    char *tcti = tcti_option(world), *first, *second;
    const char *args[] = {"--session", "--allow-root", tcti, NULL};

    first = refusal(world, args, no_bus, EX_UNAVAILABLE, "bus");
    take_name(world);
    second = refusal(world, args, NULL, EX_TEMPFAIL, BUS_NAME);
    assert_string_not_equal(first, second);
    /* Whoever has the name keeps it. */
    assert_true(world_name_owned(world, BUS_NAME));
    g_free(second);
    g_free(first);
    g_free(tcti);
}

static int forbidden_world(void **state)
{
    *state = world_new(
        &(struct world_setup){.no_daemon = true, .bus_rules = "<deny own='" BUS_NAME "'/>"});
    return *state ? 0 : -1;
}

static void test_R36_a_policy_that_forbids_the_name_is_named(void **state)
{
    char *tcti = tcti_option(*state);
    const char *args[] = {"--session", "--allow-root", tcti, NULL};

    g_free(refusal(*state, args, NULL, EX_NOPERM, "policy"));
    g_free(tcti);
}

static bool startup_seen(void *argument)
{
    struct world *world = argument;
    struct counts counts;

    counts_read(world->counts, &counts);
    return counts.code[TPM2_CC_Startup] > 0;
}

static void test_R36_the_name_is_not_owned_before_the_chip_has_answered(void **state)
{
    struct world *world = *state;
    char *tcti = tcti_option(world);
    const char *args[] = {"--session", "--allow-root", tcti, NULL};
    struct shell *shell;

    assert_true(world_set_faults(world, "code=0x144 delay=3600000\n"));
    shell = shell_start_daemon(world, args, NULL);
    assert_non_null(shell);
    assert_true(world_poll(startup_seen, world, WORLD_START_MS));
    assert_false(world_name_owned(world, BUS_NAME));
    shell_free(shell);
    g_free(tcti);
}

static void test_another_name_is_served(void **state)
{
    struct world *world = *state;
    char *tcti = tcti_option(world), *conf;
    const char *args[] = {"--session", "--allow-root", tcti, "--dbus-name=org.example.Tpm", NULL};
    struct shell *daemon = shell_start_daemon(world, args, NULL);
    gint64 end = g_get_monotonic_time() + (gint64)WORLD_START_MS * 1000;

    assert_non_null(daemon);
    while (!world_name_owned(world, "org.example.Tpm"))
        assert_true(g_get_monotonic_time() < end && process_running(&daemon->process));
    assert_false(world_name_owned(world, BUS_NAME));
    conf = g_strdup("TPM2TOOLS_TCTI=tabrmd:bus_type=session,bus_name=org.example.Tpm "
                    "tpm2_getrandom --hex 8");
    assert_int_equal(shell_run(world, conf, true, NULL), 0);
    process_signal(&daemon->process, SIGTERM);
    assert_int_equal(shell_finish(daemon), 0);
    shell_free(daemon);
    g_free(conf);
    g_free(tcti);
}

/* A client that holds a key and a session at the end of the daemon. */
static struct esys_client *holding_client(void)
{
    struct esys_client *client = esys_client_new();
    ESYS_TR key, session;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(client, key, session), TSS2_RC_SUCCESS);
    return client;
}

static void test_R37_SIGTERM_leaves_the_chip_empty(void **state)
{
    struct world *world = *state;
    struct esys_client *client = holding_client();

    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
    esys_client_free(client);
}

static bool random_seen(void *argument)
{
    struct world *world = argument;
    struct counts counts;

    counts_read(world->counts, &counts);
    return counts.code[TPM2_CC_GetRandom] > 0;
}

static void test_R37_SIGTERM_waits_for_the_command_that_runs(void **state)
{
    struct world *world = *state;
    struct esys_client *client = holding_client();

    assert_true(world_set_faults(world, "code=0x17B delay=1000\n"));
    assert_int_equal(
        Esys_GetRandom_Async(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    assert_true(world_poll(random_seen, world, WORLD_START_MS));
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
    esys_client_free(client);
}

static void test_R37_what_a_killed_daemon_left_loaded_is_flushed_at_the_next_start(void **state)
{
    struct world *world = *state;
    struct esys_client *client = holding_client();
    uint32_t handles[4];

    world_kill_daemon(world);
    esys_client_free(client);
    /* One that releases at once may have done it before it was killed. */
    assert_in_range(world_chip_handles(world, 0x80000000, handles, 4),
                    world_variant() == WORLD_IDLE_AT_ONCE ? 0 : 1, 1);
    assert_true(world_start_daemon(world));
    world_kill_daemon(world);
    assert_int_equal(world_chip_handles(world, 0x80000000, handles, 4), 0);
}

/* The counts as of some time before, and how many contexts are saved for the chip to be empty. */
struct release {
    struct world *world;
    struct counts before;
    unsigned saves;
};

/* True when the object was flushed and all was saved since then. */
static bool chip_released(void *argument)
{
    struct release *release = argument;
    struct counts now;

    counts_read(release->world->counts, &now);
    return counts_between(&release->before, &now, TPM2_CC_FlushContext) >= 1
           && counts_between(&release->before, &now, TPM2_CC_ContextSave) >= release->saves;
}

static void test_an_idle_chip_is_left_empty_and_its_clients_go_on(void **state)
{
    struct world *world = *state;
    struct esys_client *client;
    ESYS_TR key, session;
    struct release release = {.world = world};
    uint32_t handle;

    suite_leave_out_of(WORLD_NEVER_IDLE, "this daemon never leaves an idle chip empty");
    client = esys_client_new();
    assert_non_null(client);
    release.saves = 2;
    counts_read(world->counts, &release.before);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_true(world_poll(chip_released, &release, WORLD_START_MS));
    /* The key's context is saved only once: it does not change. */
    release.saves = 1;
    counts_read(world->counts, &release.before);
    assert_int_equal(esys_client_sign(client, key, session), TSS2_RC_SUCCESS);
    assert_true(world_poll(chip_released, &release, WORLD_START_MS));
    world_kill_daemon(world);
    assert_int_equal(world_chip_handles(world, 0x80000000, &handle, 1), 0);
    assert_int_equal(world_chip_handles(world, 0x02000000, &handle, 1), 0);
    assert_int_equal(world_chip_handles(world, 0x03000000, &handle, 1), 1);
    esys_client_free(client);
}

static void test_R47_the_client_of_a_daemon_that_is_gone_gets_an_error(void **state)
{
    struct world *world = *state;
    struct esys_client *client = holding_client();
    TSS2_RC rc;

    world_kill_daemon(world);
    rc = esys_client_random(client, 8);
    assert_true(rc == TSS2_TCTI_RC_IO_ERROR || rc == TSS2_TCTI_RC_NO_CONNECTION);
    esys_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_bad_options_are_refused),
        suite_empty_test(test_version_and_help_are_printed),
        suite_empty_test(test_root_must_be_allowed),
        suite_empty_test(test_R35_no_tpm_is_one_line_and_a_status),
        cmocka_unit_test_setup_teardown(test_R35_a_tpm12_is_named, tpm12_world, suite_end_world),
        suite_empty_test(test_R35_a_tpm_in_failure_mode_is_named),
        suite_empty_test(test_R36_no_bus_and_name_taken_differ),
        cmocka_unit_test_setup_teardown(test_R36_a_policy_that_forbids_the_name_is_named,
                                        forbidden_world, suite_end_world),
        suite_empty_test(test_R36_the_name_is_not_owned_before_the_chip_has_answered),
        suite_empty_test(test_another_name_is_served),
        suite_test(test_R37_SIGTERM_leaves_the_chip_empty),
        suite_test(test_R37_SIGTERM_waits_for_the_command_that_runs),
        suite_test(test_R37_what_a_killed_daemon_left_loaded_is_flushed_at_the_next_start),
        suite_usual_test(test_an_idle_chip_is_left_empty_and_its_clients_go_on),
        suite_test(test_R47_the_client_of_a_daemon_that_is_gone_gets_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
