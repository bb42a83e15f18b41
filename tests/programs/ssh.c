/* SPDX-License-Identifier: BSD-2-Clause */
/* A login over SSH whose key the agent has in the TPM, through tpm2-pkcs11. */
#include "programs.h"

static void test_ssh_logs_in_with_an_ec_key_in_the_tpm(void **state)
{
    programs_run(state, "ssh", "job_ssh_login ecc256");
}

static void test_ssh_logs_in_with_an_rsa_key_in_the_tpm(void **state)
{
    programs_run(state, "ssh", "job_ssh_login rsa2048");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_ssh_logs_in_with_an_ec_key_in_the_tpm),
        suite_usual_test(test_ssh_logs_in_with_an_rsa_key_in_the_tpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
