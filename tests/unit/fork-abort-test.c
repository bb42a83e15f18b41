/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a child of a test in which an assertion fails. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* About what fails in a child nothing is to be read: cmocka tells it on either, as of its version.
 */
static void be_quiet(void)
{
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
}

/* Ends in an assertion that fails. */
static void fail_quietly(void)
{
    be_quiet();
    assert_int_equal(getpid(), 0);
}

static void test_a_failed_assertion_ends_the_child(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0)
        fail_quietly();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* The child stands for a test that waits for a child of its own. */
static void test_the_test_that_waits_for_it_fails(void **state)
{
    pid_t waits = fork(), child;
    int status = 0;

    (void)state;
    if (waits == 0) {
        be_quiet();
        child = fork();
        if (child == 0)
            fail_quietly();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        _exit(0);
    }
    assert_int_equal(waitpid(waits, &status, 0), waits);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_assertion_ends_the_child),
        cmocka_unit_test(test_the_test_that_waits_for_it_fails),
    };

    return cmocka_run_group_tests_name("fork-abort", tests, NULL, NULL);
}
