/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm-world.h"

#include "base/log.h"
#include "mirror.h"
#include "rm-invariants.h"
#include "wire/handle.h"
#include "wire/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct rm_limits rm_world_limits = {
    .objects_per_client = 64,
    .sessions_per_client = 16,
    .abandoned_per_uid = 16,
};

/* A TCTI that is a client of the manager: transmit runs the command, receive hands the answer
 * out. */
struct rm_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    struct rm *rm;
    struct rm_client *client;
    uint8_t response[4096];
    size_t size;
};

/* Fails the test when a checker of rm-invariants.h says what is wrong. */
static void must_hold(const char *said)
{
    if (said)
        fail_msg("%s", said);
}

/* What is due after each command. */
static void settle(struct rm *rm)
{
    unsigned steps = 0;

    while (rm_settle(rm))
        assert_true(++steps < 100);
    must_hold(rm_invariants_books(rm));
}

static TSS2_RC tcti_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct rm_tcti *tcti = (struct rm_tcti *)context;
    uint8_t *copy = malloc(rm_command_capacity(tcti->rm));

    memcpy(copy, command, size);
    tcti->size = rm_execute(tcti->rm, tcti->client, copy, size, tcti->response);
    free(copy);
    settle(tcti->rm);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC tcti_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                            int32_t timeout)
{
    struct rm_tcti *tcti = (struct rm_tcti *)context;

    (void)timeout;
    if (!response) {
        *size = tcti->size;
        return TSS2_RC_SUCCESS;
    }
    if (*size < tcti->size)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    memcpy(response, tcti->response, tcti->size);
    *size = tcti->size;
    return TSS2_RC_SUCCESS;
}

static void tcti_finalize(TSS2_TCTI_CONTEXT *context)
{
    (void)context;
}

static TSS2_TCTI_CONTEXT *tcti_new(struct rm *rm, struct rm_client *client)
{
    struct rm_tcti *tcti = calloc(1, sizeof(*tcti));

    assert_non_null(tcti);
    assert_true(rm_response_capacity(rm) <= sizeof(tcti->response));
    tcti->common.version = 1;
    tcti->common.transmit = tcti_transmit;
    tcti->common.receive = tcti_receive;
    tcti->common.finalize = tcti_finalize;
    tcti->rm = rm;
    tcti->client = client;
    return (TSS2_TCTI_CONTEXT *)tcti;
}

struct rm_world *rm_world_new(const struct rm_limits *limits)
{
    struct rm_world *world = calloc(1, sizeof(*world));
    int64_t detail;
    unsigned flushed;

    assert_non_null(world);
    /* ESYS tells of each error code on stderr; here errors are what is asked for. */
    setenv("TSS2_LOG", "all+NONE", 0);
    /* Nor does the log belong between the lines of TAP. */
    log_threshold = LOG_LEVEL_SILENT;
    world->chip = libtpms_chip_new();
    assert_int_equal(chip_startup(&world->chip->tpm, NULL, &detail), CHIP_OK);
    assert_int_equal(chip_flush_leftovers(&world->chip->tpm, true, &flushed, &detail), CHIP_OK);
    assert_int_equal(chip_read(&world->facts, &world->chip->tpm, &detail), CHIP_OK);
    world->rm = rm_new(&world->chip->tpm, &world->facts, limits ? limits : &rm_world_limits);
    assert_non_null(world->rm);
    mirror_begin(world->rm);
    libtpms_chip_clear_counts(world->chip);
    return world;
}

void rm_world_idle(struct rm_world *world, bool release)
{
    unsigned steps = 0;

    while (rm_idle(world->rm, release ? RM_IDLE_EMPTY : RM_IDLE_TIDY) == RM_IDLE_MORE)
        assert_true(++steps < 100000);
    must_hold(rm_invariants_books(world->rm));
}

unsigned rm_world_in_chip(struct rm_world *world, uint32_t first)
{
    uint32_t handles[254];

    return libtpms_chip_handles(world->chip, first, handles, 254);
}

void rm_world_free(struct rm_world *world)
{
    if (!world)
        return;
    libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    if (!world->apart)
        must_hold(rm_invariants_chip(world->rm, &world->chip->tpm));
    for (unsigned i = 0; i < RM_WORLD_CLIENTS; i++)
        rm_world_disconnect(world, i);
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    mirror_end(world->rm);
    libtpms_chip_free(world->chip);
    free(world);
}

ESYS_CONTEXT *rm_world_connect(struct rm_world *world, unsigned index, uint32_t uid)
{
    struct rm_world_client *client = &world->clients[index];

    assert_null(client->client);
    client->client = rm_client_new(world->rm, rm_user_get(world->rm, uid), uid);
    assert_non_null(client->client);
    rm_client_set_cookie(client->client, 1 + index);
    client->tcti = tcti_new(world->rm, client->client);
    assert_int_equal(Esys_Initialize(&client->esys, client->tcti, NULL), TSS2_RC_SUCCESS);
    return client->esys;
}

void rm_world_disconnect(struct rm_world *world, unsigned index)
{
    struct rm_world_client *client = &world->clients[index];

    if (client->esys)
        Esys_Finalize(&client->esys);
    free(client->tcti);
    rm_client_free(client->client);
    *client = (struct rm_world_client){0};
}

uint32_t rm_world_send(struct rm_world *world, unsigned index, const void *command, size_t size,
                       uint8_t *response, size_t *response_size)
{
    uint8_t *copy = malloc(rm_command_capacity(world->rm));
    uint8_t answer[4096];
    size_t answer_size;

    memcpy(copy, command, size);
    answer_size = rm_execute(world->rm, world->clients[index].client, copy, size, answer);
    free(copy);
    settle(world->rm);
    assert_true(answer_size >= HEADER_SIZE);
    assert_int_equal(header_load(answer).size, answer_size);
    if (response)
        memcpy(response, answer, answer_size);
    if (response_size)
        *response_size = answer_size;
    return header_load(answer).code;
}

int rm_world_setup(void **state)
{
    struct rm_world *world = rm_world_new(NULL);

    rm_world_connect(world, 0, 1000);
    *state = world;
    return 0;
}

int rm_world_teardown(void **state)
{
    rm_world_free(*state);
    return 0;
}
