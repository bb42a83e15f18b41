/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that runs out while books are made of a journal, at each place: all is given back, and the
 * journal is as it was. */
#include "alloc-fault.h"
#include "base/log.h"
#include "restore-story.h"
#include "rm-invariants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST          400 /* requests, more than there are */
#define JOURNAL_BYTES (4 << 20)

struct stage {
    struct story story;
    struct journal_image image;
};

static int setup(void **state)
{
    static struct stage stage;

    log_threshold = LOG_LEVEL_SILENT;
    story_begin(&stage.story);
    story_tell(&stage.story, &stage.image);
    *state = &stage;
    return 0;
}

static int teardown(void **state)
{
    story_end(&((struct stage *)*state)->story);
    return 0;
}

static void test_a_check_says_that_there_is_no_memory(void **state)
{
    const struct stage *stage = *state;
    enum journal_verdict verdict = JOURNAL_MEMORY;
    unsigned nth = 0;

    while (verdict != JOURNAL_GOOD) {
        long held = alloc_fault_held();
        unsigned refused;

        assert_true(++nth < MOST);
        alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, false);
        verdict = restore_check(&stage->image);
        refused = alloc_fault_end();
        assert_int_equal(verdict, refused > 0 ? JOURNAL_MEMORY : JOURNAL_GOOD);
        assert_int_equal(alloc_fault_held(), held);
    }
    assert_true(nth > 2);
}

/* From now on the journal has no room for contexts. */
static void take_room(struct plain_journal *plain)
{
    struct journal_mark mark = {.cell.cell = 1};
    size_t size = JOURNAL_BYTES;

    plain->most = plain->backed;
    while (!journal_claim(plain->journal, &mark, 0, size))
        size -= 16;
}

/* Makes books in a journal of their own, with room for contexts or without. Whether they are
 * there. */
static bool try(const struct stage *stage, unsigned nth, bool room)
{
    static const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .generation = 2};
    long held = alloc_fault_held();
    struct plain_journal plain;
    struct rm *rm = story_manager();
    unsigned refused;
    bool made;

    plain_journal_init(&plain, JOURNAL_BYTES, &config);
    rm_set_journal(rm, plain.journal);
    if (!room)
        take_room(&plain);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, false);
    made = restore_books(rm, &stage->image);
    refused = alloc_fault_end();
    if (nth > 0)
        assert_int_equal(made, refused == 0);
    if (made)
        assert_null(rm_invariants_books(rm));
    restore_undo(rm);
    rm_free(rm);
    plain_journal_clear(&plain);
    assert_int_equal(alloc_fault_held(), held);
    return made;
}

static void test_books_are_made_whole_or_not_at_all(void **state)
{
    unsigned nth = 1;

    while (!try(*state, nth, true))
        assert_true(++nth < MOST);
    assert_true(nth > STORY_HOLDERS + STORY_OBJECTS + UNSTARTED);
    assert_int_equal(restore_check(&((struct stage *)*state)->image), JOURNAL_GOOD);
}

/* Books that cannot be noted would be lost with this daemon. */
static void test_books_need_room_in_a_journal(void **state)
{
    assert_false(try(*state, 0, false));
    assert_true(try(*state, 0, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_check_says_that_there_is_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_books_are_made_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_books_need_room_in_a_journal, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
