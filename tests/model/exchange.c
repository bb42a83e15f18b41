/* SPDX-License-Identifier: BSD-2-Clause */
#include "exchange.h"

#include "books.h"
#include "deaths.h"
#include "rm/rc.h"
#include "rm/residency.h"
#include "wire/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_INFO_SIZE 17 /* TPMS_CLOCK_INFO */

/* What is known about a command when the manager has answered. */
enum verdict {
    VERDICT_COMPARE,     /* the reference must say the same */
    VERDICT_NOTHING,     /* it was not run, and nothing may have changed */
    VERDICT_ANSWER_LOST, /* the chip ran it, and a fault kept the answer from the client */
    VERDICT_LENIENT,     /* the manager said yes by its books, which do not know yet of a reset */
};

/* The reserve is free again after each command, where nothing went wrong. */
static void settle(struct model *model)
{
    const struct rm *rm;

    deaths_settle(model);
    rm = model->rm;
    if (!model->watch.hit && rm->condition == TPM_SERVING && !rm->books_in_doubt
        && !residency_has_reserve(rm))
        model_fail(model, "%u objects and %u sessions are loaded, with a reserve of %u and %u",
                   rm->objects_loaded, rm->sessions_loaded, rm->reserve.objects,
                   rm->reserve.sessions);
}

static uint32_t execute(struct model *model, unsigned client, const uint8_t *command, size_t size)
{
    uint32_t code;

    if (rm_response_capacity(model->rm) > sizeof(model->response))
        model_fail(model, "the test's buffers do not do");
    chip_watch_begin(&model->watch, command, size);
    model->watch.seed = model->setting.program * 1000003 + ++model->exchanges;
    deaths_execute(model, client, command, size);
    settle(model);
    if (model->response_size < HEADER_SIZE
        || header_load(model->response).size != model->response_size)
        model_fail(model, "an answer of %zu bytes that is none", model->response_size);
    code = header_load(model->response).code;
    if (code != TPM2_RC_SUCCESS && model->response_size != HEADER_SIZE)
        model_fail(model, "an error answer of %zu bytes", model->response_size);
    model_note_faults(model);
    return code;
}

uint32_t exchange_raw(struct model *model, unsigned client, const uint8_t *command, size_t size)
{
    uint32_t code = size >= HEADER_SIZE ? header_load(command).code : 0;

    model_trace(model, "client %u: %zu bytes, code 0x%x", client, size, code);
    code = execute(model, client, command, size);
    model_trace(model, "    -> 0x%x", code);
    return code;
}

/* Codes of a command that a fault of this step has kept from being run. */
static bool is_tolerable(const struct model *model, uint32_t code)
{
    if (model->watch.hit_startup && code == TPM2_RC_INITIALIZE)
        return true;
    return code == RM_RC_FAILURE || code == model->watch.code || code == TPM2_RC_RETRY
           || (code >= TPM2_RC_CONTEXT_GAP && code <= TPM2_RC_OBJECT_HANDLES);
}

/* The manager says that something is gone for which a fault had left that open. */
static bool is_late_death(struct model *model, const struct call *call, uint32_t code)
{
    struct thing *thing = NULL;

    for (unsigned i = 0; i < call->handle_count; i++) {
        if (code == RM_RC_HANDLE(i))
            thing = call->handles[i].thing;
    }
    for (unsigned i = 0; i < call->auth_count; i++) {
        if (code == RM_RC_SESSION(i))
            thing = call->auths[i].session;
    }
    if (code == RM_RC_PARAMETER_HANDLE && call->names_parameter)
        thing = call->parameter.thing;
    if (!thing || !thing->unsure || books_have(model, thing))
        return false;
    model_forget(model, thing);
    return true;
}

/* Objects or sessions of a client, or of all connections of its user; those whose fate is open
 * only with `unsure`. */
static unsigned count_held(const struct model *model, unsigned client, bool whole_user,
                           bool sessions, bool unsure)
{
    unsigned count = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD || thing->owner < 0 || (thing->unsure && !unsure)
            || thing_is_session(thing) != sessions)
            continue;
        count +=
            whole_user ? thing->uid == model->clients[client].uid : thing->owner == (int)client;
    }
    return count;
}

static bool is_full(const struct model *model, unsigned client, bool sessions, bool unsure)
{
    const struct rm_limits *limits = &model->setting.limits;
    uint32_t own = sessions ? limits->sessions_per_client : limits->objects_per_client;
    uint32_t user = sessions ? limits->sessions_per_uid : limits->objects_per_uid;

    return count_held(model, client, false, sessions, unsure) >= own
           || (user && count_held(model, client, true, sessions, unsure) >= user);
}

/* The limits: refusals for them only when they are reached, and no success then. */
static bool is_quota(struct model *model, unsigned client, const struct call *call, uint32_t code)
{
    bool session = call->code == TPM2_CC_StartAuthSession
                   || (call->loads && call->loads->traits.kind == KIND_SESSION);
    /* The client has it already, only not in use. */
    bool moves = call->loads && session && model->things[call->loads->thing].owner == (int)client;

    if (code == (session ? RM_RC_SESSION_MEMORY : RM_RC_OBJECT_MEMORY)) {
        if (!call->makes || moves || !is_full(model, client, session, true))
            model_fail(model, "%s: refused for a limit that is not reached", call->what);
        return true;
    }
    if (code == TPM2_RC_SUCCESS && call->makes && !moves && is_full(model, client, session, false))
        model_fail(model, "%s: the limit does not hold", call->what);
    return false;
}

/* The chip was reset, and a command that the manager answers without it names what is from before:
 * that was the right answer then. */
static bool is_about_the_unsure(const struct model *model, const struct call *call)
{
    const struct thing *thing =
        call->names_parameter ? call->parameter.thing : call->handles[0].thing;

    return call->loads ? call->loads->unsure || model->reset_not_started : thing && thing->unsure;
}

/* What the client had, it has lost, and does not know yet. */
static bool learn_lenient(struct model *model, const struct call *call)
{
    if (call->code == TPM2_CC_FlushContext)
        model_forget(model, call->parameter.thing);
    if (call->code == TPM2_CC_ContextSave && thing_is_session(call->handles[0].thing))
        call->handles[0].thing->state = THING_SAVED;
    return call->loads;
}

static enum verdict judge(struct model *model, unsigned client, const struct call *call,
                          uint32_t code)
{
    const struct chip_watch *watch = &model->watch;

    if (is_quota(model, client, call, code) || is_late_death(model, call, code))
        return VERDICT_NOTHING;
    if (code == TPM2_RC_SUCCESS && !watch->ran && is_about_the_unsure(model, call))
        return VERDICT_LENIENT;
    if (!watch->hit || code == TPM2_RC_SUCCESS || (watch->ran && watch->answered))
        return VERDICT_COMPARE;
    if (watch->ran)
        return VERDICT_ANSWER_LOST;
    return is_tolerable(model, code) ? VERDICT_NOTHING : VERDICT_COMPARE;
}

/* Nothing leaves its slot before that is needed, but what needs no slot takes none. */
static void check_slots(struct model *model, const struct call *call, uint32_t before)
{
    uint32_t limit = model->setting.object_slots, named = call->makes;

    for (unsigned i = 0; i < call->handle_count; i++)
        named += call->handles[i].thing && thing_is_object(call->handles[i].thing);
    limit = before > limit ? before : limit;
    limit = named > limit ? named : limit;
    if (model->rm->objects_loaded > limit && !model->watch.hit)
        model_fail(model, "%s: %u objects are in the %u slots", call->what,
                   model->rm->objects_loaded, model->setting.object_slots);
}

static uint32_t ask_reference(struct model *model, const struct call *call)
{
    static struct reference_request request;
    size_t size;

    memset(&request, 0, offsetof(struct reference_request, bytes));
    request.operation = call->loads ? REFERENCE_LOAD_CONTEXT : REFERENCE_RUN;
    request.makes = call->makes ? call->number : 0;
    request.context = call->loads ? call->loads->number : call->context;
    request.seed = model->watch.seed;
    request.cut = call->cut;
    request.flip = call->flip;
    if (!call->loads)
        request.size = (uint32_t)call_build(call, request.bytes, &request);
    size = reference_ask(model->reference, &request, model->other);
    if (size < HEADER_SIZE)
        model_fail(model, "the reference is gone");
    model->other_size = size;
    return header_load(model->other).code;
}

/* The reference says that there is no such handle: it is not loaded, or (with REFERENCE_NO_OBJECT)
 * none that the chip could have. */
static bool is_no_handle(const struct call *call, uint32_t code, uint32_t *refusal)
{
    if (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6) {
        *refusal = RM_RC(code);
        return true;
    }
    for (unsigned i = 0; i < call->handle_count; i++) {
        if (code == TPM2_RC_VALUE + TPM2_RC_H + (i + 1) * TPM2_RC_1
            && handle_is_transient(call->handles[i].handle)) {
            *refusal = RM_RC_HANDLE(i);
            return true;
        }
    }
    return false;
}

/* A refusal by the manager itself says what the TPM says, with the manager's layer on top; what
 * names a handle or a session that is not the client's must come from the manager. */
static bool codes_agree(const struct model *model, const struct call *call, uint32_t ours,
                        uint32_t reference)
{
    bool session = call->loads && call->loads->traits.kind == KIND_SESSION;
    uint32_t refusal;

    /* What is not the client's is refused before the chip sees what else may be wrong. */
    for (unsigned i = 0; i < CALL_HANDLES && reference != TPM2_RC_SUCCESS; i++) {
        const struct thing *thing = call->handles[i].thing;

        if (i < call->handle_count && ours == RM_RC_HANDLE(i) && !thing)
            return true;
        /* The manager may know it from a context that is dead; the reference does not. */
        if (i < call->handle_count && thing && thing->ended && ours != TPM2_RC_SUCCESS)
            return true;
        if (i < call->auth_count && ours == RM_RC_SESSION(i) && !call->auths[i].session)
            return true;
    }
    if (reference != TPM2_RC_SUCCESS && ours == RM_RC_PARAMETER_HANDLE
        && (session || call->code == TPM2_CC_FlushContext))
        return true;
    /* A session saved by a handle of the other type: libtpms says so in a way of its own. */
    if (call->code == TPM2_CC_ContextSave && reference == TPM2_RC_HANDLE + TPM2_RC_H + TPM2_RC_1)
        return ours == reference || ours == RM_RC_HANDLE(0);
    if (!is_no_handle(call, reference, &refusal))
        return ours == reference;
    /* After a fault the books may be wrong until the chip says so; the second time they must not.
     */
    return ours == refusal || (model->watch.hit && ours == reference);
}

/* TPMS_ATTEST: magic, type, qualifiedSigner, extraData, and then the clock (Part 2, 10.12.12). */
static void blank_clock(uint8_t *response, size_t size)
{
    size_t at = HEADER_SIZE + 4 + 2 + 6;

    for (unsigned i = 0; i < 2; i++)
        at += at + 2 <= size ? 2 + (size_t)load_be16(response + at) : 0;
    if (at + CLOCK_INFO_SIZE <= size)
        memset(response + at, 0, CLOCK_INFO_SIZE);
}

/* The response HMAC covers the clock; password sessions have none. */
static void compare(struct model *model, const struct call *call, uint32_t code, uint32_t reference)
{
    size_t at = HEADER_SIZE + (call->makes ? 4 : 0);

    if (!codes_agree(model, call, code, reference))
        model_fail(model, "%s: the manager says 0x%x, the reference 0x%x", call->what, code,
                   reference);
    if (code != TPM2_RC_SUCCESS || call->code == TPM2_CC_ContextSave)
        return;
    if (call->code == TPM2_CC_GetSessionAuditDigest && call->handles[2].thing
        && call->handles[2].thing->facts.audits_handles)
        return;
    if (call->has_clock) {
        blank_clock(model->response, model->response_size);
        blank_clock(model->other, model->other_size);
    }
    if (model->response_size != model->other_size)
        model_fail(model, "%s: %zu bytes through the manager, %zu from the reference", call->what,
                   model->response_size, model->other_size);
    if (load_be16(model->response) != load_be16(model->other))
        model_fail(model, "%s: another tag than the reference's", call->what);
    for (; at < model->response_size; at++) {
        if (model->response[at] != model->other[at])
            model_fail(model, "%s: the answers differ at byte %zu of %zu: 0x%x, reference 0x%x",
                       call->what, at, model->response_size, model->response[at], model->other[at]);
    }
}

/* A policy session starts anew once it has authorized something (Part 1, "Policy Session Reset").
 */
static void reset_policy(struct session_facts *facts)
{
    facts->auth_value_needed = facts->password_needed = false;
    facts->policy_steps = 0;
}

static bool names_session(const struct call *call)
{
    for (unsigned i = 0; i < call->handle_count; i++) {
        if (handle_is_session(call->handles[i].handle))
            return true;
    }
    return false;
}

static void learn_audit(struct session_facts *facts, const struct call *call)
{
    facts->audited = true;
    facts->audits_handles |= names_session(call);
}

static bool is_context_command(uint32_t code)
{
    return code == TPM2_CC_ContextSave || code == TPM2_CC_ContextLoad
           || code == TPM2_CC_FlushContext;
}

/* A command has ended the thing. When its answer was lost the manager has to find out. */
static void learn_end(struct model *model, struct thing *thing, bool answer_lost)
{
    if (answer_lost)
        thing->unsure = thing->ended = true;
    else
        model_kill(model, thing);
}

/* New nonces, and sessions that ended. */
static void learn_sessions(struct model *model, const struct call *call, bool answer_lost)
{
    size_t at = HEADER_SIZE + (call->makes ? 4 : 0);

    if (call->auth_count == 0)
        return;
    at += 4 + load_be32(model->response + at);
    for (unsigned i = 0; i < call->auth_count; i++) {
        struct thing *session = call->auths[i].session;
        size_t nonce_size = load_be16(model->response + at);
        uint8_t attributes = model->response[at + 2 + nonce_size];

        if (session && nonce_size <= DIGEST_SIZE) {
            memcpy(session->facts.nonce_tpm, model->response + at + 2, nonce_size);
            session->facts.nonce_size = (unsigned)nonce_size;
            if (call->auths[i].authorizes && session->facts.type == TPM2_SE_POLICY)
                reset_policy(&session->facts);
            if (!(attributes & TPMA_SESSION_CONTINUESESSION))
                learn_end(model, session, answer_lost);
        }
        at += 3 + nonce_size;
        at += 2 + load_be16(model->response + at);
        if (session && call->auths[i].attributes & TPMA_SESSION_AUDIT)
            learn_audit(&session->facts, call);
        if (session && attributes & TPMA_SESSION_AUDITEXCLUSIVE && !model->exclusive_since)
            model->exclusive_since = model->step;
    }
}

static void learn(struct model *model, const struct call *call, bool answer_lost)
{
    learn_sessions(model, call, answer_lost);
    if (call->consumes && call->handles[call->consumed].thing)
        learn_end(model, call->handles[call->consumed].thing, answer_lost);
    switch (call->code) {
    case TPM2_CC_Clear:
    case TPM2_CC_ChangeEPS:
    case TPM2_CC_ChangePPS:
    case TPM2_CC_HierarchyControl:
        model_ask_who_lives(model, answer_lost || model->watch.hit);
        for (uint32_t i = 1; i <= model->context_count && answer_lost; i++)
            model->contexts[i].unsure = true;
        break;
    default:
        break;
    }
    if (answer_lost && call->makes && !(call->loads && call->loads->traits.kind == KIND_SESSION))
        model_forget(model, &model->things[call->number]);
}

static void lose(struct model *model, struct thing *thing)
{
    if (!thing || thing->state == THING_DEAD
        || !(thing_is_session(thing) || thing_is_sequence(thing)))
        return;
    model_trace(model, "    thing %u (0x%x) is lost with the answer", thing->number, thing->handle);
    model_forget(model, thing);
}

/* The answer was lost: the manager ends the sessions and sequences that the command named, whether
 * the chip ran it or not. */
static void lose_named(struct model *model, const struct call *call)
{
    if (!model->watch.unheard || is_context_command(call->code))
        return;
    for (unsigned i = 0; i < call->handle_count; i++)
        lose(model, call->handles[i].thing);
    for (unsigned i = 0; i < call->auth_count; i++)
        lose(model, call->auths[i].session);
}

static void trace_call(struct model *model, unsigned client, const struct call *call)
{
    char text[256];
    size_t at = 0;

    if (!model->trace)
        return;
    for (unsigned i = 0; i < call->handle_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " 0x%x%s", call->handles[i].handle,
                               call->handles[i].thing ? "" : "-");
    if (call->names_parameter)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " (0x%x%s)", call->parameter.handle,
                               call->parameter.thing ? "" : "-");
    for (unsigned i = 0; i < call->auth_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " [0x%x/%x%s]", call->auths[i].handle,
                               call->auths[i].attributes, call->auths[i].spoiled ? " spoiled" : "");
    if (call->loads)
        at += (size_t)snprintf(text + at, sizeof(text) - at, " context %u cut %u flip %u",
                               call->loads->number, call->cut, call->flip);
    text[at] = '\0';
    model_trace(model, "client %u: %s%s", client, call->what, text);
}

static void trace_answer(struct model *model, const struct call *call, uint32_t code)
{
    model_trace(model, "    -> 0x%x", code);
    if (model->watch.hit)
        model_trace(model, "    fault %d (0x%x) on a command 0x%x", (int)model->watch.fault,
                    model->watch.code, model->watch.hit_code);
    if (code == TPM2_RC_SUCCESS && call->makes)
        model_trace(model, "    made 0x%x, thing %u", load_be32(model->response + HEADER_SIZE),
                    call->number);
}

/* The manager has answered with `code`: has the reference run the command, and compares. True when
 * the client has what the command was to give. */
static bool follow(struct model *model, unsigned client, const struct call *call, uint32_t code)
{
    enum verdict verdict = judge(model, client, call, code);
    uint32_t reference;

    if (verdict == VERDICT_NOTHING)
        return false;
    if (model->watch.asked && model->exclusive_since)
        model_ask_reference(model);
    reference = ask_reference(model, call);
    if (verdict == VERDICT_LENIENT && reference != TPM2_RC_SUCCESS)
        return learn_lenient(model, call);
    if (verdict != VERDICT_ANSWER_LOST)
        compare(model, call, code, reference);
    if (reference != TPM2_RC_SUCCESS)
        return false;
    if (verdict == VERDICT_ANSWER_LOST) {
        memcpy(model->response, model->other, model->other_size);
        model->response_size = model->other_size;
    }
    if (!model->watch.ran && !is_context_command(call->code))
        model_end_exclusive(model);
    learn(model, call, verdict == VERDICT_ANSWER_LOST);
    return verdict != VERDICT_ANSWER_LOST;
}

bool exchange_run(struct model *model, unsigned client, struct call *call)
{
    uint8_t command[REFERENCE_BYTES];
    size_t size = call_build(call, command, NULL);
    uint32_t code, before = model->rm->objects_loaded;
    bool done;

    if (call->makes && !call->number)
        call->number = model_next(model);
    trace_call(model, client, call);
    code = execute(model, client, command, size);
    trace_answer(model, call, code);
    check_slots(model, call, before);
    done = follow(model, client, call, code);
    lose_named(model, call);
    deaths_tell_reference(model);
    return done;
}
