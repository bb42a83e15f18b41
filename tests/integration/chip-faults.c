/* SPDX-License-Identifier: BSD-2-Clause */
/* A chip that talks nonsense, loses its state, or goes away and comes back. */
#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"

#include <tss2/tss2_tpm2_types.h>

#define RC_FAILURE  0xB0101
#define RC_OBJECT_0 0xB0910

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

static uint32_t random_code(struct raw_client *raw)
{
    return raw_client_transact(raw, get_random, sizeof(get_random));
}

/* A fault of one command of one client is an answer to it, and the next command works. */
static void one_fault(struct world *world, const char *fault)
{
    struct raw_client *raw = raw_client_new(world);

    assert_non_null(raw);
    assert_int_equal(random_code(raw), 0);
    assert_true(world_set_faults(world, fault));
    assert_int_equal(random_code(raw), RC_FAILURE);
    assert_int_equal(random_code(raw), 0);
    raw_client_free(raw);
}

static void test_R14_a_cut_answer_is_not_believed(void **state)
{
    one_fault(*state, "code=0x17B cut=11\n");
}

static void test_R14_an_answer_without_a_header_is_not_believed(void **state)
{
    one_fault(*state, "code=0x17B cut=3\n");
}

static void test_R14_noise_for_an_answer_is_not_believed(void **state)
{
    one_fault(*state, "code=0x17B garbage\n");
}

static void test_R14_after_a_spoilt_answer_all_keys_still_work(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    ESYS_TR keys[4];

    assert_non_null(client);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(esys_client_key(client, &keys[i]), TSS2_RC_SUCCESS);
    assert_true(world_set_faults(world, "code=0x17B garbage\n"));
    assert_int_not_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(esys_client_sign(client, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

static bool serves(void *argument)
{
    return random_code(argument) == 0;
}

static void test_R34_a_transport_that_breaks_is_opened_again(void **state)
{
    struct world *world = *state;
    struct raw_client *raw = raw_client_new(world);
    struct esys_client *later;
    ESYS_TR key;

    assert_non_null(raw);
    assert_true(world_set_faults(world, "code=0x17B drop\n"));
    assert_int_equal(random_code(raw), RC_FAILURE);
    assert_true(world_set_faults(world, ""));
    assert_true(world_poll(serves, raw, WORLD_START_MS));
    later = esys_client_new();
    assert_non_null(later);
    assert_int_equal(esys_client_key(later, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(later, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    esys_client_free(later);
    raw_client_free(raw);
}

static void test_R32_after_a_power_cycle_clients_go_on_with_new_objects(void **state)
{
    struct world *world = *state;
    struct esys_client *client = esys_client_new();
    struct raw_client *raw = raw_client_new(world);
    ESYS_TR key;

    assert_non_null(client);
    assert_non_null(raw);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_true(world_power_cycle(world));
    assert_true(world_poll(serves, raw, WORLD_START_MS));
    assert_int_not_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_key(client, &key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_sign(client, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    raw_client_free(raw);
    esys_client_free(client);
}

#define KEYS 5 /* more than any chip here has slots for */

/* A client with more keys than slots, after its chip has said that it is in failure mode. */
static struct esys_client *refused_client(struct world *world, ESYS_TR keys[KEYS])
{
    struct esys_client *client = esys_client_new();

    assert_non_null(client);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(esys_client_key(client, &keys[i]), TSS2_RC_SUCCESS);
    assert_true(world_set_faults(world, "code=0x17B rc=0x101\n"));
    assert_int_equal(esys_client_random(client, 8), TPM2_RC_FAILURE);
    return client;
}

/* In failure mode a TPM says so until it is reset. One that was reset is asked again even if all
 * that comes are commands with keys that are not loaded. */
static void test_R33_a_reset_ends_failure_mode_for_keys_that_are_not_loaded(void **state)
{
    struct world *world = *state;
    ESYS_TR keys[KEYS];
    struct esys_client *client = refused_client(world, keys);

    assert_true(world_power_cycle(world));
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(esys_client_sign(client, keys[i], ESYS_TR_PASSWORD), RC_OBJECT_0);
        assert_int_equal(esys_client_key(client, &keys[i]), TSS2_RC_SUCCESS);
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(esys_client_sign(client, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

/* The same for one that said so once and serves. */
static void test_R33_who_is_well_again_is_believed(void **state)
{
    struct world *world = *state;
    ESYS_TR keys[KEYS];
    struct esys_client *client = refused_client(world, keys);

    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(esys_client_sign(client, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    esys_client_free(client);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_test(test_R14_a_cut_answer_is_not_believed),
        suite_test(test_R14_an_answer_without_a_header_is_not_believed),
        suite_test(test_R14_noise_for_an_answer_is_not_believed),
        suite_test(test_R14_after_a_spoilt_answer_all_keys_still_work),
        suite_test(test_R34_a_transport_that_breaks_is_opened_again),
        suite_test(test_R32_after_a_power_cycle_clients_go_on_with_new_objects),
        suite_test(test_R33_a_reset_ends_failure_mode_for_keys_that_are_not_loaded),
        suite_test(test_R33_who_is_well_again_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
