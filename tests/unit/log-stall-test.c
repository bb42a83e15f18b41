/* SPDX-License-Identifier: BSD-2-Clause */
/* The log, where nobody reads it: each call returns. */
#include "base/log.h"
#include "journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* More lines than any pipe or socket has room for. */
#define LINES 20000

/* A call that does not return is ended with the test. */
#define TIMEOUT_S 60

static void write_lines(int fd)
{
    int real;

    fflush(stdout);
    real = dup(STDOUT_FILENO);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    alarm(TIMEOUT_S);
    for (int i = 0; i < LINES; i++)
        log_error("line %d", i);
    alarm(0);
    dup2(real, STDOUT_FILENO);
    close(real);
}

static void test_a_full_pipe_loses_lines(void **state)
{
    char line[64] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_INFO);
    write_lines(fds[1]);
    assert_true(read(fds[0], line, 22) == 22);
    assert_string_equal(line, "tabrmd: error: line 0\n");
    close(fds[0]);
    close(fds[1]);
}

static void test_a_full_stream_socket_loses_lines(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_INFO);
    write_lines(fds[1]);
    close(fds[0]);
    close(fds[1]);
}

static int listen_for_syslog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void next_packet(int fd, char *packet, size_t size)
{
    ssize_t got = recv(fd, packet, size - 1, MSG_DONTWAIT);

    assert_true(got > 0);
    packet[got] = '\0';
}

static void test_syslog_away_full_and_back(void **state)
{
    char dir[] = "/tmp/tabrmd-log.XXXXXX", packet[512];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_INFO);
    alarm(TIMEOUT_S);
    log_error("nobody is there");
    for (unsigned round = 0; round < 2; round++) {
        fd = listen_for_syslog();
        for (int i = 0; i < LINES; i++)
            log_warning("line %d", i);
        /* What was said to nobody is counted. */
        next_packet(fd, packet, sizeof(packet));
        assert_non_null(strstr(packet, "lines of this log are missing"));
        next_packet(fd, packet, sizeof(packet));
        /* LOG_DAEMON and LOG_WARNING, RFC 3164. */
        assert_int_equal(strncmp(packet, "<28>", 4), 0);
        assert_non_null(strstr(packet, "tabrmd["));
        assert_string_equal(strstr(packet, "]: "), "]: line 0");
        close(fd);
        unlink(LOG_SOCKET);
    }
    alarm(0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Has the pipe that is standard output taken for the journal's. */
static void open_journal(int out)
{
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(out, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

/* Runs `check` in a directory of its own, standard output being a pipe that is the journal's, of
 * which `check` gets the other end. */
static void with_journal(void (*check)(int out))
{
    char dir[] = "/tmp/tabrmd-log.XXXXXX";
    int fds[2], real;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    fflush(stdout);
    real = dup(STDOUT_FILENO);
    assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
    open_journal(fds[1]);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_INFO);
    unsetenv("JOURNAL_STREAM");
    alarm(TIMEOUT_S);
    check(fds[0]);
    alarm(0);
    dup2(real, STDOUT_FILENO);
    close(real);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void expect_message(int journal, const char *text, const char *event)
{
    struct journal_entry entry;

    assert_true(journal_receive(journal, &entry, 0));
    assert_true(journal_entry_fields(&entry) > 0);
    assert_non_null(strstr(journal_entry_field(&entry, "MESSAGE"), text));
    if (event)
        assert_string_equal(journal_entry_field(&entry, "TABRMD_EVENT"), event);
    else
        assert_null(journal_entry_field(&entry, "TABRMD_EVENT"));
}

/* Nobody reads the journal's socket: lines are lost, and counted when there is room again. */
static void check_full_journal(int out)
{
    int journal = journal_listen(LOG_JOURNAL_SOCKET);
    struct journal_entry entry;
    unsigned long missing = 0;
    unsigned lines = 0;
    char byte;

    for (unsigned i = 0; i < LINES; i++)
        log_event(LOG_EVENT_TPM_BACK, LOG_NOBODY, "line %u", i);
    expect_message(journal, "line 0", "tpm-back");
    for (lines = 1; journal_receive(journal, &entry, 0); lines++)
        assert_non_null(strstr(journal_entry_field(&entry, "MESSAGE"), "line "));
    assert_in_range(lines, 1, LINES - 1);
    log_info("and on");
    assert_true(journal_receive(journal, &entry, 0));
    assert_int_equal(
        sscanf(journal_entry_field(&entry, "MESSAGE"), "%lu lines of this log", &missing), 1);
    assert_int_equal(missing, LINES - lines);
    assert_string_equal(journal_entry_field(&entry, "TABRMD_EVENT"), "log-incomplete");
    expect_message(journal, "and on", NULL);
    assert_int_equal(read(out, &byte, 1), -1);
    close(journal);
    unlink(LOG_JOURNAL_SOCKET);
}

static void test_R101_a_full_journal_loses_and_counts(void **state)
{
    (void)state;
    with_journal(check_full_journal);
}

/* Without the socket lines go where they would without fields; and back when it is there. */
static void check_absent_journal(int out)
{
    char lines[64] = "";
    int journal;

    log_warning("nobody is there");
    assert_true(read(out, lines, sizeof(lines) - 1) > 0);
    assert_string_equal(lines, "<4>nobody is there\n");
    journal = journal_listen(LOG_JOURNAL_SOCKET);
    log_warning("somebody is there");
    expect_message(journal, "somebody is there", NULL);
    /* Another one takes its place. */
    unlink(LOG_JOURNAL_SOCKET);
    close(journal);
    journal = journal_listen(LOG_JOURNAL_SOCKET);
    log_event(LOG_EVENT_TPM_LOST, log_about_user(1, 1), "and again");
    expect_message(journal, "and again", "tpm-lost");
    assert_int_equal(read(out, lines, 1), -1);
    close(journal);
    unlink(LOG_JOURNAL_SOCKET);
}

static void test_R101_a_journal_may_be_absent_and_come_back(void **state)
{
    (void)state;
    with_journal(check_absent_journal);
}

/* Limits hold for what goes to the journal too, and what was left out has an event. */
static void check_limited_journal(int out)
{
    int journal = journal_listen(LOG_JOURNAL_SOCKET);
    unsigned lines = 0;
    struct journal_entry entry;

    (void)out;
    for (unsigned i = 0; i < LINES; i++)
        log_event(LOG_EVENT_COMMAND_REFUSED, log_about_user(1000, 1000), "line %u", i);
    /* The socket may have room for no more than these. */
    for (; lines < 10; lines++)
        expect_message(journal, "line ", "command-refused");
    log_event(LOG_EVENT_LIMIT_REACHED, log_about_user(1000, 1000), "another event");
    log_event(LOG_EVENT_COMMAND_REFUSED, log_about_user(1001, 1001), "another user");
    log_close();
    expect_message(journal, "another event", "limit-reached");
    expect_message(journal, "another user", "command-refused");
    expect_message(journal, "19990 more lines about refusals of commands of user 1000",
                   "log-incomplete");
    assert_false(journal_receive(journal, &entry, 0));
    close(journal);
    unlink(LOG_JOURNAL_SOCKET);
}

static void test_R102_each_event_is_limited(void **state)
{
    (void)state;
    with_journal(check_limited_journal);
}

/* The reason of the daemon's end is in the journal once. */
static void check_failure_in_journal(int out)
{
    int journal = journal_listen(LOG_JOURNAL_SOCKET);
    int real = dup(STDERR_FILENO);
    char text[64] = "";

    open_journal(STDOUT_FILENO);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    log_failure("it is over");
    expect_message(journal, "it is over", "failed");
    assert_int_equal(read(out, text, sizeof(text) - 1), -1);
    close(journal);
    unlink(LOG_JOURNAL_SOCKET);
    log_failure("it is over again");
    dup2(real, STDERR_FILENO);
    close(real);
    unsetenv("JOURNAL_STREAM");
    assert_true(read(out, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "<3>it is over again\n");
}

static void test_R101_the_reason_of_the_end_is_an_event(void **state)
{
    (void)state;
    with_journal(check_failure_in_journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pipe_loses_lines),
        cmocka_unit_test(test_a_full_stream_socket_loses_lines),
        cmocka_unit_test(test_syslog_away_full_and_back),
        cmocka_unit_test(test_R101_a_full_journal_loses_and_counts),
        cmocka_unit_test(test_R101_a_journal_may_be_absent_and_come_back),
        cmocka_unit_test(test_R102_each_event_is_limited),
        cmocka_unit_test(test_R101_the_reason_of_the_end_is_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
