/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Pauses between attempts to open a lost TPM. */
#define DEVICE_REOPEN_FIRST_MS 100
#define DEVICE_REOPEN_LONG_MS  5000

static void device_fail(struct engine *engine, enum tpm_fault fault, const char *text)
{
    if (engine->failed)
        return;
    engine->failed = true;
    admission_set_open(&engine->admission, false);
    door_close(engine);
    engine->events.failed(engine->events.data, fault, text);
}

static void device_fail_memory(struct engine *engine)
{
    device_fail(engine, TPM_FAULT_RESOURCES, "no memory to start with");
}

/* Opens the ledger of this TPM, as used under this daemon's name. */
static bool device_open_ledger(struct engine *engine)
{
    size_t size = strlen(engine->conf) + strlen(engine->name) + 2;
    char *use = malloc(size);

    if (!use)
        return false;
    snprintf(use, size, "%s\n%s", engine->conf, engine->name);
    engine->ledger = ledger_file_open(engine->runtime_dir, use);
    free(use);
    return engine->ledger != NULL;
}

/* Flushes the sessions that stand in the ledger, and clears it. */
static enum chip_error device_flush_recorded(struct engine *engine, unsigned *flushed,
                                             int64_t *detail)
{
    struct ledger *ledger = ledger_file_ledger(engine->ledger);
    enum chip_error error = CHIP_OK;

    *flushed = 0;
    if (ledger_is_valid(ledger))
        error = chip_flush_recorded(&engine->tpm, ledger, flushed, detail);
    if (!error)
        ledger_clear(ledger);
    return error;
}

/* Frees the TPM of what a former daemon left in it. */
static enum chip_error device_clear_out(struct engine *engine, int64_t *detail)
{
    unsigned sessions = 0, leftovers = 0;
    enum chip_error error = device_flush_recorded(engine, &sessions, detail);

    if (!error)
        error = chip_flush_leftovers(&engine->tpm, engine->flush_all, &leftovers, detail);
    if (sessions)
        log_info("a former daemon did not end well: %u of its sessions flushed", sessions);
    if (leftovers)
        log_info("a former user of the TPM left %u objects or sessions: flushed", leftovers);
    return error;
}

/* There is no TPM, for this fault; the kernel may know better why. */
static void device_fail_open(struct engine *engine, enum tpm_fault fault, const char *text)
{
    char why[TPM_FAULT_TEXT];

    if (tpm_fault_disabled(engine->conf, engine->sys, why))
        device_fail(engine, TPM_FAULT_DISABLED, why);
    else
        device_fail(engine, fault, text);
}

/* Takes the TPM over: started, free of what a former daemon left, its properties in *chip. */
static bool device_take_over(struct engine *engine, struct chip *chip)
{
    char text[TPM_FAULT_TEXT];
    enum chip_error error;
    int64_t detail = 0;

    error = chip_startup(&engine->tpm, &detail);
    if (!error)
        error = device_clear_out(engine, &detail);
    if (!error)
        error = chip_read(chip, &engine->tpm, &detail);
    if (error) {
        enum tpm_fault fault = tpm_fault_chip(engine->conf, error, detail, text);

        device_fail_open(engine, fault, text);
        return false;
    }
    log_info("TPM \"%s\": slots for %u objects and %u sessions, commands up to %u bytes",
             engine->conf, chip->object_slots, chip->session_slots, chip->max_command);
    return true;
}

static struct engine *device_of(struct rm_tpm *tpm)
{
    return (struct engine *)(void *)((char *)tpm - offsetof(struct engine, tpm));
}

/* Whoever came to the TPM's other door is seen before the next command goes to the TPM. */
static int device_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command,
                           size_t size, uint8_t *response, size_t capacity, size_t *response_size)
{
    struct engine *engine = device_of(tpm);
    struct rm_tpm *inner = tcti_tpm(engine->tcti);
    int error;

    device_look(engine);
    loop_begin_nested(&engine->loop);
    error = inner->transact(inner, locality, command, size, response, capacity, response_size);
    loop_end_nested(&engine->loop);
    return error;
}

static bool device_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct engine *engine = device_of(tpm);
    struct rm_tpm *inner = tcti_tpm(engine->tcti);
    bool again;

    loop_begin_nested(&engine->loop);
    again = inner->backoff(inner, attempt);
    loop_end_nested(&engine->loop);
    return again;
}

static bool device_make_rm(struct engine *engine, const struct chip *chip)
{
    engine->rm = rm_new(&engine->tpm, chip, &engine->limits);
    if (!engine->rm)
        return false;
    rm_set_ledger(engine->rm, ledger_file_ledger(engine->ledger));
    return dispatch_open(&engine->dispatch, engine->rm)
           && clients_set_capacity(&engine->clients, rm_command_capacity(engine->rm));
}

/* Keeps room for those who are known to use the TPM now. What was left in it for want of others
 * leaves when there are some, once it has been quiet. */
static void device_keep_room(struct engine *engine)
{
    struct reserve_view view = neighbours_view(&engine->neighbours, clock_now());
    struct rm_reserve reserve = reserve_get(&engine->reserve, &view);

    rm_set_reserve(engine->rm, &reserve);
    if (engine->warm && reserve_leaves_empty(&view))
        device_touch(engine);
}

void device_look(struct engine *engine)
{
    if (engine->neighbours.fd < 0)
        return;
    neighbours_look(&engine->neighbours, clock_now());
    device_keep_room(engine);
}

void device_event(struct watch *watch, uint32_t events)
{
    (void)events;
    device_look(list_entry(watch, struct engine, neighbours_watch));
}

/* Learns who else uses the TPM that was opened. */
static void device_meet_neighbours(struct engine *engine)
{
    struct neighbours *neighbours = &engine->neighbours;
    int error = 0;

    neighbours_meet(neighbours, clock_now());
    engine->neighbours_watch.happened = device_event;
    if (neighbours->fd >= 0)
        error = loop_watch(&engine->loop, &engine->neighbours_watch, neighbours->fd, EPOLLIN);
    if (error)
        neighbours_lose(neighbours, -error);
    device_keep_room(engine);
}

static void device_tell_reserve(const struct engine *engine)
{
    struct reserve_view view = neighbours_view(&engine->neighbours, clock_now());
    char text[RESERVE_TEXT];

    reserve_describe(&engine->reserve, &view, text);
    log_info("%s", text);
}

/* More steps than there are slots. */
#define DEVICE_SETTLE_STEPS 1024

void device_settle(struct engine *engine)
{
    for (unsigned i = 0; i < DEVICE_SETTLE_STEPS && !engine->stopping && rm_settle(engine->rm); i++)
        ;
}

void device_take(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];
    struct chip chip;
    uint32_t rc = tcti_open(engine->tcti, engine->conf);

    engine->tpm = (struct rm_tpm){device_transact, device_backoff};
    if (rc) {
        enum tpm_fault fault = tpm_fault_open(engine->conf, rc, text);

        device_fail_open(engine, fault, text);
        return;
    }
    if (!device_open_ledger(engine)) {
        device_fail_memory(engine);
        return;
    }
    if (!device_take_over(engine, &chip))
        return;
    if (!device_make_rm(engine, &chip) || !door_open(engine)) {
        device_fail_memory(engine);
        return;
    }
    device_meet_neighbours(engine);
    device_tell_reserve(engine);
    if (tcti_blocks(engine->tcti))
        log_info("TPM \"%s\" has no poll handles: a running command cannot be interrupted",
                 engine->conf);
    admission_set_open(&engine->admission, true);
    engine->events.ready(engine->events.data);
}

void device_mind(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];

    if (!engine->rm || engine->failed)
        return;
    if (tcti_is_open(engine->tcti)) {
        if (engine->reopen_wait_ms && !rm_tpm_lost(engine->rm)) {
            log_info("the TPM \"%s\" is back", engine->conf);
            engine->reopen_wait_ms = 0;
            engine->disabled = false;
        }
        return;
    }
    if (engine->reopen_wait_ms == 0) {
        log_warning("the TPM \"%s\" does not answer any more; trying to open it again",
                    engine->conf);
        engine->reopen_wait_ms = DEVICE_REOPEN_FIRST_MS;
        engine->reopen_at = clock_now();
    }
    if (clock_left(engine->reopen_at, engine->reopen_wait_ms) > 0)
        return;
    if (tpm_fault_device_gone(engine->conf, text)) {
        device_fail(engine, TPM_FAULT_GONE, text);
        return;
    }
    if (tcti_open(engine->tcti, engine->conf) == TSS2_RC_SUCCESS) {
        device_meet_neighbours(engine);
    } else if (!engine->disabled && tpm_fault_disabled(engine->conf, engine->sys, text)) {
        log_error("%s", text);
        engine->disabled = true;
    }
    engine->reopen_at = clock_now() + engine->reopen_wait_ms;
    if (engine->reopen_wait_ms < DEVICE_REOPEN_LONG_MS)
        engine->reopen_wait_ms *= 2;
}

static bool device_present(const struct engine *engine)
{
    return engine->rm && tcti_is_open(engine->tcti) && !rm_tpm_lost(engine->rm);
}

/* Quiet time before the TPM is cleaned up, unless another one is ordered. */
#define DEVICE_QUIET_MS 250

/* Quiet time before nothing is left that sleep would lose, where nobody tells of it. */
#define DEVICE_LONG_QUIET_MS 5000

/* Pause before clean-up is tried again that had no memory. */
#define DEVICE_STARVED_MS 250

static void device_clean_up_in(struct engine *engine, int pause)
{
    engine->idle_pending = true;
    engine->idle_pause = pause;
    engine->idle_at = clock_now() + pause;
}

void device_touch(struct engine *engine)
{
    engine->warm = false;
    device_clean_up_in(engine,
                       engine->idle_release_ms < 0 ? DEVICE_QUIET_MS : engine->idle_release_ms);
}

int device_clean_up_left(const struct engine *engine)
{
    return clock_left(engine->idle_at, engine->idle_pause);
}

/* How far clean-up goes now. */
static enum rm_idle_goal device_goal(const struct engine *engine)
{
    struct reserve_view view;

    if (engine->sleep == ENGINE_FALLING_ASLEEP || engine->idle_release_ms >= 0)
        return RM_IDLE_EMPTY;
    if (engine->idle_release_ms == ENGINE_IDLE_NEVER)
        return RM_IDLE_TIDY;
    view = neighbours_view(&engine->neighbours, clock_now());
    return engine->warm || reserve_leaves_empty(&view) ? RM_IDLE_EMPTY : RM_IDLE_SAVE;
}

static void device_fell_asleep(struct engine *engine, bool starved)
{
    if (starved)
        log_warning("no memory to save what is loaded in the TPM before the machine sleeps: if the "
                    "TPM loses power, clients lose keys and sessions and must load them again");
    engine->sleep = ENGINE_ASLEEP;
    engine->events.suspended(engine->events.data);
}

void device_clean_up(struct engine *engine)
{
    bool asleep = engine->sleep == ENGINE_FALLING_ASLEEP, starved;
    enum rm_idle_goal goal;

    if (!asleep
        && (!engine->idle_pending || scheduler_waiting(&engine->scheduler)
            || device_clean_up_left(engine) > 0))
        return;
    goal = device_goal(engine);
    /* Somebody may come while the TPM works. */
    engine->idle_pending = false;
    if (device_present(engine) && rm_idle(engine->rm, goal))
        engine->idle_pending = true;
    if (engine->idle_pending)
        return;
    starved = device_present(engine) && rm_starved(engine->rm);
    /* What was ordered meanwhile may have put an end to falling asleep. */
    if (engine->sleep == ENGINE_FALLING_ASLEEP && asleep)
        device_fell_asleep(engine, starved);
    engine->warm = goal == RM_IDLE_SAVE && !starved;
    if (starved)
        device_clean_up_in(engine, DEVICE_STARVED_MS);
    else if (engine->warm && engine->sleep_untold)
        device_clean_up_in(engine, DEVICE_LONG_QUIET_MS);
}

void device_give_back(struct engine *engine)
{
    bool present = device_present(engine), in_time = true;
    unsigned flushed;
    int64_t detail;

    while (present && in_time && rm_idle(engine->rm, RM_IDLE_EMPTY)) {
        present = device_present(engine);
        in_time = clock_left(engine->stop_at, ENGINE_STOP_MS) > 0;
    }
    neighbours_leave(&engine->neighbours);
    rm_free(engine->rm);
    engine->rm = NULL;
    /* What is left are sessions that closed connections had saved. The next daemon does not know
     * their contexts, so nobody can use them any more. */
    if (present && in_time)
        device_flush_recorded(engine, &flushed, &detail);
    ledger_file_close(engine->ledger);
    engine->ledger = NULL;
    tcti_close(engine->tcti);
}
