/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of the library: what is in them, how long they get, and where they go. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "logger.h"

#define LINE_MAX_BYTES 1024
#define ROOM           (2 * LINE_MAX_BYTES)

/* What comes out on standard output and standard error, each in a file of its own. */
struct captured {
    int papers[2], kept[2];
};

static void capture_begin(struct captured *captured)
{
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        captured->papers[i] = memfd_create("lines", MFD_CLOEXEC);
        captured->kept[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 3);
        dup2(captured->papers[i], STDOUT_FILENO + i);
    }
}

static void capture_end(struct captured *captured, char out[2][ROOM])
{
    for (int i = 0; i < 2; i++) {
        ssize_t got = pread(captured->papers[i], out[i], ROOM - 1, 0);

        dup2(captured->kept[i], STDOUT_FILENO + i);
        close(captured->kept[i]);
        close(captured->papers[i]);
        out[i][got > 0 ? got : 0] = '\0';
    }
}

static void write_with(const char *file, enum logger_level level, const char *text,
                       char out[2][ROOM])
{
    struct captured captured;

    if (file != NULL)
        setenv("TSS2_LOGFILE", file, 1);
    else
        unsetenv("TSS2_LOGFILE");
    capture_begin(&captured);
    errno = EILSEQ;
    logger_write(level, "file.c", 12, "function", "%s", text);
    assert_int_equal(errno, EILSEQ);
    capture_end(&captured, out);
    unsetenv("TSS2_LOGFILE");
}

static void test_where_a_line_goes(void **state)
{
    static const struct {
        const char *file;
        int out, err;
    } cases[] = {
        {NULL, 0, 1}, {"", 0, 1},       {"stderr", 0, 1},
        {"-", 1, 0},  {"stdout", 1, 0}, {"/nowhere/log", 0, 1},
    };
    char out[2][ROOM];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_with(cases[i].file, LOGGER_ERROR, "text", out);
        assert_string_equal(out[0], cases[i].out ? "ERROR:tcti:file.c:12:function() text \n" : "");
        assert_string_equal(out[1], cases[i].err ? "ERROR:tcti:file.c:12:function() text \n" : "");
    }
}

/* Lines come behind those that are there, and the file is closed again. */
static void test_lines_in_a_file(void **state)
{
    static const char expected[] = "WARNING:tcti:file.c:12:function() a \n"
                                   "info:tcti:file.c:12:function() b \n"
                                   "debug:tcti:file.c:12:function() c \n"
                                   "trace:tcti:file.c:12:function() d \n";
    char directory[] = "/tmp/tcti-logger.XXXXXX", path[64], out[2][ROOM], seen[ROOM] = "";
    const char *texts[] = {"a", "b", "c", "d"};
    int lowest = dup(STDIN_FILENO), fd;

    (void)state;
    close(lowest);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    for (int i = 0; i < 4; i++) {
        write_with(path, (enum logger_level)(LOGGER_WARNING + i), texts[i], out);
        assert_string_equal(out[0], "");
        assert_string_equal(out[1], "");
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd, lowest);
    assert_int_equal(read(fd, seen, sizeof(seen) - 1), sizeof(expected) - 1);
    assert_string_equal(seen, expected);
    close(fd);
    unlink(path);
    rmdir(directory);
}

/* A program without a standard input: the file is descriptor 0. */
static void test_a_file_as_descriptor_0(void **state)
{
    static const char expected[] = "ERROR:tcti:file.c:12:function() text \n";
    char directory[] = "/tmp/tcti-logger.XXXXXX", path[64], seen[ROOM] = "";
    int kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    setenv("TSS2_LOGFILE", path, 1);
    close(STDIN_FILENO);
    logger_write(LOGGER_ERROR, "file.c", 12, "function", "text");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_int_equal(fd, STDIN_FILENO);
    unsetenv("TSS2_LOGFILE");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, seen, sizeof(seen) - 1), sizeof(expected) - 1);
    assert_string_equal(seen, expected);
    close(fd);
    unlink(path);
    rmdir(directory);
}

/* A line is cut where it would be longer than its buffer, and is a line still. */
static void test_long_lines(void **state)
{
    static const char start[] = "ERROR:tcti:file.c:12:function() ";
    static char text[ROOM];
    char out[2][ROOM];
    size_t most = LINE_MAX_BYTES - 1 - (sizeof(start) - 1) - 2, length;

    (void)state;
    for (length = most - 3; length < most + 4; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        write_with(NULL, LOGGER_ERROR, text, out);
        assert_memory_equal(out[1], start, sizeof(start) - 1);
        assert_int_equal(strspn(out[1] + sizeof(start) - 1, "x"), length < most ? length : most);
        assert_string_equal(strrchr(out[1], 'x') + 1, " \n");
    }
}

/* What is below the threshold does not even look at its arguments. */
static void test_the_threshold(void **state)
{
    static const char *const words[] = {"none", "error", "warning", "info", "debug", "trace"};
    char text[32], out[2][ROOM];
    struct captured captured;
    int level, evaluated;

    (void)state;
    for (level = LOGGER_NONE; level <= LOGGER_TRACE; level++) {
        snprintf(text, sizeof(text), "tcti+%s", words[level]);
        setenv("TSS2_LOG", text, 1);
        logger_configure(LOGGER_ERROR);
        assert_int_equal(logger_threshold(), level);
        evaluated = 0;
        capture_begin(&captured);
        for (int at = LOGGER_ERROR; at <= LOGGER_TRACE; at++)
            logger_at((enum logger_level)at, "%d", ++evaluated);
        capture_end(&captured, out);
        assert_int_equal(evaluated, level);
        assert_int_equal(out[1][0] != '\0', level > 0);
    }
    unsetenv("TSS2_LOG");
    logger_configure(LOGGER_WARNING);
    assert_int_equal(logger_threshold(), LOGGER_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_a_line_goes),      cmocka_unit_test(test_lines_in_a_file),
        cmocka_unit_test(test_a_file_as_descriptor_0), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_the_threshold),
    };

    return cmocka_run_group_tests_name("client log lines", tests, NULL, NULL);
}
