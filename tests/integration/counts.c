/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client's command costs in commands of the chip, counted below the daemon. */
#include "esys-client.h"
#include "suite.h"

#include <tss2/tss2_tpm2_types.h>

#define KEYS_MAX 4

/* What a daemon that releases at once may send of its own while a command runs: it saves and
 * flushes the objects and saves the sessions that were loaded, loads a key and a session for the
 * command, and releases them. */
#define RELEASES_MAX (3 * WORLD_SLOTS + 2 + 3)

/* A client that holds keys and perhaps an HMAC session. */
struct holder {
    struct esys_client *client;
    ESYS_TR keys[KEYS_MAX], session;
};

static struct holder hold(unsigned keys, bool session)
{
    struct holder holder = {.client = esys_client_new(), .session = ESYS_TR_NONE};

    assert_non_null(holder.client);
    for (unsigned i = 0; i < keys; i++)
        assert_int_equal(esys_client_key(holder.client, &holder.keys[i]), TSS2_RC_SUCCESS);
    /* The first use of an algorithm makes the TPM test it, and answer TPM_RC_TESTING or RETRY. */
    if (keys > 0)
        assert_int_equal(esys_client_sign(holder.client, holder.keys[0], ESYS_TR_PASSWORD),
                         TSS2_RC_SUCCESS);
    if (session)
        assert_int_equal(esys_client_session(holder.client, TPM2_SE_HMAC, &holder.session),
                         TSS2_RC_SUCCESS);
    return holder;
}

/* Commands of its own that the daemon may send in this variant, in places where it is to send none
 * elsewhere. */
static unsigned releases(void)
{
    return world_variant() == WORLD_IDLE_AT_ONCE ? RELEASES_MAX : 0;
}

/* What was done cost `total` commands in all, all of them of the code, but for releases. */
static void assert_cost(const struct counts *before, const struct counts *after, uint32_t code,
                        unsigned total)
{
    uint64_t own = counts_context_between(before, after);

    assert_int_equal(counts_between(before, after, code), total);
    assert_int_equal(counts_total_between(before, after), total + own);
    assert_in_range(own, 0, releases());
}

static void random_costs_one(struct world *world, unsigned keys, bool session)
{
    struct holder holder = hold(keys, session);
    struct counts before, after;

    counts_read(world->counts, &before);
    assert_int_equal(esys_client_random(holder.client, 20), TSS2_RC_SUCCESS);
    counts_read(world->counts, &after);
    assert_cost(&before, &after, TPM2_CC_GetRandom, 1);
    esys_client_free(holder.client);
}

static void test_get_random_costs_one(void **state)
{
    random_costs_one(*state, 0, false);
}

static void test_get_random_costs_one_beside_keys_and_a_session(void **state)
{
    random_costs_one(*state, 3, true);
}

/* Signs twice with the last key. */
static void sign_costs_one(struct world *world, unsigned keys, bool with_session, bool by_session)
{
    struct holder holder = hold(keys, with_session);
    ESYS_TR key = holder.keys[keys - 1];
    ESYS_TR authorization = by_session ? holder.session : ESYS_TR_PASSWORD;

    for (unsigned i = 0; i < 2; i++) {
        struct counts before, after;

        counts_read(world->counts, &before);
        assert_int_equal(esys_client_sign(holder.client, key, authorization), TSS2_RC_SUCCESS);
        counts_read(world->counts, &after);
        assert_cost(&before, &after, TPM2_CC_Sign, 1);
    }
    esys_client_free(holder.client);
}

static void test_password_sign_with_one_loaded_key_costs_one(void **state)
{
    sign_costs_one(*state, 1, false, false);
}

static void test_hmac_session_sign_costs_one(void **state)
{
    sign_costs_one(*state, 1, true, true);
}

static void test_password_sign_beside_three_keys_and_a_session_costs_one(void **state)
{
    sign_costs_one(*state, 3, true, false);
}

static void test_loading_more_keys_than_slots_saves_and_flushes_one_at_a_time(void **state)
{
    struct world *world = *state;
    struct holder holder = hold(3, false);
    struct counts before, after;

    counts_read(world->counts, &before);
    assert_int_equal(esys_client_key(holder.client, &holder.keys[3]), TSS2_RC_SUCCESS);
    counts_read(world->counts, &after);
    /* The chip refuses the first try, or its slots are known and it is not asked. */
    assert_in_range(counts_between(&before, &after, TPM2_CC_CreatePrimary), 1, 2);
    if (world_variant() != WORLD_IDLE_AT_ONCE) {
        assert_int_equal(counts_between(&before, &after, TPM2_CC_ContextSave), 1);
        assert_int_equal(counts_between(&before, &after, TPM2_CC_FlushContext), 1);
    }
    assert_int_equal(counts_between(&before, &after, TPM2_CC_ContextLoad), 0);
    for (unsigned i = 0; i < KEYS_MAX; i++)
        assert_int_equal(esys_client_sign(holder.client, holder.keys[i], ESYS_TR_PASSWORD),
                         TSS2_RC_SUCCESS);
    esys_client_free(holder.client);
}

static void test_signing_in_turn_with_more_keys_than_slots_costs_three_at_most(void **state)
{
    struct world *world = *state;
    const unsigned rounds = 5;
    struct counts start, before, after;
    struct holder holder;

    counts_read(world->counts, &start);
    holder = hold(KEYS_MAX, false);
    for (unsigned i = 0; i < KEYS_MAX; i++)
        assert_int_equal(esys_client_sign(holder.client, holder.keys[i], ESYS_TR_PASSWORD),
                         TSS2_RC_SUCCESS);
    counts_read(world->counts, &before);
    for (unsigned i = 0; i < rounds * KEYS_MAX; i++)
        assert_int_equal(
            esys_client_sign(holder.client, holder.keys[i % KEYS_MAX], ESYS_TR_PASSWORD),
            TSS2_RC_SUCCESS);
    counts_read(world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_Sign), rounds * KEYS_MAX);
    assert_in_range(counts_total_between(&before, &after), rounds * KEYS_MAX,
                    3 * rounds * KEYS_MAX + releases());
    /* A key never changes, so its context is saved once at the most. */
    assert_in_range(counts_between(&start, &after, TPM2_CC_ContextSave), 1, KEYS_MAX);
    esys_client_free(holder.client);
}

static void test_flushing_and_leaving_cost_nothing_at_once(void **state)
{
    struct world *world = *state;
    struct holder holder = hold(2, true);
    struct counts before, after;

    counts_read(world->counts, &before);
    assert_int_equal(Esys_FlushContext(holder.client->esys, holder.keys[0]), TSS2_RC_SUCCESS);
    counts_read(world->counts, &after);
    assert_int_equal(counts_total_between(&before, &after),
                     counts_context_between(&before, &after));
    assert_in_range(counts_context_between(&before, &after), 0, releases());
    esys_client_free(holder.client);
}

static void test_R31_a_busy_chip_is_asked_again(void **state)
{
    struct world *world = *state;
    struct holder holder = hold(1, false);
    struct counts before, after;

    assert_true(world_set_faults(world, "code=0x15D times=2 rc=0x922\n"));
    counts_read(world->counts, &before);
    assert_int_equal(esys_client_sign(holder.client, holder.keys[0], ESYS_TR_PASSWORD),
                     TSS2_RC_SUCCESS);
    counts_read(world->counts, &after);
    assert_cost(&before, &after, TPM2_CC_Sign, 3);
    esys_client_free(holder.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_test(test_get_random_costs_one),
        suite_test(test_get_random_costs_one_beside_keys_and_a_session),
        suite_test(test_password_sign_with_one_loaded_key_costs_one),
        suite_test(test_hmac_session_sign_costs_one),
        suite_test(test_password_sign_beside_three_keys_and_a_session_costs_one),
        suite_test(test_loading_more_keys_than_slots_saves_and_flushes_one_at_a_time),
        suite_test(test_signing_in_turn_with_more_keys_than_slots_costs_three_at_most),
        suite_test(test_flushing_and_leaving_cost_nothing_at_once),
        suite_test(test_R31_a_busy_chip_is_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
