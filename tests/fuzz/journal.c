/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal that a daemon did not write. Whatever is in its memory, the next daemon must refuse it,
 * or make books of it that agree with themselves, with the journal that they are noted in anew, and
 * with the TPM once that was asked; and its clients must then be served.
 *
 * Of the input the first byte says what there is at first, and what becomes of it:
 *
 *   bit 0    nothing but zeros; else the memory of tests/journals/sample.h
 *   bit 1    checks are as they are; else they are put right when the memory was changed
 *   bit 2    the TPM was reset while no daemon ran
 *   bit 3    it was emptied of objects then
 *   bit 4    it gives no answer when the books are to be compared with it
 *
 * The second one is the count of changes, which follow (enum change). The rest says what is done
 * with the books (enum deed), two bytes each.
 */
#include "engine/desk-remains.h"
#include "fuzz.h"
#include "mirror.h"
#include "rm-invariants.h"
#include "rm/journal-layout.h"
#include "rm/restore.h"
#include "sample.h"
#include "wire/handle.h"

#include <errno.h>
#include <string.h>

#define CLIENTS        8
#define MAX_IDLE_STEPS 2000

enum change {
    CHANGE_BYTES,  /* u24 place, u8 count, bytes: anywhere */
    CHANGE_HALF,   /* u16 cell, u8 place, u8 count, bytes: of the half that is committed */
    CHANGE_RECORD, /* likewise, of its payload */
    CHANGE_EXTENT, /* u16 line, u8 place, u8 count, bytes */
    CHANGE_HEADER, /* u8 place, u8 count, bytes */
    CHANGE_DESK,   /* u16 place, u8 count, bytes */
    CHANGE_COPY,   /* u16 cell, u16 cell: the first one's committed half comes to the second one */
    CHANGE_OWNER,  /* u16 line, u16 cell: whose the extent is */
    CHANGES
};

enum deed {
    DEED_USE,   /* a command that names a handle */
    DEED_AUTH,  /* one that is authorized by a session */
    DEED_SAVE,  /* of an object or a session */
    DEED_LOAD,  /* what was saved last */
    DEED_FLUSH, /* of an object or a session */
    DEED_MAKE,  /* of a key, a sequence or a session */
    DEED_IDLE,  /* clean-up */
    DEED_CLOSE, /* of a connection */
    DEEDS
};

struct world {
    struct fuzz_input *input;
    uint8_t kind;
    uint8_t *bytes; /* of just the size, so that a read past the end is noticed */
    size_t size;
    struct journal_image image;
    struct synth_chip chip;
    struct rm *rm;
    struct rm_client *clients[CLIENTS];
    unsigned client_count;
    uint8_t command[SAMPLE_COMMAND], *response;
    struct blob saved;
};

static const struct sample *the_sample(void)
{
    static struct sample sample;

    if (!sample.rm)
        sample_make(&sample);
    return &sample;
}

/* The header, of memory that has one whatever it says. */
static struct journal_header *header_of(const struct world *world)
{
    return (struct journal_header *)(void *)world->bytes;
}

/* Bytes of the input over those at a place, as far as there are any. */
static void put(struct world *world, uint64_t at, size_t count)
{
    const uint8_t *bytes = fuzz_bytes(world->input, count, &count);

    if (count > 0 && at < world->size && count <= world->size - at)
        memcpy(world->bytes + at, bytes, count);
}

/* The committed half of a cell, where there is one, or NULL. */
static struct journal_half *half_of(const struct world *world, uint32_t cell)
{
    const struct journal_header *header = header_of(world);
    uint64_t at = header->cells_at + (uint64_t)cell * sizeof(struct journal_cell);

    if (header->cells_at % JOURNAL_PAGE != 0 || header->cells_at > world->size
        || at > world->size - sizeof(struct journal_cell))
        return NULL;
    return (struct journal_half *)journal_valid_half((void *)(world->bytes + at),
                                                     header->committed);
}

static struct journal_extent *extent_of(const struct world *world, uint32_t line)
{
    const struct journal_header *header = header_of(world);
    uint64_t at = header->shelf_at + (uint64_t)line * JOURNAL_LINE;

    if (header->shelf_at % JOURNAL_PAGE != 0 || header->shelf_at > world->size
        || at > world->size - sizeof(struct journal_extent))
        return NULL;
    return (struct journal_extent *)(void *)(world->bytes + at);
}

static uint64_t place_of(const struct world *world, const void *thing)
{
    return thing ? (uint64_t)((const uint8_t *)thing - world->bytes) : UINT64_MAX / 2;
}

static void copy_half(struct world *world, uint32_t from, uint32_t to)
{
    const struct journal_half *half = half_of(world, from);
    struct journal_half *other = half_of(world, to);

    if (half && other)
        memmove(other, half, sizeof(*half));
}

static void change(struct world *world)
{
    struct fuzz_input *input = world->input;
    enum change change = (enum change)(fuzz_byte(input) % CHANGES);
    const struct journal_header *header = header_of(world);
    struct journal_extent *extent;
    uint64_t at = 0;
    uint16_t number;

    switch (change) {
    case CHANGE_BYTES:
        at = (uint64_t)fuzz_byte(input) << 16;
        at |= fuzz_word(input);
        break;
    case CHANGE_HALF:
        at = place_of(world, half_of(world, fuzz_word(input)));
        at += fuzz_byte(input) % sizeof(struct journal_half);
        break;
    case CHANGE_RECORD:
        at = place_of(world, half_of(world, fuzz_word(input)));
        at += offsetof(struct journal_half, payload) + fuzz_byte(input) % JOURNAL_PAYLOAD;
        break;
    case CHANGE_EXTENT:
        at = place_of(world, extent_of(world, fuzz_word(input))) + fuzz_byte(input);
        break;
    case CHANGE_HEADER:
        at = fuzz_byte(input);
        break;
    case CHANGE_DESK:
        at = header->desk_at + fuzz_word(input);
        break;
    case CHANGE_COPY:
        number = fuzz_word(input);
        copy_half(world, number, fuzz_word(input));
        return;
    case CHANGE_OWNER:
        extent = extent_of(world, fuzz_word(input));
        number = fuzz_word(input);
        if (extent)
            extent->cell = number;
        return;
    case CHANGES:
        return;
    }
    put(world, at, (size_t)fuzz_byte(input) % 32 + 1);
}

/* As if a daemon had written it. */
static void put_checks_right(struct world *world)
{
    struct journal_header *header = header_of(world);
    uint32_t cells = header->cells < 4096 ? header->cells : 4096;

    header->magic = JOURNAL_MAGIC;
    header->version = JOURNAL_VERSION;
    header->layout = journal_layout();
    header->check = journal_header_check(header);
    for (uint32_t cell = 1; cell <= cells; cell++) {
        struct journal_half *half = half_of(world, cell);
        uint32_t lines[2];

        if (!half)
            continue;
        half->check = journal_half_check(half, cell);
        journal_named_lines((enum journal_kind)half->kind, half->payload, lines);
        for (unsigned i = 0; i < 2; i++) {
            struct journal_extent *extent = extent_of(world, lines[i]);

            if (extent && extent->size <= world->size - place_of(world, extent + 1))
                extent->check = journal_extent_check(extent);
        }
    }
}

static void begin(struct world *world)
{
    const struct sample *sample = the_sample();
    uint8_t changes;

    world->kind = fuzz_byte(world->input);
    world->size = sample_size(sample);
    world->bytes = calloc(1, world->size);
    fuzz_must(world->bytes, "no memory");
    if (!(world->kind & 1))
        memcpy(world->bytes, sample->plain.memory.bytes, world->size);
    for (changes = fuzz_byte(world->input) % 64; changes > 0; changes--)
        change(world);
    if (!(world->kind & 2))
        put_checks_right(world);
    world->chip = *sample->chip;
    if (world->kind & 4)
        synth_chip_power_cycle(&world->chip);
    if (world->kind & 8)
        memset(world->chip.objects, 0, sizeof(world->chip.objects));
}

static void make_manager(struct world *world)
{
    static const struct rm_limits limits = {
        .objects_per_client = 16, .sessions_per_client = 8, .abandoned_per_uid = 4};
    struct chip facts;
    int64_t detail;

    fuzz_must(chip_startup(&world->chip.tpm, NULL, &detail) == CHIP_OK
                  && chip_read(&facts, &world->chip.tpm, &detail) == CHIP_OK,
              "the synthetic TPM does not start");
    world->rm = rm_new(&world->chip.tpm, &facts, &limits);
    fuzz_must(world->rm, "no manager");
    world->response = malloc(rm_response_capacity(world->rm));
    fuzz_must(world->response, "no memory");
    mirror_begin(world->rm);
}

/* All bytes are there to be read. */
static unsigned touch(const struct desk_piece pieces[DESK_PIECES])
{
    unsigned sum = 0;

    for (unsigned i = 0; i < DESK_PIECES; i++)
        for (size_t j = 0; j < pieces[i].size; j++)
            sum += pieces[i].bytes[j];
    return sum;
}

/* What the engine does for one connection. */
static void adopt(struct world *world, const struct desk_stream *stream)
{
    struct rm_client *client = rm_find_client(world->rm, stream->record.cookie);
    uint8_t *bytes;
    unsigned sum = touch(stream->in) + touch(stream->out);

    fuzz_must(sum != UINT32_MAX, "a sum of %u", sum);
    if (!client || stream->lost.size == 0)
        return;
    bytes = malloc(stream->lost.size);
    fuzz_must(bytes, "no memory");
    memcpy(bytes, stream->lost.bytes, stream->lost.size);
    restore_lost_answer(client, bytes, stream->lost.size);
    free(bytes);
}

static void adopt_all(struct world *world, const struct desk_remains *remains)
{
    struct desk_stream stream;

    for (uint32_t cell = 1; cell <= world->image.cells; cell++) {
        if (desk_remains_stream(remains, cell, &stream))
            adopt(world, &stream);
    }
    list_for_each (link, &world->rm->clients) {
        if (world->client_count < CLIENTS)
            world->clients[world->client_count++] = list_entry(link, struct rm_client, link);
    }
}

static int no_answer(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                     uint8_t *response, size_t capacity, size_t *response_size)
{
    (void)tpm;
    (void)locality;
    (void)command;
    (void)size;
    (void)response;
    (void)capacity;
    (void)response_size;
    return -EIO;
}

/* Whether books could be made. They agree with themselves then, before and after the TPM is
 * asked. */
static bool restore(struct world *world)
{
    struct desk_remains remains;
    bool good;

    if (journal_image_open(&world->image, world->bytes, world->size, PLAIN_JOURNAL_OWNER)
        != JOURNAL_GOOD)
        return false;
    good = restore_check(&world->image) == JOURNAL_GOOD;
    if (!desk_remains_read(&remains, &world->image))
        return false;
    fuzz_must(restore_books(world->rm, &world->image) == good, "books, and records: %d", good);
    if (!good)
        return false;
    fuzz_must_hold(rm_invariants_books(world->rm));
    adopt_all(world, &remains);
    fuzz_must_hold(rm_invariants_books(world->rm));
    if (world->kind & 16)
        world->chip.tpm.transact = no_answer;
    restore_verify(world->rm, world->kind & 4);
    fuzz_must_hold(rm_invariants_books(world->rm));
    world->chip.tpm = the_sample()->chip->tpm;
    return true;
}

static uint32_t send_command(struct world *world, struct rm_client *client, size_t size)
{
    size_t answer = rm_execute(world->rm, client, world->command, size, world->response);

    fuzz_must(answer >= HEADER_SIZE && header_load(world->response).size == answer,
              "an answer of %zu bytes", answer);
    if (header_load(world->command).code == TPM2_CC_ContextSave
        && header_load(world->response).code == TPM2_RC_SUCCESS)
        fuzz_must(blob_set(&world->saved, world->response + HEADER_SIZE, answer - HEADER_SIZE),
                  "no memory");
    return header_load(world->response).code;
}

static void send_named(struct world *world, struct rm_client *client, uint32_t code,
                       uint32_t handle, uint32_t session)
{
    send_command(world, client, sample_build(world->command, code, handle, session));
}

/* A handle of an object of the client's; of one that it has not, when it has none. */
static uint32_t object_of(const struct rm_client *client, uint8_t which)
{
    return client->handles.count ? client->handles.entries[which % client->handles.count].handle
                                 : HANDLE_TRANSIENT_FIRST + which;
}

/* Any session, the client's or another one's. */
static uint32_t session_of(const struct world *world, uint8_t which)
{
    uint32_t number = world->rm->session_count ? which % world->rm->session_count : 0;

    list_for_each (link, &world->rm->sessions) {
        if (number-- == 0)
            return list_entry(link, struct session, link)->handle;
    }
    return UINT32_C(0x02000000) + which;
}

static uint32_t anything_of(const struct world *world, const struct rm_client *client,
                            uint8_t which)
{
    return which & 0x80 ? session_of(world, which) : object_of(client, which);
}

static void make(struct world *world, struct rm_client *client, uint8_t which)
{
    switch (which % 3) {
    case 0:
        send_named(world, client, TPM2_CC_CreatePrimary, TPM2_RH_OWNER, TPM2_RS_PW);
        return;
    case 1:
        send_named(world, client, TPM2_CC_HashSequenceStart, 0, 0);
        return;
    default:
        send_named(world, client, TPM2_CC_StartAuthSession, TPM2_RH_NULL, 0);
    }
}

static void load_saved(struct world *world, struct rm_client *client)
{
    if (!blob_empty(&world->saved) && HEADER_SIZE + world->saved.size <= SAMPLE_COMMAND)
        send_command(
            world, client,
            command_build_context_load(world->command, world->saved.bytes, world->saved.size));
}

static void idle(struct world *world, enum rm_idle_goal goal)
{
    unsigned steps = 0;

    while (rm_idle(world->rm, goal) == RM_IDLE_MORE) {
        fuzz_must_hold(rm_invariants_books(world->rm));
        fuzz_must(++steps < MAX_IDLE_STEPS, "clean-up does not end");
    }
}

static void close_client(struct world *world, unsigned index)
{
    rm_client_free(world->clients[index]);
    world->clients[index] = world->clients[--world->client_count];
}

static void act(struct world *world)
{
    uint8_t op = fuzz_byte(world->input), which = fuzz_byte(world->input);
    unsigned index = world->client_count ? (op >> 3) % world->client_count : 0;
    struct rm_client *client = world->clients[index];

    if (world->client_count == 0)
        return;
    switch ((enum deed)(op % DEEDS)) {
    case DEED_USE:
        send_named(world, client, TPM2_CC_Sign, object_of(client, which), TPM2_RS_PW);
        break;
    case DEED_AUTH:
        send_named(world, client, TPM2_CC_Sign, object_of(client, which),
                   session_of(world, which >> 3));
        break;
    case DEED_SAVE:
        send_named(world, client, TPM2_CC_ContextSave, anything_of(world, client, which), 0);
        break;
    case DEED_LOAD:
        load_saved(world, client);
        break;
    case DEED_FLUSH:
        send_command(
            world, client,
            command_build_flush_context(world->command, anything_of(world, client, which)));
        break;
    case DEED_MAKE:
        make(world, client, which);
        break;
    case DEED_IDLE:
        idle(world, which & 1 ? RM_IDLE_EMPTY : RM_IDLE_TIDY);
        break;
    case DEED_CLOSE:
        close_client(world, index);
        break;
    case DEEDS:
        break;
    }
    while (rm_settle(world->rm))
        ;
    fuzz_must_hold(rm_invariants_books(world->rm));
}

/* Whatever the journal was, a new client is served, and the TPM is empty in the end. */
static void finish(struct world *world)
{
    struct rm_client *client = rm_client_new(world->rm, rm_user_get(world->rm, 77), 77);

    fuzz_must(client, "no client");
    rm_client_set_cookie(client, UINT64_MAX);
    send_named(world, client, TPM2_CC_GetRandom, 0, 0);
    fuzz_must(header_load(world->response).code == TPM2_RC_SUCCESS,
              "GetRandom of a new client is answered with 0x%x", header_load(world->response).code);
    fuzz_must_hold(rm_invariants_books(world->rm));
    list_for_each (link, &world->rm->clients) {
        rm_client_free(list_entry(link, struct rm_client, link));
    }
    idle(world, RM_IDLE_EMPTY);
    fuzz_must(
        world->rm->books_in_doubt
            || (synth_count_objects(&world->chip) == 0 && synth_count_sessions(&world->chip) == 0),
        "%u objects and %u sessions stay in the TPM", synth_count_objects(&world->chip),
        synth_count_sessions(&world->chip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct world world = {.input = &input};

    begin(&world);
    make_manager(&world);
    if (restore(&world)) {
        while (input.size > 0)
            act(&world);
        finish(&world);
    } else {
        restore_undo(world.rm);
    }
    mirror_end(world.rm);
    blob_clear(&world.saved);
    free(world.response);
    free(world.bytes);
    return 0;
}
