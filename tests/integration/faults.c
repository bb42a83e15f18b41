/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chip, the way to it, or the disk for the log fails while clients are there: who had a command
 * under way is told, and everybody goes on with what the chip still has.
 */
#include "served.h"

#include "swtpm-ctrl.h"
#include "wire/header.h"

#include <signal.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define RC_FAILURE   0xB0101
#define RC_OBJECT_0  0xB0910
#define RC_SESSION_0 0xB0918
#define RC_FLUSH     0xB01CB

#define CLIENTS 6

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

struct holder {
    struct esys_client *client;
    ESYS_TR key, session;
};

/* Clients by both ways, each with a key and a session: more than the chip has slots. */
static void holders_make(const struct world *world, struct holder *holders)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct holder *holder = &holders[i];

        holder->client = served_client(world, i % 2 ? SERVED_SOCKET : SERVED_BUS, NULL);
        assert_non_null(holder->client);
        assert_int_equal(esys_client_key(holder->client, &holder->key), TSS2_RC_SUCCESS);
        assert_int_equal(esys_client_session(holder->client, TPM2_SE_HMAC, &holder->session),
                         TSS2_RC_SUCCESS);
    }
}

static void holders_free(struct holder *holders)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        esys_client_free(holders[i].client);
}

/* What a daemon that releases at once has begun by itself is over: it holds nothing any more. */
static void await_rest(const struct world *world, const struct counts *before,
                       struct raw_client *raw)
{
    if (world_variant() != WORLD_IDLE_AT_ONCE)
        return;
    assert_true(served_await_chip(world, before, TPM2_CC_ContextSave, 2 * CLIENTS));
    assert_true(served_await_chip(world, before, TPM2_CC_FlushContext, CLIENTS));
    /* The last of it was answered when something else is. */
    assert_int_equal(raw_client_transact(raw, get_random, sizeof(get_random)), 0);
}

static void all_sign(struct holder *holders)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(esys_client_sign(holders[i].client, holders[i].key, holders[i].session),
                         TSS2_RC_SUCCESS);
}

/* The chip forgot everything: each client is told so, of a key and of a session, and makes anew
 * what it needs. */
static void all_start_over(struct holder *holders)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct holder *holder = &holders[i];

        assert_int_equal(esys_client_sign(holder->client, holder->key, ESYS_TR_PASSWORD),
                         RC_OBJECT_0);
        assert_int_equal(esys_client_key(holder->client, &holder->key), TSS2_RC_SUCCESS);
        assert_int_equal(esys_client_sign(holder->client, holder->key, holder->session),
                         RC_SESSION_0);
        assert_int_equal(esys_client_session(holder->client, TPM2_SE_HMAC, &holder->session),
                         TSS2_RC_SUCCESS);
    }
    all_sign(holders);
}

static void ends_empty(struct world *world)
{
    assert_true(world_set_faults(world, ""));
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

static uint32_t random_code(struct raw_client *raw)
{
    return raw_client_transact(raw, get_random, sizeof(get_random));
}

static bool serves(void *argument)
{
    return random_code(argument) == 0;
}

static uint32_t answer_code(struct raw_client *raw)
{
    uint8_t response[64];

    return raw_client_receive(raw, response, sizeof(response)) > 0 ? header_load(response).code
                                                                   : UINT32_MAX;
}

static void test_R34_a_broken_transport_costs_one_command_and_no_object(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];
    struct raw_client *raw[CLIENTS];
    unsigned failed = 0;

    holders_make(world, holders);
    for (unsigned i = 0; i < CLIENTS; i++) {
        raw[i] = i % 2 ? raw_client_new(world) : served_raw_client(world);
        assert_non_null(raw[i]);
        assert_int_equal(random_code(raw[i]), 0);
    }
    /* The first of them breaks it while the others wait, or run into the gap. */
    assert_true(world_set_faults(world, "code=0x17B drop\n"));
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_true(raw_client_send(raw[i], get_random, sizeof(get_random)));
    for (unsigned i = 0; i < CLIENTS; i++) {
        uint32_t code = answer_code(raw[i]);

        assert_true(code == 0 || code == RC_FAILURE);
        failed += code == RC_FAILURE;
        /* A new transport starts the script anew. */
        assert_true(world_set_faults(world, ""));
    }
    assert_true(failed > 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(world_poll(serves, raw[i], WORLD_START_MS));
        raw_client_free(raw[i]);
    }
    all_sign(holders);
    holders_free(holders);
    ends_empty(world);
}

/* Breaks the transport at each of the commands that bring a client's things back into the chip. */
static void test_R34_a_transport_that_breaks_during_a_swap_loses_nothing(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_ContextSave, TPM2_CC_ContextLoad,
                                     TPM2_CC_FlushContext};
    struct world *world = *state;
    struct holder holders[CLIENTS];

    holders_make(world, holders);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char *script = g_strdup_printf("code=0x%X nth=2 drop\n", codes[i]);
        unsigned failed = 0;

        assert_true(world_set_faults(world, script));
        for (unsigned k = 0; k < CLIENTS && failed == 0; k++)
            failed += esys_client_sign(holders[k].client, holders[k].key, holders[k].session)
                      == RC_FAILURE;
        /* One that releases at once may hit it without a client. */
        assert_in_range(failed, world_variant() == WORLD_IDLE_AT_ONCE ? 0 : 1, 1);
        assert_true(world_set_faults(world, ""));
        struct raw_client *raw = served_raw_client(world);

        assert_non_null(raw);
        assert_true(world_poll(serves, raw, WORLD_START_MS));
        raw_client_free(raw);
        all_sign(holders);
        g_free(script);
    }
    holders_free(holders);
    ends_empty(world);
}

static void test_R34_a_chip_that_is_killed_and_started_again_is_taken_up(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];
    struct raw_client *raw = served_raw_client(world), *busy = raw_client_new(world);
    struct counts before;

    assert_non_null(raw);
    assert_non_null(busy);
    counts_read(world->counts, &before);
    holders_make(world, holders);
    await_rest(world, &before, raw);
    /* One command is at work when the chip dies. */
    assert_true(served_freeze(&world->swtpm));
    counts_read(world->counts, &before);
    assert_true(raw_client_send(busy, get_random, sizeof(get_random)));
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    assert_true(served_restart(world, &world->swtpm, "swtpm.log"));
    assert_int_equal(answer_code(busy), RC_FAILURE);
    assert_true(world_poll(serves, raw, WORLD_START_MS));
    assert_int_equal(random_code(busy), 0);
    all_start_over(holders);
    holders_free(holders);
    raw_client_free(busy);
    raw_client_free(raw);
    ends_empty(world);
}

static void test_R34_while_there_is_no_chip_commands_fail_at_once(void **state)
{
    struct world *world = *state;
    struct raw_client *raw = served_raw_client(world);

    assert_non_null(raw);
    process_signal(&world->swtpm, SIGKILL);
    process_wait(&world->swtpm, -1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(random_code(raw), RC_FAILURE);
    raw_client_free(raw);
    /* Newcomers are let in, and the daemon ends well. */
    raw = raw_client_new(world);
    assert_non_null(raw);
    assert_int_equal(random_code(raw), RC_FAILURE);
    raw_client_free(raw);
    assert_int_equal(world_stop_daemon(world), 0);
}

/* The chip is out of session handles, and breaks away while room is made: that is what the client
 * is told, and not that there is no room. */
static void test_R34_a_transport_that_breaks_while_room_is_made_is_told(void **state)
{
    struct world *world = *state;
    struct esys_client *gone = served_client(world, SERVED_SOCKET, NULL);
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);
    struct raw_client *raw = served_raw_client(world);
    TPMS_CONTEXT *context = NULL;
    ESYS_TR session;

    assert_non_null(gone);
    assert_non_null(client);
    assert_non_null(raw);
    assert_int_equal(esys_client_session(gone, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(gone->esys, session, &context), TSS2_RC_SUCCESS);
    Esys_Free(context);
    esys_client_free(gone);
    assert_true(world_set_faults(world, "code=0x176 rc=0x905\ncode=0x165 drop\n"));
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), RC_FAILURE);
    assert_true(world_set_faults(world, ""));
    assert_true(world_poll(serves, raw, WORLD_START_MS));
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    raw_client_free(raw);
    esys_client_free(client);
    ends_empty(world);
}

static bool chip_started_anew(const struct world *world)
{
    static const uint8_t no_flags[4];
    char *ctrl = world_path(world, "ctrl");
    bool done = swtpm_ctrl(ctrl, SWTPM_CTRL_INIT, no_flags, sizeof(no_flags)) == 0;

    g_free(ctrl);
    return done;
}

static void test_R32_clients_of_a_chip_that_was_reset_start_over(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];

    holders_make(world, holders);
    /* No third time: each counts as a failed authorization, and three lock the chip (TPM 2.0
     * Library Part 1, clause "Dictionary Attack Protection"). */
    for (unsigned i = 0; i < 2; i++) {
        all_sign(holders);
        assert_true(i == 0 ? world_power_cycle(world) : chip_started_anew(world));
        all_start_over(holders);
    }
    holders_free(holders);
    ends_empty(world);
}

static void test_R32_a_reset_while_a_command_runs_is_noticed(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];
    struct raw_client *raw = served_raw_client(world);
    struct counts before;

    assert_non_null(raw);
    holders_make(world, holders);
    assert_true(world_set_faults(world, "code=0x17B delay=300\n"));
    counts_read(world->counts, &before);
    assert_true(raw_client_send(raw, get_random, sizeof(get_random)));
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    assert_true(chip_started_anew(world));
    (void)answer_code(raw);
    assert_true(world_poll(serves, raw, WORLD_START_MS));
    all_start_over(holders);
    raw_client_free(raw);
    holders_free(holders);
    ends_empty(world);
}

static void test_R32_contexts_of_before_a_reset_are_refused_and_new_ones_work(void **state)
{
    struct world *world = *state;
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);
    TPMS_CONTEXT *of_key = NULL, *of_session = NULL, *anew = NULL;
    ESYS_TR key, session, loaded;

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, key, &of_key), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, session, &of_session), TSS2_RC_SUCCESS);
    assert_true(world_power_cycle(world));
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    assert_int_not_equal(Esys_ContextLoad(client->esys, of_key, &loaded), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(client->esys, of_session, &loaded), RC_FLUSH);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, key, &anew), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(client->esys, anew, &loaded), TSS2_RC_SUCCESS);
    Esys_Free(anew);
    Esys_Free(of_session);
    Esys_Free(of_key);
    esys_client_free(client);
    ends_empty(world);
}

static void test_R32_after_a_restart_contexts_still_load(void **state)
{
    struct world *world = *state;
    struct esys_client *client = served_client(world, SERVED_SOCKET, NULL);
    TPMS_CONTEXT *of_key = NULL, *of_session = NULL;
    ESYS_TR key, session, loaded, again;
    static const TPM2B_AUTH auth = {.size = 3, .buffer = {'k', 'e', 'y'}};

    assert_non_null(client);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, key, &of_key), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, session, &of_session), TSS2_RC_SUCCESS);
    /* With the state saved, the start is a TPM Restart, which voids none of the contexts (TPM 2.0
     * Library Part 1, clause "Startup"). */
    assert_int_equal(
        Esys_Shutdown(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_STATE),
        TSS2_RC_SUCCESS);
    assert_true(world_power_cycle(world));
    assert_int_equal(Esys_ContextLoad(client->esys, of_session, &again), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(client->esys, of_key, &loaded), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_TR_SetAuth(client->esys, loaded, &auth), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(client, loaded, again), TSS2_RC_SUCCESS);
    /* The object that was loaded has its context still, so it is there too. */
    assert_int_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    Esys_Free(of_session);
    Esys_Free(of_key);
    esys_client_free(client);
    ends_empty(world);
}

/*
 * Warnings of a chip that is busy or full reach nobody while they last for a moment. That a load
 * is refused for want of room says that something is loaded, and the refusals end with that.
 */
static void test_R31_passing_warnings_cost_nobody_a_thing(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];
    char *full = g_strdup_printf("code=0x161 nth=2 times=%u rc=0x902\n"
                                 "code=0x161 nth=5 times=1 rc=0x903\n",
                                 world_slots() - 1);
    char *script = g_strdup_printf("code=0x15D nth=2 times=2 rc=0x922\n"
                                   "code=0x15D nth=5 times=2 rc=0x90A\n"
                                   "%s"
                                   "code=0x162 nth=3 times=2 rc=0x922\n"
                                   "code=0x165 nth=1 times=2 rc=0x908\n",
                                   world_variant() == WORLD_IDLE_AT_ONCE ? "" : full);

    holders_make(world, holders);
    assert_true(world_set_faults(world, script));
    g_free(script);
    g_free(full);
    for (unsigned i = 0; i < 3; i++)
        all_sign(holders);
    holders_free(holders);
    ends_empty(world);
}

/* A daemon that ends without its chip cannot leave it empty; the next one does. */
static void test_R37_what_is_left_behind_a_broken_transport_is_flushed_next_time(void **state)
{
    struct world *world = *state;
    struct holder holders[CLIENTS];
    uint32_t handle;

    suite_leave_out_of(WORLD_IDLE_AT_ONCE,
                       "this daemon has nothing loaded that it could leave behind");
    holders_make(world, holders);
    assert_true(world_set_faults(world, "code=0x165 drop\n"));
    assert_int_equal(world_stop_daemon(world), 0);
    holders_free(holders);
    assert_int_equal(world_chip_handles(world, 0x80000000, &handle, 1), 1);
    assert_true(world_set_faults(world, ""));
    assert_true(world_start_daemon(world));
    ends_empty(world);
}

/* /dev/full takes nothing, as a full disk does (full(4)). Each fault is worth a line of the log. */
static void test_a_full_disk_for_the_log_stops_nobody(void **state)
{
    struct world *world = *state;
    struct raw_client *raw;

    assert_true(served_start_without_bus(world, "/dev/full"));
    raw = served_raw_client(world);
    assert_non_null(raw);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(random_code(raw), 0);
        assert_true(world_set_faults(world, "code=0x17B drop\n"));
        assert_int_equal(random_code(raw), RC_FAILURE);
        assert_true(world_set_faults(world, ""));
        assert_true(world_poll(serves, raw, WORLD_START_MS));
    }
    raw_client_free(raw);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R34_a_broken_transport_costs_one_command_and_no_object),
        served_test(test_R34_a_transport_that_breaks_during_a_swap_loses_nothing),
        served_test(test_R34_a_chip_that_is_killed_and_started_again_is_taken_up),
        served_test(test_R34_while_there_is_no_chip_commands_fail_at_once),
        served_test(test_R34_a_transport_that_breaks_while_room_is_made_is_told),
        served_test(test_R32_clients_of_a_chip_that_was_reset_start_over),
        served_test(test_R32_a_reset_while_a_command_runs_is_noticed),
        served_test(test_R32_contexts_of_before_a_reset_are_refused_and_new_ones_work),
        served_test(test_R32_after_a_restart_contexts_still_load),
        served_test(test_R31_passing_warnings_cost_nobody_a_thing),
        served_test(test_R37_what_is_left_behind_a_broken_transport_is_flushed_next_time),
        served_empty_test(test_a_full_disk_for_the_log_stops_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
