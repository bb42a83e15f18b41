/* SPDX-License-Identifier: BSD-2-Clause */
#include "silence.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_TEXT  8192
#define MAX_CASES 64

/* What the process writes while a failure happens goes to `paper`. */
static struct {
    int paper;
    int out;
    int err;
} captured = {-1, -1, -1};

static void capture_begin(void)
{
    captured.paper = memfd_create("silence", MFD_CLOEXEC);
    captured.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    captured.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(captured.paper >= 0 && captured.out >= 0 && captured.err >= 0);
    fflush(NULL);
    dup2(captured.paper, STDOUT_FILENO);
    dup2(captured.paper, STDERR_FILENO);
}

static void capture_end(char text[MAX_TEXT])
{
    ssize_t got;

    fflush(NULL);
    dup2(captured.out, STDOUT_FILENO);
    dup2(captured.err, STDERR_FILENO);
    close(captured.out);
    close(captured.err);
    got = pread(captured.paper, text, MAX_TEXT - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(captured.paper);
    captured.paper = -1;
}

/* A failure that jumped out of the capture is told where it can be seen. */
static int restore(void **state)
{
    char text[MAX_TEXT];

    (void)state;
    if (captured.paper < 0)
        return 0;
    capture_end(text);
    fprintf(stderr, "%s\n", text);
    return 0;
}

TSS2_RC silence_init(TSS2_TCTI_INIT_FUNC init, const char *conf)
{
    TSS2_TCTI_CONTEXT *context;
    size_t size = 0;
    TSS2_RC rc;

    assert_int_equal(init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    context = calloc(1, size);
    assert_non_null(context);
    rc = init(context, &size, conf);
    if (rc == TSS2_RC_SUCCESS)
        Tss2_Tcti_Finalize(context);
    free(context);
    return rc;
}

/* The lines of the library's; nothing else may be there. */
static size_t count_lines(const char *text)
{
    const char *line, *end;
    size_t count = 0;

    for (line = text; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        assert_true(strncmp(line, "ERROR:tcti:", 11) == 0
                    || strncmp(line, "WARNING:tcti:", 13) == 0);
        count++;
    }
    return count;
}

/* Lets it happen with TSS2_LOG as given, and returns how many lines there were. */
static size_t happens(const struct silence *silence, const char *level, const char *says)
{
    char text[MAX_TEXT];
    TSS2_RC rc;

    unsetenv("TSS2_LOG");
    if (level != NULL)
        setenv("TSS2_LOG", level, 1);
    capture_begin();
    rc = silence->happen();
    capture_end(text);
    unsetenv("TSS2_LOG");
    assert_int_equal(rc, silence->rc);
    if (strstr(text, says) == NULL)
        fail_msg("\"%s\" is not in: %s", says, text);
    return count_lines(text);
}

static void silence_test(void **state)
{
    const struct silence *silence = *state;
    const char *line = silence->line != NULL ? silence->line : silence->says;

    assert_int_equal(happens(silence, NULL, line), *line != '\0');
    assert_int_equal(happens(silence, "tcti+none", ""), 0);
    assert_true(happens(silence, "tcti+warning", silence->says) > 0);
}

int silence_run(const char *name, const struct silence *cases, size_t count,
                CMFixtureFunction start, CMFixtureFunction stop)
{
    struct CMUnitTest tests[MAX_CASES];
    size_t i;

    if (count > MAX_CASES)
        return -1;
    for (i = 0; i < MAX_CASES; i++)
        tests[i] = (struct CMUnitTest){0};
    for (i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = silence_test,
                                       .teardown_func = restore,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    return _cmocka_run_group_tests(name, tests, count, start, stop);
}
