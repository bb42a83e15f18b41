/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chip that lies: what the input says is done to the answers that the synthetic chip gives, while
 * two clients run commands that never change. The manager's books must agree with themselves, and
 * with their journal, after each command, whatever the chip says.
 *
 * Of the input the first byte chooses the chip (see synth-chip.h) and, with its bit 6, that it lies
 * while the daemon starts, too. For each answer one byte says what becomes of it, in its low four
 * bits (enum lie), with arguments in the bytes that follow. Behind the end of the input the chip
 * is honest; or, with bit 7 of the first byte, the lies begin anew, until the clients are gone.
 */
#include "fuzz.h"
#include "mirror.h"
#include "rm-invariants.h"
#include "rm/rm.h"
#include "synth-chip.h"
#include "wire/capability.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <string.h>

#define MAX_IDLE_STEPS 5000

/* More chip commands for one of a client, or for one step of clean-up, are as good as a hang. */
#define MAX_EXCHANGES 5000

enum lie {
    LIE_NONE,      /* 0 to 4: nothing, so that most answers are good */
    LIE_CODE = 5,  /* u16 code instead of the answer; the chip has not run the command */
    LIE_CODE_LATE, /* the same, but it has */
    LIE_LOST,      /* u8 errno; it has not run the command */
    LIE_LOST_LATE, /* u8 errno; it has */
    LIE_CUT,       /* u8 bytes are missing at the end; the size field says so */
    LIE_CUT_SHORT, /* the size field does not */
    LIE_LONGER,    /* u8 bytes more, of the input; the size field says so */
    LIE_FLIP,      /* u16 place, u8 bits to turn over, behind the header */
    LIE_FLIP_ANY,  /* likewise, in the header too */
    LIE_WORD,      /* u8 place, u32 value: a big-endian word behind the header */
    LIE_BYTES,     /* u16 count of bytes of the input; the size field says so */
};

struct liar {
    struct rm_tpm tpm;
    struct synth_chip *chip;
    struct fuzz_input *input;
    struct fuzz_input again; /* what `input` begins with anew at its end */
    unsigned exchanges;      /* since the last step */
};

static void set_size(uint8_t *response, size_t size)
{
    if (size >= HEADER_SIZE)
        store_be32(response + 2, (uint32_t)size);
}

/* Adds up to `more` bytes of the input. */
static size_t lengthen(struct liar *liar, uint8_t *response, size_t size, size_t more,
                       size_t capacity)
{
    const uint8_t *bytes =
        fuzz_bytes(liar->input, more < capacity - size ? more : capacity - size, &more);

    if (more)
        memcpy(response + size, bytes, more);
    set_size(response, size + more);
    return size + more;
}

static size_t flip(struct liar *liar, uint8_t *response, size_t size, size_t from)
{
    uint16_t at = fuzz_word(liar->input);
    uint8_t bits = fuzz_byte(liar->input);

    if (size > from)
        response[from + at % (size - from)] ^= bits;
    return size;
}

static size_t put_word(struct liar *liar, uint8_t *response, size_t size)
{
    size_t at = HEADER_SIZE + (size_t)fuzz_byte(liar->input);
    uint32_t value = (uint32_t)fuzz_word(liar->input) << 16;

    value |= fuzz_word(liar->input);
    if (at + 4 <= size)
        store_be32(response + at, value);
    return size;
}

/* An answer that is all the input's. */
static size_t make_bytes(struct liar *liar, uint8_t *response, size_t capacity)
{
    size_t size = fuzz_word(liar->input);
    const uint8_t *bytes = fuzz_bytes(liar->input, size < capacity ? size : capacity, &size);

    if (size)
        memcpy(response, bytes, size);
    set_size(response, size);
    return size;
}

static size_t cut(struct liar *liar, size_t size)
{
    uint8_t missing = fuzz_byte(liar->input);

    return missing < size ? size - missing : 0;
}

/* Changes the chip's answer of `size` bytes; its new size. */
static size_t change(struct liar *liar, enum lie lie, uint8_t *response, size_t size,
                     size_t capacity)
{
    switch (lie) {
    case LIE_CUT:
        size = cut(liar, size);
        set_size(response, size);
        return size;
    case LIE_CUT_SHORT:
        return cut(liar, size);
    case LIE_LONGER:
        return lengthen(liar, response, size, (size_t)fuzz_byte(liar->input) + 1, capacity);
    case LIE_FLIP:
        return flip(liar, response, size, HEADER_SIZE);
    case LIE_FLIP_ANY:
        return flip(liar, response, size, 0);
    case LIE_WORD:
        return put_word(liar, response, size);
    case LIE_BYTES:
        return make_bytes(liar, response, capacity);
    case LIE_NONE:
    case LIE_CODE:
    case LIE_CODE_LATE:
    case LIE_LOST:
    case LIE_LOST_LATE:
        return size;
    }
    return size;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct liar *liar = (struct liar *)tpm;
    enum lie lie;
    uint8_t op;
    int error = 0;

    fuzz_must(++liar->exchanges < MAX_EXCHANGES, "one command made %u of the chip's",
              liar->exchanges);
    if (liar->input->size == 0)
        *liar->input = liar->again;
    op = fuzz_byte(liar->input) & 15;
    lie = op < LIE_CODE ? LIE_NONE : (enum lie)op;
    memset(response, 0, HEADER_SIZE);
    *response_size = 0;
    if (lie != LIE_CODE && lie != LIE_LOST)
        error = liar->chip->tpm.transact(&liar->chip->tpm, locality, command, size, response,
                                         capacity, response_size);
    fuzz_must(error == 0, "the synthetic chip does not answer");
    if (lie == LIE_LOST || lie == LIE_LOST_LATE)
        return -1 - fuzz_byte(liar->input) % 120;
    if (lie == LIE_CODE || lie == LIE_CODE_LATE) {
        header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, fuzz_word(liar->input));
        *response_size = HEADER_SIZE;
        return 0;
    }
    *response_size = change(liar, lie, response, *response_size, capacity);
    return 0;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    return attempt <= 2;
}

/* The clients: what they send, in turn. */
enum job {
    JOB_CODE,   /* `code` with `handle`, when that is not 0 */
    JOB_AUTH,   /* likewise, with the session `session` */
    JOB_RELOAD, /* ContextLoad of what the client's last ContextSave gave */
    JOB_LONG,   /* ContextLoad of as long an object context as there can be */
    JOB_FLUSH,  /* FlushContext of `handle` */
    JOB_QUERY,  /* GetCapability: handles from `handle` on */
    JOB_PROPERTIES,
    JOB_LEAVE, /* the connection is closed, and another opened */
    JOB_IDLE,
    JOB_RELEASE,
};

struct step {
    enum job job;
    unsigned client;
    uint32_t code, handle, session;
};

#define OBJECT(n)  (UINT32_C(0x80000000) + (n))
#define SESSION(n) (UINT32_C(0x02000000) + (n))

static const struct step steps[] = {
    {JOB_AUTH, 0, TPM2_CC_CreatePrimary, TPM2_RH_OWNER, TPM2_RS_PW},
    {JOB_AUTH, 1, TPM2_CC_CreatePrimary, TPM2_RH_ENDORSEMENT, TPM2_RS_PW},
    {JOB_CODE, 0, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_AUTH, 0, TPM2_CC_Load, OBJECT(0), SESSION(0)},
    {JOB_CODE, 1, TPM2_CC_HashSequenceStart, 0, 0},
    {JOB_AUTH, 1, TPM2_CC_SequenceUpdate, OBJECT(1), TPM2_RS_PW},
    {JOB_CODE, 0, TPM2_CC_LoadExternal, 0, 0},
    {JOB_AUTH, 0, TPM2_CC_Sign, OBJECT(1), SESSION(0)},
    {JOB_CODE, 0, TPM2_CC_ContextSave, OBJECT(2), 0},
    {JOB_RELOAD, 0, 0, 0, 0},
    /* Both handles name one object. */
    {JOB_AUTH, 0, TPM2_CC_EventSequenceComplete, OBJECT(2), TPM2_RS_PW},
    {JOB_CODE, 0, TPM2_CC_ContextSave, SESSION(0), 0},
    {JOB_AUTH, 1, TPM2_CC_Sign, OBJECT(0), SESSION(1)},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_RELOAD, 1, 0, 0, 0},
    {JOB_IDLE, 0, 0, 0, 0},
    {JOB_AUTH, 1, TPM2_CC_SequenceComplete, OBJECT(1), TPM2_RS_PW},
    {JOB_RELOAD, 0, 0, 0, 0},
    {JOB_CODE, 0, TPM2_CC_PolicyGetDigest, SESSION(0), 0},
    {JOB_QUERY, 1, 0, OBJECT(0), 0},
    {JOB_QUERY, 1, 0, UINT32_C(0x81000000), 0},
    {JOB_PROPERTIES, 0, 0, TPM2_PT_FIXED, 0},
    {JOB_PROPERTIES, 1, 0, TPM2_PT_VAR, 0},
    {JOB_AUTH, 0, TPM2_CC_EvictControl, TPM2_RH_OWNER, TPM2_RS_PW},
    {JOB_AUTH, 1, TPM2_CC_Sign, UINT32_C(0x81000001), TPM2_RS_PW},
    {JOB_RELEASE, 0, 0, 0, 0},
    {JOB_AUTH, 0, TPM2_CC_Sign, OBJECT(0), SESSION(1)},
    {JOB_AUTH, 1, TPM2_CC_Sign, OBJECT(0), SESSION(2)},
    {JOB_CODE, 1, TPM2_CC_ContextSave, SESSION(1), 0},
    {JOB_LONG, 0, 0, 0, 0},
    {JOB_CODE, 0, TPM2_CC_ContextSave, OBJECT(4), 0},
    {JOB_LEAVE, 1, 0, 0, 0},
    {JOB_AUTH, 1, TPM2_CC_CreatePrimary, TPM2_RH_PLATFORM, TPM2_RS_PW},
    {JOB_RELOAD, 1, 0, 0, 0},
    {JOB_AUTH, 0, TPM2_CC_Clear, TPM2_RH_PLATFORM, TPM2_RS_PW},
    {JOB_FLUSH, 0, 0, OBJECT(0), 0},
    {JOB_FLUSH, 0, 0, SESSION(0), 0},
    {JOB_CODE, 0, TPM2_CC_Startup, 0, 0},
    {JOB_CODE, 1, TPM2_CC_GetRandom, 0, 0},
    {JOB_AUTH, 0, TPM2_CC_HierarchyControl, TPM2_RH_PLATFORM, TPM2_RS_PW},
    /* Three sessions are left behind, saved. */
    {JOB_LEAVE, 1, 0, 0, 0},
    {JOB_IDLE, 0, 0, 0, 0},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_CODE, 1, TPM2_CC_StartAuthSession, 0, 0},
    {JOB_CODE, 1, TPM2_CC_ContextSave, SESSION(0), 0},
    {JOB_CODE, 1, TPM2_CC_ContextSave, SESSION(1), 0},
    {JOB_CODE, 1, TPM2_CC_ContextSave, SESSION(2), 0},
    {JOB_LEAVE, 1, 0, 0, 0},
    {JOB_LEAVE, 0, 0, 0, 0},
    {JOB_RELEASE, 0, 0, 0, 0},
};

struct world {
    struct liar liar;
    struct rm *rm;
    struct rm_client *clients[2];
    uint64_t cookies; /* of clients, so far */
    uint8_t *response;
    struct blob context; /* of the last ContextSave that was served */
};

/* Writes the command; its size. Handles that a command has beyond the first are the same again
 * but for the last bit, so that two handles may name one object. */
static size_t build(const struct world *world, const struct step *step, uint8_t *out)
{
    int index = command_table_find(&world->liar.chip->commands, step->code);
    uint32_t attributes = index < 0 ? 0 : world->liar.chip->commands.attributes[index];
    bool auth = step->job == JOB_AUTH;
    size_t at = HEADER_SIZE;

    for (unsigned i = 0; i < command_attributes_handles(attributes); i++, at += 4)
        store_be32(out + at, step->handle ? step->handle ^ i : TPM2_RH_NULL);
    if (auth) {
        store_be32(out + at, 9);
        store_be32(out + at + 4, step->session);
        memset(out + at + 8, 0, 5);
        out[at + 10] = TPMA_SESSION_CONTINUESESSION;
        at += 13;
    }
    if (step->code == TPM2_CC_Startup) {
        store_be16(out + at, TPM2_SU_CLEAR);
        at += 2;
    }
    if (step->code == TPM2_CC_HierarchyControl) {
        store_be32(out + at, TPM2_RH_OWNER);
        out[at + 4] = 0;
        at += 5;
    }
    header_store(out, auth ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, (uint32_t)at, step->code);
    return at;
}

/* A command as long as the manager takes them, that looks like the context of an object. */
static size_t build_long(const struct world *world, uint8_t *out)
{
    size_t size = world->rm->chip.max_command;

    if (size < HEADER_SIZE + CONTEXT_HEADER_BYTES || size > UINT16_MAX)
        return 0;
    memset(out, 0, size);
    store_be32(out + HEADER_SIZE + 8, CONTEXT_OBJECT);
    store_be16(out + HEADER_SIZE + 16, (uint16_t)(size - HEADER_SIZE - CONTEXT_HEADER_BYTES));
    header_store(out, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_CC_ContextLoad);
    return size;
}

static size_t build_step(const struct world *world, const struct step *step, uint8_t *out)
{
    switch (step->job) {
    case JOB_CODE:
    case JOB_AUTH:
        return build(world, step, out);
    case JOB_RELOAD:
        if (blob_empty(&world->context)
            || HEADER_SIZE + world->context.size > rm_command_capacity(world->rm))
            return 0;
        return command_build_context_load(out, world->context.bytes, world->context.size);
    case JOB_LONG:
        return build_long(world, out);
    case JOB_FLUSH:
        return command_build_flush_context(out, step->handle);
    case JOB_QUERY:
        return command_build_get_capability(out, TPM2_CAP_HANDLES, step->handle, 50);
    case JOB_PROPERTIES:
        return command_build_get_capability(out, TPM2_CAP_TPM_PROPERTIES, step->handle, 100);
    case JOB_LEAVE:
    case JOB_IDLE:
    case JOB_RELEASE:
        return 0;
    }
    return 0;
}

static void open_client(struct world *world, unsigned index)
{
    world->clients[index] =
        rm_client_new(world->rm, rm_user_get(world->rm, 1000 + index), 1000 + index);
    fuzz_must(world->clients[index], "no client");
    rm_client_set_cookie(world->clients[index], ++world->cookies);
}

static void run_command(struct world *world, const struct step *step)
{
    uint8_t *bytes = malloc(rm_command_capacity(world->rm));
    size_t size, answer;

    fuzz_must(bytes, "no memory");
    size = build_step(world, step, bytes);
    if (size > 0) {
        answer = rm_execute(world->rm, world->clients[step->client], bytes, size, world->response);
        fuzz_must(answer >= HEADER_SIZE && answer <= rm_response_capacity(world->rm)
                      && header_load(world->response).size == answer,
                  "an answer of %zu bytes", answer);
        if (step->code == TPM2_CC_ContextSave && header_load(world->response).code == 0)
            fuzz_must(
                blob_set(&world->context, world->response + HEADER_SIZE, answer - HEADER_SIZE),
                "no memory");
    }
    free(bytes);
}

/* An honest chip has the clean-up come to its end. */
static void idle(struct world *world, bool release, bool to_the_end)
{
    unsigned left = to_the_end ? MAX_IDLE_STEPS : 40;

    while (rm_idle(world->rm, release ? RM_IDLE_EMPTY : RM_IDLE_TIDY) == RM_IDLE_MORE && left > 0) {
        world->liar.exchanges = 0;
        fuzz_must_hold(rm_invariants_books(world->rm));
        left--;
    }
    fuzz_must(!to_the_end || left > 0, "clean-up does not end");
}

static void run_step(struct world *world, const struct step *step)
{
    world->liar.exchanges = 0;
    switch (step->job) {
    case JOB_CODE:
    case JOB_AUTH:
    case JOB_RELOAD:
    case JOB_LONG:
    case JOB_FLUSH:
    case JOB_QUERY:
    case JOB_PROPERTIES:
        run_command(world, step);
        break;
    case JOB_LEAVE:
        rm_client_free(world->clients[step->client]);
        open_client(world, step->client);
        break;
    case JOB_IDLE:
    case JOB_RELEASE:
        idle(world, step->job == JOB_RELEASE, false);
        break;
    }
    fuzz_must_hold(rm_invariants_books(world->rm));
}

/* As the daemon does it. False when the chip is not fit for use. */
static bool start(struct world *world, struct rm_tpm *chip)
{
    static const struct rm_limits limits = {
        .objects_per_client = 4, .sessions_per_client = 3, .abandoned_per_uid = 2};
    struct chip facts;
    unsigned flushed;
    int64_t detail;

    if (chip_startup(chip, NULL, &detail) != CHIP_OK
        || chip_flush_leftovers(chip, true, &flushed, &detail) != CHIP_OK
        || chip_read(&facts, chip, &detail) != CHIP_OK)
        return false;
    world->rm = rm_new(&world->liar.tpm, &facts, &limits);
    fuzz_must(world->rm, "no manager");
    mirror_begin(world->rm);
    world->response = malloc(rm_response_capacity(world->rm));
    fuzz_must(world->response, "no memory");
    open_client(world, 0);
    open_client(world, 1);
    return true;
}

static void finish(struct world *world)
{
    rm_client_free(world->clients[0]);
    rm_client_free(world->clients[1]);
    *world->liar.input = world->liar.again = (struct fuzz_input){0};
    fuzz_must_hold(rm_invariants_books(world->rm));
    idle(world, true, true);
    fuzz_must_hold(rm_invariants_books(world->rm));
    mirror_end(world->rm);
    free(world->response);
    blob_clear(&world->context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t kind = fuzz_byte(&input);
    struct world world = {
        .liar = {{transact, backoff}, synth_chip_new(kind), &input, {0}, 0},
    };

    world.liar.chip->obliging = true;
    if (kind & 0x80)
        world.liar.again = input;
    if (!start(&world, kind & 0x40 ? &world.liar.tpm : &world.liar.chip->tpm)) {
        fuzz_must(kind & 0x40, "an honest chip does not start");
    } else {
        for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            run_step(&world, &steps[i]);
        finish(&world);
    }
    synth_chip_free(world.liar.chip);
    return 0;
}
