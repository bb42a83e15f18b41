/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: in pieces, in time, too much and too little. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

static void open_link(struct fake_link *link)
{
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, link),
                     TSS2_RC_SUCCESS);
}

static bool readable(const struct fake_link *link, int ms)
{
    TSS2_TCTI_POLL_HANDLE handle;
    size_t handles = 1;

    assert_int_equal(Tss2_Tcti_GetPollHandles(link->tcti, &handle, &handles), TSS2_RC_SUCCESS);
    return poll(&handle, 1, ms) == 1;
}

static void test_R48_timeout_zero_byte_by_byte(void **state)
{
    uint8_t response[30], buffer[64];
    struct fake_link link;
    size_t i, size;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 12, 1);
    fake_frame(response, sizeof(response), 2);
    for (i = 0; i < sizeof(response); i++) {
        /* A buffer of its own for each try: nothing of the last one's may be needed. */
        memset(buffer, (int)i, sizeof(buffer));
        size = i % 3 == 0 ? sizeof(buffer) : i % 3 == 1 ? 5 : sizeof(response);
        if (i < HEADER_SIZE || i % 3 != 1)
            assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0),
                             TSS2_TCTI_RC_TRY_AGAIN);
        else
            assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0),
                             TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
        fake_link_write(&link, &response[i], 1);
        assert_true(readable(&link, 0));
    }
    fake_link_expect(&link, response, sizeof(response), 0);
    assert_false(readable(&link, 0));
    fake_link_exchange(&link, 3);
    fake_link_close(&link);
}

struct dripping {
    struct fake_link link;
    const uint8_t *bytes;
    size_t size;
};

/* Writes a byte each time that the reader has taken the one before. */
static void *drip(void *data)
{
    struct dripping *dripping = data;
    struct pollfd never = {.fd = -1};
    int unread = 1, tries;
    size_t i;

    for (i = 0; i < dripping->size; i++) {
        if (send(dripping->link.server, dripping->bytes + i, 1, MSG_NOSIGNAL) != 1)
            return NULL;
        /* The byte stays in the peer's queue until it is read; how long, is bounded here. */
        for (tries = 0; tries < FAKE_WAIT_MS; tries++) {
            TSS2_TCTI_CONTEXT *tcti = dripping->link.tcti;
            TSS2_TCTI_POLL_HANDLE handle;
            size_t handles = 1;

            Tss2_Tcti_GetPollHandles(tcti, &handle, &handles);
            unread = poll(&handle, 1, 0);
            if (unread == 0)
                break;
            poll(&never, 1, 1);
        }
    }
    return data;
}

static void drip_response(int32_t timeout)
{
    uint8_t response[40];
    struct fake_link link;
    struct dripping dripping;
    pthread_t thread;
    void *done = NULL;

    open_link(&link);
    fake_link_command(&link, 12, 1);
    fake_frame(response, sizeof(response), 2);
    dripping = (struct dripping){link, response, sizeof(response)};
    assert_int_equal(pthread_create(&thread, NULL, drip, &dripping), 0);
    fake_link_expect(&link, response, sizeof(response), timeout);
    pthread_join(thread, &done);
    assert_non_null(done);
    fake_link_exchange(&link, 3);
    fake_link_close(&link);
}

static void test_R48_blocking_byte_by_byte(void **state)
{
    (void)state;
    drip_response(TSS2_TCTI_TIMEOUT_BLOCK);
}

static void test_R48_positive_timeout_byte_by_byte(void **state)
{
    (void)state;
    drip_response(FAKE_WAIT_MS);
}

static void test_R48_positive_timeout_ends_and_resumes(void **state)
{
    uint8_t response[300], buffer[400];
    static const size_t cuts[] = {0, 1, 9, 10, 11, 299};
    struct fake_link link;
    size_t i, size, written = 0;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 12, 1);
    fake_frame(response, sizeof(response), 2);
    for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        fake_link_write(&link, response + written, cuts[i] - written);
        written = cuts[i];
        size = sizeof(buffer);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 5), TSS2_TCTI_RC_TRY_AGAIN);
        assert_int_equal(size, sizeof(buffer));
    }
    fake_link_write(&link, response + written, sizeof(response) - written);
    fake_link_expect(&link, response, sizeof(response), 5);
    fake_link_close(&link);
}

static void test_R48_size_first(void **state)
{
    static const size_t sizes[] = {10, 11, 4096, 65536};
    uint8_t *response = malloc(65536);
    struct fake_link link;
    size_t i, size;

    (void)state;
    assert_non_null(response);
    open_link(&link);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fake_link_command(&link, 12, 1);
        size = 12345;
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, NULL, 0), TSS2_TCTI_RC_TRY_AGAIN);
        assert_int_equal(size, 12345);
        fake_frame(response, sizes[i], 7);
        fake_link_write(&link, response, sizes[i]);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, NULL, -1), TSS2_RC_SUCCESS);
            assert_int_equal(size, sizes[i]);
            /* An event loop that waits for the descriptor still learns of the response. */
            assert_true(readable(&link, 0));
        }
        fake_link_expect(&link, response, sizes[i], 0);
    }
    fake_link_close(&link);
    free(response);
}

static void test_R48_small_buffer_keeps_response(void **state)
{
    static const size_t rooms[] = {0, 1, 9, 10, 11, 49};
    uint8_t response[50], buffer[64];
    struct fake_link link;
    size_t i, size;

    (void)state;
    open_link(&link);
    fake_frame(response, sizeof(response), 7);
    for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        fake_link_command(&link, 12, 1);
        fake_link_write(&link, response, sizeof(response));
        for (int again = 0; again < 2; again++) {
            memset(buffer, 0xEE, sizeof(buffer));
            size = rooms[i];
            assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0),
                             TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
            assert_int_equal(size, sizeof(response));
            assert_int_equal(buffer[rooms[i]], 0xEE);
            assert_true(readable(&link, 0));
        }
        fake_link_expect(&link, response, sizeof(response), 0);
    }
    fake_link_close(&link);
}

static void test_malformed_responses_end_the_connection(void **state)
{
    static const struct {
        uint32_t size_field;
        size_t written;
    } cases[] = {{0, 10}, {9, 10}, {1048577, 10}, {UINT32_MAX, 20}, {10, 11}, {20, 40}};
    uint8_t bytes[64] = {0}, buffer[64];
    struct fake_link link;
    size_t i, size;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_link(&link);
        fake_link_command(&link, 12, 1);
        header_store(bytes, 0x8001, cases[i].size_field, 0);
        fake_link_write(&link, bytes, cases[i].written);
        size = sizeof(buffer);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, -1),
                         TSS2_TCTI_RC_MALFORMED_RESPONSE);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, -1),
                         TSS2_TCTI_RC_NO_CONNECTION);
        fake_frame(bytes, 20, 1);
        assert_int_equal(Tss2_Tcti_Transmit(link.tcti, 20, bytes), TSS2_TCTI_RC_NO_CONNECTION);
        fake_link_close(&link);
    }
}

static void test_R47_end_of_stream_is_told_at_once(void **state)
{
    static const size_t written[] = {0, 1, 10, 29};
    static const int32_t timeouts[] = {-1, 0, FAKE_WAIT_MS};
    uint8_t response[30], buffer[64];
    struct fake_link link;
    size_t i, size;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    for (i = 0; i < 12; i++) {
        open_link(&link);
        fake_link_command(&link, 12, 1);
        fake_link_write(&link, response, written[i % 4]);
        close(link.server);
        link.server = -1;
        size = sizeof(buffer);
        /* What a call before has left says nothing about the end. */
        errno = EAGAIN;
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, timeouts[i / 4]),
                         TSS2_TCTI_RC_IO_ERROR);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, timeouts[i / 4]),
                         TSS2_TCTI_RC_NO_CONNECTION);
        fake_link_close(&link);
    }
}

static void test_R47_sending_to_a_closed_end_raises_no_signal(void **state)
{
    uint8_t command[20];
    struct fake_link link;

    (void)state;
    signal(SIGPIPE, SIG_DFL);
    open_link(&link);
    close(link.server);
    link.server = -1;
    fake_frame(command, sizeof(command), 1);
    assert_int_equal(Tss2_Tcti_Transmit(link.tcti, 20, command), TSS2_TCTI_RC_IO_ERROR);
    assert_int_equal(Tss2_Tcti_Transmit(link.tcti, 20, command), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 0), TSS2_TCTI_RC_NO_CONNECTION);
    fake_link_close(&link);
}

static void test_R48_last_response_before_the_end_is_received(void **state)
{
    uint8_t response[30];
    struct fake_link link;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 12, 1);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    close(link.server);
    link.server = -1;
    fake_link_expect(&link, response, sizeof(response), -1);
    fake_link_close(&link);
}

#define CONTEXTS 8

static void test_R48_pipelined_contexts(void **state)
{
    struct fake_link links[CONTEXTS];
    uint8_t response[100];
    unsigned i, at;

    (void)state;
    for (i = 0; i < CONTEXTS; i++)
        open_link(&links[i]);
    for (i = 0; i < CONTEXTS; i++)
        fake_link_command(&links[i], 20 + i, (uint8_t)i);
    for (i = 0; i < CONTEXTS; i++) {
        at = (i * 5 + 3) % CONTEXTS;
        assert_false(readable(&links[at], 0));
        fake_frame(response, 30 + at, (uint8_t)(100 + at));
        fake_link_write(&links[at], response, 30 + at);
    }
    for (i = 0; i < CONTEXTS; i++) {
        assert_true(readable(&links[i], 0));
        fake_frame(response, 30 + i, (uint8_t)(100 + i));
        fake_link_expect(&links[i], response, 30 + i, 0);
        fake_link_close(&links[i]);
    }
}

static atomic_int signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

struct interrupting {
    pthread_t reader;
    int server;
    const uint8_t *response;
    size_t size;
};

/* Signals the reader, which may or may not be waiting yet, many times; then answers. */
static void *interrupt(void *data)
{
    struct interrupting *interrupting = data;
    struct pollfd never = {.fd = -1};
    int i;

    for (i = 0; i < 20; i++) {
        pthread_kill(interrupting->reader, SIGUSR1);
        poll(&never, 1, 2);
    }
    if (send(interrupting->server, interrupting->response, interrupting->size, MSG_NOSIGNAL) < 0)
        return NULL;
    return data;
}

static void test_R48_signals_do_not_end_a_wait(void **state)
{
    static const int32_t timeouts[] = {-1, FAKE_WAIT_MS};
    struct sigaction action = {.sa_handler = count_signal};
    struct interrupting interrupting;
    uint8_t response[30];
    struct fake_link link;
    pthread_t thread;
    size_t i;

    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    open_link(&link);
    fake_frame(response, sizeof(response), 1);
    for (i = 0; i < 2; i++) {
        fake_link_command(&link, 12, 1);
        interrupting =
            (struct interrupting){pthread_self(), link.server, response, sizeof(response)};
        assert_int_equal(pthread_create(&thread, NULL, interrupt, &interrupting), 0);
        fake_link_expect(&link, response, sizeof(response), timeouts[i]);
        pthread_join(thread, NULL);
    }
    assert_true(signals > 0);
    fake_link_close(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R48_timeout_zero_byte_by_byte),
        cmocka_unit_test(test_R48_blocking_byte_by_byte),
        cmocka_unit_test(test_R48_positive_timeout_byte_by_byte),
        cmocka_unit_test(test_R48_positive_timeout_ends_and_resumes),
        cmocka_unit_test(test_R48_size_first),
        cmocka_unit_test(test_R48_small_buffer_keeps_response),
        cmocka_unit_test(test_malformed_responses_end_the_connection),
        cmocka_unit_test(test_R47_end_of_stream_is_told_at_once),
        cmocka_unit_test(test_R47_sending_to_a_closed_end_raises_no_signal),
        cmocka_unit_test(test_R48_last_response_before_the_end_is_received),
        cmocka_unit_test(test_R48_pipelined_contexts),
        cmocka_unit_test(test_R48_signals_do_not_end_a_wait),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client receive", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
