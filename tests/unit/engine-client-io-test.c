/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's socket, which gives a stream of commands in pieces. */
#include "descriptor-zero.h"
#include "engine/client-io.h"
#include "wire/control-frame.h"
#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX      64
#define RESPONSE (4 << 20)

/* Of an answer, and of all that may wait for a client. */
#define UNREAD_ANSWER 1024
#define UNREAD_MOST   (64 * UNREAD_ANSWER)

static void store(uint8_t *bytes, uint32_t size, uint8_t fill)
{
    memset(bytes, fill, size);
    header_store(bytes, 0x8001, size, 0x17b);
}

struct pair {
    struct client_io io;
    struct desk desk;
    int peer;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int fds[2];

    assert_non_null(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_true(desk_open(&pair->desk, NULL, MAX, RESPONSE));
    client_io_init(&pair->io, fds[0], &pair->desk);
    pair->peer = fds[1];
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    client_io_clear(&pair->io);
    if (pair->peer >= 0)
        close(pair->peer);
    desk_close(&pair->desk);
    free(pair);
    return 0;
}

static void put(struct pair *pair, const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(pair->peer, bytes, size, MSG_NOSIGNAL), size);
}

static void expect_frame(struct pair *pair, const uint8_t *bytes, size_t expected)
{
    size_t size;

    assert_int_equal(client_io_read(&pair->io, DESK_COMMAND, &size), CLIENT_IO_FRAME);
    assert_int_equal(size, expected);
    assert_memory_equal(pair->desk.bytes[DESK_COMMAND], bytes, size);
    desk_wipe(&pair->desk, DESK_COMMAND);
}

static void expect(struct pair *pair, enum client_io_status status)
{
    size_t size;

    assert_int_equal(client_io_read(&pair->io, DESK_COMMAND, &size), status);
}

static void test_R11_command_byte_by_byte(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[30];

    store(bytes, sizeof(bytes), 7);
    for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
        put(pair, bytes + i, 1);
        expect(pair, CLIENT_IO_AGAIN);
    }
    put(pair, bytes + sizeof(bytes) - 1, 1);
    expect_frame(pair, bytes, sizeof(bytes));
    assert_null(pair->io.in.bytes);
    expect(pair, CLIENT_IO_AGAIN);
}

static void test_pipelined_commands_are_kept(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[12 + 30 + 10 + MAX], *at = bytes;
    static const size_t sizes[] = {12, 30, 10, MAX};

    for (size_t i = 0; i < 4; at += sizes[i++])
        store(at, (uint32_t)sizes[i], (uint8_t)i);
    put(pair, bytes, sizeof(bytes));
    at = bytes;
    for (size_t i = 0; i < 4; at += sizes[i++]) {
        assert_true(i == 0 || client_io_readable(&pair->io));
        expect_frame(pair, at, sizes[i]);
    }
    expect(pair, CLIENT_IO_AGAIN);
    assert_false(client_io_readable(&pair->io));
    assert_null(pair->io.in.bytes);
}

static void test_R12_bad_size_behind_a_good_command(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[24];

    store(bytes, 12, 1);
    store(bytes + 12, 12, 1);
    store_be32(bytes + 14, 9);
    put(pair, bytes, sizeof(bytes));
    expect_frame(pair, bytes, 12);
    assert_true(client_io_readable(&pair->io));
    expect(pair, CLIENT_IO_BAD);
}

/* What is looked at ahead is no more than there is, and is read later all the same. */
static void test_look_ahead(void **state)
{
    struct pair *pair = *state;
    const uint8_t *kept;
    uint8_t bytes[MAX];
    size_t have;

    /* Nothing is there, which leaves no memory behind. */
    pair->io.maybe_more = true;
    assert_null(client_io_ahead(&pair->io, &have));
    assert_int_equal(have, 0);
    assert_null(pair->io.in.bytes);
    assert_false(pair->io.maybe_more);
    store(bytes, sizeof(bytes), 3);
    put(pair, bytes, 7);
    /* Nor is it asked for when nothing has told of more. */
    assert_null(client_io_ahead(&pair->io, &have));
    pair->io.maybe_more = true;
    kept = client_io_ahead(&pair->io, &have);
    assert_non_null(kept);
    assert_int_equal(have, 7);
    put(pair, bytes + 7, sizeof(bytes) - 7);
    pair->io.maybe_more = true;
    /* There is room for it. */
    assert_ptr_equal(client_io_ahead(&pair->io, &have), kept);
    assert_memory_equal(kept, bytes, sizeof(bytes));
    assert_int_equal(have, sizeof(bytes));
    expect_frame(pair, bytes, sizeof(bytes));
    assert_null(pair->io.in.bytes);
}

/* And no more of it than is of use, however much there is. */
static void test_look_ahead_is_bounded(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[2 * CLIENT_IO_AHEAD] = {0};
    size_t have;

    put(pair, bytes, sizeof(bytes));
    pair->io.maybe_more = true;
    assert_non_null(client_io_ahead(&pair->io, &have));
    assert_int_equal(have, CLIENT_IO_AHEAD);
    assert_true(pair->io.maybe_more);
    client_io_ahead(&pair->io, &have);
    assert_int_equal(have, CLIENT_IO_AHEAD);
    assert_int_equal(recv(pair->io.fd, bytes, sizeof(bytes), 0), CLIENT_IO_AHEAD);
}

/* As much is pulled in as a command and a few control frames. */
static void test_pull_is_bounded(void **state)
{
    const size_t most = MAX + 4 * (size_t)CONTROL_FRAME_MAX_REQUEST;
    struct pair *pair = *state;
    uint8_t bytes[4 * MAX] = {0};

    assert_true(sizeof(bytes) > most);
    put(pair, bytes, sizeof(bytes));
    /* Not before it is told of. */
    assert_int_equal(client_io_pull(&pair->io), 0);
    assert_null(pair->io.in.bytes);
    for (unsigned i = 0; i < 4; i++) {
        pair->io.maybe_more = true;
        assert_int_equal(client_io_pull(&pair->io), 0);
    }
    assert_int_equal(pair->io.in.end - pair->io.in.start, most);
    assert_int_equal(recv(pair->io.fd, bytes, sizeof(bytes), 0), sizeof(bytes) - most);
    pair->io.in.start += 1;
    assert_int_equal(client_io_pull(&pair->io), 0);
    assert_false(pair->io.maybe_more);
    shutdown(pair->peer, SHUT_WR);
    pair->io.maybe_more = true;
    assert_int_equal(client_io_pull(&pair->io), 0);
    assert_true(pair->io.ended);
    assert_true(client_io_readable(&pair->io));
}

/* A control frame is taken out of the middle only where it may be, and what stood around it is read
 * as it came. */
static void test_control_frame_behind_a_command(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[12 + CONTROL_FRAME_MAX_REQUEST + 14], frame[CONTROL_FRAME_MAX_REQUEST];
    size_t control, size;

    pair->io.control = true;
    store(bytes, 12, 1);
    control = control_frame_request_store(bytes + 12, CONTROL_FRAME_CANCEL, 0);
    store(bytes + 12 + control, 14, 2);
    put(pair, bytes, 12 + control + 14);
    pair->io.maybe_more = true;
    assert_int_equal(client_io_pull(&pair->io), 0);
    assert_int_equal(client_io_take_control(&pair->io, false, frame, &size), CLIENT_IO_NOWHERE);
    assert_int_equal(client_io_take_control(&pair->io, true, frame, &size), CLIENT_IO_BEHIND);
    assert_int_equal(size, control);
    assert_memory_equal(frame, bytes + 12, control);
    assert_int_equal(client_io_take_control(&pair->io, true, frame, &size), CLIENT_IO_NOWHERE);
    expect_frame(pair, bytes, 12);
    expect_frame(pair, bytes + 12 + control, 14);
    assert_null(pair->io.in.bytes);
}

/* The start of a long command behind another one has room for the rest at once. */
static void test_room_for_the_next_command(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[12 + MAX];

    store(bytes, 12, 1);
    store(bytes + 12, MAX, 2);
    put(pair, bytes, 12 + 11);
    expect_frame(pair, bytes, 12);
    assert_int_equal(pair->io.in.capacity, MAX);
    put(pair, bytes + 12 + 11, MAX - 11);
    expect_frame(pair, bytes + 12, MAX);
}

/* Cleared once more it closes nothing that was opened since; and 0 is a number like others. */
static void test_socket_is_closed_once(void **state)
{
    struct pair *pair = *state;
    struct client_io io;
    int ends[2];
    char byte;

    descriptor_zero_give_up();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(ends[0], 0);
    client_io_init(&io, ends[0], &pair->desk);
    client_io_clear(&io);
    assert_int_equal(recv(ends[1], &byte, 1, 0), 0);
    assert_int_equal(dup(ends[1]), 0);
    client_io_clear(&io);
    assert_true(fcntl(0, F_GETFD) >= 0);
    descriptor_zero_take_back();
    close(ends[1]);
}

/* Also where another process has a duplicate of the descriptor. */
static void test_peer_sees_the_end(void **state)
{
    struct pair *pair = *state;
    int copy = dup(pair->io.fd);
    char byte;

    client_io_clear(&pair->io);
    assert_int_equal(recv(pair->peer, &byte, 1, MSG_DONTWAIT), 0);
    close(copy);
}

static void test_end_of_stream(void **state)
{
    struct pair *pair = *state;
    uint8_t bytes[22];

    store(bytes, 12, 1);
    store(bytes + 12, 10, 1);
    put(pair, bytes, 17);
    shutdown(pair->peer, SHUT_WR);
    expect_frame(pair, bytes, 12);
    expect(pair, CLIENT_IO_BAD);
}

static void test_closed(void **state)
{
    struct pair *pair = *state;

    close(pair->peer);
    pair->peer = -1;
    expect(pair, CLIENT_IO_CLOSED);
    assert_true(client_io_send(&pair->io, DESK_REPLY, 1) == -EPIPE);
}

static void test_R11_response_that_is_not_read(void **state)
{
    struct pair *pair = *state;
    uint8_t *bytes = pair->desk.bytes[DESK_RESPONSE];
    size_t size = RESPONSE, done = 0;
    uint8_t *copy = malloc(size);

    assert_non_null(copy);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(client_io_send(&pair->io, DESK_RESPONSE, size), 0);
    desk_settle(&pair->desk);
    assert_true(client_io_sending(&pair->io));
    while (done < size) {
        ssize_t count = recv(pair->peer, copy + done, size - done, MSG_DONTWAIT);

        assert_true(count > 0);
        done += (size_t)count;
        if (client_io_sending(&pair->io))
            assert_int_equal(client_io_flush(&pair->io), 0);
    }
    assert_false(client_io_sending(&pair->io));
    assert_memory_equal(bytes, copy, size);
    free(copy);
}

/* Answers that a client does not read are in the daemon's memory, also those in the kernel. */
static void test_R11_few_unread_answers_are_kept(void **state)
{
    struct pair *pair = *state;
    size_t sent = 0;

    while (!client_io_sending(&pair->io) && sent <= UNREAD_MOST) {
        assert_int_equal(client_io_send(&pair->io, DESK_RESPONSE, UNREAD_ANSWER), 0);
        desk_settle(&pair->desk);
        sent += UNREAD_ANSWER;
    }
    assert_in_range(sent, UNREAD_ANSWER, UNREAD_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R11_command_byte_by_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipelined_commands_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R12_bad_size_behind_a_good_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look_ahead_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pull_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_frame_behind_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_for_the_next_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_is_closed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_sees_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R11_response_that_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R11_few_unread_answers_are_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
