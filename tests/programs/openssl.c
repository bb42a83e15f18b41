/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenSSL with the provider of tpm2-openssl. */
#include "programs.h"

static void test_openssl_speaks_tls_with_an_ec_key_in_the_tpm(void **state)
{
    programs_run(state, "openssl", "job_openssl_tls EC RSA");
}

static void test_openssl_speaks_tls_with_an_rsa_key_in_the_tpm(void **state)
{
    programs_run(state, "openssl", "job_openssl_tls RSA EC");
}

static void test_openssl_signs_among_other_users(void **state)
{
    programs_run(state, "openssl", "job_openssl_sign");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_openssl_speaks_tls_with_an_ec_key_in_the_tpm),
        suite_usual_test(test_openssl_speaks_tls_with_an_rsa_key_in_the_tpm),
        suite_usual_test(test_openssl_signs_among_other_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
