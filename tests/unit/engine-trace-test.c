/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers of a trace: what they are told, what they lose, and how many there may be. */
#include "engine/trace-readers.h"

#include "engine-world.h"
#include "rm/rc.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

static const struct trace_filter everything = {.all = true, .uid = TRACE_FILTER_ANY_USER};

/* Asks for a trace; the reader's end goes to *fd. The answer's rc. */
static uint32_t open_trace(struct engine_world *world, const struct trace_filter *filter, int *fd)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    *fd = pair[0];
    return engine_world_request(world, engine_open_trace(world->engine, filter, pair[1], world));
}

static int open_or_fail(struct engine_world *world, const struct trace_filter *filter)
{
    int fd;

    assert_int_equal(open_trace(world, filter, &fd), TSS2_RC_SUCCESS);
    return fd;
}

/* A client's GetRandom, from end to end. */
static void random_of(struct engine_world *world, int client, uint16_t mark)
{
    engine_world_put_random(world, client, mark);
    engine_world_take(world, mark);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
}

static bool has_record(int fd, int timeout)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout) == 1 && (poll_fd.revents & POLLIN);
}

/* The next record with its bytes, which are copied to `bytes` if that is not NULL. */
static struct trace_record next_record(int fd, uint8_t *bytes)
{
    uint8_t message[TRACE_RECORD_SIZE + 2 * ENGINE_CHIP_MAX];
    struct trace_record record;
    ssize_t size;
    size_t at;

    assert_true(has_record(fd, 10000));
    size = recv(fd, message, sizeof(message), 0);
    assert_true(size > 0);
    assert_true(trace_record_load(&record, message, (size_t)size, &at));
    if (bytes)
        memcpy(bytes, message + at, (size_t)size - at);
    return record;
}

static void test_a_command_is_told_of(void **state)
{
    struct engine_world *world = *state;
    int fd = open_or_fail(world, &everything);
    struct trace_record record;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 3);
    engine_world_take(world, 3);
    assert_false(has_record(fd, 0));
    poll(NULL, 0, 5);
    engine_chip_answer(&world->chip);
    record = next_record(fd, NULL);
    assert_int_equal(record.code, TPM2_CC_GetRandom);
    assert_int_equal(record.response_code, TPM2_RC_SUCCESS);
    assert_int_equal(record.uid, 1000);
    assert_int_equal(record.number, 1);
    assert_int_equal(record.sent[TRACE_RECORD_OWN], 1);
    assert_int_equal(record.sent[TRACE_RECORD_LOAD], 0);
    assert_int_equal(record.way, TRACE_RECORD_BY_TPM);
    assert_int_equal(record.flags | record.lost, 0);
    assert_true(record.chip >= 4000000);
    assert_true(record.started > 0);
    assert_int_equal(record.bytes.command + record.bytes.response, 0);
    close(fd);
}

/* A user who is not root sees its own, and filters choose among those. */
static void test_R95_filters_are_the_engines(void **state)
{
    static const struct trace_filter filters[] = {
        {.all = true, .uid = TRACE_FILTER_ANY_USER},
        {.viewer = 1000, .uid = TRACE_FILTER_ANY_USER},
        {.viewer = 1000, .uid = 1001},
        {.all = true, .uid = 1001},
        {.all = true, .uid = TRACE_FILTER_ANY_USER, .failed_only = true},
        {.all = true, .uid = TRACE_FILTER_ANY_USER, .slow_ms = 600000},
        {.all = true, .uid = TRACE_FILTER_ANY_USER, .pid = 0x7FFFFFFF},
    };
    static const unsigned wanted[] = {2, 1, 0, 1, 0, 0, 0};
    const unsigned count = sizeof(filters) / sizeof(filters[0]);
    struct engine_world *world = *state;
    int fds[sizeof(filters) / sizeof(filters[0])];
    uint32_t uids[sizeof(filters) / sizeof(filters[0])];

    for (unsigned i = 0; i < count; i++) {
        struct trace_filter filter = filters[i];

        /* An account may have few readers. */
        if (filter.all && i >= 4)
            filter.viewer = 2000 + i;
        fds[i] = open_or_fail(world, &filter);
    }
    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1001);
    random_of(world, 0, 1);
    random_of(world, 1, 2);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < wanted[i]; j++)
            uids[i] = next_record(fds[i], NULL).uid;
    }
    assert_int_equal(uids[1], 1000);
    assert_int_equal(uids[3], 1001);
    for (unsigned i = 0; i < count; i++) {
        assert_false(has_record(fds[i], 0));
        close(fds[i]);
    }
}

/* The turn of the last command is over: the engine answers a question. */
static void await_end_of_turn(struct engine_world *world)
{
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
}

/* Clients' commands go on when a reader does not read; it is told what it lost. */
static void test_R96_slow_reader_loses_records_and_is_told(void **state)
{
    struct engine_world *world = *state;
    int fd = open_or_fail(world, &everything);
    const unsigned rounds = 600;
    unsigned read = 0;

    engine_world_connect(world, 0, 1000);
    for (unsigned i = 0; i < rounds; i++)
        random_of(world, 0, (uint16_t)(i % 8 + 1));
    await_end_of_turn(world);
    for (; has_record(fd, 0); read++)
        assert_int_equal(next_record(fd, NULL).lost, 0);
    assert_in_range(read, 10, rounds - 10);
    random_of(world, 0, 1);
    assert_int_equal(next_record(fd, NULL).lost, rounds - read);
    random_of(world, 0, 1);
    assert_int_equal(next_record(fd, NULL).lost, 0);
    close(fd);
}

/* Bytes are for those who ask for them; the command is as the client sent it. */
static void test_bytes_come_when_they_are_asked_for(void **state)
{
    struct engine_world *world = *state;
    struct trace_filter filter = everything;
    uint8_t bytes[2 * ENGINE_CHIP_MAX], command[ENGINE_CHIP_RANDOM];
    struct trace_record record;
    int plain = open_or_fail(world, &filter), with_bytes;

    filter.with_bytes = true;
    with_bytes = open_or_fail(world, &filter);
    engine_world_connect(world, 0, 1000);
    random_of(world, 0, 5);
    record = next_record(with_bytes, bytes);
    engine_chip_random(command, 5);
    assert_int_equal(record.bytes.command, sizeof(command));
    assert_memory_equal(bytes, command, sizeof(command));
    assert_int_equal(record.bytes.response, ENGINE_WORLD_ANSWER);
    assert_int_equal(load_be32(bytes + sizeof(command) + 2), ENGINE_WORLD_ANSWER);
    record = next_record(plain, NULL);
    assert_int_equal(record.bytes.command + record.bytes.response, 0);
    close(plain);
    close(with_bytes);
}

static void test_a_canceled_command_is_told_of(void **state)
{
    struct engine_world *world = *state;
    int fd = open_or_fail(world, &everything);
    struct trace_record record;
    size_t size;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(engine_world_request(world, engine_cancel(world->engine, 100, world)), 0);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    assert_int_equal(engine_world_get_any(world, 0, &size), TPM2_RC_CANCELED);
    record = next_record(fd, NULL);
    assert_int_equal(record.flags, TRACE_RECORD_CANCELED);
    assert_int_equal(record.response_code, TPM2_RC_CANCELED);
    close(fd);
}

/* Waits until one more reader is let in: those that left are seen by the engine's loop. */
static int await_place(struct engine_world *world, const struct trace_filter *filter)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS; i++) {
        int fd;

        if (open_trace(world, filter, &fd) == TSS2_RC_SUCCESS)
            return fd;
        close(fd);
        poll(NULL, 0, 5);
    }
    fail_msg("a reader that left keeps its place");
    return -1;
}

static void test_R96_readers_are_few_and_leave_their_places(void **state)
{
    struct engine_world *world = *state;
    struct trace_filter filter = {.viewer = 1000, .uid = TRACE_FILTER_ANY_USER};
    int fds[TRACE_READERS_MAX + 1];
    unsigned count = 0;

    for (; count < TRACE_READERS_PER_ACCOUNT; count++)
        fds[count] = open_or_fail(world, &filter);
    assert_int_equal(open_trace(world, &filter, &fds[count]), TSS2_TCTI_RC_TRY_AGAIN);
    /* The engine has closed its end. */
    assert_int_equal(recv(fds[count], &filter, sizeof(filter), 0), 0);
    close(fds[count]);
    for (; count < TRACE_READERS_NOT_ROOTS; count++) {
        filter.viewer = 1000 + count;
        fds[count] = open_or_fail(world, &filter);
    }
    filter.viewer = 3000;
    assert_int_equal(open_trace(world, &filter, &fds[count]), TSS2_TCTI_RC_TRY_AGAIN);
    close(fds[count]);
    for (; count < TRACE_READERS_MAX; count++)
        fds[count] = open_or_fail(world, &everything);
    assert_int_equal(open_trace(world, &everything, &fds[count]), TSS2_TCTI_RC_TRY_AGAIN);
    close(fds[count]);
    close(fds[0]);
    filter.viewer = 1000;
    fds[0] = await_place(world, &filter);
    while (count > 0)
        close(fds[--count]);
}

/* One that leaves while a command runs, and one that comes. */
static void test_readers_come_and_go_inside_of_a_command(void **state)
{
    struct engine_world *world = *state;
    int first = open_or_fail(world, &everything), second;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    close(first);
    second = open_or_fail(world, &everything);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
    random_of(world, 0, 2);
    assert_int_equal(next_record(second, NULL).code, TPM2_CC_GetRandom);
    close(second);
}

/* The engine has ended: the socket is closed. */
static void test_no_trace_of_an_engine_that_ended(void **state)
{
    struct engine_world *world = *state;
    int pair[2];

    engine_stop(world->engine);
    engine_world_await_flag(world, &world->stopped);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(engine_open_trace(world->engine, &everything, pair[1], world), 0);
    engine_world_end(world);
    assert_int_equal(world->told.rc, TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(recv(pair[0], &(char){0}, 1, 0), 0);
    close(pair[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_is_told_of),
        TEST(test_R95_filters_are_the_engines),
        TEST(test_R96_slow_reader_loses_records_and_is_told),
        TEST(test_bytes_come_when_they_are_asked_for),
        TEST(test_a_canceled_command_is_told_of),
        TEST(test_R96_readers_are_few_and_leave_their_places),
        TEST(test_readers_come_and_go_inside_of_a_command),
        TEST(test_no_trace_of_an_engine_that_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
