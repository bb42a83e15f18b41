/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Old and new, in both directions: the packaged client library of tpm2-abrmd with our daemon, and
 * our client library with the packaged tpm2-abrmd. A packaged part that is not there is a failure.
 */
#include "esys-client.h"
#include "raw-client.h"
#include "shell.h"
#include "suite.h"

#include <stdio.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define OLD_LIBRARY "libtss2-tcti-tabrmd.so.0"

static int old_library_world(void **state)
{
    char *path = g_build_filename(world_peer_libdir(), OLD_LIBRARY, NULL);
    bool there = access(path, R_OK) == 0;

    if (!there)
        fprintf(stderr, "compat: no %s; set TABRMD_TEST_PEER_LIBDIR\n", path);
    g_free(path);
    if (there)
        *state = world_new(&(struct world_setup){.tools_libdir = world_peer_libdir()});
    return there && *state ? 0 : -1;
}

static int old_daemon_world(void **state)
{
    const char *path = world_peer_daemon();

    if (access(path, X_OK) < 0) {
        fprintf(stderr, "compat: no %s; set TABRMD_TEST_PEER_DAEMON\n", path);
        return -1;
    }
    *state = world_new(&(struct world_setup){.daemon = path});
    return *state ? 0 : -1;
}

/* The tools really load the library that the test is about. */
static void assert_tools_load(struct world *world, const char *libdir)
{
    char *script = g_strdup_printf("LD_DEBUG=libs tpm2_getrandom --hex 4 2>loaded; "
                                   "grep -F 'calling init: %s/%s' loaded",
                                   libdir, OLD_LIBRARY);

    assert_int_equal(shell_run(world, script, true, NULL), 0);
    g_free(script);
}

static void run_all_jobs(struct world *world)
{
    char *script =
        g_strdup_printf(". '%s/lib/jobs.sh'; for job in job_random job_seal job_nv job_pcr_policy "
                        "job_four_users job_sessions; do mkdir $job; (cd $job; $job); done",
                        TEST_SCRIPTS);

    assert_int_equal(shell_run(world, script, true, NULL), 0);
    g_free(script);
}

static void test_the_old_library_does_all_jobs_with_our_daemon(void **state)
{
    assert_tools_load(*state, world_peer_libdir());
    run_all_jobs(*state);
}

static void test_our_library_does_all_jobs_with_the_old_daemon(void **state)
{
    assert_tools_load(*state, world_env("TABRMD_TEST_TOOLS_LIBDIR", TEST_TOOLS_LIBDIR));
    run_all_jobs(*state);
}

static void test_our_library_serves_esys_with_the_old_daemon(void **state)
{
    struct esys_client *first = esys_client_new(), *second = esys_client_new();
    ESYS_TR key, other_key, session;

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(esys_client_key(first, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_key(second, &other_key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(first, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(first, key, session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(second, other_key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    esys_client_free(second);
    assert_int_equal(esys_client_random(first, 20), TSS2_RC_SUCCESS);
    esys_client_free(first);
}

/* The old daemon knows neither; our library says so and stays usable. */
static void test_our_library_says_what_the_old_daemon_cannot(void **state)
{
    struct esys_client *client = esys_client_new();

    (void)state;
    assert_non_null(client);
    assert_int_equal(Tss2_Tcti_SetLocality(client->tcti, 1), TSS2_TCTI_RC_NOT_IMPLEMENTED);
    assert_int_equal(Tss2_Tcti_Cancel(client->tcti), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

static void test_the_old_daemon_hands_out_one_descriptor_as_ours_does(void **state)
{
    struct raw_client *raw = raw_client_new(*state);

    assert_non_null(raw);
    raw_client_free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_old_library_does_all_jobs_with_our_daemon,
                                        old_library_world, suite_end_world),
        cmocka_unit_test_setup_teardown(test_our_library_does_all_jobs_with_the_old_daemon,
                                        old_daemon_world, suite_end_world),
        cmocka_unit_test_setup_teardown(test_our_library_serves_esys_with_the_old_daemon,
                                        old_daemon_world, suite_end_world),
        cmocka_unit_test_setup_teardown(test_our_library_says_what_the_old_daemon_cannot,
                                        old_daemon_world, suite_end_world),
        cmocka_unit_test_setup_teardown(test_the_old_daemon_hands_out_one_descriptor_as_ours_does,
                                        old_daemon_world, suite_end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
