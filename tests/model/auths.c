/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"

#include "exchange.h"
#include "keys.h"
#include "wire/handle.h"

const struct traits auths_open;

/* The handle of a thing of another client's, or of one that is dead. */
static uint32_t alien_handle(struct model *model, struct random *random, unsigned client,
                             model_test *test)
{
    uint32_t start = random_below(random, model->thing_count);

    for (uint32_t i = 0; i < model->thing_count; i++) {
        const struct thing *thing = &model->things[(start + i) % model->thing_count + 1];

        if (thing->handle && (thing->state == THING_DEAD || thing->owner != (int)client)
            && test(thing))
            return thing->handle;
    }
    return 0;
}

uint32_t auths_pick_handle(struct model *model, struct random *random, unsigned client,
                           model_test *test)
{
    unsigned kind = random_below(random, 100);
    const struct thing *thing = model_pick(model, random, client, test);

    if (kind < 4)
        return alien_handle(model, random, client, test);
    if (kind < 5)
        return HANDLE_TRANSIENT_FIRST + random_below(random, 1 << 24);
    return thing ? thing->handle : 0;
}

static bool can_authorize(const struct thing *thing)
{
    return thing_is_session(thing) && thing->facts.type != TPM2_SE_TRIAL;
}

static bool is_policy_session(const struct thing *thing)
{
    return thing_is_session(thing) && thing->facts.type == TPM2_SE_POLICY;
}

static bool is_hmac_session(const struct thing *thing)
{
    return thing_is_session(thing) && thing->facts.type == TPM2_SE_HMAC;
}

static void run_policy_command(struct model *model, unsigned client, struct thing *session,
                               const char *what, uint32_t code, uint32_t argument)
{
    struct call call;

    call_begin(&call, what, code);
    call_handle(model, client, &call, session->handle);
    if (argument)
        call_u32(&call, argument);
    if (!exchange_run(model, client, &call))
        return;
    session->facts.policy_steps++;
    if (code == TPM2_CC_PolicyAuthValue || code == TPM2_CC_PolicyPassword) {
        session->facts.auth_value_needed = code == TPM2_CC_PolicyAuthValue;
        session->facts.password_needed = code == TPM2_CC_PolicyPassword;
    }
}

/* Brings a fresh policy session to what the entity asks for. */
static void satisfy(struct model *model, struct random *random, unsigned client,
                    struct thing *session, const struct traits *traits)
{
    bool password = random_chance(random, 50);

    if (session->facts.type != TPM2_SE_POLICY || session->facts.policy_steps > 0)
        return;
    if (traits->policy == POLICY_AUTH_VALUE)
        run_policy_command(model, client, session, password ? "PolicyPassword" : "PolicyAuthValue",
                           password ? TPM2_CC_PolicyPassword : TPM2_CC_PolicyAuthValue, 0);
    else if (traits->policy == POLICY_COMMAND_CODE)
        run_policy_command(model, client, session, "PolicyCommandCode", TPM2_CC_PolicyCommandCode,
                           keys_command(traits->kind));
}

static bool names_session(const struct call *call, const struct thing *session)
{
    for (unsigned i = 0; i < call->auth_count; i++) {
        if (call->auths[i].session == session)
            return true;
    }
    for (unsigned i = 0; i < call->handle_count; i++) {
        if (call->handles[i].thing == session)
            return true;
    }
    return false;
}

static uint8_t session_attributes(struct random *random, const struct thing *session)
{
    uint8_t attributes = random_chance(random, 80) ? TPMA_SESSION_CONTINUESESSION : 0;

    if (session->facts.type == TPM2_SE_HMAC && random_chance(random, 8))
        attributes |= TPMA_SESSION_AUDIT;
    if (session->facts.type == TPM2_SE_HMAC && random_chance(random, 2))
        attributes |= TPMA_SESSION_AUDIT | TPMA_SESSION_AUDITEXCLUSIVE;
    if (random_chance(random, 2))
        attributes |= TPMA_SESSION_AUDITRESET;
    return attributes;
}

void auths_add(struct model *model, struct random *random, unsigned client, struct call *call,
               unsigned entity, const struct traits *traits)
{
    bool by_policy = traits->policy != POLICY_NONE && random_chance(random, 60);
    struct thing *session =
        model_pick(model, random, client, by_policy ? is_policy_session : can_authorize);
    /* libtpms 0.9 goes into failure mode when a bound session is to authorize an object that has no
     * authorization value at all. */
    bool with_session = random_chance(random, 50) && traits->kind != KIND_PUBLIC;
    bool spoiled = random_chance(random, 7), alien = random_chance(random, 2);
    uint32_t handle = alien_handle(model, random, client, thing_is_session);
    struct auth *auth;

    if (alien && handle && !model_find(model, client, handle)) {
        auth = call_password(call, entity, &traits->auth);
        auth->handle = handle;
        return;
    }
    if (!session || !with_session || names_session(call, session)) {
        auth = call_password(call, entity, &traits->auth);
        auth->spoiled = spoiled;
        return;
    }
    satisfy(model, random, client, session, traits);
    if (session->state != THING_LIVE) {
        call_password(call, entity, &traits->auth);
        return;
    }
    auth = call_session(random, call, session, session_attributes(random, session));
    auth->authorizes = true;
    auth->entity = entity;
    auth->secret = traits->auth;
    auth->spoiled = spoiled;
    /* The two types of session handles name one session. */
    if (random_chance(random, 2))
        auth->handle ^= UINT32_C(0x01000000);
}

void auths_add_extra(struct model *model, struct random *random, unsigned client, struct call *call,
                     bool opaque)
{
    struct thing *session = model_pick(model, random, client, is_hmac_session);
    bool wanted = random_chance(random, 20);
    struct auth *auth;

    if (!wanted || !session || call->auth_count >= CALL_AUTHS || names_session(call, session))
        return;
    auth = call_session(random, call, session, session_attributes(random, session));
    if (opaque && random_chance(random, 50))
        auth->attributes |= TPMA_SESSION_ENCRYPT;
    if (session->facts.xor_encryption && random_chance(random, 50))
        auth->attributes |= TPMA_SESSION_DECRYPT;
    if (!(auth->attributes & (TPMA_SESSION_ENCRYPT | TPMA_SESSION_DECRYPT)))
        auth->attributes |= TPMA_SESSION_AUDIT;
    auth->spoiled = random_chance(random, 5);
}
