/* SPDX-License-Identifier: BSD-2-Clause */
/* How many commands the chip sees for one command of a client. */
#include "belady.h"
#include "esys-jobs.h"
#include "rm-world.h"
#include "wire/handle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int setup(void **state)
{
    struct rm_world *world = rm_world_new(NULL);
    ESYS_CONTEXT *esys = rm_world_connect(world, 0, 1000);
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 0);

    /* The first use of an algorithm makes the TPM test it, and answer TPM_RC_TESTING. */
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
    rm_world_idle(world, true);
    *state = world;
    return 0;
}

static void test_random_costs_one(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;

    job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    job_session(esys, false);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
}

static void test_sign_costs_one(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);

    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
}

static void test_sign_with_hmac_session_costs_one(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    ESYS_TR session = job_session(esys, false);

    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
}

static void test_sign_with_full_slots_costs_one(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);

    job_signing_key(esys, ESYS_TR_RH_OWNER, 2);
    job_signing_key(esys, ESYS_TR_RH_OWNER, 3);
    job_session(esys, true);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
}

static void test_round_robin_costs_at_most_three(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[8];

    for (unsigned i = 0; i < 8; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(job_sign(esys, keys[i % 8], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(job_sign(esys, keys[i % 8], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_in_range(world->chip->commands, 80, 3 * 80);
}

static void test_flush_and_close_cost_nothing_at_once(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    ESYS_TR session = job_session(esys, false);

    job_signing_key(esys, ESYS_TR_RH_OWNER, 2);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(esys, session), TSS2_RC_SUCCESS);
    rm_world_disconnect(world, 0);
    assert_int_equal(world->chip->commands, 0);
    rm_world_idle(world, true);
    assert_int_equal(world->chip->commands, 3);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
}

static void test_saved_context_loads_without_the_chip(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other = rm_world_connect(world, 1, 1001);
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), again;
    TPMS_CONTEXT *context;

    assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
    rm_world_disconnect(world, 0);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(Esys_ContextLoad(other, context, &again), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(other, again, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(libtpms_chip_count(world->chip, TPM2_CC_ContextLoad), 0);
    Esys_Free(context);
}

/* Zipf-distributed keys by a generator of our own, so that the trace is the same everywhere. */
static void zipf_trace(uint8_t *trace, unsigned length, unsigned keys)
{
    double weights[16], total = 0;
    uint32_t random = 1;

    for (unsigned i = 0; i < keys; i++)
        total += weights[i] = 1 / pow(i + 1, 1.1);
    for (unsigned i = 0; i < length; i++) {
        double at;

        random = random * 1664525 + 1013904223;
        at = total * (random >> 8) / (1 << 24);
        for (trace[i] = 0; trace[i] + 1U < keys && at >= weights[trace[i]]; trace[i]++)
            at -= weights[trace[i]];
    }
}

static void test_zipf_is_near_the_optimum(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint8_t trace[2000];
    ESYS_TR keys[16];
    unsigned optimum;

    zipf_trace(trace, 2000, 16);
    for (unsigned i = 0; i < 16; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    rm_world_idle(world, true); /* all saved, none loaded */
    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(job_sign(esys, keys[trace[i]], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    /* A load beyond the first three needs a flush. */
    optimum = 2000 + 2 * belady_loads(trace, 2000, 3) - 3;
    assert_in_range(world->chip->commands, optimum, optimum * 115 / 100);
}

static void test_circle_does_not_push_out_everybody(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[8];

    for (unsigned i = 0; i < 8; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(job_sign(esys, keys[i % 8], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(job_sign(esys, keys[i % 8], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_in_range(world->chip->commands, 80, 80 * 26 / 10);
}

static TSS2_RC capability(ESYS_CONTEXT *esys, TPM2_CAP capability, uint32_t property)
{
    TPMS_CAPABILITY_DATA *data;
    TSS2_RC code = Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, capability,
                                      property, 16, NULL, &data);

    if (code == TSS2_RC_SUCCESS)
        Esys_Free(data);
    return code;
}

static void test_constant_capabilities_cost_nothing_again(void **state)
{
    static const struct {
        TPM2_CAP capability;
        uint32_t property;
        unsigned again;
    } cases[] = {
        {TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 0},
        {TPM2_CAP_ALGS, 0, 0},
        {TPM2_CAP_COMMANDS, 0x11f, 0},
        {TPM2_CAP_ECC_CURVES, 0, 0},
        {TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, 1},
        {TPM2_CAP_PCRS, 0, 1},
        {TPM2_CAP_HANDLES, TPM2_PERSISTENT_FIRST, 1},
    };
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other = rm_world_connect(world, 1, 1001);

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        libtpms_chip_clear_counts(world->chip);
        assert_int_equal(capability(esys, cases[i].capability, cases[i].property), 0);
        assert_int_equal(world->chip->commands, 1);
        assert_int_equal(capability(other, cases[i].capability, cases[i].property), 0);
        assert_int_equal(world->chip->commands, 1 + cases[i].again);
    }
    libtpms_chip_power_cycle(world->chip);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(capability(esys, TPM2_CAP_ALGS, 0), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
}

static void test_public_area_costs_nothing_again(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    TPM2B_PUBLIC *public[2];
    TPM2B_NAME *names[2];

    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(Esys_ReadPublic(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         &public[i], &names[i], NULL),
                         TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 1);
    assert_memory_equal(public[0], public[1], sizeof(*public[0]));
    assert_memory_equal(names[0]->name, names[1]->name, names[0]->size);
    for (unsigned i = 0; i < 2; i++) {
        Esys_Free(public[i]);
        Esys_Free(names[i]);
    }
}

static void test_audited_commands_reach_the_chip(void **state)
{
    static const TPML_CC none, audited = {
                                   .count = 2,
                                   .commandCodes = {TPM2_CC_GetCapability, TPM2_CC_ContextLoad},
                               };
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), again;
    TPMS_CONTEXT *context;

    assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
    assert_int_equal(capability(esys, TPM2_CAP_ALGS, 0), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_SetCommandCodeAuditStatus(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, TPM2_ALG_NULL,
                                                    &audited, &none),
                     TSS2_RC_SUCCESS);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(capability(esys, TPM2_CAP_ALGS, 0), TSS2_RC_SUCCESS);
    assert_int_equal(libtpms_chip_count(world->chip, TPM2_CC_GetCapability), 1);
    assert_int_equal(Esys_ContextLoad(esys, context, &again), TSS2_RC_SUCCESS);
    assert_int_equal(libtpms_chip_count(world->chip, TPM2_CC_ContextLoad), 1);
    assert_int_equal(Esys_SetCommandCodeAuditStatus(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, TPM2_ALG_NULL,
                                                    &none, &audited),
                     TSS2_RC_SUCCESS);
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(capability(esys, TPM2_CAP_ALGS, 0), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->commands, 0);
    Esys_Free(context);
}

/* The hint for the order of service: what the client's next command finds in the chip. */
static void test_affinity_is_what_the_next_command_finds(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other;
    const struct rm_client *one = world->clients[0].client;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), session = job_session(esys, false);

    assert_int_equal(rm_client_affinity(NULL), RM_AFFINITY_NEUTRAL);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_NEUTRAL);
    assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_RESIDENT);
    other = rm_world_connect(world, 1, 1001);
    for (uint8_t i = 2; i < 5; i++)
        job_signing_key(other, ESYS_TR_RH_OWNER, i);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_WOULD_EVICT);
    /* The chip is empty: nothing has to make room. */
    rm_world_idle(world, true);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_NEUTRAL);
    assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < 3; i++)
        job_session(other, false);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_WOULD_EVICT);
    assert_int_equal(Esys_FlushContext(esys, session), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(rm_client_affinity(one), RM_AFFINITY_RESIDENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_costs_one, setup, rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_sign_costs_one, setup, rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_sign_with_hmac_session_costs_one, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_sign_with_full_slots_costs_one, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_round_robin_costs_at_most_three, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_zipf_is_near_the_optimum, setup, rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_circle_does_not_push_out_everybody, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_constant_capabilities_cost_nothing_again, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_public_area_costs_nothing_again, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_audited_commands_reach_the_chip, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_flush_and_close_cost_nothing_at_once, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_saved_context_loads_without_the_chip, setup,
                                        rm_world_teardown),
        cmocka_unit_test_setup_teardown(test_affinity_is_what_the_next_command_finds, setup,
                                        rm_world_teardown),
    };

    return cmocka_run_group_tests_name("rm-counts", tests, NULL, NULL);
}
