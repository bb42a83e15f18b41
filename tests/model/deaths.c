/* SPDX-License-Identifier: BSD-2-Clause */
#include "deaths.h"

#include "rm/journal-layout.h"
#include "rm/rc.h"
#include "rm/restore.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY (16 << 20)

/* The stream of chances that a program has for its daemons' deaths. */
#define DEATHS_STREAM UINT64_C(0x6465617468)

/* Of 100 steps. */
#define DIES_AT_WORK   15
#define DIES_AT_REST   2
#define HANDS_OVER     2
#define DIES_ONCE_MORE 30

/* Moments of a life, of which each command to the chip has two: those of one command of a client,
 * or more. */
#define MOMENTS_OF_COMMAND 5
#define MOMENTS            14

struct job {
    unsigned client;
    const uint8_t *command;
    size_t size;
};

static void make_manager(struct model *model)
{
    static const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .generation = 1};
    const struct setting *setting = &model->setting;

    model->rm = rm_new(&model->watch.tpm, &model->facts, &setting->limits);
    plain_journal_init(&model->plain, CAPACITY, &config);
    if (!model->rm || !model->plain.journal)
        model_fail(model, "no memory");
    model->watch.own_command = model->rm->own_command;
    rm_set_reserve(model->rm, &setting->reserve);
    rm_set_journal(model->rm, model->plain.journal);
}

/* At a moment of the daemon's life that may be its last one. */
static void live(struct model *model)
{
    struct chip_watch *watch = &model->watch;

    if (model->mortal && watch->life > 0 && --watch->life == 0)
        longjmp(model->death, 1);
}

static void live_with_chip(struct chip_watch *watch, uint32_t lost_session)
{
    struct model *model = list_entry(watch, struct model, watch);

    if (!model->mortal || watch->life != 1) {
        live(model);
        return;
    }
    /* What was lost before is known by then. */
    model_note_faults(model);
    watch->lost_session = lost_session;
    model_note_faults(model);
    live(model);
}

void deaths_begin(struct model *model)
{
    model->watch.live = live_with_chip;
    make_manager(model);
    journal_complete(model->plain.journal);
}

static struct record_run read_run(const struct journal_image *image)
{
    struct record_run run = {0};
    enum journal_kind kind;
    uint32_t serial;
    const void *record = journal_image_record(image, JOURNAL_RUN, &kind, &serial);

    if (record)
        memcpy(&run, record, sizeof(run));
    return run;
}

/* The chip ran the command, or did not; the client does not learn that. */
static void lose_answer(struct model *model, const struct record_run *run)
{
    struct rm_client *client = rm_find_client(model->rm, run->cookie);
    uint8_t *bytes = malloc(model->command_size);

    if (!client || !bytes)
        model_fail(model, "the command that was on the chip is nobody's");
    memcpy(bytes, model->command, model->command_size);
    restore_lost_answer(client, bytes, model->command_size);
    free(bytes);
}

/* Makes books of the journal, and notes them in another one. */
static void make_books(struct model *model, const struct plain_journal *former)
{
    struct journal_image image;
    struct record_run run;

    if (journal_image_open(&image, former->memory.bytes, former->memory.capacity,
                           PLAIN_JOURNAL_OWNER)
        != JOURNAL_GOOD)
        model_fail(model, "the journal is not good");
    make_manager(model);
    if (!restore_books(model->rm, &image))
        model_fail(model, "no books can be made of the journal");
    run = read_run(&image);
    /* Of two deaths the second one finds what the first one left. */
    model->phase = model->phase == RUN_SENT ? RUN_SENT : (enum run_phase)run.phase;
    if (run.phase == RUN_SENT && model->setting.sabotage != CHIP_WATCH_TWICE)
        lose_answer(model, &run);
    if (run.phase != RUN_TAKEN)
        run = (struct record_run){0};
    journal_run(model->plain.journal, &run);
    journal_commit(model->plain.journal);
    journal_complete(model->plain.journal);
    for (unsigned i = 0; i < MODEL_CLIENTS; i++)
        model->clients[i].client = rm_find_client(model->rm, i + 1);
}

static void limit_life(struct model *model)
{
    bool soon = random_chance(&model->deaths, 50);

    model->watch.life = 1 + random_below(&model->deaths, soon ? MOMENTS_OF_COMMAND : MOMENTS);
}

/* The next daemon. */
static void rise(struct model *model)
{
    struct plain_journal former = model->plain;
    const uint8_t *bytes = model->watch.client_bytes;
    int64_t detail = 0;

    model->mortal = false;
    model_trace(model, "    the daemon dies");
    model->died = true;
    if (model->setting.sabotage == CHIP_WATCH_STALE)
        ((struct journal_header *)(void *)former.memory.bytes)->committed--;
    model->watch.client_bytes = NULL;
    random_seed_chip(model->watch.startup_seed);
    if (chip_startup(&model->chip->tpm, NULL, &detail) != CHIP_OK)
        model_fail(model, "the chip does not start");
    make_books(model, &former);
    /* Only now, as it may die in there and the next one needs what there is by then. */
    plain_journal_clear(&former);
    if (random_chance(&model->deaths, DIES_ONCE_MORE))
        limit_life(model);
    model->mortal = true;
    restore_verify(model->rm, detail == TPM2_RC_SUCCESS);
    model->mortal = false;
    model->watch.client_bytes = bytes;
    model->asked_late = true;
}

/* One that dies while it comes back is followed by another one. */
static void rise_at_last(struct model *model)
{
    const uint8_t *bytes = model->watch.client_bytes;

    model->phase = RUN_NONE;
    (void)setjmp(model->death);
    model->watch.client_bytes = bytes;
    rise(model);
}

void deaths_tell_reference(struct model *model)
{
    static uint8_t other[REFERENCE_BYTES];

    memcpy(other, model->other, sizeof(other));
    if (model->asked_late && model->exclusive_since)
        model_ask_reference(model);
    model->asked_late = false;
    memcpy(model->other, other, sizeof(other));
}

bool deaths_survive(struct model *model, deaths_work *work, void *data)
{
    if (setjmp(model->death) == 0) {
        model->mortal = true;
        work(model, data);
        model->mortal = false;
        return false;
    }
    rise_at_last(model);
    return true;
}

void deaths_commit(struct model *model)
{
    journal_commit(model->rm->journal);
    live(model);
}

/* What this command changed since the chip was asked is forgotten. */
static void skip_marks(struct model *model)
{
    list_for_each (link, &model->rm->objects) {
        struct journal_mark *mark = &list_entry(link, struct object, link)->mark;

        if (mark->dirty.next) {
            list_remove(&mark->dirty);
            mark->dirty = (struct list){0};
        }
    }
}

static void execute(struct model *model, void *data)
{
    const struct job *job = data;
    struct journal *journal = model->rm->journal;
    /* Of the exact size, so that a sanitizer sees a read past the end. */
    uint8_t *copy = malloc(job->size);

    if (!copy)
        model_fail(model, "no memory");
    memcpy(copy, job->command, job->size);
    journal_run(journal, &(struct record_run){.cookie = job->client + 1, .phase = RUN_TAKEN});
    deaths_commit(model);
    model->response_size =
        rm_execute(model->rm, model->clients[job->client].client, copy, job->size, model->response);
    free(copy);
    if (model->setting.sabotage == CHIP_WATCH_SKIP)
        skip_marks(model);
    journal_run_phase(journal, RUN_ANSWERED);
    deaths_commit(model);
    journal_run_phase(journal, RUN_NONE);
    deaths_commit(model);
}

void deaths_execute(struct model *model, unsigned client, const uint8_t *command, size_t size)
{
    struct job job = {client, command, size};
    struct chip_watch *watch = &model->watch;

    model->command = command;
    model->command_size = size;
    model->asked_late = false;
    while (deaths_survive(model, execute, &job)) {
        if (model->phase == RUN_SENT && model->setting.sabotage != CHIP_WATCH_TWICE) {
            watch->hit = watch->unheard = true;
            watch->answered = false;
            watch->hit_code = header_load(command).code;
            model->response_size = response_build_code(model->response, RM_RC_FAILURE);
            return;
        }
        if (model->phase != RUN_TAKEN && model->phase != RUN_SENT)
            return;
        model_trace(model, "    the command runs as if it came now");
        model->asked_late = watch->ran = watch->answered = false;
    }
}

static void settle(struct model *model, void *data)
{
    (void)data;
    while (rm_settle(model->rm))
        ;
    deaths_commit(model);
}

void deaths_settle(struct model *model)
{
    while (deaths_survive(model, settle, NULL))
        ;
}

static void do_nothing(struct model *model, void *data)
{
    (void)data;
    model->watch.life = 1;
    live(model);
}

static void empty(struct model *model, void *data)
{
    unsigned steps = 0;

    (void)data;
    while (rm_idle(model->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE) {
        deaths_commit(model);
        if (++steps > 10000)
            model_fail(model, "the chip is not emptied");
    }
    deaths_commit(model);
}

/* Between two commands, and now and then with a reset of the chip in the gap. */
static void die(struct model *model)
{
    chip_watch_begin(&model->watch, NULL, 0);
    if (model->setting.resets && random_chance(&model->deaths, 20))
        model_power_cycle(model);
    deaths_survive(model, do_nothing, NULL);
}

static void hand_over(struct model *model)
{
    struct rm *rm;

    model_trace(model, "hand over");
    chip_watch_begin(&model->watch, NULL, 0);
    while (deaths_survive(model, empty, NULL))
        ;
    model_note_faults(model);
    rm = model->rm;
    if (!model->watch.hit && rm->condition == TPM_SERVING && !rm->books_in_doubt
        && (rm->objects_loaded > 0 || rm->sessions_loaded > 0))
        model_fail(model, "%u objects and %u sessions are left in the chip", rm->objects_loaded,
                   rm->sessions_loaded);
    deaths_survive(model, do_nothing, NULL);
}

void deaths_begin_step(struct model *model)
{
    unsigned at_work = model->setting.sabotage >= CHIP_WATCH_MORTAL ? 100 : DIES_AT_WORK;

    if (!model->setting.deaths)
        return;
    random_begin(&model->deaths, model->setting.program ^ DEATHS_STREAM, model->step);
    if (random_chance(&model->deaths, DIES_AT_REST))
        die(model);
    if (random_chance(&model->deaths, HANDS_OVER))
        hand_over(model);
    deaths_tell_reference(model);
    if (random_chance(&model->deaths, at_work))
        limit_life(model);
}

void deaths_end_step(struct model *model)
{
    model->watch.life = 0;
    deaths_tell_reference(model);
}
