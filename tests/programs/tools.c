/* SPDX-License-Identifier: BSD-2-Clause */
/* Daily work with tpm2-tools. */
#include "programs.h"

static void test_a_machine_attests_what_it_runs(void **state)
{
    programs_run(state, "tools", "job_tools_attest");
}

static void test_R27_an_encrypting_session_serves_one_process_after_another(void **state)
{
    programs_run(state, "tools", "job_tools_encrypted_session");
}

static void test_R27_an_audit_session_sees_the_commands_of_several_processes(void **state)
{
    suite_leave_out_of(WORLD_TWO_SLOTS,
                       "tpm2_getsessionauditdigest names three sessions in one command");
    programs_run(state, "tools", "job_tools_audit");
}

static void test_R20_a_persistent_key_comes_and_goes(void **state)
{
    programs_run(state, "tools", "job_tools_persistent");
}

static void test_hashes_and_macs_of_large_files_are_right(void **state)
{
    programs_run(state, "tools", "job_tools_hash");
}

static void test_keys_of_all_kinds_serve(void **state)
{
    programs_run(state, "tools", "job_tools_keys");
}

static void test_R27_an_approved_policy_opens_what_is_sealed(void **state)
{
    programs_run(state, "tools", "job_tools_authorized_policy");
}

static void test_R19_a_cleared_tpm_forgets_and_serves_on(void **state)
{
    suite_leave_out_of(WORLD_GUARDED, "to take a TPM over and to clear it are for administrators");
    programs_run(state, "tools", "job_tools_ownership");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_a_machine_attests_what_it_runs),
        suite_usual_test(test_R27_an_encrypting_session_serves_one_process_after_another),
        suite_usual_test(test_R27_an_audit_session_sees_the_commands_of_several_processes),
        suite_usual_test(test_R20_a_persistent_key_comes_and_goes),
        suite_usual_test(test_hashes_and_macs_of_large_files_are_right),
        suite_usual_test(test_keys_of_all_kinds_serve),
        suite_usual_test(test_R27_an_approved_policy_opens_what_is_sealed),
        suite_usual_test(test_R19_a_cleared_tpm_forgets_and_serves_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
