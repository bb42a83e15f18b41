/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl run`: what the program gets, and what becomes of it. */
#include "tabrmctl.h"

#define CONF "--tcti=tabrmd:bus_type=session"

static void test_a_program_gets_the_tcti_by_each_name(void **state)
{
    expect(*state,
           "TPM2TOOLS_TCTI=none: TPM2_PKCS11_TCTI=none: tabrmctl run --tcti=x:y -- sh -c 'echo "
           "$TPM2TOOLS_TCTI,$TPM2_PKCS11_TCTI,$TPM2OPENSSL_TCTI,$TPM2TSSENGINE_TCTI'",
           EX_OK, "x:y,x:y,x:y,x:y");
    expect(*state, "tabrmctl run sh -c 'echo \"[$TPM2TOOLS_TCTI]\"'", EX_OK, "[tabrmd:]");
}

static void test_tools_reach_the_tpm(void **state)
{
    expect(*state, "export TPM2TOOLS_TCTI=none:; tabrmctl run " CONF " -- tpm2_getrandom --hex 8",
           EX_OK, "");
}

static void test_fapi_reaches_the_tpm_by_a_copy_of_its_configuration(void **state)
{
    expect(
        *state,
        "mkdir user system log tmp; cat >fapi.json <<END\n"
        "{\"profile_name\": \"P_ECCP256SHA256\", \"tcti\": \"none:\", \"ek_cert_less\": \"yes\",\n"
        "\"profile_dir\": \"/etc/tpm2-tss/fapi-profiles/\", \"user_dir\": \"$PWD/user\",\n"
        "\"system_dir\": \"$PWD/system\", \"log_dir\": \"$PWD/log\", \"system_pcrs\": []}\n"
        "END\n"
        "export TSS2_FAPICONF=$PWD/fapi.json TMPDIR=$PWD/tmp; cp fapi.json before\n"
        "tabrmctl run " CONF " -- sh -euc 'tss2_provision; tss2_getrandom --numBytes=8 --data=- "
        "| wc -c; ls -l \"$TSS2_FAPICONF\"; ls -ld \"${TSS2_FAPICONF%/*}\"; "
        "tss2_delete --path=/'\n"
        "cmp before fapi.json; ls -A tmp | sed s/^/left:/; echo end",
        EX_OK, "8\n", "drwx------", "mp/tabrmctl-", "end");
}

static void test_the_copy_of_fapis_configuration_is_removed(void **state)
{
    g_autofree char *out = NULL;

    assert_int_equal(tabrmctl_script(*state,
                                     "mkdir tmp; echo '{\"tcti\": \"none:\"}' >fapi.json\n"
                                     "export TSS2_FAPICONF=$PWD/fapi.json TMPDIR=$PWD/tmp\n"
                                     "tabrmctl run false || :; ls -A tmp",
                                     &out),
                     0);
    assert_string_equal(out, "");
}

static void test_fapis_configuration_is_left_where_it_is_right(void **state)
{
    expect(*state,
           "echo '{\"tcti\": \"a:b\"}' >fapi.json; export TSS2_FAPICONF=fapi.json\n"
           "tabrmctl run --tcti=a:b -- sh -c 'echo [$TSS2_FAPICONF]'",
           EX_OK, "[fapi.json]");
}

static void test_a_configuration_of_fapi_that_is_wrong_is_told(void **state)
{
    expect(*state, "echo '{' >bad; TSS2_FAPICONF=bad tabrmctl run -- echo started", EX_CONFIG,
           "bad, the configuration of FAPI, cannot be read");
    expect(*state, "echo '[]' >bad; TSS2_FAPICONF=bad tabrmctl run -- echo started", EX_CONFIG,
           "bad is no configuration of FAPI");
    expect(*state, "TSS2_FAPICONF=absent tabrmctl run -- echo started", EX_CONFIG, "absent");
}

static void test_the_status_is_the_programs(void **state)
{
    expect(*state, "tabrmctl run -- sh -c 'exit 7'", 7, "");
    expect(*state, "tabrmctl run -- sh -c 'kill -9 $$'", 128 + 9, "");
    expect(*state, "tabrmctl run -- ./no-such-program", 127, "cannot start ./no-such-program");
    expect(*state, "echo x >text; tabrmctl run -- ./text", 126, "cannot start ./text");
    expect(*state, "tabrmctl run", EX_USAGE, "wants a program");
    expect(*state, "tabrmctl --json run true", EX_USAGE, "no --json");
}

static void test_input_descriptors_and_arguments_reach_the_program(void **state)
{
    expect(*state, "echo word | tabrmctl run -- cat", EX_OK, "word");
    expect(*state, "exec 5>five; tabrmctl run -- sh -c 'echo deep >&5'; cat five", EX_OK, "deep");
    expect(*state, "tabrmctl run -- echo --help 'a b' --", EX_OK, "--help a b --");
}

static void test_a_signal_to_tabrmctl_reaches_the_program(void **state)
{
    expect(*state,
           "mkfifo up; tabrmctl run -- sh -c 'trap \"echo told; exit 3\" TERM; echo >up; "
           "while :; do sleep 0.1; done' & read x <up; kill -TERM $!; wait $!",
           3, "told");
}

static void test_a_signal_at_the_programs_first_step_reaches_it(void **state)
{
    expect(*state,
           "tabrmctl run -- sh -c 'trap \"echo told; exit 3\" TERM; kill -TERM $PPID; "
           "while :; do sleep 0.1; done'",
           3, "told");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_a_program_gets_the_tcti_by_each_name),
        suite_usual_test(test_tools_reach_the_tpm),
        suite_usual_test(test_fapi_reaches_the_tpm_by_a_copy_of_its_configuration),
        suite_empty_test(test_the_copy_of_fapis_configuration_is_removed),
        suite_empty_test(test_fapis_configuration_is_left_where_it_is_right),
        suite_empty_test(test_a_configuration_of_fapi_that_is_wrong_is_told),
        suite_empty_test(test_the_status_is_the_programs),
        suite_empty_test(test_input_descriptors_and_arguments_reach_the_program),
        suite_empty_test(test_a_signal_to_tabrmctl_reaches_the_program),
        suite_empty_test(test_a_signal_at_the_programs_first_step_reaches_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
