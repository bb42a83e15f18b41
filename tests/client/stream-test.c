/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts below the TCTI that its public calls reach only after waits of seconds, or on the
 * machine's own default socket. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "connect-socket.h"
#include "connection.h"
#include "deadline.h"
#include "emulator.h"
#include "fake-daemon.h"
#include "libc-names.h"
#include "logger.h"
#include "stream.h"

static void open_pair(struct stream *stream, struct fake_link *link)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stream_init(stream, ends[0], true);
    *link = (struct fake_link){NULL, ends[1]};
}

static void test_late_locality_reply_is_not_the_next_ones(void **state)
{
    struct stream stream;
    struct fake_link link;
    uint32_t verdict = 99;

    (void)state;
    open_pair(&stream, &link);
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 0, &verdict, DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    assert_int_equal(verdict, 99);
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 1);
    fake_link_reply(&link, CONTROL_FRAME_CANCEL, 2);
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 3);
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 0, &verdict, DEADLINE_NOW),
                     TSS2_RC_SUCCESS);
    assert_int_equal(verdict, 3);
    fake_link_close(&link);
    stream_close(&stream);
}

static void test_late_locality_reply_before_a_response(void **state)
{
    uint8_t response[20], buffer[20];
    struct stream stream;
    struct fake_link link;
    uint32_t verdict = 0;
    size_t size = 0;

    (void)state;
    open_pair(&stream, &link);
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 0, &verdict, DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 1);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_int_equal(size, sizeof(response));
    assert_int_equal(stream_response_take(&stream, buffer, size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_memory_equal(buffer, response, sizeof(response));
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 1);
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW),
                     TSS2_TCTI_RC_MALFORMED_RESPONSE);
    fake_link_close(&link);
    stream_close(&stream);
}

static void test_stream_without_control_frames_has_responses_only(void **state)
{
    struct stream stream;
    struct fake_link link;
    size_t size = 0;

    (void)state;
    open_pair(&stream, &link);
    stream.control = false;
    fake_link_reply(&link, CONTROL_FRAME_CANCEL, 0);
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_int_equal(size, CONTROL_FRAME_REPLY_SIZE);
    fake_link_close(&link);
    stream_close(&stream);
}

/* The first reply comes in two pieces, the request for it given up between them. */
static void test_late_locality_reply_in_pieces(void **state)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];
    struct stream stream;
    struct fake_link link;
    uint32_t verdict;
    size_t cut;

    (void)state;
    control_frame_reply_store(reply, CONTROL_FRAME_SET_LOCALITY, 1);
    for (cut = 0; cut < sizeof(reply); cut++) {
        open_pair(&stream, &link);
        if (cut > 0)
            fake_link_write(&link, reply, cut);
        assert_int_equal(
            stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 0, &verdict, DEADLINE_NOW),
            TSS2_TCTI_RC_TRY_AGAIN);
        fake_link_write(&link, reply + cut, sizeof(reply) - cut);
        fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 3);
        assert_int_equal(
            stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 0, &verdict, DEADLINE_NOW),
            TSS2_RC_SUCCESS);
        assert_int_equal(verdict, 3);
        fake_link_close(&link);
        stream_close(&stream);
    }
}

/* A reply whose header says that it has no more bytes is not waited for. */
static void test_short_control_reply_is_malformed_at_once(void **state)
{
    uint8_t reply[HEADER_SIZE];
    struct stream stream;
    struct fake_link link;
    uint32_t verdict;

    (void)state;
    open_pair(&stream, &link);
    header_store(reply, CONTROL_FRAME_TAG, HEADER_SIZE, CONTROL_FRAME_HELLO);
    fake_link_write(&link, reply, sizeof(reply));
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_HELLO, 0, &verdict, DEADLINE_NEVER),
                     TSS2_TCTI_RC_MALFORMED_RESPONSE);
    fake_link_close(&link);
    stream_close(&stream);
}

static void test_the_largest_response(void **state)
{
    uint8_t bytes[HEADER_SIZE];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;

    (void)state;
    open_pair(&stream, &link);
    header_store(bytes, 0x8001, STREAM_MAX_RESPONSE, 0);
    fake_link_write(&link, bytes, sizeof(bytes));
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_int_equal(size, STREAM_MAX_RESPONSE);
    fake_link_close(&link);
    stream_close(&stream);
}

static void *send_much(void *data)
{
    static uint8_t much[STREAM_MAX_RESPONSE];

    return stream_send(data, much, sizeof(much)) == TSS2_RC_SUCCESS ? data : NULL;
}

/* A daemon that is slow to read is waited for, though the descriptor gives EAGAIN. */
static void test_R47_sending_has_no_time_limit(void **state)
{
    struct pollfd full = {.events = POLLOUT};
    uint8_t bytes[4096];
    struct stream stream;
    struct fake_link link;
    void *done = NULL;
    pthread_t thread;
    size_t left;
    int tries;

    (void)state;
    open_pair(&stream, &link);
    full.fd = stream.fd;
    assert_int_equal(fcntl(stream.fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_much, &stream), 0);
    for (tries = 0; tries < FAKE_WAIT_MS && poll(&full, 1, 0) == 1; tries++)
        poll(NULL, 0, 1);
    for (left = STREAM_MAX_RESPONSE; left > 0; left -= sizeof(bytes))
        fake_link_read(&link, bytes, sizeof(bytes));
    pthread_join(thread, &done);
    assert_ptr_equal(done, &stream);
    fake_link_close(&link);
    stream_close(&stream);
}

/* The same for what comes: it is slept for. */
static void test_R47_receiving_sleeps_where_the_descriptor_does_not(void **state)
{
    uint8_t response[20];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;
    pid_t child;

    (void)state;
    open_pair(&stream, &link);
    assert_int_equal(fcntl(stream.fd, F_SETFL, O_NONBLOCK), 0);
    child = children_start();
    if (child == 0)
        _exit(stream_response_size(&stream, &size, DEADLINE_NEVER) == TSS2_RC_SUCCESS
                      && size == sizeof(response)
                  ? 0
                  : 1);
    children_await_sleep(child, 1);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    children_expect_end(child);
    fake_link_close(&link);
    stream_close(&stream);
}

/* That there was nothing to cancel is told to who wants to know everything. */
static void test_a_cancel_that_failed_is_told(void **state)
{
    uint8_t response[20];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;
    uint32_t verdict;
    pid_t child;
    int said;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    for (verdict = 0; verdict < 2; verdict++) {
        open_pair(&stream, &link);
        fake_link_reply(&link, CONTROL_FRAME_CANCEL, verdict);
        fake_link_write(&link, response, sizeof(response));
        child = children_start_heard(&said);
        if (child == 0) {
            setenv("TSS2_LOG", "tcti+debug", 1);
            logger_configure(LOGGER_ERROR);
            _exit(stream_response_size(&stream, &size, DEADLINE_NOW) == TSS2_RC_SUCCESS ? 0 : 1);
        }
        children_expect_said(child, said, "tabrmd could not cancel: 0x1", verdict);
        fake_link_close(&link);
        stream_close(&stream);
    }
}

/* Who refuses the next connection of this process, before connect() has told it that it is there:
 * the fastest daemon that there can be. Any other process's daemon is so fast now and then. */
static int refusing = -1;
static uint32_t refusing_with;
static char tried_last[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

int connect(int fd, libc_address address, socklen_t size)
{
    const struct sockaddr_un *where = libc_address_bytes(address);
    int rc = (int)syscall(SYS_connect, fd, where, size), server;
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    memcpy(tried_last, where->sun_path, size - sizeof(sa_family_t));
    if (rc != 0 || refusing < 0)
        return rc;
    server = accept4(refusing, NULL, NULL, SOCK_CLOEXEC);
    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, refusing_with);
    assert_int_equal(send(server, reply, sizeof(reply), MSG_NOSIGNAL), sizeof(reply));
    close(server);
    return rc;
}

static void test_R47_refused_before_the_hello_is_sent(void **state)
{
    static const struct {
        uint32_t verdict;
        TSS2_RC rc;
    } cases[] = {
        {TSS2_TCTI_RC_NO_CONNECTION, TSS2_TCTI_RC_NO_CONNECTION},
        {TSS2_TCTI_RC_NOT_PERMITTED, TSS2_TCTI_RC_NOT_PERMITTED},
        {1, TSS2_TCTI_RC_GENERAL_FAILURE},
    };
    struct connection connection;
    struct fake_daemon daemon;
    struct conf conf;
    size_t i;

    (void)state;
    fake_daemon_start(&daemon);
    assert_null(conf_parse(&conf, daemon.conf));
    refusing = daemon.listener;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refusing_with = cases[i].verdict;
        assert_int_equal(connection_open(&connection, &conf), cases[i].rc);
        assert_int_equal(connection.stream.fd, -1);
    }
    refusing = -1;
    fake_daemon_stop(&daemon);
}

/* Who forked is told with a page that the kernel wipes, and where it gave none. */
static void test_R46_journal_tells_a_child(void **state)
{
    struct journal journal, plain = {.process = getpid()};
    int status;
    pid_t child;

    (void)state;
    journal_open(&journal);
    assert_non_null(journal.region);
    assert_int_equal(journal.process, emulator_is_kernel() ? getpid() : 0);
    assert_false(journal_forked(&journal));
    assert_false(journal_forked(&plain));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!journal_forked(&journal) || !journal_forked(&plain))
            _exit(1);
        journal_adopt(&journal);
        journal_adopt(&plain);
        _exit(journal_forked(&journal) || journal_forked(&plain) ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(journal_forked(&journal));
    journal_close(&journal);
    journal_close(&journal);
}

/* A listener whose queue is full is what a stopped daemon with waiting clients looks like. */
static void test_R47_full_queue_ends_with_the_deadline(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[4], used;
    size_t length;

    (void)state;
    /* An address of the kernel's choice in the abstract namespace. */
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    length = size - offsetof(struct sockaddr_un, sun_path);
    for (used = 0; used < 4; used++) {
        fds[used] = connect_socket(address.sun_path, length, deadline_in(50));
        if (fds[used] < 0)
            break;
    }
    assert_in_range(used, 1, 3);
    assert_int_equal(fds[used], -ETIMEDOUT);
    while (used > 0)
        close(fds[--used]);
    close(listener);
    assert_int_equal(connect_socket(address.sun_path, length, deadline_in(50)), -ECONNREFUSED);
}

/* Empty configuration: the default socket where somebody listens, else the bus. */
static void test_default_transport(void **state)
{
    struct fake_daemon daemon;
    struct connection connection;
    struct conf conf;

    (void)state;
    fake_daemon_start(&daemon);
    assert_null(conf_parse(&conf, NULL));
    snprintf(conf.socket, sizeof(conf.socket), "%s", daemon.path);

    /* Nobody accepts, but the listener is there: its end tells that the socket was used. */
    close(daemon.listener);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
    /* The socket is stale: the bus is tried. */
    assert_int_equal(connection_open(&connection, &conf), TSS2_TCTI_RC_NO_CONNECTION);
    assert_string_equal(tried_last, "/nowhere/bus");
    conf.transport = CONF_SOCKET;
    assert_int_equal(connection_open(&connection, &conf), TSS2_TCTI_RC_NO_CONNECTION);
    assert_string_equal(tried_last, daemon.path);
    unlink(daemon.path);
    daemon.listener = -1;
    conf.transport = CONF_DEFAULT;
    assert_int_equal(connection_open(&connection, &conf), TSS2_TCTI_RC_NO_CONNECTION);
    assert_string_equal(tried_last, "/nowhere/bus");
    fake_daemon_stop(&daemon);
}

/* As Init with an empty configuration, with the test's socket as the default one. */
static struct connection default_connection;
static struct conf default_conf;

static TSS2_RC default_init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *text)
{
    (void)text;
    *size = 1;
    return context == NULL ? TSS2_RC_SUCCESS : connection_open(&default_connection, &default_conf);
}

static void test_default_transport_is_the_socket_when_somebody_listens(void **state)
{
    struct fake_daemon daemon;
    struct fake_link link;

    (void)state;
    fake_daemon_start(&daemon);
    assert_null(conf_parse(&default_conf, ""));
    snprintf(default_conf.socket, sizeof(default_conf.socket), "%s", daemon.path);
    assert_int_equal(fake_daemon_connect(&daemon, default_init, 0, &link), TSS2_RC_SUCCESS);
    assert_null(default_connection.peer);
    connection_close(&default_connection);
    free(link.tcti);
    link.tcti = NULL;
    fake_link_close(&link);
    fake_daemon_stop(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_locality_reply_is_not_the_next_ones),
        cmocka_unit_test(test_late_locality_reply_before_a_response),
        cmocka_unit_test(test_late_locality_reply_in_pieces),
        cmocka_unit_test(test_short_control_reply_is_malformed_at_once),
        cmocka_unit_test(test_stream_without_control_frames_has_responses_only),
        cmocka_unit_test(test_the_largest_response),
        cmocka_unit_test(test_R47_sending_has_no_time_limit),
        cmocka_unit_test(test_R47_receiving_sleeps_where_the_descriptor_does_not),
        cmocka_unit_test(test_a_cancel_that_failed_is_told),
        cmocka_unit_test(test_R47_refused_before_the_hello_is_sent),
        cmocka_unit_test(test_R46_journal_tells_a_child),
        cmocka_unit_test(test_R47_full_queue_ends_with_the_deadline),
        cmocka_unit_test(test_default_transport),
        cmocka_unit_test(test_default_transport_is_the_socket_when_somebody_listens),
    };

    return cmocka_run_group_tests_name("client stream", tests, NULL, NULL);
}
