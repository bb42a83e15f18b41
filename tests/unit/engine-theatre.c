/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-theatre.h"

#include "base/log.h"
#include "engine-world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STOP_MS 15000

/* Of bounded polling, a millisecond each. */
#define LOOKS 20000

/* Plays the TPM. */
static void *play(void *data)
{
    struct engine_theatre *theatre = data;

    while (!atomic_load(&theatre->over)) {
        struct pollfd handle = {theatre->chip.fd, POLLIN, 0};

        if (poll(&handle, 1, 5) != 1 || !engine_chip_has_command(&theatre->chip))
            continue;
        engine_chip_take(&theatre->chip);
        engine_chip_answer(&theatre->chip);
    }
    return NULL;
}

void engine_theatre_act_soon(struct engine_theatre *theatre)
{
    loop_arm(&theatre->server.loop, &theatre->act, 0);
}

void engine_theatre_act_again(struct engine_theatre *theatre)
{
    assert_in_range(++theatre->looks, 1, LOOKS);
    theatre->act_number--;
    loop_arm(&theatre->server.loop, &theatre->act, 1);
}

static void act_due(struct timer *timer)
{
    struct engine_theatre *theatre = list_entry(timer, struct engine_theatre, act);
    void (*act)(struct engine_theatre * theatre) = theatre->acts[theatre->act_number++];

    assert_non_null(act);
    act(theatre);
}

static void on_ready(void *data)
{
    struct engine_theatre *theatre = data;

    theatre->ready++;
    if (theatre->server.phase == SERVER_SERVING)
        engine_theatre_act_soon(theatre);
}

static void on_failed(void *data, enum tpm_fault fault, const char *text)
{
    struct engine_theatre *theatre = data;

    (void)text;
    theatre->failed++;
    theatre->fault = fault;
    engine_theatre_act_soon(theatre);
}

static void on_heard(void *data, uint64_t id)
{
    struct engine_theatre *theatre = data;

    theatre->heard++;
    if (id == 77)
        theatre->gone_before = theatre->gone;
}

static void on_gone(void *data, uint64_t id)
{
    struct engine_theatre *theatre = data;

    (void)id;
    theatre->gone++;
    engine_theatre_act_soon(theatre);
}

static void on_suspended(void *data)
{
    struct engine_theatre *theatre = data;

    theatre->suspended++;
    engine_theatre_act_soon(theatre);
}

static void on_handed_over(void *data)
{
    struct engine_theatre *theatre = data;

    theatre->handed_over++;
    engine_theatre_act_soon(theatre);
}

static void on_told(void *data)
{
    (void)data;
}

int engine_theatre_setup(void **state)
{
    static struct engine_theatre theatre;

    theatre = (struct engine_theatre){.end = -1};
    log_threshold = LOG_LEVEL_SILENT;
    engine_chip_init(&theatre.chip, true);
    fake_sys_init(&theatre.sys, 7);
    timer_init(&theatre.act, act_due);
    theatre.config = (struct server_config){
        .tpm = {.link = {.conf = theatre.chip.conf, .name = "test", .sys = theatre.sys.path},
                .limits = {.objects_per_client = 8, .sessions_per_client = 8},
                .dev = theatre.sys.path,
                .release_ms = IDLE_NEVER},
        .newcomers = {.max_connections = 0,
                      .rules.limits = {.objects_per_client = 8, .sessions_per_client = 8}},
    };
    *state = &theatre;
    return 0;
}

int engine_theatre_teardown(void **state)
{
    struct engine_theatre *theatre = *state;

    engine_chip_clear(&theatre->chip);
    fake_sys_clear(&theatre->sys);
    if (theatre->end >= 0)
        close(theatre->end);
    return 0;
}

struct listener *engine_theatre_listen(const struct engine_theatre *theatre)
{
    char path[64], text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener;

    snprintf(path, sizeof(path), "%s/socket", theatre->sys.path);
    listener = listener_new(path, "root", &fault, text);
    assert_non_null(listener);
    return listener;
}

void engine_theatre_run(struct engine_theatre *theatre)
{
    struct engine_events events = {.ready = on_ready,
                                   .failed = on_failed,
                                   .client_heard = on_heard,
                                   .client_gone = on_gone,
                                   .suspended = on_suspended,
                                   .handed_over = on_handed_over,
                                   .state = engine_world_state_unseen,
                                   .trouble = engine_world_trouble_unseen,
                                   .data = theatre};

    assert_int_equal(
        server_init(&theatre->server, &theatre->config, &events, theatre->listener, on_told, NULL),
        0);
    if (theatre->sleeps_early)
        server_suspend(&theatre->server);
    if (theatre->wakes_early)
        server_resume(&theatre->server);
    if (theatre->hands_over_early)
        server_hand_over(&theatre->server, STOP_MS);
    assert_int_equal(pthread_create(&theatre->player, NULL, play, theatre), 0);
    server_run(&theatre->server);
    atomic_store(&theatre->over, true);
    pthread_join(theatre->player, NULL);
    assert_int_equal(theatre->server.phase, SERVER_STOPPING);
    server_reap(&theatre->server);
    server_clear(&theatre->server);
}

void engine_theatre_stop(struct engine_theatre *theatre)
{
    server_stop(&theatre->server, STOP_MS);
}

struct client *engine_theatre_admit(struct engine_theatre *theatre, int *end)
{
    const struct peer_groups groups = {.known = true};
    const struct seat_holder holder = {.uid = 1000, .groups = &groups};
    struct client *client;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(newcomers_admit(&theatre->server.newcomers, &holder, pair[0], &client), 0);
    *end = pair[1];
    return client;
}
