/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients outlive the daemon: it is restarted, killed, stopped, and they go on. */
#include "keeper.h"
#include "served.h"

#include <signal.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

/* Descriptors that are kept: what is spared for others, and some connections. */
#define KEPT 96

struct scene {
    struct world *world;
    struct keeper *keeper;
    GPtrArray *argv;
    char *log, *tcti;
};

static void start_keeper(struct scene *scene, unsigned max)
{
    struct world *world = scene->world;
    struct keeper_setup setup = {.directory = world->dir, .env = world->setup.env, .max = max};

    scene->argv = g_ptr_array_new();
    scene->tcti = g_strdup_printf("--tcti=%s", world->tcti);
    scene->log = world_path(world, "daemon.log");
    const char *const argv[] = {world_env("TABRMD_TEST_DAEMON", TEST_DAEMON), WORLD_NO_CONFIG,
                                "--session", "--allow-root", scene->tcti};

    for (size_t i = 0; i < sizeof(argv) / sizeof(argv[0]); i++)
        g_ptr_array_add(scene->argv, (gpointer)(uintptr_t)argv[i]);
    g_ptr_array_add(scene->argv, (gpointer)(uintptr_t)world_variant_option());
    g_ptr_array_add(scene->argv, NULL);
    setup.argv = (const char *const *)scene->argv->pdata;
    setup.log = scene->log;
    scene->keeper = keeper_new(&setup);
    assert_non_null(scene->keeper);
    assert_true(keeper_start(scene->keeper));
}

static int setup(void **state)
{
    struct scene *scene = g_new0(struct scene, 1);

    void *world;

    assert_int_equal(served_empty_world(&world), 0);
    scene->world = world;
    start_keeper(scene, KEPT);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    bool good;

    keeper_free(scene->keeper);
    good = world_free(scene->world);
    g_ptr_array_free(scene->argv, TRUE);
    g_free(scene->log);
    g_free(scene->tcti);
    g_free(scene);
    return good ? 0 : -1;
}

static bool name_owned(void *argument)
{
    return world_name_owned(argument, "com.intel.tss2.Tabrmd");
}

/* A client with a key, a session, and a session that it saved. */
struct holder {
    struct esys_client *client;
    ESYS_TR key, session;
    TPMS_CONTEXT *saved;
};

static struct holder hold(struct scene *scene, enum served_way way)
{
    struct holder holder = {.client = served_client(scene->world, way, NULL)};
    ESYS_TR other;

    assert_non_null(holder.client);
    assert_int_equal(esys_client_key(holder.client, &holder.key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(holder.client, TPM2_SE_HMAC, &holder.session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(holder.client, TPM2_SE_HMAC, &other), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(holder.client->esys, other, &holder.saved), TSS2_RC_SUCCESS);
    return holder;
}

/* All of it is there as before. */
static void expect_held(struct holder *holder)
{
    ESYS_TR other;

    assert_int_equal(esys_client_sign(holder->client, holder->key, holder->session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(holder->client->esys, holder->saved, &other),
                     TSS2_RC_SUCCESS);
    Esys_Free(holder->saved);
    holder->saved = NULL;
    assert_int_equal(Esys_ContextSave(holder->client->esys, other, &holder->saved),
                     TSS2_RC_SUCCESS);
}

static void let_go(struct holder *holder)
{
    Esys_Free(holder->saved);
    esys_client_free(holder->client);
}

/* The answer to a GetRandom, which is waited for. */
static TSS2_RC finish(struct holder *holder, TPM2B_DIGEST **random)
{
    assert_int_equal(Esys_SetTimeout(holder->client->esys, TSS2_TCTI_TIMEOUT_BLOCK),
                     TSS2_RC_SUCCESS);
    return Esys_GetRandom_Finish(holder->client->esys, random);
}

static void expect_log(struct scene *scene, const char *text)
{
    char *log = NULL;

    assert_true(g_file_get_contents(scene->log, &log, NULL, NULL));
    if (!strstr(log, text))
        fail_msg("the log does not say \"%s\":\n%s", text, log);
    g_free(log);
}

static void test_a_restart_keeps_all(void **state)
{
    struct scene *scene = *state;
    struct holder one = hold(scene, SERVED_SOCKET), other = hold(scene, SERVED_BUS);

    for (unsigned i = 0; i < 3; i++) {
        assert_true(keeper_restart(scene->keeper));
        expect_held(&one);
        expect_held(&other);
    }
    expect_log(scene, "2 connections of a former daemon are served on, with 2 objects and 4 "
                      "sessions");
    assert_int_equal(keeper_kept(scene->keeper, "c"), 2);
    let_go(&one);
    let_go(&other);
    assert_true(keeper_await_kept(scene->keeper, "c", 0));
    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
}

static void test_a_kill_keeps_all(void **state)
{
    struct scene *scene = *state;
    struct holder one = hold(scene, SERVED_SOCKET), other = hold(scene, SERVED_BUS);

    for (unsigned i = 0; i < 2; i++) {
        assert_true(keeper_kill(scene->keeper, SIGKILL));
        expect_held(&one);
        expect_held(&other);
    }
    let_go(&one);
    let_go(&other);
    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
}

/* The command that the chip was at is never sent again, and its client is told so. */
static void test_a_kill_in_a_command_is_a_lost_answer(void **state)
{
    struct scene *scene = *state;
    struct holder idle = hold(scene, SERVED_BUS), busy = hold(scene, SERVED_SOCKET);
    struct counts before, after;
    TPM2B_DIGEST *random = NULL;

    assert_true(world_set_faults(scene->world, "code=0x17B delay=60000\n"));
    counts_read(scene->world->counts, &before);
    assert_int_equal(
        Esys_GetRandom_Async(busy.client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    assert_true(served_await_chip(scene->world, &before, TPM2_CC_GetRandom, 1));
    assert_true(world_set_faults(scene->world, ""));
    assert_true(keeper_kill(scene->keeper, SIGKILL));
    assert_int_equal(finish(&busy, &random), 0xB0101);
    counts_read(scene->world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 1);
    expect_held(&busy);
    expect_held(&idle);
    let_go(&busy);
    let_go(&idle);
    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
}

/* The restart waits for the command, which is answered. */
static void test_a_restart_waits_for_the_command(void **state)
{
    struct scene *scene = *state;
    struct holder busy = hold(scene, SERVED_SOCKET);
    struct counts before;
    TPM2B_DIGEST *random = NULL;

    assert_true(world_set_faults(scene->world, "code=0x17B delay=1000\n"));
    counts_read(scene->world->counts, &before);
    assert_int_equal(
        Esys_GetRandom_Async(busy.client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    assert_true(served_await_chip(scene->world, &before, TPM2_CC_GetRandom, 1));
    assert_true(keeper_restart(scene->keeper));
    assert_int_equal(finish(&busy, &random), TSS2_RC_SUCCESS);
    Esys_Free(random);
    expect_held(&busy);
    let_go(&busy);
}

/* Keys and sessions are void, and the connection is not. */
static void test_a_reset_in_the_gap_is_told(void **state)
{
    struct scene *scene = *state;
    struct holder holder = hold(scene, SERVED_SOCKET);
    ESYS_TR key;

    keeper_pause(scene->keeper, true);
    keeper_signal(scene->keeper, SIGKILL);
    assert_true(keeper_await_ended(scene->keeper));
    assert_true(world_power_cycle(scene->world));
    keeper_pause(scene->keeper, false);
    assert_true(keeper_await_ready(scene->keeper, 2));
    assert_int_equal(esys_client_sign(holder.client, holder.key, ESYS_TR_PASSWORD) & 0xFFFFFFF0,
                     0xB0910);
    assert_int_equal(esys_client_key(holder.client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(holder.client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    let_go(&holder);
}

static void test_a_stop_ends_all(void **state)
{
    struct scene *scene = *state;
    struct holder holder = hold(scene, SERVED_SOCKET);

    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
    assert_int_equal(esys_client_random(holder.client, 8) & 0xFFFF0000, TSS2_TCTI_RC_LAYER);
    let_go(&holder);
}

/* Three times in a row the daemon dies of the same clients. */
static void test_crashes_in_a_row_end_in_a_clean_start(void **state)
{
    struct scene *scene = *state;
    struct holder holder = hold(scene, SERVED_SOCKET);

    /* A restart before them is none. */
    assert_true(keeper_restart(scene->keeper));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(keeper_kill(scene->keeper, SIGKILL));
        assert_int_equal(esys_client_random(holder.client, 8), TSS2_RC_SUCCESS);
    }
    assert_true(keeper_kill(scene->keeper, SIGKILL));
    assert_int_equal(esys_client_random(holder.client, 8) & 0xFFFF0000, TSS2_TCTI_RC_LAYER);
    expect_log(scene, "tabrmd died 3 times in a row");
    let_go(&holder);
    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
}

/* A command of which the daemon dies twice is not tried a third time, and others go on. */
static void test_the_connection_at_the_desk_ends_at_the_second_crash(void **state)
{
    struct scene *scene = *state;
    struct holder idle = hold(scene, SERVED_BUS), busy = hold(scene, SERVED_SOCKET);
    struct counts before;
    TPM2B_DIGEST *random = NULL;

    assert_true(keeper_kill(scene->keeper, SIGKILL));
    assert_true(world_set_faults(scene->world, "code=0x17B delay=60000\n"));
    counts_read(scene->world->counts, &before);
    assert_int_equal(
        Esys_GetRandom_Async(busy.client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    assert_true(served_await_chip(scene->world, &before, TPM2_CC_GetRandom, 1));
    assert_true(world_set_faults(scene->world, ""));
    assert_true(keeper_kill(scene->keeper, SIGKILL));
    assert_int_equal(finish(&busy, &random) & 0xFFFF0000, TSS2_TCTI_RC_LAYER);
    expect_held(&idle);
    let_go(&busy);
    let_go(&idle);
    assert_int_equal(keeper_stop(scene->keeper), 0);
    assert_true(world_chip_empty(scene->world));
}

/* Cancel works again for the same user and id, after the daemon was killed and the bus too. */
static void test_cancel_works_after_the_bus_and_the_daemon_went(void **state)
{
    struct scene *scene = *state;
    struct raw_client *raw = raw_client_new(scene->world);
    uint32_t rc;
    char *error;

    assert_non_null(raw);
    assert_true(keeper_kill(scene->keeper, SIGKILL));
    assert_true(served_restart(scene->world, &scene->world->bus_daemon, "bus.log"));
    assert_true(served_rejoin_bus(scene->world));
    g_clear_object(&raw->bus);
    raw->bus = g_object_ref(scene->world->bus);
    assert_true(world_poll(name_owned, scene->world, WORLD_START_MS));
    assert_true(raw_client_call(raw, "Cancel", g_variant_new("(t)", raw->id), &rc, &error));
    assert_int_equal(rc, TSS2_TCTI_RC_BAD_SEQUENCE);
    close(raw->fd);
    g_object_unref(raw->bus);
    g_free(raw);
}

/* On the same bus its creator is who it was, and nobody else. */
static void test_a_creator_stays_who_it_is(void **state)
{
    struct scene *scene = *state;
    struct raw_client *raw = raw_client_new(scene->world), *other = raw_client_new(scene->world);
    uint32_t rc;
    char *error;

    assert_non_null(raw);
    assert_non_null(other);
    assert_true(keeper_restart(scene->keeper));
    assert_true(world_poll(name_owned, scene->world, WORLD_START_MS));
    assert_false(raw_client_call(other, "Cancel", g_variant_new("(t)", raw->id), &rc, &error));
    assert_string_equal(error, "com.intel.tss2.Tabrmd.Error.NotPermitted");
    g_free(error);
    assert_true(raw_client_call(raw, "Cancel", g_variant_new("(t)", raw->id), &rc, &error));
    raw_client_free(other);
    raw_client_free(raw);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_restart_keeps_all),
        SCENE_TEST(test_a_kill_keeps_all),
        SCENE_TEST(test_a_kill_in_a_command_is_a_lost_answer),
        SCENE_TEST(test_a_restart_waits_for_the_command),
        SCENE_TEST(test_a_reset_in_the_gap_is_told),
        SCENE_TEST(test_a_stop_ends_all),
        SCENE_TEST(test_crashes_in_a_row_end_in_a_clean_start),
        SCENE_TEST(test_the_connection_at_the_desk_ends_at_the_second_crash),
        SCENE_TEST(test_cancel_works_after_the_bus_and_the_daemon_went),
        SCENE_TEST(test_a_creator_stays_who_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
