/* SPDX-License-Identifier: BSD-2-Clause */
/* Python programs, with tpm2-pytss. */
#include "programs.h"

static void test_R18_python_uses_more_keys_than_slots(void **state)
{
    programs_run(state, "pytss", "job_pytss keys");
}

static void test_R27_python_uses_sessions_of_all_kinds(void **state)
{
    programs_run(state, "pytss", "job_pytss sessions");
}

static void test_R27_python_satisfies_a_policy(void **state)
{
    programs_run(state, "pytss", "job_pytss policy");
}

static void test_R20_python_uses_an_nv_index(void **state)
{
    programs_run(state, "pytss", "job_pytss nv");
}

static void test_R06_python_hands_contexts_to_another_client(void **state)
{
    programs_run(state, "pytss", "job_pytss contexts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R18_python_uses_more_keys_than_slots),
        suite_usual_test(test_R27_python_uses_sessions_of_all_kinds),
        suite_usual_test(test_R27_python_satisfies_a_policy),
        suite_usual_test(test_R20_python_uses_an_nv_index),
        suite_usual_test(test_R06_python_hands_contexts_to_another_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
