/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reserve of slots for other users of the chip. A neighbour uses the chip between any two
 * commands of the manager, and finds the room that the reserve promises.
 */
#include "esys-jobs.h"
#include "neighbour.h"
#include "raw-command.h"
#include "rm-world.h"
#include "rm/rc.h"
#include "rm/state.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLIENTS 4
#define KEYS    3
#define CODES   0x200

static const struct rm_reserve reserves[] = {{0, 0, 0}, {1, 1, 4}, {2, 1, 4}, {2, 2, 4}};

#define RESERVES (sizeof(reserves) / sizeof(reserves[0]))

/* The neighbour, and behind which commands of the manager it found no room. */
struct street {
    struct rm_world *world;
    struct neighbour neighbour;
    unsigned refused[CODES];
    uint32_t refused_last; /* the command behind which it was refused last, 0 when not since */
    unsigned not_flushed;  /* times that another command than a flush came after that */
};

static uint32_t send_to_chip(void *chip, const uint8_t *command, size_t size, uint8_t *response)
{
    (void)chip;
    if (libtpms_chip_process(command, size, response, NEIGHBOUR_BYTES) < HEADER_SIZE)
        return UINT32_MAX;
    return header_load(response).code;
}

static void between(void *data, const uint8_t *command)
{
    struct street *street = data;
    uint32_t code = header_load(command).code;

    street->not_flushed += street->refused_last != 0 && code != TPM2_CC_FlushContext;
    street->refused_last = 0;
    if (neighbour_try(&street->neighbour, send_to_chip, NULL))
        return;
    street->refused_last = code;
    street->refused[code % CODES]++;
}

/* The neighbour wants just what the reserve promises. */
static void set_reserve(struct street *street, const struct rm_reserve *reserve)
{
    rm_set_reserve(street->world->rm, reserve);
    while (rm_settle(street->world->rm))
        ;
    street->neighbour.wants = (struct neighbour_wants){
        .objects = reserve->objects, .sessions = reserve->sessions, .load = reserve->objects > 1};
}

static int setup(void **state)
{
    struct street *street = calloc(1, sizeof(*street));
    ESYS_CONTEXT *esys;
    ESYS_TR key;

    street->world = rm_world_new(NULL);
    assert_true(neighbour_prepare(&street->neighbour, send_to_chip, NULL));
    esys = rm_world_connect(street->world, 0, 1000);
    /* The first use of an algorithm makes the TPM test it, and answer TPM_RC_TESTING. */
    key = job_signing_key(esys, ESYS_TR_RH_OWNER, 0);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
    rm_world_idle(street->world, true);
    street->world->chip->between = between;
    street->world->chip->between_data = street;
    *state = street;
    return 0;
}

static int teardown(void **state)
{
    struct street *street = *state;

    street->world->chip->between = NULL;
    rm_world_free(street->world);
    free(street);
    return 0;
}

static unsigned refusals(const struct street *street)
{
    return street->neighbour.no_object + street->neighbour.no_session + street->neighbour.no_load;
}

/* Clients with keys and a session each, who do in turn what clients do. */
struct crowd {
    ESYS_TR keys[CLIENTS][KEYS], sessions[CLIENTS];
};

static void crowd_connect(struct street *street, struct crowd *crowd)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        ESYS_CONTEXT *esys =
            i == 0 ? street->world->clients[0].esys : rm_world_connect(street->world, i, 1000 + i);

        for (unsigned k = 0; k < KEYS; k++)
            crowd->keys[i][k] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)(8 * i + k));
        crowd->sessions[i] = job_session(esys, false);
    }
}

static void crowd_round(struct street *street, struct crowd *crowd, unsigned round)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        ESYS_CONTEXT *esys = street->world->clients[i].esys;
        ESYS_TR key = crowd->keys[i][(round + i) % KEYS], again;
        TPMS_CONTEXT *context;

        assert_int_equal(job_sign(esys, key, crowd->sessions[i]), TSS2_RC_SUCCESS);
        assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_ContextLoad(esys, context, &again), TSS2_RC_SUCCESS);
        crowd->keys[i][(round + i) % KEYS] = again;
        Esys_Free(context);
        assert_int_equal(Esys_ContextSave(esys, crowd->sessions[i], &context), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_ContextLoad(esys, context, &crowd->sessions[i]), TSS2_RC_SUCCESS);
        Esys_Free(context);
        assert_int_equal(Esys_FlushContext(esys, crowd->sessions[i]), TSS2_RC_SUCCESS);
        crowd->sessions[i] = job_session(esys, round % 2 == 1);
        assert_int_equal(Esys_FlushContext(esys, crowd->sessions[i]), TSS2_RC_SUCCESS);
        crowd->sessions[i] = job_session(esys, false);
    }
}

static void test_R63_neighbour_finds_room_at_any_load(void **state)
{
    struct street *street = *state;
    struct crowd crowd;

    set_reserve(street, &reserves[1]);
    crowd_connect(street, &crowd);
    for (unsigned i = 1; i < RESERVES; i++) {
        set_reserve(street, &reserves[i]);
        for (unsigned round = 0; round < 6; round++)
            crowd_round(street, &crowd, round);
    }
    assert_true(street->neighbour.tries > 500);
    assert_int_equal(refusals(street), 0);
}

/* The neighbour can be refused: without a reserve it is. */
static void test_full_chip_refuses_the_neighbour(void **state)
{
    struct street *street = *state;
    struct crowd crowd;

    set_reserve(street, &reserves[0]);
    street->neighbour.wants = (struct neighbour_wants){1, 1, true};
    crowd_connect(street, &crowd);
    crowd_round(street, &crowd, 0);
    assert_true(street->neighbour.no_object > 0);
    assert_true(street->neighbour.no_session > 0);
    assert_true(street->neighbour.no_load > 0);
}

/* A storage key, and the private and public part of a key under it. */
static ESYS_TR make_child(ESYS_CONTEXT *esys, TPM2B_PRIVATE **private, TPM2B_PUBLIC **public)
{
    static const TPM2B_SENSITIVE_CREATE sensitive = {
        .sensitive.data = {.size = 4, .buffer = "data"}};
    static const TPM2B_PUBLIC sealed = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT
                                           | TPMA_OBJECT_USERWITHAUTH,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    ESYS_TR parent = job_primary(esys, ESYS_TR_RH_OWNER);

    assert_int_equal(Esys_Create(esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &sensitive, &sealed, &no_data, &no_pcrs, private, public, NULL,
                                 NULL, NULL),
                     TSS2_RC_SUCCESS);
    return parent;
}

/* A command that needs parent and child takes the reserve for its own time: a flush follows it at
 * once, before any other command. */
static void test_R63_reserve_is_back_after_one_flush(void **state)
{
    struct street *street = *state;
    ESYS_CONTEXT *esys = street->world->clients[0].esys;
    TPM2B_PRIVATE *private;
    TPM2B_PUBLIC *public;
    ESYS_TR parent, child;

    set_reserve(street, &reserves[2]);
    parent = make_child(esys, &private, &public);
    for (unsigned i = 0; i < 4; i++) {
        job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
        street->refused[TPM2_CC_Load] = 0;
        assert_int_equal(Esys_Load(esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                   private, public, &child),
                         TSS2_RC_SUCCESS);
        assert_in_range(street->refused[TPM2_CC_Load], 1, 2);
        assert_int_equal(
            job_sign(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 9), job_session(esys, false)),
            TSS2_RC_SUCCESS);
        assert_int_equal(Esys_FlushContext(esys, child), TSS2_RC_SUCCESS);
    }
    for (uint32_t code = 0; code < CODES; code++)
        assert_true(code == TPM2_CC_Load || street->refused[code] == 0);
    assert_int_equal(street->not_flushed, 0);
    Esys_Free(private);
    Esys_Free(public);
}

static void test_R63_larger_reserve_is_made_by_flushes(void **state)
{
    struct street *street = *state;
    struct libtpms_chip *chip = street->world->chip;
    ESYS_CONTEXT *esys = street->world->clients[0].esys;
    unsigned steps = 0;

    for (uint8_t i = 0; i < 3; i++)
        job_signing_key(esys, ESYS_TR_RH_OWNER, i);
    while (rm_idle(street->world->rm, RM_IDLE_SAVE) == RM_IDLE_MORE)
        assert_true(++steps < 10);
    assert_int_equal(rm_world_in_chip(street->world, HANDLE_TRANSIENT_FIRST), 3);
    libtpms_chip_clear_counts(chip);
    set_reserve(street, &reserves[3]);
    assert_int_equal(rm_world_in_chip(street->world, HANDLE_TRANSIENT_FIRST), 1);
    assert_int_equal(libtpms_chip_count(chip, TPM2_CC_FlushContext), 2);
    assert_int_equal(libtpms_chip_count(chip, TPM2_CC_ContextSave), 0);
    /* Once in an object's life. */
    while (rm_idle(street->world->rm, RM_IDLE_SAVE) == RM_IDLE_MORE)
        assert_true(++steps < 10);
    assert_int_equal(libtpms_chip_count(chip, TPM2_CC_ContextSave), 0);
}

static void test_R63_some_active_sessions_stay_for_others(void **state)
{
    struct street *street = *state;
    struct rm_limits limits = rm_world_limits;
    ESYS_TR session;
    TSS2_RC code = TSS2_RC_SUCCESS;
    unsigned made = 0;

    limits.sessions_per_client = 64;
    rm_client_set_limits(street->world->clients[0].client, &limits);
    set_reserve(street, &reserves[1]);
    street->neighbour.wants = (struct neighbour_wants){0, 0, false};
    while (code == TSS2_RC_SUCCESS && made < 64) {
        code = job_try_session(street->world->clients[0].esys, TPM2_SE_HMAC, &session);
        made += code == TSS2_RC_SUCCESS;
    }
    assert_int_equal(code, RM_RC_SESSION_HANDLES);
    assert_int_equal(made, street->world->facts.active_sessions - 4);
}

static void test_R63_one_slot_of_each_kind_is_always_ours(void **state)
{
    struct street *street = *state;
    static const struct rm_reserve all = {99, 99, 99};
    ESYS_CONTEXT *esys = street->world->clients[0].esys;
    ESYS_TR keys[2], session;

    set_reserve(street, &all);
    street->neighbour.wants = (struct neighbour_wants){0, 0, false};
    session = job_session(esys, false);
    for (uint8_t i = 0; i < 2; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, i);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(job_sign(esys, keys[i % 2], session), TSS2_RC_SUCCESS);
    assert_int_equal(rm_world_in_chip(street->world, HANDLE_TRANSIENT_FIRST), 1);
    assert_int_equal(rm_world_in_chip(street->world, HANDLE_LOADED_SESSIONS), 1);
}

static void test_R63_sign_with_one_key_costs_one_under_every_reserve(void **state)
{
    struct street *street = *state;
    ESYS_CONTEXT *esys = street->world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), session = job_session(esys, false);

    for (unsigned i = 0; i < RESERVES; i++) {
        set_reserve(street, &reserves[i]);
        assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
        libtpms_chip_clear_counts(street->world->chip);
        for (unsigned k = 0; k < 10; k++) {
            assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
            assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
        }
        assert_int_equal(street->world->chip->commands, 20);
    }
    assert_int_equal(refusals(street), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R63_neighbour_finds_room_at_any_load),
        TEST(test_full_chip_refuses_the_neighbour),
        TEST(test_R63_reserve_is_back_after_one_flush),
        TEST(test_R63_larger_reserve_is_made_by_flushes),
        TEST(test_R63_some_active_sessions_stay_for_others),
        TEST(test_R63_one_slot_of_each_kind_is_always_ours),
        TEST(test_R63_sign_with_one_key_costs_one_under_every_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
