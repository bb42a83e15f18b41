/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal: what is committed is what is read, at each instant, and damage is found. */
#include "plain-journal.h"
#include "rm/journal-image.h"
#include "rm/journal-layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CAPACITY (4 * 1024 * 1024)
#define THINGS   48
#define LONGEST  700

static const struct journal_config usual = {
    .owner = PLAIN_JOURNAL_OWNER, .generation = 5, .seats = 20, .desk = 9000};

/* Something with a record of a session: a number, and two strings of bytes. */
struct thing {
    struct journal_mark mark;
    uint32_t handle;
    uint8_t bytes[2][LONGEST];
    size_t sizes[2];
    uint32_t lines[2];
};

struct kept {
    struct journal_ref cell;
    uint32_t handle;
    uint8_t bytes[2][LONGEST];
    size_t sizes[2];
};

static void note_thing(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct thing *thing = list_entry(mark, struct thing, mark);
    struct record_session *record = payload;

    record->handle = thing->handle;
    record->saved =
        journal_keep(journal, mark, 0, &thing->lines[0], thing->bytes[0], thing->sizes[0]);
    record->held =
        journal_keep(journal, mark, 1, &thing->lines[1], thing->bytes[1], thing->sizes[1]);
}

static void begin(struct plain_journal *plain)
{
    plain_journal_init(plain, CAPACITY, &usual);
    assert_non_null(plain->journal);
    journal_set_noter(plain->journal, JOURNAL_SESSION, note_thing);
    journal_complete(plain->journal);
}

static enum journal_verdict look(const struct plain_journal *plain, struct journal_image *image)
{
    return journal_image_open(image, plain->memory.bytes, plain->memory.capacity,
                              PLAIN_JOURNAL_OWNER);
}

static void check_bytes(const struct journal_image *image, uint32_t line, const struct kept *kept,
                        unsigned which)
{
    const uint8_t *bytes;
    size_t size = 0;

    if (kept->sizes[which] == 0) {
        assert_int_equal(line, 0);
        return;
    }
    bytes = journal_image_extent(image, line, kept->cell.cell, &size);
    assert_non_null(bytes);
    assert_int_equal(size, kept->sizes[which]);
    assert_memory_equal(bytes, kept->bytes[which], size);
}

/* The image has what `kept` has, and nothing else. */
static void check_image(const struct plain_journal *plain, const struct kept *kept)
{
    struct journal_image image;
    unsigned records = 0, things = 0;

    assert_int_equal(look(plain, &image), JOURNAL_GOOD);
    for (unsigned i = 0; i < THINGS; i++) {
        struct record_session record;
        enum journal_kind kind;
        uint32_t serial;
        const void *payload;

        if (kept[i].cell.cell == 0)
            continue;
        things++;
        payload = journal_image_record(&image, kept[i].cell.cell, &kind, &serial);
        assert_non_null(payload);
        assert_int_equal(kind, JOURNAL_SESSION);
        assert_int_equal(serial, kept[i].cell.serial);
        memcpy(&record, payload, sizeof(record));
        assert_int_equal(record.handle, kept[i].handle);
        check_bytes(&image, record.saved, &kept[i], 0);
        check_bytes(&image, record.held, &kept[i], 1);
    }
    for (uint32_t cell = 1; cell <= image.cells; cell++) {
        enum journal_kind kind;
        uint32_t serial;

        records += journal_image_record(&image, cell, &kind, &serial) != NULL;
    }
    assert_int_equal(records, things);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void change_bytes(struct journal *journal, struct thing *thing, unsigned which,
                         uint32_t *state)
{
    size_t size = next_random(state) % 4 == 0 ? 0 : next_random(state) % LONGEST + 1;

    memset(thing->bytes[which], (int)next_random(state), size);
    thing->sizes[which] = size;
    thing->lines[which] = 0;
    assert_true(journal_claim(journal, &thing->mark, which, size));
}

static void change_thing(struct journal *journal, struct thing *thing, uint32_t *state)
{
    if (thing->mark.cell.cell == 0) {
        *thing = (struct thing){0};
        assert_true(journal_open(journal, &thing->mark, JOURNAL_SESSION));
    } else if (next_random(state) % 5 == 0) {
        journal_close(journal, &thing->mark);
        return;
    }
    thing->handle = next_random(state);
    if (next_random(state) % 2)
        change_bytes(journal, thing, next_random(state) % 2, state);
    journal_touch(journal, &thing->mark);
}

static void keep(struct kept *kept, const struct thing *things)
{
    memset(kept, 0, THINGS * sizeof(*kept));
    for (unsigned i = 0; i < THINGS; i++) {
        if (things[i].mark.cell.cell == 0)
            continue;
        kept[i].cell = things[i].mark.cell;
        kept[i].handle = things[i].handle;
        memcpy(kept[i].sizes, things[i].sizes, sizeof(kept[i].sizes));
        memcpy(kept[i].bytes, things[i].bytes, sizeof(kept[i].bytes));
    }
}

static void test_what_is_read_is_the_last_commit(void **state)
{
    static struct thing things[THINGS];
    static struct kept kept[THINGS];
    struct plain_journal plain;
    uint32_t random = 1;

    (void)state;
    begin(&plain);
    for (unsigned round = 0; round < 4000; round++) {
        change_thing(plain.journal, &things[next_random(&random) % THINGS], &random);
        if (round % 16 == 0)
            check_image(&plain, kept);
        if (next_random(&random) % 3)
            continue;
        journal_commit(plain.journal);
        keep(kept, things);
        if (round % 16 < 4)
            check_image(&plain, kept);
    }
    plain_journal_clear(&plain);
}

/* However often things come and go. */
static void test_memory_is_used_again(void **state)
{
    static struct thing things[THINGS];
    struct plain_journal plain;
    uint32_t random = 2;
    size_t backed = 0;

    (void)state;
    begin(&plain);
    for (unsigned round = 0; round < 200000; round++) {
        change_thing(plain.journal, &things[next_random(&random) % THINGS], &random);
        journal_commit(plain.journal);
        if (round == 20000)
            backed = plain.backed;
    }
    assert_int_equal(plain.backed, backed);
    plain_journal_clear(&plain);
}

static void test_without_memory_nothing_changes(void **state)
{
    static struct thing things[600];
    struct plain_journal plain;
    struct journal_image image;
    unsigned opened = 0;

    (void)state;
    begin(&plain);
    plain.most = plain.backed;
    while (opened < 600 && journal_open(plain.journal, &things[opened].mark, JOURNAL_SESSION))
        opened++;
    assert_in_range(opened, 400, 599);
    assert_int_equal(things[opened].mark.cell.cell, 0);
    assert_false(journal_claim(plain.journal, &things[0].mark, 0, 1000 * LONGEST));
    assert_int_equal(things[0].mark.claims[0], 0);
    journal_commit(plain.journal);
    assert_int_equal(look(&plain, &image), JOURNAL_GOOD);
    plain.most = CAPACITY;
    assert_true(journal_open(plain.journal, &things[opened].mark, JOURNAL_SESSION));
    assert_true(journal_claim(plain.journal, &things[0].mark, 0, 1000 * LONGEST));
    plain_journal_clear(&plain);
}

/* What one has claimed nobody else takes, whatever is committed, and in whatever order. */
static void test_claimed_room_is_nobody_elses(void **state)
{
    static struct thing things[200], others[2];
    struct plain_journal plain;

    (void)state;
    begin(&plain);
    for (unsigned i = 0; i < 2; i++)
        assert_true(journal_open(plain.journal, &others[i].mark, JOURNAL_SESSION));
    for (unsigned i = 0; i < 200; i++) {
        assert_true(journal_open(plain.journal, &things[i].mark, JOURNAL_SESSION));
        assert_true(journal_claim(plain.journal, &things[i].mark, i % 2, LONGEST));
    }
    plain.most = plain.backed;
    for (unsigned i = 0; journal_claim(plain.journal, &others[i % 2].mark, 0, LONGEST); i++) {
        others[i % 2].lines[0] = 0;
        others[i % 2].sizes[0] = LONGEST;
        journal_touch(plain.journal, &others[i % 2].mark);
        if (i % 3 == 0)
            journal_commit(plain.journal);
        if (i == 1000)
            break;
    }
    for (unsigned i = 0; i < 200; i++) {
        struct thing *thing = &things[i * 7 % 200];

        thing->sizes[i * 7 % 2] = LONGEST;
        journal_touch(plain.journal, &thing->mark);
        journal_commit(plain.journal);
        assert_int_not_equal(thing->lines[i * 7 % 2], 0);
    }
    plain_journal_clear(&plain);
}

/* Claims that are given back, replaced, or closed with what has them. */
static void test_claims_that_are_not_used(void **state)
{
    static struct thing things[20];
    struct plain_journal plain;
    size_t backed;

    (void)state;
    begin(&plain);
    assert_true(journal_open(plain.journal, &things[0].mark, JOURNAL_SESSION));
    assert_true(journal_claim(plain.journal, &things[0].mark, 0, 60000));
    backed = plain.backed;
    for (unsigned i = 0; i < 20; i++) {
        struct journal_mark *mark = &things[i].mark;

        if (i > 0)
            assert_true(journal_open(plain.journal, mark, JOURNAL_SESSION));
        assert_true(journal_claim(plain.journal, mark, 0, 60000));
        assert_true(journal_claim(plain.journal, mark, 0, 100));
        if (i % 2)
            assert_true(journal_claim(plain.journal, mark, 0, 0));
        else
            journal_close(plain.journal, mark);
        assert_int_equal(plain.backed, backed);
    }
    plain_journal_clear(&plain);
}

static void test_an_extent_is_copied_once(void **state)
{
    static struct thing thing;
    struct plain_journal plain;
    uint32_t line;

    (void)state;
    begin(&plain);
    assert_true(journal_open(plain.journal, &thing.mark, JOURNAL_SESSION));
    thing.sizes[0] = 100;
    assert_true(journal_claim(plain.journal, &thing.mark, 0, 100));
    journal_commit(plain.journal);
    line = thing.lines[0];
    thing.handle = 3;
    journal_touch(plain.journal, &thing.mark);
    journal_commit(plain.journal);
    assert_int_equal(thing.lines[0], line);
    plain_journal_clear(&plain);
}

static void test_whose_it_is_and_what_became_of_it(void **state)
{
    struct plain_journal plain;
    struct journal_image image;

    (void)state;
    plain_journal_init(&plain, CAPACITY, &usual);
    assert_non_null(plain.journal);
    assert_int_equal(look(&plain, &image), JOURNAL_INCOMPLETE);
    journal_complete(plain.journal);
    journal_facts(plain.journal)->starts = 2;
    assert_int_equal(look(&plain, &image), JOURNAL_GOOD);
    assert_int_equal(image.generation, 5);
    assert_int_equal(image.seats, 20);
    assert_int_equal(image.desk_size, 9000);
    assert_int_equal(image.facts->starts, 2);
    assert_ptr_equal(image.bytes + image.desk_at, journal_desk(plain.journal));
    assert_ptr_equal(image.bytes + image.seats_at, journal_seats(plain.journal));
    assert_int_equal(journal_image_open(&image, plain.memory.bytes, plain.memory.capacity, 8),
                     JOURNAL_FOREIGN);
    assert_int_equal(journal_image_open(&image, plain.memory.bytes, 100, PLAIN_JOURNAL_OWNER),
                     JOURNAL_FOREIGN);
    ((struct journal_header *)(void *)plain.memory.bytes)->version++;
    assert_int_equal(look(&plain, &image), JOURNAL_NEWER);
    ((struct journal_header *)(void *)plain.memory.bytes)->version--;
    journal_end(plain.journal);
    assert_int_equal(look(&plain, &image), JOURNAL_ENDED);
    plain_journal_clear(&plain);
}

/* Each bit of what a committed record says, or names, is told from damage; bits of the header may
 * also mean another journal. */
static void test_damage_is_found(void **state)
{
    static struct thing thing;
    struct plain_journal plain;
    struct journal_image image;
    const struct journal_header *header;
    size_t places[3], sizes[3];

    (void)state;
    begin(&plain);
    assert_true(journal_open(plain.journal, &thing.mark, JOURNAL_SESSION));
    thing.sizes[0] = 100;
    assert_true(journal_claim(plain.journal, &thing.mark, 0, 100));
    journal_commit(plain.journal);
    header = (const struct journal_header *)(const void *)plain.memory.bytes;
    places[0] = header->shelf_at + (size_t)thing.lines[0] * JOURNAL_LINE;
    sizes[0] = sizeof(struct journal_extent) + 100;
    places[1] = header->cells_at + thing.mark.cell.cell * sizeof(struct journal_cell);
    places[1] += offsetof(struct journal_cell, halves[1].check);
    sizes[1] = sizeof(struct journal_half) - offsetof(struct journal_half, check);
    places[2] = 0;
    sizes[2] = offsetof(struct journal_header, complete);
    for (unsigned i = 0; i < 3; i++) {
        for (size_t bit = 0; bit < 8 * sizes[i]; bit++) {
            uint8_t *byte = plain.memory.bytes + places[i] + bit / 8;

            *byte ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(look(&plain, &image), JOURNAL_GOOD);
            *byte ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_int_equal(look(&plain, &image), JOURNAL_GOOD);
    /* A half of a commit that is still to come was not written by a journal. */
    plain.memory.bytes[places[1] - offsetof(struct journal_half, check) + 1] ^= 1;
    assert_int_equal(look(&plain, &image), JOURNAL_DAMAGED);
    plain_journal_clear(&plain);
}

static void test_single_records(void **state)
{
    const struct record_run run = {.cookie = 77, .command = 10, .phase = RUN_TAKEN};
    const struct record_move move = {.cookie = 78, .size = 20};
    struct record_run found;
    struct plain_journal plain;
    struct journal_image image;
    enum journal_kind kind;
    const void *payload;
    uint32_t serial;

    (void)state;
    begin(&plain);
    journal_run(plain.journal, &run);
    journal_note_move(plain.journal, JOURNAL_IN, &move);
    journal_commit(plain.journal);
    journal_run_phase(plain.journal, RUN_SENT);
    assert_int_equal(look(&plain, &image), JOURNAL_GOOD);
    memcpy(&found, journal_image_record(&image, JOURNAL_RUN, &kind, &serial), sizeof(found));
    assert_int_equal(found.phase, RUN_TAKEN);
    journal_commit(plain.journal);
    assert_int_equal(look(&plain, &image), JOURNAL_GOOD);
    payload = journal_image_record(&image, JOURNAL_RUN, &kind, &serial);
    memcpy(&found, payload, sizeof(found));
    assert_int_equal(kind, JOURNAL_RUN);
    assert_int_equal(found.cookie, 77);
    assert_int_equal(found.phase, RUN_SENT);
    assert_null(journal_image_record(&image, JOURNAL_OUT, &kind, &serial));
    plain_journal_clear(&plain);
}

static void test_no_journal_is_fine(void **state)
{
    struct journal_mark mark = {0};

    (void)state;
    assert_true(journal_open(NULL, &mark, JOURNAL_SESSION));
    journal_touch(NULL, &mark);
    journal_close(NULL, &mark);
    journal_put(NULL, journal_take_cell(NULL), JOURNAL_HANDLE, &mark, 4);
    assert_true(journal_claim(NULL, &mark, 0, 100));
    journal_commit(NULL);
    journal_end(NULL);
    assert_null(journal_desk(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read_is_the_last_commit),
        cmocka_unit_test(test_memory_is_used_again),
        cmocka_unit_test(test_without_memory_nothing_changes),
        cmocka_unit_test(test_claimed_room_is_nobody_elses),
        cmocka_unit_test(test_claims_that_are_not_used),
        cmocka_unit_test(test_an_extent_is_copied_once),
        cmocka_unit_test(test_whose_it_is_and_what_became_of_it),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_single_records),
        cmocka_unit_test(test_no_journal_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
