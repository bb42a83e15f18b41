/* SPDX-License-Identifier: BSD-2-Clause */
/* The feature API, through the tss2_* programs. */
#include "programs.h"

static void fapi_run(void **state, const char *job)
{
    suite_leave_out_of(WORLD_GUARDED, "to provision a TPM is for administrators");
    programs_run(state, "fapi", job);
}

static void test_R81_a_member_provisions_no_tpm_whose_authorizations_are_empty(void **state)
{
    if (world_variant() != WORLD_GUARDED || !world_member())
        skip();
    programs_run(state, "fapi", "job_fapi_refused");
}

static void test_fapi_signs_and_verifies(void **state)
{
    fapi_run(state, "job_fapi_keys");
}

static void test_fapi_decrypts_with_an_rsa_key(void **state)
{
    fapi_run(state, "job_fapi_rsa_keys");
}

static void test_R27_fapi_seals_under_a_policy(void **state)
{
    fapi_run(state, "job_fapi_seal");
}

static void test_R20_fapi_uses_nv_indices(void **state)
{
    fapi_run(state, "job_fapi_nv");
}

static void test_fapi_quotes_pcrs(void **state)
{
    fapi_run(state, "job_fapi_quote");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R81_a_member_provisions_no_tpm_whose_authorizations_are_empty),
        suite_usual_test(test_fapi_signs_and_verifies),
        suite_usual_test(test_fapi_decrypts_with_an_rsa_key),
        suite_usual_test(test_R27_fapi_seals_under_a_policy),
        suite_usual_test(test_R20_fapi_uses_nv_indices),
        suite_usual_test(test_fapi_quotes_pcrs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
