/* SPDX-License-Identifier: BSD-2-Clause */
/* clevis: data that this machine alone can decrypt, without anybody at the keyboard. */
#include "programs.h"

static void test_clevis_decrypts_what_it_encrypted(void **state)
{
    programs_run(state, "clevis", "job_clevis_decrypt");
}

static void test_clevis_decrypts_while_the_pcrs_are_right(void **state)
{
    programs_run(state, "clevis", "job_clevis_pcr_policy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_clevis_decrypts_what_it_encrypted),
        suite_usual_test(test_clevis_decrypts_while_the_pcrs_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
