/* SPDX-License-Identifier: BSD-2-Clause */
#include "mirror.h"

#include "mirror-compare.h"
#include "plain-journal.h"
#include "rm/restore.h"
#include "rules.h"

#include <errno.h>

#define MIRRORS  8
#define CAPACITY (64 << 20)

struct mirror {
    struct rm_tpm tpm; /* between the manager and its chip */
    struct rm_tpm *chip;
    struct rm *rm; /* NULL: free */
    struct plain_journal plain;
    const char *said; /* what differed when a command was sent */
};

static struct mirror mirrors[MIRRORS];
static bool looks_away;

static struct mirror *mirror_of(const struct rm *rm)
{
    for (unsigned i = 0; i < MIRRORS; i++) {
        if (mirrors[i].rm == rm)
            return &mirrors[i];
    }
    return NULL;
}

/* Books are made without a chip. */
static int no_chip(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                   uint8_t *response, size_t capacity, size_t *response_size)
{
    (void)tpm;
    (void)locality;
    (void)command;
    (void)size;
    (void)response;
    (void)capacity;
    (void)response_size;
    abort();
}

static bool no_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    (void)attempt;
    abort();
}

const char *mirror_look(struct rm *rm, const struct journal_memory *memory)
{
    static struct rm_tpm none = {no_chip, no_backoff};
    struct journal_image image;
    const char *said;
    struct rm *copy;

    if (looks_away)
        return NULL;
    if (journal_image_open(&image, memory->bytes, memory->capacity, PLAIN_JOURNAL_OWNER)
        != JOURNAL_GOOD)
        return "the journal cannot be read";
    if (restore_check(&image) != JOURNAL_GOOD)
        return "the journal's records do not agree";
    copy = rm_new(&none, &rm->chip, &rm->limits);
    assert(copy);
    copy->chip.reset_count = 0;
    said = restore_books(copy, &image) ? mirror_compare(rm, copy)
                                       : "no books can be made of the journal";
    restore_undo(copy);
    rm_free(copy);
    return said ? rules_say("the journal: %s", said) : NULL;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct mirror *mirror = (struct mirror *)tpm;

    if (!mirror->said)
        mirror->said = mirror_look(mirror->rm, &mirror->plain.memory);
    return mirror->chip->transact(mirror->chip, locality, command, size, response, capacity,
                                  response_size);
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct mirror *mirror = (struct mirror *)tpm;

    return mirror->chip->backoff(mirror->chip, attempt);
}

void mirror_begin(struct rm *rm)
{
    static const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .generation = 1};
    struct mirror *mirror = mirror_of(NULL);

    assert(mirror);
    plain_journal_init(&mirror->plain, CAPACITY, &config);
    assert(mirror->plain.journal);
    mirror->rm = rm;
    mirror->chip = rm->tpm;
    mirror->tpm = (struct rm_tpm){transact, backoff};
    mirror->said = NULL;
    rm->tpm = &mirror->tpm;
    rm_set_journal(rm, mirror->plain.journal);
    journal_complete(mirror->plain.journal);
}

void mirror_end(struct rm *rm)
{
    struct mirror *mirror = rm ? mirror_of(rm) : NULL;

    rm_free(rm);
    if (!mirror)
        return;
    plain_journal_clear(&mirror->plain);
    mirror->rm = NULL;
}

const char *mirror_check(struct rm *rm)
{
    struct mirror *mirror = mirror_of(rm);

    if (!mirror)
        return NULL;
    journal_commit(rm->journal);
    if (mirror->said)
        return mirror->said;
    return mirror_look(rm, &mirror->plain.memory);
}

void mirror_look_away(bool away)
{
    looks_away = away;
}

void mirror_limit(struct rm *rm, size_t room)
{
    struct plain_journal *plain = &mirror_of(rm)->plain;

    plain->most = room < plain->memory.capacity - plain->backed ? plain->backed + room
                                                                : plain->memory.capacity;
}

bool mirror_read(struct rm *rm, struct journal_image *image)
{
    const struct journal_memory *memory = &mirror_of(rm)->plain.memory;

    return journal_image_open(image, memory->bytes, memory->capacity, PLAIN_JOURNAL_OWNER)
           == JOURNAL_GOOD;
}
