/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two TPMs on one machine, each with a daemon of its own, which clients find by the TPM's name:
 * over the bus, and by sockets below /run, which is a directory of the test's own where it may make
 * one.
 */
#include "esys-client.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"
#define TPMS     2

/* Ways to a daemon, as the client library's words beside tpm=NAME. */
static const char by_either[] = "", by_bus[] = ",bus_type=session";

/* Whether /run is the test's own. */
static bool run_is_ours;

/* What has a number has one for each TPM; the worlds are there for their chips, and the bus is that
 * of the last one. */
struct machine {
    struct world *world[TPMS];
    struct shell *daemon[TPMS];
};

static const char *const names[TPMS] = {"tpm1", "tpm2"};

static bool make_run(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0
           && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
           && mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0;
}

struct owner {
    const struct machine *machine;
    unsigned number;
};

static bool serves(void *argument)
{
    const struct owner *owner = argument;
    g_autofree char *name = g_strconcat(BUS_NAME ".", names[owner->number], NULL);

    return world_name_owned(owner->machine->world[TPMS - 1], name);
}

/* Starts the daemon of a TPM, with its socket where its unit has it. */
static void start(struct machine *machine, unsigned number)
{
    g_autofree char *tpm = g_strconcat("--tpm=", names[number], NULL);
    g_autofree char *tcti = g_strconcat("--tcti=", machine->world[number]->tcti, NULL);
    g_autofree char *directory = g_strconcat("/run/tabrmd-", names[number], NULL);
    g_autofree char *runtime = g_strconcat("RUNTIME_DIRECTORY=", directory, NULL);
    const char *args[] = {tpm, tcti, "--session", "--allow-root", world_variant_option(), NULL};
    const char *env[] = {run_is_ours ? runtime : "RUNTIME_DIRECTORY", NULL};
    struct owner owner = {machine, number};

    if (run_is_ours)
        assert_true(mkdir(directory, 0755) == 0 || errno == EEXIST);
    machine->daemon[number] = shell_start_daemon(machine->world[number], args, env);
    assert_non_null(machine->daemon[number]);
    assert_true(world_poll(serves, &owner, WORLD_START_MS));
}

/* Ends it by the signal, and gives its exit status. */
static int end(struct machine *machine, unsigned number, int signal)
{
    struct shell *daemon = machine->daemon[number];
    int status;

    process_signal(&daemon->process, signal);
    status = shell_finish(daemon);
    if (status != 0 && signal == SIGTERM)
        fprintf(stderr, "daemon of %s: %s%s", names[number], daemon->out, daemon->err);
    shell_free(daemon);
    machine->daemon[number] = NULL;
    return status;
}

static int setup(void **state)
{
    struct machine *machine = g_new0(struct machine, 1);

    *state = machine;
    for (unsigned i = 0; i < TPMS; i++) {
        machine->world[i] = world_new(&(struct world_setup){.no_daemon = true});
        if (!machine->world[i])
            return -1;
    }
    setenv("DBUS_SYSTEM_BUS_ADDRESS", machine->world[TPMS - 1]->address, 1);
    for (unsigned i = 0; i < TPMS; i++)
        start(machine, i);
    return 0;
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    bool good = true;

    for (unsigned i = 0; i < TPMS; i++) {
        if (machine->daemon[i])
            good = end(machine, i, SIGTERM) == 0 && good;
        good = world_free(machine->world[i]) && good;
    }
    g_free(machine);
    return good ? 0 : -1;
}

static struct esys_client *client_new(const char *name, const char *way, TSS2_RC *rc)
{
    g_autofree char *conf = g_strdup_printf(
        "%s:tpm=%s%s", world_env("TABRMD_TEST_CLIENT", TEST_CLIENT_LIBRARY), name, way);
    TSS2_RC result;
    struct esys_client *client = esys_client_open(conf, &result);

    if (rc)
        *rc = result;
    return client;
}

static uint64_t randoms(const struct machine *machine, unsigned number)
{
    struct counts counts;

    counts_read(machine->world[number]->counts, &counts);
    return counts.code[TPM2_CC_GetRandom];
}

/* A command for one TPM reaches that one alone. */
static void expect_own_chip(const struct machine *machine, unsigned number, const char *way)
{
    struct esys_client *client = client_new(names[number], way, NULL);
    uint64_t before[TPMS];

    assert_non_null(client);
    for (unsigned i = 0; i < TPMS; i++)
        before[i] = randoms(machine, i);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < TPMS; i++)
        assert_int_equal(randoms(machine, i) - before[i], i == number);
    esys_client_free(client);
}

static void test_R85_a_tpm_is_found_by_its_name_over_the_bus(void **state)
{
    for (unsigned i = 0; i < TPMS; i++)
        expect_own_chip(*state, i, by_bus);
}

/* Where there is a socket the bus is not asked: that of the system leads nowhere here. */
static void test_R85_a_tpm_is_found_by_its_name_at_its_socket(void **state)
{
    if (!run_is_ours)
        skip();
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/no-bus", 1);
    for (unsigned i = 0; i < TPMS; i++)
        expect_own_chip(*state, i, by_either);
}

static void test_R85_without_a_socket_it_is_found_over_the_bus(void **state)
{
    for (unsigned i = 0; i < TPMS; i++) {
        g_autofree char *socket = g_strdup_printf("/run/tabrmd-%s/tcti.sock", names[i]);

        assert_int_equal(unlink(socket) == 0, run_is_ours);
        expect_own_chip(*state, i, by_either);
    }
}

/* What a client sees of the handles of one kind. */
static unsigned handles_seen(struct esys_client *client, uint32_t first)
{
    TPMS_CAPABILITY_DATA *data;
    TPMI_YES_NO more;
    unsigned count;

    assert_int_equal(Esys_GetCapability(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more,
                                        &data),
                     TSS2_RC_SUCCESS);
    count = data->data.handles.count;
    Esys_Free(data);
    return count;
}

static void test_R85_objects_of_one_tpm_are_not_in_the_other(void **state)
{
    struct esys_client *one = client_new(names[0], by_bus, NULL);
    struct esys_client *other = client_new(names[1], by_bus, NULL);
    TPMS_CONTEXT *context, *saved;
    ESYS_TR key, session, found;

    (void)state;
    assert_non_null(one);
    assert_non_null(other);
    assert_int_equal(esys_client_key(one, &key), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(one->esys, key, &context), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(one, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(one->esys, session, &saved), TSS2_RC_SUCCESS);
    assert_int_equal(handles_seen(one, 0x80000000), 1);
    assert_int_equal(handles_seen(one, 0x03000000), 1);
    assert_int_equal(handles_seen(other, 0x80000000), 0);
    assert_int_equal(handles_seen(other, 0x03000000), 0);
    assert_int_not_equal(Esys_ContextLoad(other->esys, context, &found), TSS2_RC_SUCCESS);
    assert_int_not_equal(Esys_ContextLoad(other->esys, saved, &found), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(one->esys, saved, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(one, key, session), TSS2_RC_SUCCESS);
    Esys_Free(saved);
    Esys_Free(context);
    esys_client_free(other);
    esys_client_free(one);
}

/* Its successor flushes what it left, and nothing of the other one's. */
static void test_R85_one_is_killed_and_the_other_goes_on(void **state)
{
    struct machine *machine = *state;
    struct esys_client *one = client_new(names[0], by_bus, NULL);
    struct esys_client *other = client_new(names[1], by_bus, NULL);
    ESYS_TR session, key;
    uint32_t handle;

    assert_non_null(one);
    assert_non_null(other);
    assert_int_equal(esys_client_session(one, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(other, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_key(other, &key), TSS2_RC_SUCCESS);
    end(machine, 0, SIGKILL);
    esys_client_free(one);
    start(machine, 0);
    assert_int_equal(esys_client_sign(other, key, session), TSS2_RC_SUCCESS);
    expect_own_chip(machine, 0, by_bus);
    assert_int_equal(esys_client_sign(other, key, session), TSS2_RC_SUCCESS);
    esys_client_free(other);
    end(machine, 0, SIGKILL);
    if (run_is_ours)
        assert_int_equal(world_chip_handles(machine->world[0], 0x02000000, &handle, 1), 0);
}

static void test_R85_a_wrong_name_is_told(void **state)
{
    struct machine *machine = *state;
    const char *args[] = {"--tpm=../tpm1", "--session", "--allow-root", NULL};
    struct shell *daemon;
    TSS2_RC rc;

    assert_null(client_new("tpm3", by_bus, &rc));
    assert_int_equal(rc, TSS2_TCTI_RC_NO_CONNECTION);
    assert_null(client_new("tpm3", by_either, &rc));
    assert_int_equal(rc, TSS2_TCTI_RC_NO_CONNECTION);
    assert_null(client_new("../tpm1", by_either, &rc));
    assert_int_equal(rc, TSS2_TCTI_RC_BAD_VALUE);
    assert_null(client_new("tpm1,bus_name=a.b", by_either, &rc));
    assert_int_equal(rc, TSS2_TCTI_RC_BAD_VALUE);
    daemon = shell_start_daemon(machine->world[0], args, NULL);
    assert_non_null(daemon);
    assert_int_equal(shell_finish(daemon), EX_USAGE);
    assert_non_null(strstr(daemon->err, "--tpm takes the name of a TPM such as tpm1"));
    shell_free(daemon);
}

#define tpms_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        tpms_test(test_R85_a_tpm_is_found_by_its_name_over_the_bus),
        tpms_test(test_R85_a_tpm_is_found_by_its_name_at_its_socket),
        tpms_test(test_R85_without_a_socket_it_is_found_over_the_bus),
        tpms_test(test_R85_objects_of_one_tpm_are_not_in_the_other),
        tpms_test(test_R85_one_is_killed_and_the_other_goes_on),
        tpms_test(test_R85_a_wrong_name_is_told),
    };

    run_is_ours = make_run();
    if (!run_is_ours)
        print_message("no right to a /run of its own: no sockets are tried\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
