/* SPDX-License-Identifier: BSD-2-Clause */
/* The feature API, through the tss2_* programs. */
#include "programs.h"

static void test_fapi_signs_and_verifies(void **state)
{
    programs_run(state, "fapi", "job_fapi_keys");
}

static void test_fapi_decrypts_with_an_rsa_key(void **state)
{
    programs_run(state, "fapi", "job_fapi_rsa_keys");
}

static void test_R27_fapi_seals_under_a_policy(void **state)
{
    programs_run(state, "fapi", "job_fapi_seal");
}

static void test_R20_fapi_uses_nv_indices(void **state)
{
    programs_run(state, "fapi", "job_fapi_nv");
}

static void test_fapi_quotes_pcrs(void **state)
{
    programs_run(state, "fapi", "job_fapi_quote");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_fapi_signs_and_verifies),
        suite_usual_test(test_fapi_decrypts_with_an_rsa_key),
        suite_usual_test(test_R27_fapi_seals_under_a_policy),
        suite_usual_test(test_R20_fapi_uses_nv_indices),
        suite_usual_test(test_fapi_quotes_pcrs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
