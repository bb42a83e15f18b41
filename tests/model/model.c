/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include "deaths.h"
#include "wire/handle.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The message's place in the test tells one kind of failure from another. */
static unsigned reason_of(const char *format)
{
    unsigned reason = 1;

    for (; *format; format++)
        reason = 31 * reason + (unsigned char)*format;
    return reason;
}

void model_fail(struct model *model, const char *format, ...)
{
    va_list arguments;

    if (model->reason)
        *model->reason = reason_of(format);

    printf("program %llu, step %u: ", (unsigned long long)model->setting.program, model->step);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    if (model->reference >= 0)
        reference_stop(model->reference);
    _exit(MODEL_EXIT_DIVERGED);
}

void model_trace(struct model *model, const char *format, ...)
{
    va_list arguments;

    if (!model->trace)
        return;
    printf("%5u  ", model->step);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    /* The next command may be the one in which the process dies. */
    fflush(stdout);
}

bool thing_is_session(const struct thing *thing)
{
    return thing->traits.kind == KIND_SESSION;
}

bool thing_is_object(const struct thing *thing)
{
    return !thing_is_session(thing);
}

bool thing_is_sequence(const struct thing *thing)
{
    return thing->traits.kind >= KIND_HASH_SEQUENCE && thing->traits.kind <= KIND_HMAC_SEQUENCE;
}

bool model_belongs(const struct model *model, const struct thing *thing, unsigned client)
{
    return thing->owner == (int)client
           || (thing->owner < 0 && thing_is_session(thing)
               && thing->uid == model->clients[client].uid);
}

struct thing *model_find(struct model *model, unsigned client, uint32_t handle)
{
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state != THING_LIVE || thing->owner != (int)client)
            continue;
        if (thing->handle == handle
            || (thing_is_session(thing) && handle_is_session(handle)
                && (thing->handle & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK)))
            return thing;
    }
    return NULL;
}

struct thing *model_pick(struct model *model, struct random *random, unsigned client,
                         model_test *test)
{
    struct thing *picked = NULL;
    uint32_t seen = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state == THING_LIVE && thing->owner == (int)client && test(thing)
            && random_below(random, ++seen) == 0)
            picked = thing;
    }
    return picked;
}

unsigned model_count(const struct model *model, int client, model_test *test)
{
    unsigned count = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        count +=
            thing->state == THING_LIVE && (client < 0 || thing->owner == client) && test(thing);
    }
    return count;
}

uint32_t model_next(struct model *model)
{
    if (model->thing_count + 1 >= MODEL_THINGS)
        model_fail(model, "the program makes too many things for the test");
    model->thing_count++;
    model->things[model->thing_count] = (struct thing){.number = model->thing_count};
    return model->thing_count;
}

struct thing *model_add(struct model *model, unsigned client, uint32_t number,
                        const struct traits *traits)
{
    struct thing *thing = &model->things[number];
    uint32_t handle = load_be32(model->response + HEADER_SIZE);

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *other = &model->things[i];
        bool session = thing_is_session(other);

        if (other->state == THING_DEAD || session != (traits->kind == KIND_SESSION)
            || (other->handle & HANDLE_INDEX_MASK) != (handle & HANDLE_INDEX_MASK)
            || (!session && other->owner != (int)client))
            continue;
        /* That it did not survive a fault shows by this. */
        if (!other->unsure)
            model_fail(model, "handle 0x%x is given out while it is in use", handle);
        model_forget(model, other);
    }
    thing->state = THING_LIVE;
    thing->owner = (int)client;
    thing->uid = model->clients[client].uid;
    thing->handle = handle;
    thing->session = traits->kind == KIND_SESSION ? load_be32(model->other + HEADER_SIZE) : 0;
    thing->traits = *traits;
    return thing;
}

void model_note_faults(struct model *model)
{
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD || !thing_is_session(thing))
            continue;
        thing->unsure |= model->watch.gave_up && thing->owner < 0;
        thing->unsure |= model->watch.lost_session
                         && (thing->handle & HANDLE_INDEX_MASK)
                                == (model->watch.lost_session & HANDLE_INDEX_MASK);
    }
}

void model_kill(struct model *model, struct thing *thing)
{
    (void)model;
    thing->state = THING_DEAD;
    thing->unsure = false;
}

static void ask(struct model *model, enum reference_operation operation, struct thing *thing)
{
    struct reference_request request = {.operation = operation, .thing = thing ? thing->number : 0};

    if (reference_ask(model->reference, &request, model->other) == 0)
        model_fail(model, "the reference is gone");
}

void model_forget(struct model *model, struct thing *thing)
{
    if (!thing->ended)
        ask(model, REFERENCE_FORGET, thing);
    model_kill(model, thing);
}

void model_end_exclusive(struct model *model)
{
    if (model->exclusive_since)
        model_chip_is_started(model);
    model->exclusive_since = 0;
}

void model_ask_reference(struct model *model)
{
    struct reference_request request = {.operation = REFERENCE_RUN};

    request.size = (uint32_t)command_build_get_capability(request.bytes, TPM2_CAP_HANDLES,
                                                          HANDLE_TRANSIENT_FIRST, 1);
    if (reference_ask(model->reference, &request, model->other) == 0)
        model_fail(model, "the reference is gone");
    model->exclusive_since = 0;
}

void model_ask_who_lives(struct model *model, bool unsure)
{
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD || thing->ended)
            continue;
        ask(model, REFERENCE_IS_LIVE, thing);
        if (model->other[0])
            continue;
        model_trace(model, "    thing %u (client %d, 0x%x) is gone", thing->number, thing->owner,
                    thing->handle);
        if (unsure || thing->unsure)
            thing->unsure = thing->ended = true;
        else
            model_kill(model, thing);
    }
    model_end_exclusive(model);
}

void model_connect(struct model *model, unsigned client)
{
    struct client *it = &model->clients[client];

    if (it->client)
        return;
    it->client = rm_client_new(model->rm, rm_user_get(model->rm, it->uid), it->uid);
    if (!it->client)
        model_fail(model, "no memory");
    rm_client_set_cookie(it->client, client + 1);
    deaths_commit(model);
}

/* Of a user's sessions of closed connections the one saved longest ago goes when they are too
 * many. False when they are not. */
static bool limit_abandoned(struct model *model, uint32_t uid)
{
    struct thing *oldest = NULL;
    uint32_t count = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state != THING_SAVED || thing->owner >= 0 || thing->uid != uid)
            continue;
        count++;
        if (!oldest || thing->saved_at < oldest->saved_at)
            oldest = thing;
    }
    if (count <= model->setting.limits.abandoned_per_uid)
        return false;
    model_trace(model, "    abandoned session 0x%x goes", oldest->handle);
    model_forget(model, oldest);
    return true;
}

void model_disconnect(struct model *model, unsigned client)
{
    if (!model->clients[client].client)
        return;
    model_trace(model, "client %u disconnects", client);
    rm_client_free(model->clients[client].client);
    model->clients[client].client = NULL;
    deaths_commit(model);
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD || thing->owner != (int)client)
            continue;
        if (thing->state == THING_SAVED)
            thing->owner = -1;
        else
            model_forget(model, thing);
    }
    while (limit_abandoned(model, model->clients[client].uid))
        ;
}

struct idle {
    unsigned steps;
    bool release;
};

static void idle(struct model *model, void *data)
{
    const struct idle *idle = data;

    enum rm_idle_result result = RM_IDLE_MORE;

    for (unsigned i = 0; i < idle->steps && result == RM_IDLE_MORE; i++) {
        result = rm_idle(model->rm, idle->release ? RM_IDLE_EMPTY : RM_IDLE_TIDY);
        deaths_commit(model);
    }
}

void model_idle(struct model *model, unsigned steps, bool release)
{
    release &= model->setting.release != RELEASE_NEVER;
    chip_watch_begin(&model->watch, NULL, 0);
    model_trace(model, "idle, at most %u steps%s", steps, release ? ", release" : "");
    deaths_survive(model, idle, &(struct idle){steps, release});
    model_note_faults(model);
}

bool model_chip_is_started(struct model *model)
{
    uint8_t command[COMMAND_OWN_SIZE], response[REFERENCE_BYTES];
    struct rm_tpm *chip = &model->chip->tpm;
    size_t size =
        command_build_get_capability(command, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, 1);

    return chip->transact(chip, 0, command, size, response, sizeof(response), &size) == 0
           && header_load(response).code != TPM2_RC_INITIALIZE;
}

void model_power_cycle(struct model *model)
{
    struct reference_request request = {.operation = REFERENCE_POWER_CYCLE};

    if (!model_chip_is_started(model))
        return;
    model_trace(model, "power cycle");
    request.seed = model->watch.startup_seed = model->setting.program + ++model->exchanges;
    random_seed_chip(request.seed);
    libtpms_chip_power_cycle(model->chip);
    if (reference_ask(model->reference, &request, model->other) == 0)
        model_fail(model, "the reference does not start");
    model->reset_not_started = true;
    model->exclusive_since = 0;
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        /* What was in doubt may have ended before. */
        model->things[i].reset = !model->things[i].ended && !model->things[i].unsure;
        model->things[i].unsure = model->things[i].state != THING_DEAD;
    }
    model_ask_who_lives(model, true);
    for (uint32_t i = 1; i <= model->thing_count; i++)
        model->things[i].reset &= model->things[i].ended;
}

struct model *model_new(struct libtpms_chip *chip, const struct chip *facts,
                        const struct setting *setting, bool trace)
{
    struct model *model = calloc(1, sizeof(*model));

    if (!model)
        abort();
    signal(SIGPIPE, SIG_IGN);
    model->setting = *setting;
    model->trace = trace;
    model->chip = chip;
    model->reference = reference_start(chip, setting->spilling, setting->program);
    if (model->reference < 0)
        model_fail(model, "the reference does not start");
    random_seed_chip(setting->program);
    chip_watch_init(&model->watch, chip);
    model->facts = *facts;
    model->facts.object_slots = setting->object_slots;
    model->facts.session_slots = setting->session_slots;
    model->facts.context_gap = setting->gap;
    deaths_begin(model);
    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        model->clients[i].uid = 1000 + i / 2;
        if (i < setting->clients)
            model_connect(model, i);
    }
    return model;
}

void model_free(struct model *model)
{
    for (unsigned i = 0; i < MODEL_CLIENTS; i++)
        rm_client_free(model->clients[i].client);
    rm_free(model->rm);
    plain_journal_clear(&model->plain);
    for (uint32_t i = 1; i <= model->context_count; i++)
        free(model->contexts[i].bytes);
    reference_stop(model->reference);
    free(model);
}
