/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that somebody passes over a socket, and that nobody waits for. */
#include "base/descriptors.h"
#include "base/log.h"
#include "bus/endpoint.h"
#include "engine-world.h"
#include "engine/client-io.h"
#include "engine/listener.h"
#include "lingerer.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINGERERS 8
#define BYTES     "bytes"

struct pair {
    int ours, theirs;
    int peers[LINGERERS]; /* of what was passed */
    unsigned count;
};

static int setup(void **state)
{
    static struct pair pair;
    int fds[2];

    pair = (struct pair){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pair.ours = fds[0];
    pair.theirs = fds[1];
    *state = &pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    if (pair->ours >= 0)
        close(pair->ours);
    if (pair->theirs >= 0)
        close(pair->theirs);
    for (unsigned i = 0; i < pair->count; i++)
        close(pair->peers[i]);
    return 0;
}

/* Nobody but a message has it then. */
static void pass_lingerer(struct pair *pair, int flags)
{
    int fd = lingerer_open(&pair->peers[pair->count]);

    if (fd < 0)
        skip();
    pair->count++;
    assert_true(lingerer_pass(pair->theirs, BYTES, sizeof(BYTES), fd, flags));
}

/* As what uses them does. */
static ssize_t receive(struct pair *pair, char *bytes, size_t size)
{
    ssize_t count = descriptors_look(pair->ours, bytes, size);

    return count <= 0 ? count : recv(pair->ours, bytes, (size_t)count, MSG_DONTWAIT);
}

static void expect_refusal(struct pair *pair)
{
    char bytes[64];

    assert_int_equal(receive(pair, bytes, sizeof(bytes)), -1);
    assert_int_equal(errno, EPROTO);
}

static void test_R51_bytes_are_received_and_descriptors_are_not(void **state)
{
    struct pair *pair = *state;
    char bytes[64];

    descriptors_are_refused(pair->ours);
    assert_int_equal(receive(pair, bytes, sizeof(bytes)), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(send(pair->theirs, BYTES, sizeof(BYTES), 0), sizeof(BYTES));
    assert_int_equal(receive(pair, bytes, 3), 3);
    assert_int_equal(receive(pair, bytes + 3, sizeof(bytes) - 3), sizeof(BYTES) - 3);
    assert_string_equal(bytes, BYTES);
    pass_lingerer(pair, 0);
    expect_refusal(pair);
    expect_refusal(pair);
    descriptors_end(pair->ours);
    pair->ours = -1;
}

/* Behind bytes that have none, and out of band. */
static void test_R51_descriptors_are_found_wherever_they_are(void **state)
{
    struct pair *pair = *state;

    descriptors_are_refused(pair->ours);
    assert_int_equal(send(pair->theirs, BYTES, sizeof(BYTES), 0), sizeof(BYTES));
    pass_lingerer(pair, 0);
    expect_refusal(pair);
    descriptors_end(pair->ours);
    pair->ours = -1;
    teardown(state);
    setup(state);
    descriptors_are_refused(pair->ours);
    pass_lingerer(pair, MSG_OOB);
    expect_refusal(pair);
    descriptors_end(pair->ours);
    pair->ours = -1;
}

static void test_R51_the_end_of_the_stream_is_told(void **state)
{
    struct pair *pair = *state;
    char byte;

    close(pair->theirs);
    pair->theirs = -1;
    assert_int_equal(receive(pair, &byte, 1), 0);
    descriptors_end(pair->ours);
    pair->ours = -1;
}

/* Each of them would take an hour. */
static void test_R51_what_is_to_be_closed_is_not_waited_for(void **state)
{
    struct pair *pair = *state;
    struct pollfd reader = {.events = POLLIN};
    int ends[2];

    for (unsigned i = 0; i < LINGERERS; i++) {
        int fd = lingerer_open(&pair->peers[i]);

        if (fd < 0)
            skip();
        pair->count++;
        descriptors_close(fd);
    }
    assert_int_equal(pipe(ends), 0);
    descriptors_close(ends[1]);
    reader.fd = ends[0];
    assert_int_equal(poll(&reader, 1, 60000), 1);
    assert_true(reader.revents & POLLHUP);
    close(ends[0]);
}

static void test_R51_a_client_that_passes_descriptors_goes(void **state)
{
    struct pair *pair = *state;
    struct client_io io;
    struct desk desk;
    size_t size;

    assert_true(desk_open(&desk, NULL, 64, 64));
    client_io_init(&io, pair->ours, &desk);
    pair->ours = -1;
    pass_lingerer(pair, 0);
    io.maybe_more = true;
    client_io_ahead(&io, &size);
    assert_int_equal(size, 0);
    io.maybe_more = true;
    assert_int_equal(client_io_pull(&io), -EPROTO);
    assert_int_equal(client_io_read(&io, DESK_COMMAND, &size), CLIENT_IO_CLOSED);
    client_io_clear(&io);
    desk_close(&desk);
}

/* The sockets, which the test made, may have descriptors; another thread closes them. */
static void test_R51_the_engine_lets_who_passes_descriptors_go(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (int i = 1; i < ENGINE_WORLD_CLIENTS; i++) {
        engine_world_connect(world, i, 1001);
        assert_true(lingerer_pass(world->clients[i], BYTES, 1, dup(0), 0));
        engine_world_expect_end(world, i);
        engine_world_expect_served(world, 0);
    }
}

static void test_R58_a_refused_newcomer_is_not_waited_for(void **state)
{
    struct pair *pair = *state;

    pass_lingerer(pair, 0);
    listener_refuse(pair->ours);
    pair->ours = -1;
}

/* Where the kernel can, it does not let them pass. */
static void test_R51_descriptors_can_be_refused(void **state)
{
    struct pair *pair = *state;

    descriptors_refuse(pair->ours);
    if (!descriptors_are_refused(pair->ours)) {
        print_message("left out: it takes Linux 6.16\n");
        return;
    }
    assert_false(lingerer_pass(pair->theirs, BYTES, sizeof(BYTES), dup(0), 0));
    assert_int_equal(errno, EPERM);
    assert_false(lingerer_pass(pair->theirs, BYTES, 1, dup(0), MSG_OOB));
    assert_int_equal(send(pair->theirs, BYTES, sizeof(BYTES), 0), sizeof(BYTES));
}

static void handle(void *data, enum framing_event event)
{
    (void)event;
    ++*(unsigned *)data;
}

static void nothing(void *data)
{
    (void)data;
}

/* What comes with a message from the bus. */
static void test_R52_descriptors_of_a_message_are_not_waited_for(void **state)
{
    unsigned handled = 0;
    const struct endpoint_events events = {handle, nothing, nothing, &handled};
    struct pair *pair = *state;
    struct endpoint endpoint;
    uint8_t buffer[256];

    endpoint_init(&endpoint, pair->ours, buffer, sizeof(buffer), &events);
    pair->ours = -1;
    pass_lingerer(pair, 0);
    assert_int_equal(send(pair->theirs, "\r\n", 2, 0), 2);
    while (endpoint_read(&endpoint))
        ;
    assert_int_equal(handled, 1);
    assert_int_equal(endpoint.count, 0);
    /* And one that is not read before the end. */
    pass_lingerer(pair, 0);
    endpoint_close(&endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R51_bytes_are_received_and_descriptors_are_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R51_descriptors_are_found_wherever_they_are, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R51_the_end_of_the_stream_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R51_what_is_to_be_closed_is_not_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R51_a_client_that_passes_descriptors_goes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R51_the_engine_lets_who_passes_descriptors_go,
                                        engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R58_a_refused_newcomer_is_not_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R51_descriptors_can_be_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R52_descriptors_of_a_message_are_not_waited_for, setup,
                                        teardown),
    };

    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
