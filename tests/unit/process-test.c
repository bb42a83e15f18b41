/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon does to its own process. */
#include "process.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The exit status of a process that does this to itself. */
static int status_of(int (*work)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(work());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int harden(void)
{
    struct rlimit core;

    process_harden(false);
    return prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0
                   && core.rlim_max == 0
               ? 0
               : 1;
}

/* Nobody of the same user reads its memory, and no file gets it. */
static void test_R43_memory_is_not_dumpable(void **state)
{
    (void)state;
    assert_int_equal(status_of(harden), 0);
}

static int leave(void)
{
    struct rlimit before, after;
    int dumpable = prctl(PR_GET_DUMPABLE);

    if (getrlimit(RLIMIT_CORE, &before) < 0)
        return 2;
    process_harden(true);
    return prctl(PR_GET_DUMPABLE) == dumpable && getrlimit(RLIMIT_CORE, &after) == 0
                   && after.rlim_cur == before.rlim_cur
               ? 0
               : 1;
}

static void test_a_debuggable_build_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(status_of(leave), 0);
}

static int carry(void)
{
    struct rlimit files = {256, 512};

    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return 2;
    /* All that the system allows is taken, and some is left for other descriptors. */
    if (process_carries(100) != 100 || getrlimit(RLIMIT_NOFILE, &files) < 0
        || files.rlim_cur != 512)
        return 1;
    return process_carries(1024) < 512 && process_carries(1024) > 100 ? 0 : 1;
}

static void test_R42_no_more_connections_than_files(void **state)
{
    (void)state;
    assert_int_equal(status_of(carry), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R43_memory_is_not_dumpable),
        cmocka_unit_test(test_a_debuggable_build_is_left_alone),
        cmocka_unit_test(test_R42_no_more_connections_than_files),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
