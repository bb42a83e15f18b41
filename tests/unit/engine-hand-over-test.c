/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine leaves its clients to the next daemon. */
#include "engine-theatre.h"
#include "wire/header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define HAND_OVER_MS 30000

static void hand_over(struct engine_theatre *theatre)
{
    server_hand_over(&theatre->server, HAND_OVER_MS);
    assert_int_equal(theatre->server.phase, SERVER_HANDING_OVER);
}

/* A client whose command is still in its socket. */
static void connect_and_hand_over(struct engine_theatre *theatre)
{
    uint8_t command[ENGINE_CHIP_RANDOM];

    server_welcome(&theatre->server, engine_theatre_admit(theatre, &theatre->end));
    engine_chip_random(command, 1);
    assert_int_equal(send(theatre->end, command, sizeof(command), 0), sizeof(command));
    hand_over(theatre);
}

static void expect_left_alone(struct engine_theatre *theatre)
{
    uint8_t byte;

    assert_int_equal(theatre->server.phase, SERVER_HANDED_OVER);
    assert_int_equal(theatre->handed_over, 1);
    assert_int_equal(theatre->server.clients.count, 1);
    assert_int_equal(recv(theatre->end, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    engine_theatre_stop(theatre);
}

/* It is neither taken nor answered, and the connection stays. The end may still come: then all is
 * as at any end. */
static void test_no_command_is_taken_any_more(void **state)
{
    struct engine_theatre *theatre = *state;
    uint8_t byte;

    theatre->acts[0] = connect_and_hand_over;
    theatre->acts[1] = expect_left_alone;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->handed_over, 1);
    assert_int_equal(theatre->gone, 1);
    assert_true(recv(theatre->end, &byte, 1, 0) <= 0);
}

/* Who comes now waits in the queue of the socket, which the next daemon has too. */
static void connect_late(struct engine_theatre *theatre)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    hand_over(theatre);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", theatre->sys.path);
    theatre->end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(theatre->end >= 0);
    assert_int_equal(connect(theatre->end, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void expect_nobody(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_HANDED_OVER);
    assert_int_equal(theatre->server.clients.count, 0);
    assert_int_equal(theatre->server.clients.newest, 0);
    assert_non_null(theatre->server.acceptor.listener);
    engine_theatre_stop(theatre);
}

static void test_newcomers_wait_for_the_next_daemon(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->listener = engine_theatre_listen(theatre);
    theatre->acts[0] = connect_late;
    theatre->acts[1] = expect_nobody;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->handed_over, 1);
}

static void test_hands_over_what_it_has_just_taken(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->listener = engine_theatre_listen(theatre);
    theatre->hands_over_early = true;
    theatre->acts[0] = expect_nobody;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->ready, 1);
    assert_int_equal(theatre->handed_over, 1);
}

static void stop_instead(struct engine_theatre *theatre)
{
    hand_over(theatre);
    engine_theatre_stop(theatre);
    assert_int_equal(theatre->server.phase, SERVER_STOPPING);
    server_hand_over(&theatre->server, HAND_OVER_MS);
    assert_int_equal(theatre->server.phase, SERVER_STOPPING);
}

static void test_the_end_is_stronger(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->acts[0] = stop_instead;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->handed_over, 0);
}

static void hand_over_nothing(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    server_hand_over(&theatre->server, HAND_OVER_MS);
    assert_int_equal(theatre->server.phase, SERVER_FAILED);
    engine_theatre_stop(theatre);
}

static void test_without_a_tpm_there_is_nothing_to_hand_over(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->acts[0] = hand_over_nothing;
    engine_theatre_run(theatre);
    assert_int_equal(theatre->handed_over, 0);
}

/* The address of a socket in the test's directory. */
static void place(const struct engine_theatre *theatre, const char *name,
                  struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", theatre->sys.path, name);
}

static bool is_reached(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool reached = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    close(fd);
    return reached;
}

/* Runs a server that finds no TPM. Whether its socket is there afterwards, which somebody else has
 * a descriptor of. */
static bool leaves_socket(struct engine_theatre *theatre)
{
    struct sockaddr_un address;
    bool reached;
    int kept;

    place(theatre, "socket", &address);
    theatre->config.tpm.link.conf = "device:/nonexistent";
    theatre->acts[0] = engine_theatre_stop;
    theatre->listener = engine_theatre_listen(theatre);
    kept = dup(listener_fd(theatre->listener));
    engine_theatre_run(theatre);
    reached = is_reached(&address);
    close(kept);
    unlink(address.sun_path);
    return reached;
}

static void test_newcomers_wait_for_a_daemon_that_has_a_tpm(void **state)
{
    struct engine_theatre *theatre = *state;
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    struct keeper *keeper;

    place(theatre, "notify", &address);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address, sizeof(address)), 0);
    keeper = keeper_new(address.sun_path, KEEPER_SPARE + 1);
    assert_non_null(keeper);
    theatre->config.keeper = keeper;
    assert_true(leaves_socket(theatre));
    keeper_free(keeper);
    close(manager);
    unlink(address.sun_path);
}

/* Where nobody keeps it, there is no next one. */
static void test_a_socket_that_nobody_keeps_goes_with_its_daemon(void **state)
{
    assert_false(leaves_socket(*state));
}

static void suspend_and_hand_over(struct engine_theatre *theatre)
{
    server_suspend(&theatre->server);
    hand_over(theatre);
    server_suspend(&theatre->server);
    assert_int_equal(theatre->suspended, 0);
}

/* Whoever waits for the clean-up before sleep has it when the process ends. */
static void expect_suspended(struct engine_theatre *theatre)
{
    assert_int_equal(theatre->server.phase, SERVER_HANDED_OVER);
    server_suspend(&theatre->server);
    assert_int_equal(theatre->suspended, 1);
    server_resume(&theatre->server);
    assert_int_equal(theatre->server.phase, SERVER_HANDED_OVER);
    engine_theatre_stop(theatre);
}

static void test_sleep_does_not_hold_it_up(void **state)
{
    struct engine_theatre *theatre = *state;

    theatre->acts[0] = suspend_and_hand_over;
    theatre->acts[1] = expect_suspended;
    engine_theatre_run(theatre);
}

#define HAND_OVER_TEST(test) \
    cmocka_unit_test_setup_teardown(test, engine_theatre_setup, engine_theatre_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HAND_OVER_TEST(test_no_command_is_taken_any_more),
        HAND_OVER_TEST(test_newcomers_wait_for_the_next_daemon),
        HAND_OVER_TEST(test_hands_over_what_it_has_just_taken),
        HAND_OVER_TEST(test_the_end_is_stronger),
        HAND_OVER_TEST(test_without_a_tpm_there_is_nothing_to_hand_over),
        HAND_OVER_TEST(test_newcomers_wait_for_a_daemon_that_has_a_tpm),
        HAND_OVER_TEST(test_a_socket_that_nobody_keeps_goes_with_its_daemon),
        HAND_OVER_TEST(test_sleep_does_not_hold_it_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
