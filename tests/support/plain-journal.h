/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of a journal that is nothing but memory, and that gives out only as much as it is told. */
#pragma once

#include "rm/journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PLAIN_JOURNAL_OWNER UINT64_C(7)

struct plain_journal {
    struct journal_memory memory;
    size_t backed; /* bytes so far */
    size_t most;   /* bytes that there are */
    struct journal *journal;
};

static inline bool plain_journal_make_room(void *data, size_t offset, size_t size)
{
    struct plain_journal *plain = data;

    (void)offset; /* where asserts are compiled out */
    assert(offset + size <= plain->memory.capacity);
    if (size > plain->most - plain->backed)
        return false;
    plain->backed += size;
    return true;
}

/* Maps `capacity` bytes, all of which there are, and makes a journal in them. */
static inline void plain_journal_init(struct plain_journal *plain, size_t capacity,
                                      const struct journal_config *config)
{
    void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(bytes != MAP_FAILED);
    *plain = (struct plain_journal){.memory = {bytes, capacity, plain_journal_make_room, plain},
                                    .most = capacity};
    plain->journal = journal_new(&plain->memory, config);
}

static inline void plain_journal_clear(struct plain_journal *plain)
{
    journal_free(plain->journal);
    munmap(plain->memory.bytes, plain->memory.capacity);
    *plain = (struct plain_journal){0};
}
