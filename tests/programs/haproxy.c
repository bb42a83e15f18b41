/* SPDX-License-Identifier: BSD-2-Clause */
/* HAProxy, whose workers use the connection that was made before they were forked. */
#include "programs.h"

static void test_R46_haproxy_in_the_foreground(void **state)
{
    programs_run(state, "haproxy", "job_haproxy EC foreground -db");
}

static void test_R46_haproxy_with_workers(void **state)
{
    programs_run(state, "haproxy", "job_haproxy RSA foreground -W -db");
}

static void test_R46_haproxy_as_a_daemon(void **state)
{
    programs_run(state, "haproxy", "job_haproxy EC background -D");
}

static void test_R46_haproxy_as_a_daemon_with_workers(void **state)
{
    programs_run(state, "haproxy", "job_haproxy EC background -W -D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R46_haproxy_in_the_foreground),
        suite_usual_test(test_R46_haproxy_with_workers),
        suite_usual_test(test_R46_haproxy_as_a_daemon),
        suite_usual_test(test_R46_haproxy_as_a_daemon_with_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
