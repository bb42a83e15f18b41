/* SPDX-License-Identifier: BSD-2-Clause */
#include "mirror.h"

#include "plain-journal.h"

#define MIRRORS  8
#define CAPACITY (64 << 20)

struct mirror {
    struct rm *rm; /* NULL: free */
    struct plain_journal plain;
};

static struct mirror mirrors[MIRRORS];

static struct mirror *mirror_of(const struct rm *rm)
{
    for (unsigned i = 0; i < MIRRORS; i++) {
        if (mirrors[i].rm == rm)
            return &mirrors[i];
    }
    return NULL;
}

void mirror_begin(struct rm *rm)
{
    static const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .generation = 1};
    struct mirror *mirror = mirror_of(NULL);

    assert(mirror);
    plain_journal_init(&mirror->plain, CAPACITY, &config);
    assert(mirror->plain.journal);
    mirror->rm = rm;
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
