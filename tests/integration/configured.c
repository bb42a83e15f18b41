/* SPDX-License-Identifier: BSD-2-Clause */
#include "configured.h"

#include <glib/gstdio.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The one world's, which borrows them. */
static char config_word[64], notify_word[64], runtime_word[64];
static const char *const world_args[] = {config_word, NULL};
static const char *const world_env_words[] = {notify_word, runtime_word, NULL};
static int notify_fd = -1;

void configured_put(const struct world *world, const char *text)
{
    g_autofree char *path = world_path(world, "test.conf");

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

void configured_put_drop_in(const struct world *world, const char *name, const char *text)
{
    g_autofree char *dir = world_path(world, "test.conf.d");
    g_autofree char *path = g_build_filename(dir, name, NULL);

    assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
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

static bool prepare(const struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *run = world_path(world, "run");

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", world->dir);
    snprintf(notify_word, sizeof(notify_word), "NOTIFY_SOCKET=%s/notify", world->dir);
    snprintf(config_word, sizeof(config_word), "--config=%s/test.conf", world->dir);
    snprintf(runtime_word, sizeof(runtime_word), "RUNTIME_DIRECTORY=%s", run);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return notify_fd >= 0 && mkdir(run, 0755) == 0 && chmod(world->dir, 0711) == 0
           && bind(notify_fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

int configured_world(void **state, const char *text)
{
    return configured_world_with(state, text, NULL);
}

int configured_world_with(void **state, const char *text, const char *tcti)
{
    struct world *world = world_new(&(struct world_setup){.args = world_args,
                                                          .env = world_env_words,
                                                          .bus_rules = "<allow user='*'/>",
                                                          .tcti = tcti,
                                                          .no_daemon = true});

    *state = world;
    if (!world || !prepare(world))
        return -1;
    configured_put(world, text);
    if (!world_start_daemon(world))
        return -1;
    expect_notice("READY=1");
    return 0;
}

int configured_end(void **state)
{
    int result = suite_end_world(state);

    close(notify_fd);
    return result;
}

void configured_read_again(struct world *world)
{
    process_signal(&world->daemon, SIGHUP);
    expect_notice("RELOADING=1\nMONOTONIC_USEC=");
    expect_notice("READY=1");
}

void configured_reload(struct world *world, const char *text)
{
    configured_put(world, text);
    configured_read_again(world);
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

void configured_expect_said(struct world *world, const char *text)
{
    struct saying saying = {world, text};
    bool said = world_poll(is_said, &saying, WORLD_START_MS);

    if (!said)
        fprintf(stderr, "nobody said \"%s\"\n", text);
    assert_true(said);
}

struct esys_client *configured_come_as(const struct world *world, enum served_way way, uid_t uid,
                                       gid_t one, gid_t other, TSS2_RC *rc)
{
    const struct group *tss = getgrnam("tss");
    gid_t before[64], ids[3] = {tss ? tss->gr_gid : 0, one, other};
    int count = getgroups(64, before);
    struct esys_client *client;

    assert_true(count >= 0);
    assert_int_equal(setgroups(1 + (one != 0) + (other != 0), ids), 0);
    assert_int_equal(seteuid(uid), 0);
    client = served_client(world, way, rc);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setgroups((size_t)count, before), 0);
    return client;
}
