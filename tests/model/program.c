/* SPDX-License-Identifier: BSD-2-Clause */
#include "program.h"

#include "books.h"
#include "deaths.h"
#include "steps.h"

#include <stdio.h>
#include <unistd.h>

#define IDLE_STEPS 1000 /* more than there is to do */

/* The stream that the setting is drawn from: no step has this number. */
#define SETTING_STREAM UINT64_MAX

static void step_idle(struct model *model, struct random *random, unsigned client)
{
    (void)client;
    model_idle(model, random_chance(random, 50) ? 1 + random_below(random, 4) : IDLE_STEPS,
               random_chance(random, 50));
}

static void step_reconnect(struct model *model, struct random *random, unsigned client)
{
    model_disconnect(model, client);
    if (random_chance(random, 90))
        model_connect(model, client);
}

static const struct {
    step_run *run;
    unsigned weight;
} kinds[] = {
    {objects_create_primary, 110},
    {objects_create, 40},
    {objects_load, 70},
    {objects_load_external, 30},
    {objects_create_loaded, 20},
    {objects_evict_control, 12},
    {uses_key, 150},
    {uses_read_public, 40},
    {uses_random, 30},
    {uses_hash, 12},
    {uses_pcr, 12},
    {uses_exchange, 8},
    {sequences_start, 45},
    {sequences_update, 60},
    {sequences_complete, 35},
    {sessions_start, 75},
    {sessions_policy, 40},
    {sessions_policy_secret, 15},
    {sessions_audit_digest, 8},
    {sessions_fill, 1},
    {contexts_save, 90},
    {contexts_load, 80},
    {contexts_load_spoiled, 15},
    {contexts_flush, 45},
    {hierarchies_clear, 6},
    {hierarchies_change_seed, 5},
    {hierarchies_control, 14},
    {hierarchies_reset, 4},
    {views_handles, 30},
    {views_properties, 12},
    {malformed_header, 10},
    {malformed_areas, 12},
    {malformed_parameters, 15},
    {step_idle, 50},
    {step_reconnect, 12},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static step_run *pick_kind(struct random *random)
{
    unsigned total = 0, at;

    for (unsigned i = 0; i < KINDS; i++)
        total += kinds[i].weight;
    at = random_below(random, total);
    for (unsigned i = 0;; at -= kinds[i++].weight) {
        if (at < kinds[i].weight)
            return kinds[i].run;
    }
}

static void choose_setting(struct setting *setting, const struct program *program)
{
    static const uint32_t sessions[8] = {4, 16, 16, 16, 16, 16, 16, 64};
    static const enum release releases[4] = {RELEASE_AT_TIMES, RELEASE_AT_TIMES, RELEASE_EACH_STEP,
                                             RELEASE_NEVER};
    static const unsigned faults[10] = {0, 0, 0, 0, 0, 0, 0, 12, 12, 40};
    struct random random;

    random_begin(&random, program->number, SETTING_STREAM);
    *setting = (struct setting){
        .program = program->number,
        .clients = 2 + random_below(&random, MODEL_CLIENTS - 1),
        .spilling = random_chance(&random, 70),
        .faults = faults[random_below(&random, 10)],
        .resets = random_chance(&random, 30),
        .sabotage = program->sabotage,
        .object_slots = 3 - random_below(&random, 3) * random_below(&random, 2),
        .session_slots = 3 - random_below(&random, 3) * random_below(&random, 2),
        .gap = random_chance(&random, 50) ? 4 + random_below(&random, 30) : 65535,
        .limits =
            {
                .objects_per_client = random_chance(&random, 20) ? 5 : 64,
                .sessions_per_client = sessions[random_below(&random, 8)],
                .objects_per_uid = random_chance(&random, 10) ? 8 : 0,
                .sessions_per_uid = random_chance(&random, 10) ? 6 : 0,
                .abandoned_per_uid = random_chance(&random, 30) ? 2 : 16,
            },
    };
    setting->deaths = program->number % 3 == 0 || program->sabotage >= CHIP_WATCH_MORTAL;
    setting->release = releases[random_below(&random, 4)];
    if (random_chance(&random, 50))
        setting->reserve = (struct rm_reserve){.objects = random_below(&random, 3),
                                               .sessions = random_below(&random, 3)};
}

/* What the chip or the way to it does wrong in this step. */
static void choose_fault(struct model *model, struct random *random)
{
    static const uint32_t codes[] = {
        TPM2_RC_RETRY,          TPM2_RC_TESTING,        TPM2_RC_YIELDED,     TPM2_RC_OBJECT_MEMORY,
        TPM2_RC_OBJECT_MEMORY,  TPM2_RC_SESSION_MEMORY, TPM2_RC_CONTEXT_GAP, TPM2_RC_MEMORY,
        TPM2_RC_OBJECT_HANDLES, TPM2_RC_SESSION_HANDLES};
    struct chip_watch *watch = &model->watch;

    watch->fault = CHIP_WATCH_NONE;
    watch->code = 0;
    if (model->setting.sabotage >= CHIP_WATCH_MORTAL) {
        return;
    } else if (model->setting.sabotage != CHIP_WATCH_NONE) {
        watch->fault = model->setting.sabotage;
    } else if (random_chance(random, model->setting.faults)) {
        watch->fault =
            random_chance(random, 60) ? CHIP_WATCH_CODE : CHIP_WATCH_DOWN + random_below(random, 3);
        if (watch->fault == CHIP_WATCH_CODE)
            watch->code = codes[random_below(random, 10)];
    }
    watch->skip = random_below(random, 3);
    if (model->setting.sabotage != CHIP_WATCH_NONE)
        watch->skip = 0;
    watch->times = watch->fault == CHIP_WATCH_CODE ? 1 + random_below(random, 5) : 1;
    if (watch->code >= TPM2_RC_CONTEXT_GAP && watch->code <= TPM2_RC_OBJECT_HANDLES)
        watch->times = 1 + random_below(random, 2);
}

static void run_step(struct model *model, unsigned number)
{
    struct random random;
    unsigned client;
    step_run *run;

    random_begin(&random, model->setting.program, number);
    model->step = number;
    run = pick_kind(&random);
    client = random_below(&random, model->setting.clients);
    choose_fault(model, &random);
    model_connect(model, client);
    deaths_begin_step(model);
    /* One with empty hands has little to do. */
    if (model_count(model, (int)client, thing_is_object) == 0 && random_chance(&random, 50))
        objects_create_primary(model, &random, client);
    run(model, &random, client);
    if (model->setting.release == RELEASE_EACH_STEP) {
        books_check(model);
        model_idle(model, IDLE_STEPS, true);
    }
    deaths_end_step(model);
    model->watch.fault = CHIP_WATCH_NONE;
    books_check(model);
}

static const char *release_text(enum release release)
{
    switch (release) {
    case RELEASE_AT_TIMES:
        return "";
    case RELEASE_EACH_STEP:
        return ", released after each step";
    case RELEASE_NEVER:
        return ", never released";
    }
    return "";
}

void program_run(const struct program *program, struct libtpms_chip *chip, const struct chip *facts)
{
    struct setting setting;
    struct model *model;
    bool died;

    choose_setting(&setting, program);
    model = model_new(chip, facts, &setting, program->trace);
    model->reason = program->reason;
    model_trace(model,
                "program %llu: %u clients, %s reference, %u object slots, %u session slots, gap "
                "%u, reserve %u %u, limits %u %u %u %u %u%s%s%s%s",
                (unsigned long long)program->number, setting.clients,
                setting.spilling ? "spilling" : "bare", setting.object_slots, setting.session_slots,
                setting.gap, setting.reserve.objects, setting.reserve.sessions,
                setting.limits.objects_per_client, setting.limits.sessions_per_client,
                setting.limits.objects_per_uid, setting.limits.sessions_per_uid,
                setting.limits.abandoned_per_uid,
                setting.faults > 12 ? ", many faults"
                : setting.faults    ? ", faults"
                                    : "",
                setting.resets ? ", resets" : "", setting.deaths ? ", deaths" : "",
                release_text(setting.release));
    for (unsigned i = 0; i < program->step_count; i++)
        run_step(model, program->steps[i]);
    books_check_end(model);
    died = model->died;
    model_free(model);
    /* What a daemon that died had on its heap is no leak. */
    if (died)
        _exit(MODEL_EXIT_OK);
}
