/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine's thread does, on the test's own thread: it takes a TPM over that another thread
 * plays, and is told what to do from inside of its own events.
 */
#include "engine-theatre.h"
#include "log-capture.h"
#include "rm/rc.h"
#include "wire/control-frame.h"
#include "wire/header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

static void test_serves_until_it_is_stopped(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->acts[0] = engine_theatre_stop;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->failed, 0);
}

/* A client with a command that its own end has sent already. */
static void connect_client(struct engine_theatre *theatre)
{
    uint8_t command[ENGINE_CHIP_RANDOM];
    struct engine_status status;
    struct client *client;

    assert_int_equal(theatre->server.phase, SERVER_SERVING);
    client = engine_theatre_admit(theatre, &theatre->end);
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
static void connect_two(struct engine_theatre *theatre)
{
    int end;

    connect_client(theatre);
    server_welcome(&theatre->server, engine_theatre_admit(theatre, &end));
    close(end);
}

static void stop_when_both_are_gone(struct engine_theatre *theatre)
{
    if (theatre->gone == 2)
        engine_theatre_stop(theatre);
}

/* Nobody waits to be told of a client's end until the command of another one was carried out. */
static void test_end_is_told_before_the_next_command(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->acts[0] = connect_two;
    theatre->acts[1] = theatre->acts[2] = stop_when_both_are_gone;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->heard, 2);
    assert_int_equal(theatre->gone_before, 1);
}

static void test_client_is_served_and_told_of(void **state)
{
    struct engine_theatre *theatre = *state;
    uint8_t answer[HEADER_SIZE];

    theatre->acts[0] = connect_client;
    theatre->acts[1] = engine_theatre_stop;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->heard, 1);
    assert_int_equal(theatre->gone, 1);
    assert_int_equal(recv(theatre->end, answer, sizeof(answer), MSG_WAITALL), HEADER_SIZE);
    assert_int_equal(header_load(answer).code, TPM2_RC_SUCCESS);
}

static void suspend(struct engine_theatre *theatre)
{
    server_suspend(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_SUSPENDING);
}

static void resume(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_SUSPENDED);
    server_resume(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_SERVING);
    engine_theatre_act_soon(theatre);
}

static void test_suspends_and_resumes(void **state)
{
    struct engine_theatre *theatre = *state;
    struct log_capture *capture;

    theatre->acts[0] = suspend;
    theatre->acts[1] = resume;
    theatre->acts[2] = engine_theatre_stop;
    theatre->config.policies.member = policy_preset(POLICY_GUARDED);
    capture = log_capture_begin(LOG_LEVEL_WARNING);
    engine_theatre_run(theatre);
    log_capture_end(capture);
    assert_int_equal(theatre->suspended, 1);
    /* There is nothing to warn of. */
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
}

/* A client with a control channel, and then sleep. */
static void connect_and_suspend(struct engine_theatre *theatre)
{
    struct client *client = engine_theatre_admit(theatre, &theatre->end);

    client->io.control = true;
    server_welcome(&theatre->server, client);
    suspend(theatre);
}

/* Asks at first, and looks for the answer then until it is there. */
static void ask_for_locality(struct engine_theatre *theatre)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST], reply[CONTROL_FRAME_REPLY_SIZE];
    size_t size = control_frame_request_store(frame, CONTROL_FRAME_SET_LOCALITY, 1);

    assert_int_equal(theatre->server.phase, SERVER_SUSPENDED);
    if (theatre->looks == 0)
        assert_int_equal(send(theatre->end, frame, size, 0), size);
    if (recv(theatre->end, reply, sizeof(reply), MSG_DONTWAIT) == sizeof(reply)) {
        assert_true(control_frame_is(reply));
        engine_theatre_stop(theatre);
        return;
    }
    engine_theatre_act_again(theatre);
}

/* Who asks for what needs no TPM gets an answer while the machine is about to sleep. */
static void test_control_frames_are_answered_while_suspended(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->acts[0] = connect_and_suspend;
    theatre->acts[1] = ask_for_locality;
    engine_theatre_run(theatre);
}

/* What was asked for while the TPM was taken over is done then. */
static void test_suspends_from_the_start(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->sleeps_early = true;
    theatre->acts[0] = resume;
    theatre->acts[1] = engine_theatre_stop;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->suspended, 1);
}

/* Unless the machine did not sleep after all. */
static void test_resumes_before_the_start(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->sleeps_early = theatre->wakes_early = true;
    theatre->acts[0] = engine_theatre_stop;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->suspended, 0);
}

/* Somebody takes the device of the TPM away. */
static void lose_device(struct engine_theatre *theatre)
{
    struct tpm_link *link = &theatre->server.managed.link;

    free((char *)(uintptr_t)link->config.conf);
    link->config.conf = strdup("device:/nonexistent");
    tcti_close(link->tcti);
}

static void expect_closed(struct engine_theatre *theatre)
{
    const struct peer_groups groups = {.known = true};
    const struct seat_holder holder = {.uid = 1000, .groups = &groups};
    struct client *client;

    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    assert_null(theatre->server.acceptor.listener);
    assert_int_equal(newcomers_admit(&theatre->server.newcomers, &holder, -1, &client), -ESHUTDOWN);
    engine_theatre_stop(theatre);
}

/* A client with a command, and nothing to run it. */
static void connect_and_lose_device(struct engine_theatre *theatre)
{
    struct client *client = engine_theatre_admit(theatre, &theatre->end);
    uint8_t command[ENGINE_CHIP_RANDOM];

    engine_chip_random(command, 1);
    assert_int_equal(send(theatre->end, command, sizeof(command), 0), sizeof(command));
    server_welcome(&theatre->server, client);
    lose_device(theatre);
    engine_theatre_act_soon(theatre);
}

/* The device is tried again and again until the client leaves. */
static void leave_after_some_tries(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->failed, 0);
    assert_int_equal(theatre->server.phase, SERVER_SERVING);
    if (theatre->server.managed.link.reopen_wait_ms < 400)
        engine_theatre_act_again(theatre);
    else
        shutdown(theatre->end, SHUT_WR);
}

static void expect_gone(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->gone, 1);
}

/* A client that is connected is answered, and need not connect again when the TPM is back. */
static void test_tpm_that_goes_away_is_waited_for_with_clients(void **state)
{
    struct engine_theatre *theatre = *state;
    uint8_t answer[HEADER_SIZE];

    theatre->acts[0] = connect_and_lose_device;
    theatre->acts[1] = leave_after_some_tries;
    theatre->acts[2] = expect_gone;
    theatre->acts[3] = expect_closed;
    engine_theatre_run(theatre);
    assert_int_equal(recv(theatre->end, answer, sizeof(answer), MSG_WAITALL), HEADER_SIZE);
    assert_int_equal(header_load(answer).code, RM_RC_FAILURE);
    assert_int_equal(theatre->fault, TPM_FAULT_GONE);
}

/* Nobody is let in any more when the TPM is gone for good. */
static void test_tpm_that_goes_away_ends_the_service(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->listener = engine_theatre_listen(theatre);
    theatre->acts[0] = lose_device;
    theatre->acts[1] = expect_closed;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->fault, TPM_FAULT_GONE);
}

static void stop_in_failure(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    engine_theatre_stop(theatre);
}

/* Who waits for the clean-up is told when there is no TPM to clean up. */
static void test_without_a_tpm_sleep_is_not_held_up(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->sleeps_early = true;
    theatre->acts[0] = stop_in_failure;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->suspended, 1);
}

static void fail_to_sleep(struct engine_theatre *theatre)
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
    struct engine_theatre *theatre = *state;

    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->acts[0] = fail_to_sleep;
    theatre->acts[1] = engine_theatre_stop;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->failed, 1);
    assert_int_equal(theatre->fault, TPM_FAULT_ABSENT);
    assert_int_equal(theatre->ready, 0);
}

#define SERVER_TEST(test) \
    cmocka_unit_test_setup_teardown(test, engine_theatre_setup, engine_theatre_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_serves_until_it_is_stopped),
        SERVER_TEST(test_end_is_told_before_the_next_command),
        SERVER_TEST(test_tpm_that_goes_away_ends_the_service),
        SERVER_TEST(test_tpm_that_goes_away_is_waited_for_with_clients),
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
