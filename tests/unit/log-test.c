/* SPDX-License-Identifier: BSD-2-Clause */
/* The log as its lines are written. */
#include "base/log-limit.h"
#include "log-capture.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What base/log.c promises to keep a line under. */
#define LONGEST 512

static int setup(void **state)
{
    *state = log_capture_begin(LOG_LEVEL_DEBUG);
    return 0;
}

static int teardown(void **state)
{
    log_capture_free(*state);
    return 0;
}

/* How many lines this one says are missing; 0 for another line. */
static unsigned long missing_lines(const char *line)
{
    unsigned long missing = 0;

    return sscanf(line, "tabrmd: warning: %lu lines of this log are missing", &missing) == 1
               ? missing
               : 0;
}

static void test_each_level_has_its_word(void **state)
{
    log_error("number %d", 1);
    log_warning("number %d", 2);
    log_info("number %d", 3);
    log_debug("number %d", 4);
    assert_string_equal(log_capture_line(*state), "tabrmd: error: number 1\n");
    assert_string_equal(log_capture_line(*state), "tabrmd: warning: number 2\n");
    assert_string_equal(log_capture_line(*state), "tabrmd: number 3\n");
    assert_string_equal(log_capture_line(*state), "tabrmd: debug: number 4\n");
    assert_string_equal(log_capture_line(*state), "");
}

/* Standard output is the journal's when JOURNAL_STREAM names it: sd-daemon(3), systemd.exec(5). */
static void test_the_journal_gets_levels_as_numbers(void **state)
{
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(STDOUT_FILENO, &status), 0);
    for (unsigned own = 0; own < 2; own++) {
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
                 (uintmax_t)status.st_ino + !own);
        setenv("JOURNAL_STREAM", stream, 1);
        log_open(LOG_SINK_STDOUT, LOG_LEVEL_DEBUG);
        log_warning("number %d", 1);
        assert_string_equal(log_capture_line(*state),
                            own ? "<4>number 1\n" : "tabrmd: warning: number 1\n");
    }
    unsetenv("JOURNAL_STREAM");
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_DEBUG);
}

static void test_levels_below_the_threshold_are_silent(void **state)
{
    static const struct {
        enum log_level threshold;
        unsigned lines;
    } rows[] = {
        {LOG_LEVEL_SILENT, 0}, {LOG_LEVEL_ERROR, 1}, {LOG_LEVEL_WARNING, 2},
        {LOG_LEVEL_INFO, 3},   {LOG_LEVEL_DEBUG, 4},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned lines = 0;

        log_open(LOG_SINK_STDOUT, rows[i].threshold);
        log_error("a");
        log_warning("b");
        log_info("c");
        log_debug("d");
        while (log_capture_line(*state)[0])
            lines++;
        assert_int_equal(lines, rows[i].lines);
    }
}

static int calls;

static int costly(void)
{
    return ++calls;
}

static void test_arguments_of_a_silent_message_are_not_evaluated(void **state)
{
    calls = 0;
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_WARNING);
    log_info("%d", costly());
    log_debug("%d", costly());
    assert_int_equal(calls, 0);
    log_warning("%d", costly());
    assert_string_equal(log_capture_line(*state), "tabrmd: warning: 1\n");
}

static void test_a_line_of_any_length_ends_with_one_newline(void **state)
{
    static char text[3 * LONGEST];

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        const char *line;
        size_t size;

        memset(text, 'x', length);
        text[length] = '\0';
        log_warning("%s", text);
        line = log_capture_line(*state);
        size = strlen(line);
        assert_true(size <= LONGEST);
        assert_int_equal(strchr(line, '\n') - line, size - 1);
        /* Nothing is cut that fits. */
        if (length < 400)
            assert_int_equal(size, strlen("tabrmd: warning: ") + length + 1);
        assert_memory_equal(line, "tabrmd: warning: ", 17);
    }
    assert_string_equal(log_capture_line(*state), "");
}

static void test_syslog_leaves_standard_output_alone(void **state)
{
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_DEBUG);
    log_debug("a line of the test suite of tabrmd");
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_DEBUG);
    assert_string_equal(log_capture_line(*state), "");
}

static void test_a_full_sink_loses_lines_and_nothing_else(void **state)
{
    unsigned lines = 0;

    /* The socket does not block, so it is full at some time. */
    for (unsigned i = 0; i < 20000; i++)
        log_info("line %u", i);
    while (log_capture_line(*state)[0])
        lines++;
    assert_in_range(lines, 1, 19999);
    log_info("and on");
    assert_int_equal(missing_lines(log_capture_line(*state)), 20000 - lines);
    assert_string_equal(log_capture_line(*state), "tabrmd: and on\n");
    log_info("and further");
    assert_string_equal(log_capture_line(*state), "tabrmd: and further\n");
}

static void test_a_sink_that_is_gone_is_no_error(void **state)
{
    struct log_capture *capture = *state;

    signal(SIGPIPE, SIG_IGN);
    close(capture->reader);
    capture->reader = -1;
    log_error("nobody reads this");
    close(STDOUT_FILENO);
    log_error("nor this");
    signal(SIGPIPE, SIG_DFL);
}

#define THREADS 4
#define EACH    500

static void *talk(void *text)
{
    for (unsigned i = 0; i < EACH; i++)
        log_info("%s", (const char *)text);
    return NULL;
}

/* How many lines came whole or are said to be missing, up to the one that says "end". */
static void *listen_to_all(void *reader)
{
    static char line[4 * LONGEST];
    uintptr_t known = 0;

    for (;;) {
        ssize_t size = recv(*(int *)reader, line, sizeof(line) - 1, 0);

        line[size > 0 ? size : 0] = '\0';
        if (missing_lines(line) > 0) {
            known += missing_lines(line);
            continue;
        }
        if (size != 8 + 300 + 1 || line[size - 1] != '\n' || memcmp(line, "tabrmd: ", 8) != 0
            || strspn(line + 8, (const char[]){line[8], '\0'}) != 300)
            return (void *)known;
        known++;
    }
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    struct log_capture *capture = *state;
    char texts[THREADS][301];
    pthread_t threads[THREADS], reader;
    int queued = 0;
    void *known;

    fcntl(capture->reader, F_SETFL, 0);
    assert_int_equal(pthread_create(&reader, NULL, listen_to_all, &capture->reader), 0);
    for (int i = 0; i < THREADS; i++) {
        memset(texts[i], 'a' + i, 300);
        texts[i][300] = '\0';
        assert_int_equal(pthread_create(&threads[i], NULL, talk, texts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    /* There is room for what is missing to be told, and for the end. */
    while (ioctl(STDOUT_FILENO, SIOCOUTQ, &queued) == 0 && queued > 0)
        sched_yield();
    log_info("end");
    pthread_join(reader, &known);
    assert_int_equal((uintptr_t)known, THREADS * EACH);
}

static void test_R57_lines_of_clients_are_limited(void **state)
{
    for (unsigned i = 0; i < 1000; i++)
        log_event(LOG_EVENT_CONNECTION_REFUSED, log_about_user(1000, 1000), "refused %u", i);
    for (unsigned i = 0; i < LOG_LIMIT_LINES; i++)
        assert_non_null(strstr(log_capture_line(*state), "refused"));
    assert_string_equal(log_capture_line(*state), "");
    log_info("another");
    assert_string_equal(log_capture_line(*state), "tabrmd: another\n");
    log_close();
    assert_string_equal(log_capture_line(*state),
                        "tabrmd: warning: 990 more lines about refused connections of user 1000 "
                        "are left out: 10 a minute are written\n");
    assert_string_equal(log_capture_line(*state), "");
}

/* What a client chose is a part of a line and never a line of its own. */
static void test_R101_a_message_is_one_line(void **state)
{
    log_info("it says \"%s\"", "a\ntabrmd: error: b\r\x1B[31m\x7F");
    assert_string_equal(log_capture_line(*state),
                        "tabrmd: it says \"a tabrmd: error: b  [31m \"\n");
    assert_string_equal(log_capture_line(*state), "");
}

static void test_R102_an_event_has_the_level_of_its_kind(void **state)
{
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_WARNING);
    for (unsigned event = 0; event < LOG_EVENT_NONE; event++) {
        log_event((enum log_event)event, LOG_NOBODY, "%u", event);
        if (log_events[event].level > LOG_LEVEL_WARNING)
            assert_string_equal(log_capture_line(*state), "");
        else
            assert_int_equal(strncmp(log_capture_line(*state),
                                     log_events[event].level == LOG_LEVEL_ERROR
                                         ? "tabrmd: error: "
                                         : "tabrmd: warning: ",
                                     15),
                             0);
    }
}

/* A failure is told on standard error, whose lines this leaves alone, and not twice. */
static void test_a_failure_is_no_line_of_standard_output(void **state)
{
    int real = dup(STDERR_FILENO), fds[2];
    char text[64] = "";

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log_failure("it is over");
    dup2(real, STDERR_FILENO);
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "tabrmd: it is over\n");
    assert_string_equal(log_capture_line(*state), "");
    close(real);
    close(fds[0]);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_level_has_its_word),
        TEST(test_the_journal_gets_levels_as_numbers),
        TEST(test_levels_below_the_threshold_are_silent),
        TEST(test_arguments_of_a_silent_message_are_not_evaluated),
        TEST(test_a_line_of_any_length_ends_with_one_newline),
        TEST(test_syslog_leaves_standard_output_alone),
        TEST(test_a_full_sink_loses_lines_and_nothing_else),
        TEST(test_a_sink_that_is_gone_is_no_error),
        TEST(test_lines_of_threads_do_not_mix),
        TEST(test_R57_lines_of_clients_are_limited),
        TEST(test_R101_a_message_is_one_line),
        TEST(test_R102_an_event_has_the_level_of_its_kind),
        TEST(test_a_failure_is_no_line_of_standard_output),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
