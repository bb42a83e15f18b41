/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash-check.h"

#include "crash-steps.h"
#include "rm-invariants.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

void crash_must(const struct crash_world *world, bool holds, const char *what)
{
    if (holds)
        return;
    if (world->depth == 0)
        fail_msg("%s", what);
    fprintf(stderr, "died %s of step '%s' (%u deaths, point %u): %s\n", world->at ? world->at : "",
            world->step.what, world->depth, world->points, what);
    _exit(1);
}

static void must_hold(const struct crash_world *world, const char *said)
{
    crash_must(world, !said, said);
}

/* Has the chip itself run a command; its answer must be a success. */
static void ask_chip(struct crash_world *world, struct crash_bytes *bytes)
{
    size_t size;

    crash_bytes_end(bytes);
    size = libtpms_chip_process(bytes->bytes, bytes->size, world->response, CRASH_BYTES);
    crash_must(world, size >= HEADER_SIZE && header_load(world->response).code == 0,
               "the chip itself refuses");
    world->response_size = size;
}

void crash_learn_policies(struct crash_world *world)
{
    struct crash_bytes bytes;
    uint32_t session;

    crash_bytes_start_session(&bytes, TPM2_SE_POLICY);
    ask_chip(world, &bytes);
    session = load_be32(world->response + HEADER_SIZE);
    for (unsigned i = 0; i < sizeof(world->digests) / sizeof(world->digests[0]); i++) {
        crash_bytes_named(&bytes, TPM2_CC_PolicyGetDigest, session);
        ask_chip(world, &bytes);
        memcpy(world->digests[i], world->response + HEADER_SIZE + 2, 32);
        crash_bytes_named(&bytes, TPM2_CC_PolicyAuthValue, session);
        ask_chip(world, &bytes);
    }
    crash_bytes_named(&bytes, TPM2_CC_FlushContext, session);
    ask_chip(world, &bytes);
}

static bool is_session(const struct holding *holding)
{
    return holding->kind == HOLDING_SESSION || holding->kind == HOLDING_HMAC;
}

static bool is_same(const struct holding *holding, uint32_t handle)
{
    if (is_session(holding))
        return handle_is_session(handle) && ((handle ^ holding->handle) & HANDLE_INDEX_MASK) == 0;
    return handle == holding->handle;
}

void crash_lose_session(struct crash_world *world, uint32_t handle)
{
    for (unsigned i = 0; i < world->holding_count; i++) {
        struct holding *holding = &world->holdings[i];

        if (is_session(holding) && is_same(holding, handle))
            holding->gone = true;
    }
}

static bool names(const struct command *command, const struct holding *holding)
{
    for (unsigned i = 0; i < command->handle_count; i++) {
        if (is_same(holding, command->handles[i]))
            return true;
    }
    for (unsigned i = 0; i < command->session_count; i++) {
        if (is_same(holding, command->sessions[i].handle))
            return true;
    }
    return false;
}

static bool is_hit(const struct crash_world *world, const struct holding *holding)
{
    return world->ran && holding->kind == HOLDING_KEY && world->step.ends
           && crash_hits(world->step.ends, holding->hierarchy);
}

void crash_lose_named(struct crash_world *world)
{
    struct command command;
    uint8_t bytes[CRASH_BYTES];

    memcpy(bytes, world->step.command, world->step.size);
    crash_must(world,
               command_parse(&command, &world->rm->chip.commands, bytes, world->step.size)
                   == TPM2_RC_SUCCESS,
               "the command is none");
    for (unsigned i = 0; i < world->holding_count; i++) {
        struct holding *holding = &world->holdings[i];

        if (holding->kind != HOLDING_KEY && holding->client == world->step.client
            && names(&command, holding))
            holding->gone = true;
        if (!holding->gone && is_hit(world, holding))
            holding->gone = holding->may_live = true;
        /* A session has ended before the chip is asked. */
        if (holding == world->step.about && world->step.flushes) {
            holding->gone = true;
            holding->may_live = !is_session(holding);
        }
    }
}

/* What a client gets for a command about what it holds. */
static uint32_t use(struct crash_world *world, unsigned client, struct crash_bytes *bytes)
{
    uint8_t command[CRASH_BYTES];

    crash_bytes_end(bytes);
    memcpy(command, bytes->bytes, bytes->size);
    world->response_size =
        rm_execute(world->rm, world->clients[client], command, bytes->size, world->response);
    return header_load(world->response).code;
}

static uint32_t use_named(struct crash_world *world, const struct holding *holding, uint32_t code)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, code, holding->handle);
    return use(world, holding->client, &bytes);
}

/* A key by its Name, and at work. */
static bool key_is_there(struct crash_world *world, const struct holding *key)
{
    struct crash_bytes bytes;
    size_t at = HEADER_SIZE + 2;

    if (use_named(world, key, TPM2_CC_ReadPublic) != TPM2_RC_SUCCESS)
        return false;
    at += load_be16(world->response + HEADER_SIZE);
    crash_must(world, !key->named || memcmp(world->response + at + 2, key->name, RECORD_NAME) == 0,
               "a handle leads to another key");
    crash_bytes_hmac(&bytes, key->handle);
    crash_must(world, use(world, key->client, &bytes) == TPM2_RC_SUCCESS, "a key does not work");
    return true;
}

/* A sequence by what it makes of all that it was given. */
static bool sequence_is_there(struct crash_world *world, const struct holding *sequence)
{
    struct crash_bytes bytes;
    uint8_t digest[34];

    crash_bytes_complete(&bytes, sequence->handle);
    if (use(world, sequence->client, &bytes) != TPM2_RC_SUCCESS)
        return false;
    memcpy(digest, world->response + HEADER_SIZE + 4, sizeof(digest));
    crash_bytes_hash(&bytes, sequence->fed);
    ask_chip(world, &bytes);
    crash_must(world, memcmp(world->response + HEADER_SIZE, digest, sizeof(digest)) == 0,
               "a sequence has another digest");
    return true;
}

/* A session by its policy, or by its work; one that its client has saved is loaded first. */
static bool session_is_there(struct crash_world *world, struct holding *session)
{
    struct crash_bytes bytes;

    if (session->context_size > 0) {
        crash_bytes_begin(&bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad);
        crash_bytes_add(&bytes, session->context, session->context_size);
        for (unsigned i = 0; i < CRASH_CLIENTS && session->client == CRASH_NOBODY; i++)
            session->client = world->clients[i] ? i : CRASH_NOBODY;
        if (use(world, session->client, &bytes) != TPM2_RC_SUCCESS)
            return false;
    }
    if (session->kind == HOLDING_HMAC) {
        crash_bytes_audited(&bytes, session->handle, true);
        return use(world, session->client, &bytes) == TPM2_RC_SUCCESS;
    }
    if (use_named(world, session, TPM2_CC_PolicyGetDigest) != TPM2_RC_SUCCESS)
        return false;
    crash_must(world,
               memcmp(world->response + HEADER_SIZE + 2, world->digests[session->fed], 32) == 0,
               "a session has another policy");
    return true;
}

static bool is_there(struct crash_world *world, struct holding *holding)
{
    switch (holding->kind) {
    case HOLDING_KEY:
        return key_is_there(world, holding);
    case HOLDING_SEQUENCE:
        return sequence_is_there(world, holding);
    case HOLDING_SESSION:
    case HOLDING_HMAC:
        return session_is_there(world, holding);
    }
    return false;
}

/* The code that tells a client that something is gone. */
static bool is_told(const struct crash_world *world, const struct holding *holding)
{
    uint32_t code = header_load(world->response).code;

    if (holding->context_size > 0)
        return code == RM_RC_PARAMETER_HANDLE;
    return code == (holding->kind == HOLDING_HMAC ? RM_RC_SESSION(0) : RM_RC_HANDLE(0));
}

/* Whether the handle was given out once more, to the same client. */
static bool is_taken(const struct crash_world *world, const struct holding *holding)
{
    for (unsigned i = 0; i < world->holding_count; i++) {
        const struct holding *other = &world->holdings[i];

        if (!other->gone && other->client == holding->client
            && is_session(other) == is_session(holding) && is_same(other, holding->handle))
            return true;
    }
    return false;
}

static void check_holding(struct crash_world *world, struct holding *holding)
{
    if (holding->client != CRASH_NOBODY && !world->clients[holding->client])
        return;
    if (holding->gone && is_taken(world, holding))
        return;
    if (is_there(world, holding)) {
        crash_must(world, !holding->gone || holding->may_live, "what is gone can be used");
        return;
    }
    if (!holding->gone)
        fprintf(stderr, "holding 0x%x of kind %d, client %u: 0x%x\n", holding->handle,
                (int)holding->kind, holding->client, header_load(world->response).code);
    crash_must(world, holding->gone, "what a client holds is lost");
    crash_must(world, is_told(world, holding), "the code for what is gone is another one");
}

/* Each client has as many things as it holds. */
static void check_counts(const struct crash_world *world)
{
    for (unsigned i = 0; i < CRASH_CLIENTS; i++) {
        unsigned objects = 0, sessions = 0, more = 0;

        for (unsigned j = 0; j < world->holding_count; j++) {
            const struct holding *holding = &world->holdings[j];

            if (holding->client != i)
                continue;
            if (is_session(holding))
                sessions += !holding->gone;
            else
                objects += !holding->gone;
            more += holding->may_live;
        }
        if (!world->clients[i])
            continue;
        crash_must(world,
                   world->clients[i]->handles.count >= objects
                       && world->clients[i]->handles.count <= objects + more,
                   "a client has another number of objects");
        crash_must(world, world->clients[i]->session_count == sessions,
                   "a client has another number of sessions");
    }
}

static bool command_names_what_is_gone(const struct crash_world *world)
{
    return world->step.about && world->step.about->gone;
}

/* The command that was read runs as if it came now. */
static void run_command(struct crash_world *world)
{
    uint32_t code = crash_execute(world);

    if (code == TPM2_RC_SUCCESS) {
        crash_must(world, !command_names_what_is_gone(world), "what is gone is used");
        world->step.learn(world);
        return;
    }
    crash_must(world, command_names_what_is_gone(world) || world->was_reset,
               "a command that was read is refused");
}

static void check_rest(struct crash_world *world)
{
    static const uint32_t kinds[] = {HANDLE_TRANSIENT_FIRST, HANDLE_LOADED_SESSIONS,
                                     HANDLE_SAVED_SESSIONS};
    uint32_t handles[64];

    for (unsigned i = 0; i < CRASH_CLIENTS; i++)
        rm_client_free(world->clients[i]);
    while (rm_idle(world->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    for (unsigned i = 0; i < 3; i++)
        crash_must(world, libtpms_chip_handles(world->chip, kinds[i], handles, 64) == 0,
                   "something stays in the chip");
}

void crash_check(struct crash_world *world, bool has_command)
{
    crash_must(world, !world->rm->books_in_doubt, "the books stay in doubt");
    must_hold(world, rm_invariants_books(world->rm));
    must_hold(world, rm_invariants_chip(world->rm, &world->chip->tpm));
    if (has_command)
        run_command(world);
    check_counts(world);
    for (unsigned i = 0; i < world->holding_count; i++)
        check_holding(world, &world->holdings[i]);
    must_hold(world, rm_invariants_books(world->rm));
    must_hold(world, rm_invariants_chip(world->rm, &world->chip->tpm));
    check_rest(world);
}
