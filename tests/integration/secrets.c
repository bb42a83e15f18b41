/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon must not let out: no secret in a log, no image of its memory, no right too many.
 */
#include "config.h"
#include "esys-client.h"
#include "suite.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BATTERY "horse-battery-"

static const char secret[] = BATTERY BATTERY BATTERY BATTERY;
static const char password[] = "staple-staple-staple-staple-";

/* Everybody who logs is asked to log all, and the TCTI is one that shows commands. It wants its
 * sockets to have names of a certain form. */
static int talkative_world(void **state)
{
    static const char *const env[] = {"TSS2_LOG=all+trace", "G_MESSAGES_DEBUG=all", NULL};
    static char tcti[64];
    static const char *const args[] = {"--verbose", tcti, NULL};
    struct world *world =
        world_new(&(struct world_setup){.env = env, .args = args, .no_daemon = true});
    char *server, *ctrl;
    bool ready;

    *state = world;
    if (!world)
        return -1;
    server = world_path(world, "tpm");
    ctrl = world_path(world, "tpm.ctrl");
    snprintf(tcti, sizeof(tcti), "--tcti=swtpm:path=%s", server);
    ready =
        symlink("server", server) == 0 && symlink("ctrl", ctrl) == 0 && world_start_daemon(world);
    g_free(ctrl);
    g_free(server);
    return ready ? 0 : -1;
}

/* A sealed secret under a password, made and unsealed. */
static void seal_and_unseal(struct esys_client *client)
{
    TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
    TPM2B_PUBLIC public = {.size = 0};
    const TPML_PCR_SELECTION pcrs = {.count = 0};
    const TPM2B_DATA outside = {.size = 0};
    TPM2B_SENSITIVE_DATA *unsealed;
    TPM2B_AUTH auth = {.size = 0};
    ESYS_TR object;

    sensitive.sensitive.data.size = sizeof(secret) - 1;
    memcpy(sensitive.sensitive.data.buffer, secret, sizeof(secret) - 1);
    auth.size = sensitive.sensitive.userAuth.size = sizeof(password) - 1;
    memcpy(auth.buffer, password, sizeof(password) - 1);
    memcpy(sensitive.sensitive.userAuth.buffer, password, sizeof(password) - 1);
    public.publicArea.type = TPM2_ALG_KEYEDHASH;
    public.publicArea.nameAlg = TPM2_ALG_SHA256;
    public.publicArea.objectAttributes =
        TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT;
    public.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    assert_int_equal(Esys_CreatePrimary(client->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                        ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &public, &outside,
                                        &pcrs, &object, NULL, NULL, NULL, NULL),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_TR_SetAuth(client->esys, object, &auth), TSS2_RC_SUCCESS);
    assert_int_equal(
        Esys_Unseal(client->esys, object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &unsealed),
        TSS2_RC_SUCCESS);
    assert_int_equal(unsealed->size, sizeof(secret) - 1);
    Esys_Free(unsealed);
}

/* The text without what hex dumps put between their digits. */
static char *digits_of(const char *text)
{
    GString *digits = g_string_new(NULL);

    for (; *text; text++) {
        if (isxdigit((unsigned char)*text))
            g_string_append_c(digits, (char)tolower((unsigned char)*text));
    }
    return g_string_free(digits, FALSE);
}

/* Whether `log` shows the bytes, as they are or in hex. Six in a row are more than chance. */
static bool shows(const char *log, const char *bytes)
{
    char *digits = digits_of(log), hex[13];
    bool found = strstr(log, bytes) != NULL;

    for (size_t i = 0; i < 6; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    found |= strstr(digits, hex) != NULL;
    g_free(digits);
    return found;
}

static void test_the_search_finds_secrets(void **state)
{
    (void)state;
    assert_true(shows("bytes: " BATTERY BATTERY BATTERY BATTERY, secret));
    assert_true(shows("68 6f:72 7365\n2D 62", "horse-"));
    assert_false(shows("6.8 of horses", secret));
}

static void test_R43_no_secret_in_any_log(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    char *log;

    assert_non_null(client);
    seal_and_unseal(client);
    esys_client_free(client);
    log = world_daemon_log(world);
    assert_string_not_equal(log, "");
    assert_false(shows(log, secret));
    assert_false(shows(log, password));
    g_free(log);
}

static void test_R43_no_core_is_dumped(void **state)
{
    struct world *world = *state;
    char *path = g_strdup_printf("/proc/%d/limits", (int)world->daemon.pid), *limits = NULL;
    char name[32];
    long soft = -1, hard = -1;
    const char *line;

    if (TABRMD_DEBUGGABLE)
        skip();
    assert_true(g_file_get_contents(path, &limits, NULL, NULL));
    line = strstr(limits, "Max core file size");
    assert_non_null(line);
    assert_int_equal(
        sscanf(line + strlen("Max core file size"), "%ld %ld %31s", &soft, &hard, name), 3);
    assert_int_equal(soft, 0);
    assert_int_equal(hard, 0);
    g_free(limits);
    g_free(path);
}

/* systemd's own judgement of the unit, which counts in tenths. */
/* Of a template the instance is a link to it. */
static void expect_little_exposed(const char *unit)
{
    g_autofree char *command =
        g_strdup_printf("systemd-analyze security --offline=true --threshold=15 '%s'", unit);
    gchar *out = NULL, *err = NULL;
    GError *error = NULL;
    gint status;

    if (!g_spawn_command_line_sync(command, &out, &err, &status, &error))
        fail_msg("%s: install the package systemd", error->message);
    if (status != 0)
        fail_msg("%s%s", out, err);
    g_free(out);
    g_free(err);
}

static void test_R43_the_unit_exposes_little(void **state)
{
    (void)state;
    expect_little_exposed(TEST_UNITS "/tabrmd.service");
}

static void test_R43_the_unit_of_another_tpm_exposes_little(void **state)
{
    g_autofree char *directory = g_dir_make_tmp("tabrmd-unit.XXXXXX", NULL);
    g_autofree char *unit = g_strconcat(directory, "/tabrmd@tpm1.service", NULL);

    (void)state;
    assert_int_equal(symlink(TEST_UNITS "/tabrmd@.service", unit), 0);
    expect_little_exposed(unit);
    assert_int_equal(unlink(unit), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_search_finds_secrets),
        cmocka_unit_test_setup_teardown(test_R43_no_secret_in_any_log, talkative_world,
                                        suite_end_world),
        suite_test(test_R43_no_core_is_dumped),
        cmocka_unit_test(test_R43_the_unit_exposes_little),
        cmocka_unit_test(test_R43_the_unit_of_another_tpm_exposes_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
