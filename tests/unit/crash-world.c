/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash-world.h"

#include "base/log.h"
#include "crash-check.h"
#include "crash-steps.h"
#include "rm/restore.h"
#include "wire/handle.h"
#include "wire/response.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CAPACITY (8 << 20)

/* One of so many points of the next daemon is where that dies as well: another one each time. */
#define INNER_POINTS 11

static const struct rm_limits limits = {
    .objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 16};

static void crash_here(struct crash_world *world, const char *at);

static void begin_journal(struct crash_world *world)
{
    static const struct journal_config config = {
        .owner = PLAIN_JOURNAL_OWNER, .generation = 1, .desk = CRASH_BYTES};

    plain_journal_init(&world->plain, CAPACITY, &config);
    crash_must(world, world->plain.journal, "there is no memory for a journal");
}

/* A manager for the chip as it is, with few slots and a small context gap. */
static void begin_manager(struct crash_world *world)
{
    struct chip facts;
    int64_t detail;

    world->quiet = true;
    crash_must(world, chip_read(&facts, &world->tpm, &detail) == CHIP_OK, "no chip to be read");
    world->quiet = false;
    facts.context_gap = 8;
    world->rm = rm_new(&world->tpm, &facts, &limits);
    crash_must(world, world->rm, "no memory for a manager");
    rm_set_journal(world->rm, world->plain.journal);
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

/* Of a command that was on the chip the answer is lost, and of an own one whatever it brought. */
static void lose(struct crash_world *world, enum run_phase phase)
{
    if (world->lost_session)
        crash_lose_session(world, world->lost_session);
    if (phase == RUN_SENT)
        crash_lose_named(world);
    world->lost_session = 0;
}

/* The books of the daemon that died, and what becomes of the command at hand. */
static void restore(struct crash_world *world, const struct journal_image *image,
                    const struct record_run *run)
{
    struct rm_client *client;
    uint8_t bytes[CRASH_BYTES];

    crash_must(world, restore_check(image) == JOURNAL_GOOD, "the records do not agree");
    crash_must(world, restore_books(world->rm, image), "no books can be made");
    for (unsigned i = 0; i < CRASH_CLIENTS; i++)
        world->clients[i] = rm_find_client(world->rm, i + 1);
    client = rm_find_client(world->rm, run->cookie);
    crash_must(world, run->phase == RUN_NONE || client, "the command at hand is nobody's");
    if (run->phase == RUN_SENT) {
        memcpy(bytes, world->step.command, world->step.size);
        restore_lost_answer(client, bytes, world->step.size);
    }
    journal_run(world->rm->journal, run);
    if (run->phase != RUN_TAKEN)
        journal_run_phase(world->rm->journal, RUN_NONE);
}

/* What the next daemon does. */
static void survive(struct crash_world *world)
{
    const struct plain_journal former = world->plain;
    struct journal_image image;
    struct record_run run;
    int64_t detail;

    world->depth++;
    crash_must(
        world,
        journal_image_open(&image, former.memory.bytes, former.memory.capacity, PLAIN_JOURNAL_OWNER)
            == JOURNAL_GOOD,
        "the journal is not good");
    run = read_run(&image);
    if (run.phase == RUN_ANSWERED)
        world->step.learn(world);
    lose(world, (enum run_phase)run.phase);
    if (world->gap && world->depth == 1)
        world->gap(world);
    world->quiet = true;
    crash_must(world, chip_startup(&world->tpm, NULL, &detail) == CHIP_OK,
               "the chip does not start");
    begin_journal(world);
    begin_manager(world);
    restore(world, &image, &run);
    journal_commit(world->rm->journal);
    journal_complete(world->plain.journal);
    crash_here(world, "when the books were made");
    restore_verify(world->rm, detail == TPM2_RC_SUCCESS);
    world->quiet = true;
    crash_check(world, run.phase == RUN_TAKEN);
}

/* The daemon dies here, and the next one goes on in another process. */
static void crash_here(struct crash_world *world, const char *at)
{
    int status;
    pid_t child;

    if (world->quiet || world->depth > 1)
        return;
    world->points++;
    if (world->depth == 1 && world->points % INNER_POINTS != world->inner)
        return;
    world->at = at;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        world->inner = world->points % INNER_POINTS;
        world->points = world->depth ? world->points : 0;
        survive(world);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        if (world->depth)
            _exit(1);
        fail_msg("point %u, %s of step '%s': status 0x%x", world->points, at, world->step.what,
                 (unsigned)status);
    }
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct crash_world *world = (struct crash_world *)tpm;
    uint32_t code = header_load(command).code;
    int error;

    crash_here(world, "before a command");
    error = world->chip->tpm.transact(&world->chip->tpm, locality, command, size, response,
                                      capacity, response_size);
    if (error == 0 && header_load(response).code == TPM2_RC_SUCCESS) {
        if (code == TPM2_CC_ContextSave && handle_is_session(load_be32(command + HEADER_SIZE)))
            world->lost_session = load_be32(command + HEADER_SIZE);
        world->ran |= world->rm && command != world->rm->own_command;
    }
    crash_here(world, "after a command");
    world->lost_session = 0;
    return error;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    return attempt < 3;
}

static void set_phase(struct crash_world *world, enum run_phase phase)
{
    const struct record_run run = {.cookie = world->step.client + 1,
                                   .command = (uint32_t)world->step.size,
                                   .response = (uint32_t)world->response_size,
                                   .phase = (uint8_t)phase};

    journal_run(world->rm->journal, &run);
    journal_commit(world->rm->journal);
    crash_here(world, phase == RUN_TAKEN      ? "when it was read"
                      : phase == RUN_ANSWERED ? "when it was answered"
                                              : "at the end");
}

uint32_t crash_execute(struct crash_world *world)
{
    struct crash_step *step = &world->step;

    world->response_size = rm_execute(world->rm, world->clients[step->client], step->command,
                                      step->size, world->response);
    return header_load(world->response).code;
}

void crash_run_step(struct crash_world *world)
{
    uint32_t code;

    world->ran = false;
    set_phase(world, RUN_TAKEN);
    code = crash_execute(world);
    if (code != TPM2_RC_SUCCESS)
        fail_msg("step '%s' gives 0x%x", world->step.what, code);
    set_phase(world, RUN_ANSWERED);
    world->step.learn(world);
    set_phase(world, RUN_NONE);
    while (rm_settle(world->rm))
        ;
}

void crash_commit(struct crash_world *world, const char *at)
{
    journal_commit(world->rm->journal);
    crash_here(world, at);
}

unsigned crash_world_run(void (*program)(struct crash_world *world),
                         void (*gap)(struct crash_world *world))
{
    static struct crash_world world;
    int64_t detail;
    unsigned points;

    log_threshold = LOG_LEVEL_SILENT;
    world = (struct crash_world){.tpm = {transact, backoff}, .gap = gap, .quiet = true};
    world.chip = libtpms_chip_new();
    assert_int_equal(chip_startup(&world.tpm, NULL, &detail), CHIP_OK);
    crash_learn_policies(&world);
    begin_journal(&world);
    begin_manager(&world);
    for (unsigned i = 0; i < CRASH_CLIENTS; i++) {
        world.clients[i] = rm_client_new(world.rm, rm_user_get(world.rm, 1000), 1000);
        assert_non_null(world.clients[i]);
        rm_client_set_cookie(world.clients[i], i + 1);
    }
    journal_complete(world.plain.journal);
    program(&world);
    points = world.points;
    for (unsigned i = 0; i < CRASH_CLIENTS; i++)
        rm_client_free(world.clients[i]);
    rm_free(world.rm);
    plain_journal_clear(&world.plain);
    libtpms_chip_free(world.chip);
    return points;
}
