/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine's thread does, on the test's own thread: it takes a TPM over that another thread
 * plays, and is told what to do from inside of its own events.
 */
#include "engine/server.h"

#include "base/log.h"
#include "engine-world.h"
#include "fake-sys.h"
#include "log-capture.h"
#include "rm/rc.h"
#include "wire/control-frame.h"
#include "wire/header.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define STOP_MS 15000

/* Of bounded polling, a millisecond each. */
#define LOOKS 20000

struct theatre {
    struct server server;
    struct server_config config;
    struct engine_chip chip;
    struct fake_sys sys;
    pthread_t player;
    atomic_bool over;
    struct timer act; /* the next thing to do, once the server has come to rest */
    void (*acts[4])(struct theatre *theatre);
    unsigned act_number;
    unsigned ready, failed, heard, gone, suspended;
    unsigned gone_before; /* the client with a command was heard */
    enum tpm_fault fault;
    struct listener *listener;
    int end;           /* a client's own */
    unsigned looks;    /* for an answer */
    bool sleeps_early; /* suspend before it has started, */
    bool wakes_early;  /* and resume */
};

/* Plays the TPM. */
static void *play(void *data)
{
    struct theatre *theatre = data;

    while (!atomic_load(&theatre->over)) {
        struct pollfd handle = {theatre->chip.fd, POLLIN, 0};

        if (poll(&handle, 1, 5) != 1 || !engine_chip_has_command(&theatre->chip))
            continue;
        engine_chip_take(&theatre->chip);
        engine_chip_answer(&theatre->chip);
    }
    return NULL;
}

/* Does the next thing, which something that happened has made possible. */
static void act_soon(struct theatre *theatre)
{
    loop_arm(&theatre->server.loop, &theatre->act, 0);
}

static void act_due(struct timer *timer)
{
    struct theatre *theatre = list_entry(timer, struct theatre, act);
    void (*act)(struct theatre * theatre) = theatre->acts[theatre->act_number++];

    assert_non_null(act);
    act(theatre);
}

static void on_ready(void *data)
{
    struct theatre *theatre = data;

    theatre->ready++;
    if (theatre->server.phase == SERVER_SERVING)
        act_soon(theatre);
}

static void on_failed(void *data, enum tpm_fault fault, const char *text)
{
    struct theatre *theatre = data;

    (void)text;
    theatre->failed++;
    theatre->fault = fault;
    act_soon(theatre);
}

static void on_heard(void *data, uint64_t id)
{
    struct theatre *theatre = data;

    theatre->heard++;
    if (id == 77)
        theatre->gone_before = theatre->gone;
}

static void on_gone(void *data, uint64_t id)
{
    struct theatre *theatre = data;

    (void)id;
    theatre->gone++;
    act_soon(theatre);
}

static void on_suspended(void *data)
{
    struct theatre *theatre = data;

    theatre->suspended++;
    act_soon(theatre);
}

static void on_told(void *data)
{
    (void)data;
}

static int setup(void **state)
{
    static struct theatre theatre;

    theatre = (struct theatre){.end = -1};
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

static int teardown(void **state)
{
    struct theatre *theatre = *state;

    engine_chip_clear(&theatre->chip);
    fake_sys_clear(&theatre->sys);
    if (theatre->end >= 0)
        close(theatre->end);
    return 0;
}

/* A listening socket, which goes with the server. */
static struct listener *make_listener(const struct theatre *theatre)
{
    char path[64], text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener;

    snprintf(path, sizeof(path), "%s/socket", theatre->sys.path);
    listener = listener_new(path, "root", &fault, text);
    assert_non_null(listener);
    return listener;
}

/* Runs the server to its end. */
static void run(struct theatre *theatre)
{
    struct engine_events events = {.ready = on_ready,
                                   .failed = on_failed,
                                   .client_heard = on_heard,
                                   .client_gone = on_gone,
                                   .suspended = on_suspended,
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
    assert_int_equal(pthread_create(&theatre->player, NULL, play, theatre), 0);
    server_run(&theatre->server);
    atomic_store(&theatre->over, true);
    pthread_join(theatre->player, NULL);
    assert_int_equal(theatre->server.phase, SERVER_STOPPING);
    server_reap(&theatre->server);
    server_clear(&theatre->server);
}

static void stop(struct theatre *theatre)
{
    server_stop(&theatre->server, STOP_MS);
}

static void test_serves_until_it_is_stopped(void **state)
{
    struct theatre *theatre = *state;

    theatre->acts[0] = stop;
    run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->failed, 0);
}

/* A client, which is not welcomed yet, and its own end. */
static struct client *admit(struct theatre *theatre, int *end)
{
    const struct peer_groups groups = {.known = true};
    struct client *client;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(newcomers_admit(&theatre->server.newcomers, 1000, &groups, pair[0], &client),
                     0);
    *end = pair[1];
    return client;
}

/* A client with a command that its own end has sent already. */
static void connect_client(struct theatre *theatre)
{
    uint8_t command[ENGINE_CHIP_RANDOM];
    struct engine_status status;
    struct client *client;

    assert_int_equal(theatre->server.phase, SERVER_SERVING);
    client = admit(theatre, &theatre->end);
    engine_chip_random(command, 1);
    assert_int_equal(send(theatre->end, command, sizeof(command), 0), sizeof(command));
    shutdown(theatre->end, SHUT_WR);
    client->id = 77;
    server_welcome(&theatre->server, client);
    server_get_status(&theatre->server, &status);
    assert_int_equal(status.clients, 1);
    assert_true(status.tpm_present);
    assert_int_equal(server_set_locality(&theatre->server, 77, 0), TSS2_RC_SUCCESS);
    assert_int_equal(server_set_locality(&theatre->server, 77, 1), RM_RC_LOCALITY);
    assert_int_equal(server_set_locality(&theatre->server, 78, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(server_cancel(&theatre->server, 78), TSS2_TCTI_RC_BAD_SEQUENCE);
}

/* A client that hangs up, and one with a command. */
static void connect_two(struct theatre *theatre)
{
    int end;

    connect_client(theatre);
    server_welcome(&theatre->server, admit(theatre, &end));
    close(end);
}

static void stop_when_both_are_gone(struct theatre *theatre)
{
    if (theatre->gone == 2)
        stop(theatre);
}

/* Nobody waits to be told of a client's end until the command of another one was carried out. */
static void test_end_is_told_before_the_next_command(void **state)
{
    struct theatre *theatre = *state;

    theatre->acts[0] = connect_two;
    theatre->acts[1] = theatre->acts[2] = stop_when_both_are_gone;
    run(theatre);
    assert_int_equal(theatre->heard, 2);
    assert_int_equal(theatre->gone_before, 1);
}

static void test_client_is_served_and_told_of(void **state)
{
    struct theatre *theatre = *state;
    uint8_t answer[HEADER_SIZE];

    theatre->acts[0] = connect_client;
    theatre->acts[1] = stop;
    run(theatre);
    assert_int_equal(theatre->heard, 1);
    assert_int_equal(theatre->gone, 1);
    assert_int_equal(recv(theatre->end, answer, sizeof(answer), MSG_WAITALL), HEADER_SIZE);
    assert_int_equal(header_load(answer).code, TPM2_RC_SUCCESS);
}

static void suspend(struct theatre *theatre)
{
    server_suspend(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_SUSPENDING);
}

static void resume(struct theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_SUSPENDED);
    server_resume(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_SERVING);
    act_soon(theatre);
}

static void test_suspends_and_resumes(void **state)
{
    struct theatre *theatre = *state;
    struct log_capture *capture;

    theatre->acts[0] = suspend;
    theatre->acts[1] = resume;
    theatre->acts[2] = stop;
    theatre->config.policies.member = policy_preset(POLICY_GUARDED);
    capture = log_capture_begin(LOG_LEVEL_WARNING);
    run(theatre);
    log_capture_end(capture);
    assert_int_equal(theatre->suspended, 1);
    /* There is nothing to warn of. */
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
}

/* A client with a control channel, and then sleep. */
static void connect_and_suspend(struct theatre *theatre)
{
    struct client *client = admit(theatre, &theatre->end);

    client->io.control = true;
    server_welcome(&theatre->server, client);
    suspend(theatre);
}

/* Asks at first, and looks for the answer then until it is there. */
static void ask_for_locality(struct theatre *theatre)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST], reply[CONTROL_FRAME_REPLY_SIZE];
    size_t size = control_frame_request_store(frame, CONTROL_FRAME_SET_LOCALITY, 1);

    assert_int_equal(theatre->server.phase, SERVER_SUSPENDED);
    if (theatre->looks == 0)
        assert_int_equal(send(theatre->end, frame, size, 0), size);
    if (recv(theatre->end, reply, sizeof(reply), MSG_DONTWAIT) == sizeof(reply)) {
        assert_true(control_frame_is(reply));
        stop(theatre);
        return;
    }
    assert_in_range(++theatre->looks, 1, LOOKS);
    theatre->act_number--;
    loop_arm(&theatre->server.loop, &theatre->act, 1);
}

/* Who asks for what needs no TPM gets an answer while the machine is about to sleep. */
static void test_control_frames_are_answered_while_suspended(void **state)
{
    struct theatre *theatre = *state;

    theatre->acts[0] = connect_and_suspend;
    theatre->acts[1] = ask_for_locality;
    run(theatre);
}

/* What was asked for while the TPM was taken over is done then. */
static void test_suspends_from_the_start(void **state)
{
    struct theatre *theatre = *state;

    theatre->sleeps_early = true;
    theatre->acts[0] = resume;
    theatre->acts[1] = stop;
    run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->suspended, 1);
}

/* Unless the machine did not sleep after all. */
static void test_resumes_before_the_start(void **state)
{
    struct theatre *theatre = *state;

    theatre->sleeps_early = theatre->wakes_early = true;
    theatre->acts[0] = stop;
    run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->suspended, 0);
}

/* Somebody takes the device of the TPM away. */
static void lose_device(struct theatre *theatre)
{
    struct tpm_link *link = &theatre->server.managed.link;

    free((char *)(uintptr_t)link->config.conf);
    link->config.conf = strdup("device:/nonexistent");
    tcti_close(link->tcti);
}

static void expect_closed(struct theatre *theatre)
{
    const struct peer_groups groups = {.known = true};
    struct client *client;

    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    assert_null(theatre->server.acceptor.listener);
    assert_int_equal(newcomers_admit(&theatre->server.newcomers, 1000, &groups, -1, &client),
                     -ESHUTDOWN);
    stop(theatre);
}

/* Nobody is let in any more when the TPM is gone for good. */
static void test_tpm_that_goes_away_ends_the_service(void **state)
{
    struct theatre *theatre = *state;

    theatre->listener = make_listener(theatre);
    theatre->acts[0] = lose_device;
    theatre->acts[1] = expect_closed;
    run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->fault, TPM_FAULT_GONE);
}

static void stop_in_failure(struct theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    stop(theatre);
}

/* Who waits for the clean-up is told when there is no TPM to clean up. */
static void test_without_a_tpm_sleep_is_not_held_up(void **state)
{
    struct theatre *theatre = *state;

    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->sleeps_early = true;
    theatre->acts[0] = stop_in_failure;
    run(theatre);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->suspended, 1);
}

static void fail_to_sleep(struct theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    server_suspend(&theatre->server);
    assert_int_equal(theatre->suspended, 1);
    server_resume(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
}

/* There is nothing that sleep would lose, and whoever waits for that is told. */
static void test_without_a_tpm_it_waits_to_be_stopped(void **state)
{
    struct theatre *theatre = *state;

    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->acts[0] = fail_to_sleep;
    theatre->acts[1] = stop;
    run(theatre);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->fault, TPM_FAULT_ABSENT);
    assert_int_equal(theatre->ready, 0);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_serves_until_it_is_stopped),
        SERVER_TEST(test_end_is_told_before_the_next_command),
        SERVER_TEST(test_tpm_that_goes_away_ends_the_service),
        SERVER_TEST(test_client_is_served_and_told_of),
        SERVER_TEST(test_suspends_and_resumes),
        SERVER_TEST(test_control_frames_are_answered_while_suspended),
        SERVER_TEST(test_suspends_from_the_start),
        SERVER_TEST(test_resumes_before_the_start),
        SERVER_TEST(test_without_a_tpm_sleep_is_not_held_up),
        SERVER_TEST(test_without_a_tpm_it_waits_to_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
