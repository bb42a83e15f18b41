/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon tells the journal: events and their fields. The daemon is built to find the
 * journal's socket as `journal` in the directory where it starts, which the test plays.
 */
#include "journal.h"

#include "esys-client.h"
#include "served.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMBER "tss" /* user and group */

/* The one world's, which borrows them. */
static char config_word[64], runtime_word[64], stream_word[96];
static const char *const world_args[] = {config_word, NULL};
static const char *const world_env_words[] = {runtime_word, stream_word, NULL};
static int journal = -1;

static void put_config(const struct world *world, const char *lines)
{
    g_autofree char *path = world_path(world, "test.conf");
    g_autofree char *text = g_strdup_printf("[Daemon]\n%s\n", lines);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Standard output of the daemon counts as the journal's. */
static void prepare(const struct world *world)
{
    g_autofree char *run = world_path(world, "run");
    g_autofree char *log = world_path(world, "daemon.log");
    int fd = open(log, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    snprintf(stream_word, sizeof(stream_word), "JOURNAL_STREAM=%ju:%ju", (uintmax_t)status.st_dev,
             (uintmax_t)status.st_ino);
    snprintf(config_word, sizeof(config_word), "--config=%s/test.conf", world->dir);
    snprintf(runtime_word, sizeof(runtime_word), "RUNTIME_DIRECTORY=%s", run);
    assert_int_equal(mkdir(run, 0755), 0);
    assert_int_equal(chmod(world->dir, 0711), 0);
    assert_int_equal(chdir(world->dir), 0);
    journal = journal_listen("journal");
}

static int journal_world(void **state)
{
    struct world *world = world_new(&(struct world_setup){.args = world_args,
                                                          .env = world_env_words,
                                                          .bus_rules = "<allow user='*'/>",
                                                          .no_daemon = true});

    *state = world;
    if (!world)
        return -1;
    prepare(world);
    put_config(world, "max-transients=1\npolicy=standard");
    return world_start_daemon(world) ? 0 : -1;
}

static int journal_end(void **state)
{
    int result;

    assert_int_equal(chdir("/"), 0);
    result = suite_end_world(state);
    close(journal);
    journal = -1;
    return result;
}

/* The next entry about this event; those before it are read. */
static void await(const char *event, struct journal_entry *entry)
{
    const char *found;

    do {
        if (!journal_receive(journal, entry, WORLD_START_MS)) {
            fprintf(stderr, "no event %s\n", event);
            fail();
        }
        assert_true(journal_entry_fields(entry) > 3);
        assert_string_equal(journal_entry_field(entry, "SYSLOG_IDENTIFIER"), "tabrmd");
        found = journal_entry_field(entry, "TABRMD_EVENT");
    } while (!found || strcmp(found, event) != 0);
    assert_non_null(journal_entry_field(entry, "MESSAGE_ID"));
}

/* Nothing of this event is in what was said. */
static void expect_no_more(const char *event)
{
    struct journal_entry entry;

    while (journal_receive(journal, &entry, 0)) {
        const char *found = journal_entry_field(&entry, "TABRMD_EVENT");

        assert_true(!found || strcmp(found, event) != 0);
    }
}

static void expect(const struct journal_entry *entry, const char *name, const char *text)
{
    const char *field = journal_entry_field(entry, name);

    if (!field)
        fprintf(stderr, "no field %s\n", name);
    assert_non_null(field);
    assert_string_equal(field, text);
}

static void expect_number(const struct journal_entry *entry, const char *name, uint64_t number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);

    expect(entry, name, text);
}

static void reload(struct world *world, const char *lines, const char *event)
{
    struct journal_entry entry;

    put_config(world, lines);
    process_signal(&world->daemon, SIGHUP);
    await(event, &entry);
}

static struct esys_client *come(const struct world *world)
{
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);

    assert_non_null(client);
    return client;
}

static void test_R101_start_reload_and_end_are_events(void **state)
{
    struct world *world = *state;
    struct journal_entry entry;

    await("tpm-found", &entry);
    expect(&entry, "PRIORITY", "6");
    await("started", &entry);
    expect(&entry, "PRIORITY", "6");
    reload(world, "max-transients=2", "reloaded");
    reload(world, "max-transient=2", "reload-failed");
    assert_int_equal(world_stop_daemon(world), 0);
    await("stopping", &entry);
}

/* Who it was that met a limit, by which command; and the name that it chose is one field. */
static void test_R102_a_limit_is_told_with_who_met_it(void **state)
{
    struct world *world = *state;
    struct journal_entry entry;
    struct esys_client *client;
    ESYS_TR key;

    assert_int_equal(prctl(PR_SET_NAME, "a\x1B\\PRIO=0"), 0);
    client = come(world);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    /* The name is known by the first command. */
    assert_int_equal(prctl(PR_SET_NAME, "journal-test"), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(esys_client_null_key(client, &key), 0xB0902);
    await("limit-reached", &entry);
    expect(&entry, "PRIORITY", "6");
    expect_number(&entry, "TABRMD_UID", getuid());
    expect_number(&entry, "TABRMD_PID", (uint64_t)getpid());
    expect(&entry, "TABRMD_PROGRAM", "a\\x1B\\x5CPRIO=0");
    expect(&entry, "TABRMD_COMMAND", "CreatePrimary");
    expect(&entry, "TABRMD_COMMAND_CODE", "0x131");
    expect(&entry, "TABRMD_RESPONSE_CODE", "0xB0902");
    assert_non_null(journal_entry_field(&entry, "TABRMD_CONNECTION"));
    expect_no_more("limit-reached");
    esys_client_free(client);
    reload(world, "max-connections=1", "reloaded");
    client = come(world);
    assert_null(esys_client_new());
    await("connection-refused", &entry);
    expect_number(&entry, "TABRMD_UID", getuid());
    assert_null(served_client(world, SERVED_SOCKET, NULL));
    await("connection-refused", &entry);
    expect_number(&entry, "TABRMD_UID", getuid());
    esys_client_free(client);
}

static void test_R101_a_command_has_code_and_time(void **state)
{
    struct world *world = *state;
    struct esys_client *client = come(world);
    struct journal_entry entry;

    reload(world, "verbose=yes", "reloaded");
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    do
        await("command", &entry);
    while (strcmp(journal_entry_field(&entry, "TABRMD_COMMAND"), "GetRandom") != 0);
    expect(&entry, "PRIORITY", "7");
    expect(&entry, "TABRMD_RESPONSE_CODE", "0x0");
    expect_number(&entry, "TABRMD_PID", (uint64_t)getpid());
    assert_true(g_ascii_strtoull(journal_entry_field(&entry, "TABRMD_DURATION_USEC"), NULL, 10)
                > 0);
    esys_client_free(client);
}

/* Commands go on while nobody reads the journal, and what is missing is told. */
static void test_R101_a_journal_that_sleeps_delays_nobody(void **state)
{
    struct world *world = *state;
    struct esys_client *client = come(world);
    struct journal_entry entry;

    reload(world, "verbose=yes", "reloaded");
    for (unsigned i = 0; i < 1500; i++)
        assert_int_equal(esys_client_random(client, 1), TSS2_RC_SUCCESS);
    while (journal_receive(journal, &entry, 0))
        assert_true(journal_entry_fields(&entry) > 3);
    assert_int_equal(esys_client_random(client, 1), TSS2_RC_SUCCESS);
    await("log-incomplete", &entry);
    assert_non_null(
        strstr(journal_entry_field(&entry, "MESSAGE"), "lines of this log are missing"));
    await("command", &entry);
    esys_client_free(client);
}

/* What a client sends that is none, and what it may not have. */
static void test_R102_a_client_is_told_of_what_it_did(void **state)
{
    static const uint8_t garbage[32] = "this is no command of a TPM";
    struct world *world = *state;
    struct esys_client *client = come(world);
    struct raw_client *raw = served_raw_client(world);
    struct journal_entry entry;

    assert_non_null(raw);
    assert_true(raw_client_send(raw, garbage, sizeof(garbage)));
    await("connection-ended", &entry);
    expect_number(&entry, "TABRMD_PID", (uint64_t)getpid());
    assert_true(raw_client_closed(raw));
    raw_client_free(raw);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(Tss2_Tcti_SetLocality(client->tcti, 4), TSS2_RC_SUCCESS);
    await("locality-refused", &entry);
    expect_number(&entry, "TABRMD_UID", getuid());
    expect_no_more("locality-refused");
    esys_client_free(client);
}

static void test_R102_a_command_refused_is_told_with_who_sent_it(void **state)
{
    struct world *world = *state;
    struct journal_entry entry;
    struct esys_client *client;

    if (geteuid() != 0 || !getgrnam(MEMBER) || !getpwnam(MEMBER)) {
        print_message("left out: it takes root, and user and group " MEMBER "\n");
        skip();
    }
    assert_int_equal(setegid(getgrnam(MEMBER)->gr_gid), 0);
    assert_int_equal(seteuid(getpwnam(MEMBER)->pw_uid), 0);
    client = served_client(world, SERVED_SOCKET, NULL);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_non_null(client);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(Esys_ClockRateAdjust(client->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CLOCK_COARSE_SLOWER),
                         0xB0120);
    await("command-refused", &entry);
    expect(&entry, "PRIORITY", "4");
    expect_number(&entry, "TABRMD_UID", getpwnam(MEMBER)->pw_uid);
    expect(&entry, "TABRMD_COMMAND", "ClockRateAdjust");
    expect(&entry, "TABRMD_RESPONSE_CODE", "0xB0120");
    esys_client_free(client);
}

static bool is_answered(void *client)
{
    return esys_client_random(client, 8) == TSS2_RC_SUCCESS;
}

/* Has the next GetRandom meet a fault of the TPM, and tells what comes of it. */
static void expect_fault(struct world *world, const char *fault, const char *event)
{
    struct esys_client *client = come(world);
    struct journal_entry entry;

    assert_true(world_set_faults(world, fault));
    assert_int_not_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    await(event, &entry);
    expect(&entry, "TABRMD_COMMAND", "GetRandom");
    expect_number(&entry, "TABRMD_UID", getuid());
    assert_true(world_set_faults(world, ""));
    assert_true(world_poll(is_answered, client, WORLD_START_MS));
    esys_client_free(client);
}

static void test_R101_what_the_tpm_does_is_an_event(void **state)
{
    struct world *world = *state;
    struct journal_entry entry;
    struct esys_client *client;
    ESYS_TR session;

    expect_fault(world, "code=0x17B rc=0x921\n", "lockout");
    expect_fault(world, "code=0x17B garbage\n", "tpm-answer-bad");
    expect_fault(world, "code=0x17B rc=0x101\n", "tpm-failure");
    expect_fault(world, "code=0x17B drop\n", "tpm-silent");
    await("tpm-lost", &entry);
    expect(&entry, "PRIORITY", "4");
    await("tpm-back", &entry);
    client = come(world);
    assert_true(world_set_faults(world, "code=0x176 times=0 rc=0x905\n"));
    assert_int_not_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    await("no-sessions", &entry);
    expect(&entry, "TABRMD_COMMAND", "StartAuthSession");
    assert_true(world_set_faults(world, ""));
    assert_true(world_power_cycle(world));
    assert_true(world_poll(is_answered, client, WORLD_START_MS));
    await("tpm-reset", &entry);
    esys_client_free(client);
}

#define journal_test(function) cmocka_unit_test_setup_teardown(function, journal_world, journal_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        journal_test(test_R101_start_reload_and_end_are_events),
        journal_test(test_R102_a_limit_is_told_with_who_met_it),
        journal_test(test_R101_a_command_has_code_and_time),
        journal_test(test_R101_a_journal_that_sleeps_delays_nobody),
        journal_test(test_R102_a_client_is_told_of_what_it_did),
        journal_test(test_R102_a_command_refused_is_told_with_who_sent_it),
        journal_test(test_R101_what_the_tpm_does_is_an_event),
    };

    setenv("TABRMD_TEST_DAEMON", TEST_JOURNAL_DAEMON, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
