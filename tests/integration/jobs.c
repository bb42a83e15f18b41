/* SPDX-License-Identifier: BSD-2-Clause */
/* The everyday jobs, each step a process of tpm2-tools, as people and their scripts do them. */
#include "shell.h"
#include "suite.h"

#include <stdio.h>

/* Runs one of the jobs of scripts/lib/jobs.sh. */
static void run_job(struct world *world, const char *job)
{
    char *script =
        g_strdup_printf(". '%s/lib/jobs.sh'; mkdir %s; cd %s; %s", TEST_SCRIPTS, job, job, job);

    assert_int_equal(shell_run(world, script, true, NULL), 0);
    g_free(script);
}

static void test_random_bytes(void **state)
{
    run_job(*state, "job_random");
}

static void test_R18_a_secret_is_sealed_and_unsealed_by_processes_in_turn(void **state)
{
    run_job(*state, "job_seal");
}

static void test_R20_an_nv_index_is_written_and_read(void **state)
{
    run_job(*state, "job_nv");
}

static void test_R27_a_pcr_policy_opens_and_closes_what_is_sealed(void **state)
{
    run_job(*state, "job_pcr_policy");
}

static void test_R18_four_users_with_more_keys_than_slots_do_not_disturb_each_other(void **state)
{
    run_job(*state, "job_four_users");
}

static void test_R06_sessions_that_one_process_saved_serve_the_next(void **state)
{
    run_job(*state, "job_sessions");
}

static void test_all_jobs_leave_the_chip_empty(void **state)
{
    struct world *world = *state;

    run_job(world, "job_seal");
    run_job(world, "job_sessions");
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_random_bytes),
        suite_usual_test(test_R18_a_secret_is_sealed_and_unsealed_by_processes_in_turn),
        suite_usual_test(test_R20_an_nv_index_is_written_and_read),
        suite_usual_test(test_R27_a_pcr_policy_opens_and_closes_what_is_sealed),
        suite_usual_test(test_R18_four_users_with_more_keys_than_slots_do_not_disturb_each_other),
        suite_usual_test(test_R06_sessions_that_one_process_saved_serve_the_next),
        suite_usual_test(test_all_jobs_leave_the_chip_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
