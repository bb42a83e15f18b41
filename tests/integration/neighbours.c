/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another user of the chip beside a busy daemon. It uses the chip after each command of the daemon,
 * below the daemon's sight, and finds the room that the daemon was told to leave.
 */
#include "esys-client.h"
#include "suite.h"

#include <pthread.h>
#include <tss2/tss2_tpm2_types.h>

#define CLIENTS 6
#define KEYS    3
#define ROUNDS  12

/* One of the clients that keep the daemon busy; each is a thread with a connection of its own. */
struct busy {
    pthread_t thread;
    struct esys_client *client;
    ESYS_TR keys[KEYS], session;
    TSS2_RC rc; /* of the first command that failed */
};

static TSS2_RC busy_round(struct busy *busy, unsigned round)
{
    static const TPM2B_AUTH password = {.size = 3, .buffer = "key"};
    ESYS_CONTEXT *esys = busy->client->esys;
    ESYS_TR *key = &busy->keys[round % KEYS];
    TPMS_CONTEXT *context = NULL;
    TSS2_RC rc = esys_client_sign(busy->client, *key, busy->session);

    if (rc == TSS2_RC_SUCCESS)
        rc = esys_client_random(busy->client, 8);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_ContextSave(esys, *key, &context);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_FlushContext(esys, *key);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_ContextLoad(esys, context, key);
    Esys_Free(context);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_TR_SetAuth(esys, *key, &password);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_FlushContext(esys, busy->session);
    if (rc == TSS2_RC_SUCCESS)
        rc = esys_client_session(busy->client, TPM2_SE_HMAC, &busy->session);
    return rc;
}

static void *busy_run(void *data)
{
    struct busy *busy = data;

    for (unsigned i = 0; i < KEYS && busy->rc == TSS2_RC_SUCCESS; i++)
        busy->rc = esys_client_key(busy->client, &busy->keys[i]);
    if (busy->rc == TSS2_RC_SUCCESS)
        busy->rc = esys_client_session(busy->client, TPM2_SE_HMAC, &busy->session);
    for (unsigned i = 0; i < ROUNDS && busy->rc == TSS2_RC_SUCCESS; i++)
        busy->rc = busy_round(busy, i);
    return NULL;
}

static void report(const struct counts *refused)
{
    for (uint32_t code = 0; code < COUNTS_CODES; code++)
        if (refused->code[code] > 0)
            print_message("# refused %u times behind command 0x%03x\n",
                          (unsigned)refused->code[code], code);
}

/* Keeps a daemon with the argument busy beside a neighbour with these wants. What the neighbour
 * was refused goes to *refused. */
static void run(const char *argument, const char *wants, struct counts *refused)
{
    const char *args[] = {argument, NULL};
    struct world_setup setup = {.args = args, .neighbour = wants, .all_slots = true};
    struct world *world = world_new(&setup);
    struct busy busy[CLIENTS] = {0};

    assert_non_null(world);
    for (unsigned i = 0; i < CLIENTS; i++) {
        busy[i].client = esys_client_new();
        assert_non_null(busy[i].client);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&busy[i].thread, NULL, busy_run, &busy[i]), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(busy[i].thread, NULL);
    counts_read(world->refused, refused);
    report(refused);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(busy[i].rc, TSS2_RC_SUCCESS);
        esys_client_free(busy[i].client);
    }
    assert_true(world_free(world));
}

static void test_R63_neighbour_finds_one_slot_of_each_kind(void **state)
{
    struct counts refused;

    (void)state;
    run("--reserve=1,1", "1/1", &refused);
    assert_int_equal(refused.total, 0);
}

static void test_R63_neighbour_loads_under_a_persistent_parent(void **state)
{
    struct counts refused;

    (void)state;
    run("--reserve=2,1", "2/1", &refused);
    assert_int_equal(refused.total, 0);
}

static void test_R63_neighbour_finds_two_slots_of_each_kind(void **state)
{
    struct counts refused;

    (void)state;
    run("--reserve=2,2", "2/2", &refused);
    assert_int_equal(refused.total, 0);
}

/* Without a reserve the neighbour is refused, so that the tests above can fail. */
static void test_full_chip_refuses_the_neighbour(void **state)
{
    struct counts refused;

    (void)state;
    run("--reserve=never", "1/1", &refused);
    assert_true(refused.total > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R63_neighbour_finds_one_slot_of_each_kind),
        cmocka_unit_test(test_R63_neighbour_loads_under_a_persistent_parent),
        cmocka_unit_test(test_R63_neighbour_finds_two_slots_of_each_kind),
        cmocka_unit_test(test_full_chip_refuses_the_neighbour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
