/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash-steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FED 7 /* bytes at a time */

bool crash_hits(uint32_t ends, uint32_t hierarchy)
{
    return ends == hierarchy
           || (ends == TPM2_RH_LOCKOUT
               && (hierarchy == TPM2_RH_OWNER || hierarchy == TPM2_RH_ENDORSEMENT));
}

static struct holding *add_holding(struct crash_world *world, enum holding_kind kind)
{
    struct holding *holding = &world->holdings[world->holding_count++];

    assert_true(world->holding_count <= CRASH_HOLDINGS);
    *holding = (struct holding){.kind = kind,
                                .client = world->step.client,
                                .hierarchy = world->step.hierarchy,
                                .handle = load_be32(world->response + HEADER_SIZE)};
    return holding;
}

static void learn_nothing(struct crash_world *world)
{
    (void)world;
}

static void learn_key(struct crash_world *world)
{
    add_holding(world, HOLDING_KEY);
}

static void learn_sequence(struct crash_world *world)
{
    add_holding(world, HOLDING_SEQUENCE);
}

static void learn_session(struct crash_world *world)
{
    add_holding(world, HOLDING_SESSION);
}

static void learn_hmac_session(struct crash_world *world)
{
    add_holding(world, HOLDING_HMAC);
}

static void learn_name(struct crash_world *world)
{
    size_t at = HEADER_SIZE + 2 + load_be16(world->response + HEADER_SIZE);

    memcpy(world->step.about->name, world->response + at + 2, RECORD_NAME);
    world->step.about->named = true;
}

static void learn_fed(struct crash_world *world)
{
    world->step.about->fed += world->step.about->kind == HOLDING_SESSION ? 1 : FED;
}

static void learn_gone(struct crash_world *world)
{
    world->step.about->gone = true;
}

static void learn_saved(struct crash_world *world)
{
    struct holding *session = world->step.about;

    session->context_size = world->response_size - HEADER_SIZE;
    memcpy(session->context, world->response + HEADER_SIZE, session->context_size);
}

static void learn_loaded(struct crash_world *world)
{
    world->step.about->context_size = 0;
    world->step.about->client = world->step.client;
}

static void learn_context(struct crash_world *world)
{
    world->saved = world->step.about;
    world->context_size = world->response_size - HEADER_SIZE;
    memcpy(world->context, world->response + HEADER_SIZE, world->context_size);
}

static void learn_copy(struct crash_world *world)
{
    struct holding *copy;

    world->step.hierarchy = world->saved->hierarchy;
    copy = add_holding(world, HOLDING_KEY);
    copy->named = world->saved->named;
    memcpy(copy->name, world->saved->name, RECORD_NAME);
}

static void learn_hierarchy(struct crash_world *world)
{
    for (unsigned i = 0; i < world->holding_count; i++) {
        struct holding *holding = &world->holdings[i];

        holding->gone |= holding->kind == HOLDING_KEY && world->step.ends
                         && crash_hits(world->step.ends, holding->hierarchy);
    }
}

static void learn_audit(struct crash_world *world)
{
    world->audited = true;
}

/* Has a client run the command. */
static void run(struct crash_world *world, const struct crash_step *step, struct crash_bytes *bytes)
{
    crash_bytes_end(bytes);
    world->step = *step;
    world->step.size = bytes->size;
    memcpy(world->step.command, bytes->bytes, bytes->size);
    crash_run_step(world);
}

static struct holding *newest(struct crash_world *world)
{
    return &world->holdings[world->holding_count - 1];
}

struct holding *crash_key(struct crash_world *world, unsigned client, uint32_t hierarchy)
{
    struct crash_bytes bytes;

    crash_bytes_create(&bytes, hierarchy, (uint8_t)(0x10 + world->holding_count));
    run(world,
        &(struct crash_step){
            .what = "create", .client = client, .hierarchy = hierarchy, .learn = learn_key},
        &bytes);
    return newest(world);
}

/* A step that is about something of the client that holds it. */
static void run_about(struct crash_world *world, const char *what, struct holding *about,
                      crash_learn *learn, struct crash_bytes *bytes)
{
    run(world,
        &(struct crash_step){.what = what, .client = about->client, .about = about, .learn = learn},
        bytes);
}

void crash_read(struct crash_world *world, struct holding *key)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, TPM2_CC_ReadPublic, key->handle);
    run_about(world, "read", key, learn_name, &bytes);
}

void crash_use(struct crash_world *world, struct holding *key)
{
    struct crash_bytes bytes;

    crash_bytes_hmac(&bytes, key->handle);
    run_about(world, "use", key, learn_nothing, &bytes);
}

struct holding *crash_sequence(struct crash_world *world, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_begin(&bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_HashSequenceStart);
    crash_bytes_add16(&bytes, 0);
    crash_bytes_add16(&bytes, TPM2_ALG_SHA256);
    run(world,
        &(struct crash_step){.what = "start sequence", .client = client, .learn = learn_sequence},
        &bytes);
    return newest(world);
}

void crash_feed(struct crash_world *world, struct holding *sequence)
{
    struct crash_bytes bytes;

    crash_bytes_authorized(&bytes, TPM2_CC_SequenceUpdate, sequence->handle);
    crash_bytes_fill(&bytes, 'a', FED);
    run_about(world, "feed", sequence, learn_fed, &bytes);
}

void crash_finish(struct crash_world *world, struct holding *sequence)
{
    struct crash_bytes bytes;

    crash_bytes_complete(&bytes, sequence->handle);
    run_about(world, "finish", sequence, learn_gone, &bytes);
}

struct holding *crash_session(struct crash_world *world, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_start_session(&bytes, TPM2_SE_POLICY);
    run(world,
        &(struct crash_step){.what = "start session", .client = client, .learn = learn_session},
        &bytes);
    return newest(world);
}

struct holding *crash_hmac_session(struct crash_world *world, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_start_session(&bytes, TPM2_SE_HMAC);
    run(world,
        &(struct crash_step){
            .what = "start HMAC session", .client = client, .learn = learn_hmac_session},
        &bytes);
    return newest(world);
}

void crash_policy(struct crash_world *world, struct holding *session)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, TPM2_CC_PolicyAuthValue, session->handle);
    run_about(world, "policy", session, learn_fed, &bytes);
}

void crash_save_session(struct crash_world *world, struct holding *session)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, TPM2_CC_ContextSave, session->handle);
    run_about(world, "save session", session, learn_saved, &bytes);
}

void crash_load_session(struct crash_world *world, struct holding *session, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_begin(&bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad);
    crash_bytes_add(&bytes, session->context, session->context_size);
    run(world,
        &(struct crash_step){
            .what = "load session", .client = client, .about = session, .learn = learn_loaded},
        &bytes);
}

void crash_last_use(struct crash_world *world, struct holding *session)
{
    struct crash_bytes bytes;

    crash_bytes_audited(&bytes, session->handle, false);
    run_about(world, "last use", session, learn_gone, &bytes);
}

struct holding *crash_share(struct crash_world *world, struct holding *key, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, TPM2_CC_ContextSave, key->handle);
    run_about(world, "save key", key, learn_context, &bytes);
    return crash_reload(world, client);
}

struct holding *crash_reload(struct crash_world *world, unsigned client)
{
    struct crash_bytes bytes;

    crash_bytes_begin(&bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad);
    crash_bytes_add(&bytes, world->context, world->context_size);
    run(world, &(struct crash_step){.what = "load key", .client = client, .learn = learn_copy},
        &bytes);
    return newest(world);
}

void crash_flush(struct crash_world *world, struct holding *holding)
{
    struct crash_bytes bytes;

    crash_bytes_named(&bytes, TPM2_CC_FlushContext, holding->handle);
    run(world,
        &(struct crash_step){.what = "flush",
                             .client = holding->client,
                             .about = holding,
                             .flushes = true,
                             .learn = learn_gone},
        &bytes);
}

void crash_clear(struct crash_world *world)
{
    struct crash_bytes bytes;

    crash_bytes_authorized(&bytes, TPM2_CC_Clear, TPM2_RH_LOCKOUT);
    run(world,
        &(struct crash_step){.what = "Clear", .ends = TPM2_RH_LOCKOUT, .learn = learn_hierarchy},
        &bytes);
}

void crash_change_seed(struct crash_world *world, uint32_t hierarchy)
{
    struct crash_bytes bytes;

    crash_bytes_authorized(&bytes,
                           hierarchy == TPM2_RH_PLATFORM ? TPM2_CC_ChangePPS : TPM2_CC_ChangeEPS,
                           TPM2_RH_PLATFORM);
    run(world,
        &(struct crash_step){.what = "change seed", .ends = hierarchy, .learn = learn_hierarchy},
        &bytes);
}

void crash_control(struct crash_world *world, uint32_t hierarchy, bool on)
{
    struct crash_bytes bytes;

    crash_bytes_authorized(&bytes, TPM2_CC_HierarchyControl, TPM2_RH_PLATFORM);
    crash_bytes_add32(&bytes, hierarchy);
    crash_bytes_add(&bytes, &on, 1);
    run(world,
        &(struct crash_step){
            .what = "control", .ends = on ? 0 : hierarchy, .learn = learn_hierarchy},
        &bytes);
}

void crash_audit(struct crash_world *world)
{
    struct crash_bytes bytes;

    crash_bytes_authorized(&bytes, TPM2_CC_SetCommandCodeAuditStatus, TPM2_RH_PLATFORM);
    crash_bytes_add16(&bytes, TPM2_ALG_NULL);
    crash_bytes_add32(&bytes, 3);
    crash_bytes_add32(&bytes, TPM2_CC_ContextLoad);
    crash_bytes_add32(&bytes, TPM2_CC_ContextSave);
    crash_bytes_add32(&bytes, TPM2_CC_FlushContext);
    crash_bytes_add32(&bytes, 0);
    run(world, &(struct crash_step){.what = "audit", .learn = learn_audit}, &bytes);
}

void crash_disconnect(struct crash_world *world, unsigned client)
{
    rm_client_free(world->clients[client]);
    world->clients[client] = NULL;
    for (unsigned i = 0; i < world->holding_count; i++) {
        struct holding *holding = &world->holdings[i];

        if (holding->client != client || holding->gone)
            continue;
        if (holding->context_size > 0)
            holding->client = CRASH_NOBODY;
        else
            holding->gone = true;
    }
    world->step = (struct crash_step){.what = "disconnect"};
    crash_commit(world, "after it");
}

void crash_idle(struct crash_world *world, enum rm_idle_goal goal)
{
    unsigned steps = 0;

    world->step = (struct crash_step){.what = "idle"};
    while (rm_idle(world->rm, goal) == RM_IDLE_MORE) {
        assert_true(++steps < 1000);
        crash_commit(world, "in between");
    }
}
