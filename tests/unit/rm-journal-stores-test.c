/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process may be killed between any two stores. So each store to a journal's memory is trapped
 * here, and then the memory is read as the next daemon would. It must be the state of the last
 * commit, or whole that of the next.
 */
#include "plain-journal.h"
#include "rm/journal-image.h"
#include "rm/journal-layout.h"
#include "store-trap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CAPACITY (1024 * 1024)
#define THINGS   6
#define LONGEST  200

static const struct journal_config config = {
    .owner = PLAIN_JOURNAL_OWNER, .generation = 1, .seats = 1, .desk = 4096};

struct thing {
    struct journal_mark mark;
    uint32_t handle;
    uint8_t bytes[LONGEST];
    size_t size;
    uint32_t line;
};

/* What the next daemon would read. */
struct reading {
    uint64_t committed, digest;
};

static struct plain_journal plain;
static struct reading valid; /* by the last store */
static unsigned stores, torn, commits;

static uint64_t extent_digest(const struct journal_image *image, uint32_t line, uint32_t cell)
{
    size_t size = 0;
    const uint8_t *bytes = line ? journal_image_extent(image, line, cell, &size) : NULL;

    return bytes ? journal_hash(1, bytes, size) : 2;
}

/* Of all records, and of the bytes of their extents. False when the next daemon would refuse it. */
static bool read_memory(struct reading *reading)
{
    struct journal_image image;

    *reading = (struct reading){0};
    if (journal_image_open(&image, plain.memory.bytes, CAPACITY, PLAIN_JOURNAL_OWNER)
        != JOURNAL_GOOD)
        return false;
    reading->committed = image.committed;
    for (uint32_t cell = 1; cell <= image.cells; cell++) {
        enum journal_kind kind;
        uint32_t serial, lines[2];
        const void *payload = journal_image_record(&image, cell, &kind, &serial);

        if (!payload)
            continue;
        journal_named_lines(kind, payload, lines);
        reading->digest = journal_hash(reading->digest ^ cell ^ (uint64_t)kind << 32 ^ serial,
                                       payload, JOURNAL_PAYLOAD);
        reading->digest ^= 3 * extent_digest(&image, lines[0], cell);
        reading->digest ^= 5 * extent_digest(&image, lines[1], cell);
    }
    return true;
}

/* A new commit may be there; an old one is as it was. */
static void look(void)
{
    struct reading reading;
    bool good = read_memory(&reading);

    stores++;
    if (good && reading.committed == valid.committed + 1) {
        valid = reading;
        commits++;
    } else if (!good || reading.committed != valid.committed || reading.digest != valid.digest) {
        torn++;
    }
}

static void note_thing(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct thing *thing = list_entry(mark, struct thing, mark);
    struct record_object *record = payload;

    record->physical = thing->handle;
    record->saved = journal_keep(journal, mark, 0, &thing->line, thing->bytes, thing->size);
}

/* From here on stores are trapped. */
static void begin(void)
{
    plain_journal_init(&plain, CAPACITY, &config);
    assert_non_null(plain.journal);
    journal_set_noter(plain.journal, JOURNAL_OBJECT, note_thing);
    journal_complete(plain.journal);
    assert_true(read_memory(&valid));
    stores = torn = commits = 0;
    assert_true(store_trap_begin(plain.memory.bytes, CAPACITY, look));
}

static void end(void)
{
    store_trap_end();
    plain_journal_clear(&plain);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void change(struct thing *thing, uint32_t *random)
{
    if (thing->mark.cell.cell == 0) {
        *thing = (struct thing){0};
        assert_true(journal_open(plain.journal, &thing->mark, JOURNAL_OBJECT));
    } else if (next_random(random) % 4 == 0) {
        journal_close(plain.journal, &thing->mark);
        return;
    }
    thing->handle = next_random(random);
    if (next_random(random) % 2) {
        thing->size = next_random(random) % LONGEST + 1;
        assert_true(journal_claim(plain.journal, &thing->mark, 0, thing->size));
        memset(thing->bytes, (int)next_random(random), thing->size);
        thing->line = 0;
    }
    journal_touch(plain.journal, &thing->mark);
}

static void test_no_store_tears_a_commit(void **state)
{
    static struct thing things[THINGS];
    const struct record_move move = {.cookie = 3, .size = 5};
    const struct record_run run = {.cookie = 3, .phase = RUN_TAKEN};
    uint32_t random = 3;

    (void)state;
    begin();
    memset(things, 0, sizeof(things));
    for (unsigned round = 0; round < 200; round++) {
        change(&things[next_random(&random) % THINGS], &random);
        if (round % 3 == 0)
            journal_note_move(plain.journal, JOURNAL_IN, &move);
        if (round % 5 == 0)
            journal_run(plain.journal, &run);
        if (round % 7 == 0)
            journal_run_phase(plain.journal, RUN_SENT);
        if (next_random(&random) % 3)
            continue;
        journal_commit(plain.journal);
    }
    end();
    assert_in_range(stores, 2000, 1000000);
    assert_in_range(commits, 50, 200);
    assert_int_equal(torn, 0);
}

/* The control: what a committed record names is changed where it stands. */
static void test_a_broken_rule_is_found(void **state)
{
    static struct thing thing;
    uint8_t *extent;

    (void)state;
    begin();
    thing = (struct thing){.size = LONGEST};
    assert_true(journal_open(plain.journal, &thing.mark, JOURNAL_OBJECT));
    assert_true(journal_claim(plain.journal, &thing.mark, 0, LONGEST));
    journal_commit(plain.journal);
    assert_int_equal(torn, 0);
    extent = plain.memory.bytes
             + ((const struct journal_header *)(const void *)plain.memory.bytes)->shelf_at
             + (size_t)thing.line * JOURNAL_LINE + sizeof(struct journal_extent);
    for (unsigned i = 0; i < LONGEST; i++)
        ((volatile uint8_t *)extent)[i] = 1;
    end();
    assert_int_equal(torn, LONGEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_store_tears_a_commit),
        cmocka_unit_test(test_a_broken_rule_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
