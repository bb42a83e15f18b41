/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients that come through the listening socket, their control frames, and limits of connections.
 */
#include "base/log.h"
#include "engine-world.h"
#include "engine/admission.h"
#include "rm/rc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define HELLO    CONTROL_FRAME_HELLO
#define CANCEL   CONTROL_FRAME_CANCEL
#define LOCALITY CONTROL_FRAME_SET_LOCALITY

static uint32_t ask(struct engine_world *world, int client, uint32_t operation, uint8_t locality)
{
    engine_world_put_control(world, client, operation, locality);
    return engine_world_get_control(world, client, operation);
}

static void finish(struct engine_world *world, int client)
{
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
}

static void test_commands_come_through_the_socket(void **state)
{
    struct engine_world *world = *state;

    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
        engine_world_connect_socket(world, i);
    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i += 2)
        assert_int_equal(ask(world, i, HELLO, 0), 0);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
            engine_world_expect_served(world, i);
    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
        engine_world_disconnect(world, i);
    /* Nobody is told of the end of these. */
    engine_world_connect(world, 0, 41000);
    engine_world_expect_served(world, 0);
    assert_int_equal(engine_world_number(world, &world->gone), 0);
}

/* Newcomers, old clients and partial frames, all while a command takes its time. */
static void test_R38_hello_is_answered_while_a_command_runs(void **state)
{
    struct engine_world *world = *state;
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];

    engine_world_connect_socket(world, 0);
    engine_world_connect_socket(world, 1);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(ask(world, 1, HELLO, 0), 0);
    assert_int_equal(ask(world, 0, HELLO, 0), 0);
    engine_world_connect_socket(world, 2);
    control_frame_request_store(frame, CONTROL_FRAME_HELLO, 0);
    for (int i = 0; i < HEADER_SIZE; i++)
        engine_world_put(world, 2, frame + i, 1);
    assert_int_equal(engine_world_get_control(world, 2, HELLO), 0);
    finish(world, 0);
}

/* A control frame that was there before the command of another client. */
static void test_R38_hello_before_another_command_is_answered_during_it(void **state)
{
    struct engine_world *world = *state;

    for (int i = 0; i < 4; i++)
        engine_world_connect_socket(world, i);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    /* Both wait, and one has asked something; whoever goes first, it is answered. */
    engine_world_put_random(world, 1, 2);
    engine_world_put_random(world, 2, 3);
    engine_world_put_control(world, 1, HELLO, 0);
    engine_world_put_control(world, 2, HELLO, 0);
    assert_int_equal(engine_world_get_control(world, 1, HELLO), 0);
    assert_int_equal(engine_world_get_control(world, 2, HELLO), 0);
    finish(world, 0);
    engine_chip_take(&world->chip);
    finish(world, engine_chip_mark(&world->chip) - 1);
    engine_chip_take(&world->chip);
    finish(world, engine_chip_mark(&world->chip) - 1);
}

static void test_R39_cancel_over_the_socket(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect_socket(world, 0);
    engine_world_connect_socket(world, 1);
    assert_int_equal(ask(world, 0, CANCEL, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    /* One that waits is answered at once. */
    engine_world_put_random(world, 1, 2);
    engine_world_put_control(world, 1, CANCEL, 0);
    assert_int_equal(engine_world_get(world, 1, HEADER_SIZE), RM_RC_CANCELED);
    assert_int_equal(engine_world_get_control(world, 1, CANCEL), 0);
    assert_int_equal(ask(world, 1, CANCEL, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    /* Of the one that runs the chip decides. */
    assert_int_equal(ask(world, 0, CANCEL, 0), 0);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 1);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), TPM2_RC_CANCELED);
    assert_int_equal(ask(world, 0, CANCEL, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    engine_world_expect_served(world, 0);
    engine_world_expect_served(world, 1);
    assert_int_equal(world->chip.cancels, 1);
}

/* Command and cancel in one write: canceled before it reaches the chip. */
static void test_R39_cancel_right_behind_its_command(void **state)
{
    struct engine_world *world = *state;
    uint8_t bytes[ENGINE_CHIP_RANDOM + HEADER_SIZE];

    engine_world_connect_socket(world, 0);
    engine_chip_random(bytes, 7);
    control_frame_request_store(bytes + ENGINE_CHIP_RANDOM, CONTROL_FRAME_CANCEL, 0);
    engine_world_put(world, 0, bytes, sizeof(bytes));
    assert_int_equal(engine_world_get_control(world, 0, CANCEL), 0);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_CANCELED);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 0);
    engine_world_expect_served(world, 0);
}

static void test_R40_locality_over_the_socket(void **state)
{
    struct engine_world *world = *state;
    bool root = geteuid() == 0;
    uint32_t allowed = root ? 0 : TSS2_TCTI_RC_NOT_PERMITTED;

    engine_world_connect_socket(world, 0);
    engine_world_connect_socket(world, 1);
    assert_int_equal(ask(world, 0, LOCALITY, 0), 0);
    assert_int_equal(ask(world, 0, LOCALITY, 3), TSS2_TCTI_RC_NOT_PERMITTED);
    assert_int_equal(ask(world, 0, LOCALITY, 32), TSS2_TCTI_RC_NOT_PERMITTED);
    assert_int_equal(ask(world, 0, LOCALITY, 5), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(ask(world, 0, LOCALITY, 31), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(ask(world, 0, LOCALITY, 2), allowed);
    engine_world_expect_served(world, 0);
    assert_int_equal(world->chip.locality, root ? 2 : 0);
    engine_world_expect_served(world, 1);
    assert_int_equal(world->chip.locality, 0);
    /* Not while a command is outstanding, running or waiting. */
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(ask(world, 0, LOCALITY, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    engine_world_put_random(world, 1, 2);
    assert_int_equal(ask(world, 1, LOCALITY, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    finish(world, 0);
    engine_world_take(world, 2);
    finish(world, 1);
}

static void test_R12_control_frames_of_a_wrong_size(void **state)
{
    static const uint32_t fatal[] = {0, 9, CONTROL_FRAME_MAX_REQUEST + 1, 4000, 0xffffffff};
    struct engine_world *world = *state;
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST] = {0};

    engine_world_connect_socket(world, 0);
    header_store(frame, CONTROL_FRAME_TAG, CONTROL_FRAME_MAX_REQUEST, HELLO);
    engine_world_put(world, 0, frame, CONTROL_FRAME_MAX_REQUEST);
    assert_int_equal(engine_world_get_control(world, 0, HELLO), TSS2_TCTI_RC_BAD_VALUE);
    header_store(frame, CONTROL_FRAME_TAG, HEADER_SIZE, LOCALITY);
    engine_world_put(world, 0, frame, HEADER_SIZE);
    assert_int_equal(engine_world_get_control(world, 0, LOCALITY), TSS2_TCTI_RC_BAD_VALUE);
    header_store(frame, CONTROL_FRAME_TAG, HEADER_SIZE, 77);
    engine_world_put(world, 0, frame, HEADER_SIZE);
    assert_int_equal(engine_world_get_control(world, 0, 77), TSS2_TCTI_RC_NOT_IMPLEMENTED);
    engine_world_expect_served(world, 0);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        engine_world_connect_socket(world, 1);
        header_store(frame, CONTROL_FRAME_TAG, fatal[i], HELLO);
        engine_world_put(world, 1, frame, HEADER_SIZE);
        assert_int_equal(engine_world_get(world, 1, HEADER_SIZE), RM_RC_COMMAND_SIZE);
        engine_world_expect_end(world, 1);
        engine_world_disconnect(world, 1);
    }
}

/* What D-Bus handed out knows no control frames: the chip says what it thinks of such a tag. */
static void test_R13_control_frames_are_for_the_socket_alone(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 0);
    engine_world_put_control(world, 0, HELLO, 0);
    engine_chip_take(&world->chip);
    assert_int_equal(load_be16(world->chip.packet), CONTROL_FRAME_TAG);
    engine_chip_answer_code(&world->chip, TPM2_RC_BAD_TAG);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), TPM2_RC_BAD_TAG);
}

static void test_R10_any_bytes_through_the_socket(void **state)
{
    struct engine_world *world = *state;
    uint8_t bytes[120];
    unsigned seed = 7;

    engine_world_connect_socket(world, 0);
    for (int i = 0; i < 300; i++) {
        size_t size = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)rand_r(&seed);
        for (size_t k = 0; k + HEADER_SIZE <= size; k += 10 + (size_t)rand_r(&seed) % 3)
            header_store(bytes + k, rand_r(&seed) % 3 ? CONTROL_FRAME_TAG : TPM2_ST_NO_SESSIONS,
                         10 + (uint32_t)rand_r(&seed) % 3, (uint32_t)rand_r(&seed) % 4);
        engine_world_connect_socket(world, 1);
        engine_world_put(world, 1, bytes, size);
        if (i % 3)
            engine_world_pump(world);
        if (i % 5 == 0)
            shutdown(world->clients[1], SHUT_WR);
        if (i % 7)
            engine_world_disconnect(world, 1);
        engine_world_expect_served(world, 0);
        if (i % 7 == 0)
            engine_world_disconnect(world, 1);
    }
    assert_false(engine_world_flag(world, &world->failed));
}

/* Requests without end, whose replies nobody reads. */
static void test_R11_requests_that_are_not_read_delay_nobody(void **state)
{
    struct engine_world *world = *state;
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    unsigned sent = 0;

    engine_world_connect_socket(world, 0);
    engine_world_connect_socket(world, 1);
    control_frame_request_store(frame, CONTROL_FRAME_HELLO, 0);
    for (unsigned round = 0; round < 20; round++) {
        while (send(world->clients[0], frame, HEADER_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL)
               == HEADER_SIZE)
            sent++;
        engine_world_expect_served(world, 1);
    }
    assert_true(sent > 100);
    /* Once it reads, every one is answered; the last send may have been cut. */
    for (unsigned i = 0; i < sent; i++)
        assert_int_equal(engine_world_get_control(world, 0, HELLO), 0);
    engine_world_expect_served(world, 1);
}

static int connect_as(struct engine_world *world, uint64_t id, uint32_t uid, int *peer)
{
    const struct peer_groups groups = {.known = true};
    int pair[2], error;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    error = engine_connect(world->engine, id, uid, 0, &groups, pair[0]);
    if (error) {
        close(pair[0]);
        close(pair[1]);
    } else {
        *peer = pair[1];
    }
    return error;
}

/* The newcomer is told, and let go. */
static void expect_turned_away(struct engine_world *world, int client)
{
    assert_int_equal(engine_world_get_control(world, client, HELLO), TSS2_TCTI_RC_NO_CONNECTION);
    engine_world_expect_end(world, client);
    engine_world_disconnect(world, client);
}

static void test_R41_R42_limits_of_connections(void **state)
{
    struct engine_world *world = *state;
    int peer[6];

    for (int i = 0; i < 3; i++)
        assert_int_equal(connect_as(world, 1 + (uint64_t)i, 41000, &peer[i]), 0);
    assert_int_equal(connect_as(world, 9, 41000, NULL), -EDQUOT);
    assert_non_null(strstr(admission_text(-EDQUOT), "--max-connections-per-user"));
    assert_int_equal(connect_as(world, 4, 41001, &peer[3]), 0);
    engine_world_connect_socket(world, 0);
    assert_int_equal(ask(world, 0, HELLO, 0), 0);
    assert_int_equal(connect_as(world, 5, 0, &peer[4]), 0);
    /* All are taken, over both ways in. */
    assert_int_equal(connect_as(world, 9, 41002, NULL), -EUSERS);
    assert_non_null(strstr(admission_text(-EUSERS), "--max-connections"));
    engine_world_connect_socket(world, 1);
    expect_turned_away(world, 1);
    engine_world_expect_served(world, 0);
    /* One that goes makes room for one. */
    close(peer[0]);
    engine_world_await_number(world, &world->gone, 1);
    assert_int_equal(connect_as(world, 1, 41002, &peer[0]), 0);
    for (int i = 0; i < 5; i++)
        close(peer[i]);
    engine_world_await_number(world, &world->gone, 6);
    /* Root is not held to a user's share. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(connect_as(world, 20 + (uint64_t)i, 0, &peer[i]), 0);
    for (int i = 0; i < 4; i++)
        close(peer[i]);
}

/* Takes all descriptors that are left. How many; their numbers in `fds`. */
static unsigned take_descriptors(int *fds, unsigned max)
{
    unsigned count = 0;

    while (count < max && (fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
        count++;
    assert_int_equal(errno, EMFILE);
    return count;
}

/* Takes the only one that is left. The engine has it for a moment, too, whenever it looks for
 * newcomers. */
static int take_descriptor(void)
{
    int fd = -1;

    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && fd < 0; i++) {
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            poll(NULL, 0, 5);
    }
    assert_true(fd >= 0);
    return fd;
}

static void test_R42_descriptors_out(void **state)
{
    struct engine_world *world = *state;
    struct rlimit before, few;
    int fds[256], waiting[3];
    unsigned count;

    engine_world_connect_socket(world, 0);
    engine_world_expect_served(world, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){128, before.rlim_max};
    for (int i = 0; i < 3; i++) {
        waiting[i] = world->clients[1 + i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(waiting[i] >= 0);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    count = take_descriptors(fds, 256);
    for (int i = 0; i < 3; i++) {
        engine_world_reach(world, 1 + i);
        expect_turned_away(world, 1 + i);
        /* The test's own descriptor was one that the engine could have used. */
        fds[count++] = take_descriptor();
        engine_world_expect_served(world, 0);
    }
    while (count > 0)
        close(fds[--count]);
    setrlimit(RLIMIT_NOFILE, &before);
    engine_world_connect_socket(world, 4);
    engine_world_expect_served(world, 4);
}

static void test_R37_stop_closes_the_door_first(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect_socket(world, 0);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_stop(world->engine);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && access(world->socket, F_OK) == 0; i++)
        poll(NULL, 0, 5);
    assert_int_equal(access(world->socket, F_OK), -1);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
    engine_world_expect_end(world, 0);
}

#define WORLD_TEST(test, setup) \
    cmocka_unit_test_setup_teardown(test, engine_world_setup##setup, engine_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_commands_come_through_the_socket, _socket),
        WORLD_TEST(test_R38_hello_is_answered_while_a_command_runs, _socket),
        WORLD_TEST(test_R38_hello_before_another_command_is_answered_during_it, _socket),
        WORLD_TEST(test_R39_cancel_over_the_socket, _socket),
        WORLD_TEST(test_R39_cancel_right_behind_its_command, _socket),
        WORLD_TEST(test_R40_locality_over_the_socket, _socket),
        WORLD_TEST(test_R12_control_frames_of_a_wrong_size, _socket),
        WORLD_TEST(test_R13_control_frames_are_for_the_socket_alone, _socket),
        WORLD_TEST(test_R10_any_bytes_through_the_socket, _socket),
        WORLD_TEST(test_R11_requests_that_are_not_read_delay_nobody, _socket),
        WORLD_TEST(test_R41_R42_limits_of_connections, _limits),
        WORLD_TEST(test_R42_descriptors_out, _socket),
        WORLD_TEST(test_R37_stop_closes_the_door_first, _socket),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
