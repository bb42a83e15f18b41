/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration read again while the daemon runs: what changes, what does not, and what the
 * service manager is told. */
#include "esys-client.h"
#include "suite.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define START "[Daemon]\nmax-transients=1\n"

/* The one world's, which borrows them. */
static char config_word[64], notify_word[64];
static const char *const world_args[] = {config_word, NULL};
static const char *const world_env_words[] = {notify_word, NULL};
static int notify_fd = -1;

static void put_file(const struct world *world, const char *text)
{
    g_autofree char *path = world_path(world, "test.conf");

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* What the service manager is told next; one bounded wait. */
static void expect_notice(const char *notice)
{
    struct pollfd readable = {notify_fd, POLLIN, 0};
    char text[128] = "";

    assert_int_equal(poll(&readable, 1, WORLD_START_MS), 1);
    assert_true(recv(notify_fd, text, sizeof(text) - 1, 0) > 0);
    if (strncmp(text, notice, strlen(notice)) != 0)
        fprintf(stderr, "\"%s\" and not \"%s\"\n", text, notice);
    assert_int_equal(strncmp(text, notice, strlen(notice)), 0);
}

static bool listen_for_notices(const struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", world->dir);
    snprintf(notify_word, sizeof(notify_word), "NOTIFY_SOCKET=%s/notify", world->dir);
    snprintf(config_word, sizeof(config_word), "--config=%s/test.conf", world->dir);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return notify_fd >= 0
           && bind(notify_fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static int reload_world(void **state)
{
    struct world *world = world_new(
        &(struct world_setup){.args = world_args, .env = world_env_words, .no_daemon = true});

    *state = world;
    if (!world || !listen_for_notices(world))
        return -1;
    put_file(world, START);
    if (!world_start_daemon(world))
        return -1;
    expect_notice("READY=1");
    return 0;
}

static int end_world(void **state)
{
    int result = suite_end_world(state);

    close(notify_fd);
    return result;
}

/* Has the daemon read the file again, and waits until it has. */
static void reload(struct world *world, const char *text)
{
    put_file(world, text);
    process_signal(&world->daemon, SIGHUP);
    expect_notice("RELOADING=1\nMONOTONIC_USEC=");
    expect_notice("READY=1");
}

struct saying {
    struct world *world;
    const char *text;
};

static bool is_said(void *argument)
{
    struct saying *saying = argument;
    g_autofree char *log = world_daemon_log(saying->world);

    return strstr(log, saying->text) != NULL;
}

static void expect_said(struct world *world, const char *text)
{
    struct saying saying = {world, text};
    bool said = world_poll(is_said, &saying, WORLD_START_MS);

    if (!said)
        fprintf(stderr, "nobody said \"%s\"\n", text);
    assert_true(said);
}

static void test_R74_a_limit_changes_for_connected_clients(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    ESYS_TR key;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    reload(world, "[Daemon]\nmax-transients=2\n");
    assert_int_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    reload(world, START);
    /* Who has more keeps it, and gets no more. */
    assert_int_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

static void test_R74_connections_are_limited_anew(void **state)
{
    struct world *world = *state;
    struct esys_client *first = esys_client_new(), *second;

    assert_non_null(first);
    reload(world, "[Daemon]\nmax-connections=1\n");
    assert_null(esys_client_new());
    assert_int_equal(esys_client_random(first, 8), TSS2_RC_SUCCESS);
    reload(world, "[Daemon]\nmax-connections=2\n");
    second = esys_client_new();
    assert_non_null(second);
    esys_client_free(second);
    esys_client_free(first);
}

static void test_R74_verbose_begins_and_ends(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    g_autofree char *before = NULL, *between = NULL, *after = NULL;

    assert_non_null(client);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    before = world_daemon_log(world);
    assert_null(strstr(before, "GetRandom"));
    reload(world, "[Daemon]\nverbose=yes\n");
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    expect_said(world, "GetRandom");
    reload(world, START);
    between = world_daemon_log(world);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    after = world_daemon_log(world);
    assert_null(strstr(after + strlen(between), "GetRandom"));
}

static bool chip_is_empty(void *argument)
{
    struct counts counts;

    counts_read(((struct world *)argument)->counts, &counts);
    return counts.code[TPM2_CC_FlushContext] > 0;
}

static void test_R74_the_quiet_time_changes(void **state)
{
    struct world *world = *state;
    struct esys_client *client;
    ESYS_TR key;

    suite_leave_out_of(WORLD_IDLE_AT_ONCE, "this daemon's command line says the quiet time");
    suite_leave_out_of(WORLD_NEVER_IDLE, "this daemon's command line says the quiet time");
    reload(world, "[Daemon]\nidle-release=never\n");
    client = esys_client_new();
    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_false(chip_is_empty(world));
    reload(world, "[Daemon]\nidle-release=0\n");
    assert_true(world_poll(chip_is_empty, world, WORLD_START_MS));
    esys_client_free(client);
}

static void test_R74_each_key_changes_or_is_named(void **state)
{
    static const struct {
        const char *key, *value;
        bool live;
    } keys[] = {
        {"dbus-name", "a.b", false},
        {"no-socket", "yes", false},
        {"socket", "/a", false},
        {"logger", "syslog", false},
        {"verbose", "yes", true},
        {"flush-all", "yes", false},
        {"max-connections", "9", true},
        {"max-connections-per-user", "9", true},
        {"max-sessions", "9", true},
        {"max-sessions-per-user", "9", true},
        {"max-transients", "9", true},
        {"max-transients-per-user", "9", true},
        {"max-abandoned-per-user", "9", true},
        {"guests", "apart", false},
        {"high-priority", "9", false},
        {"low-priority", "9", false},
        {"reserve", "never", false},
        {"prng-seed-file", "/a", false},
    };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        g_autofree char *text = g_strdup_printf(START "%s=%s\n", keys[i].key, keys[i].value);
        g_autofree char *said =
            g_strdup_printf("%s: %s", keys[i].live ? "changed" : "start only", keys[i].key);
        g_autofree char *before = world_daemon_log(world), *after = NULL;

        reload(world, text);
        after = world_daemon_log(world);
        if (!strstr(after + strlen(before), said))
            fprintf(stderr, "no \"%s\" in:\n%s", said, after + strlen(before));
        assert_non_null(strstr(after + strlen(before), said));
        reload(world, START);
    }
}

static void test_R74_a_file_that_is_wrong_changes_nothing(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    ESYS_TR key;

    assert_non_null(client);
    reload(world, "[Daemon]\nmax-transients=2\nmax-sessions=0\n");
    expect_said(world, "test.conf:3: max-sessions takes a number from 1 to 64, not \"0\"");
    expect_said(world, "what was in force stays");
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_not_equal(esys_client_null_key(client, &key), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

#define reload_test(function) cmocka_unit_test_setup_teardown(function, reload_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        reload_test(test_R74_a_limit_changes_for_connected_clients),
        reload_test(test_R74_connections_are_limited_anew),
        reload_test(test_R74_verbose_begins_and_ends),
        reload_test(test_R74_the_quiet_time_changes),
        reload_test(test_R74_each_key_changes_or_is_named),
        reload_test(test_R74_a_file_that_is_wrong_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
