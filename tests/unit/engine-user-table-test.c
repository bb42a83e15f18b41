/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is remembered of the users that come, and whose question is asked next. */
#include "base/account.h"
#include "engine/user-table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct user_table table;

static int setup(void **state)
{
    (void)state;
    user_table_init(&table);
    return 0;
}

/* Whether the user is remembered; that is no use of it. */
static bool is_known(uint32_t uid)
{
    for (unsigned i = 0; i < USER_TABLE_SIZE; i++)
        if (table.entries[i].block && table.entries[i].uid == uid
            && !list_empty(&table.entries[i].bucket)) {
            list_for_each (it, &table.free_entries)
                if (list_entry(it, struct user_entry, bucket) == &table.entries[i])
                    return false;
            return true;
        }
    return false;
}

static unsigned length(const struct list *list)
{
    unsigned count = 0;

    list_for_each (it, list)
        count++;
    return count;
}

/* The user number `index` of a block. */
static uint32_t user(uint32_t block, uint32_t index)
{
    return block * ACCOUNT_BLOCK + index;
}

static struct user_entry *ask_about(uint32_t uid)
{
    struct user_entry *entry = user_table_get(&table, uid);

    return user_table_wait(&table, entry) ? entry : NULL;
}

static void test_R53_a_user_has_one_entry(void **state)
{
    struct user_entry *one, *other;

    (void)state;
    one = user_table_get(&table, 1000);
    assert_int_equal(one->uid, 1000);
    assert_false(one->known || one->member);
    assert_int_equal(one->question, USER_QUESTION_NONE);
    /* One with the same hash is another user. */
    other = user_table_get(&table, 1000 + 256 * 256 + 256);
    assert_ptr_not_equal(other, one);
    assert_ptr_equal(user_table_get(&table, 1000), one);
    assert_int_equal(one->last_use, 3);
    assert_int_equal(other->last_use, 2);
    assert_int_equal(length(&table.free_entries), USER_TABLE_SIZE - 2);
}

static void test_R53_blocks_are_counted(void **state)
{
    struct user_entry *entry = user_table_get(&table, user(3, 0));
    struct user_block *block = entry->block;

    (void)state;
    assert_int_equal(block->number, 3);
    assert_ptr_equal(user_table_get(&table, user(3, ACCOUNT_BLOCK - 1))->block, block);
    assert_ptr_not_equal(user_table_get(&table, user(4, 0))->block, block);
    assert_int_equal(block->users, 2);
    assert_int_equal(block->strangers, 2);
    user_table_set_member(entry, true);
    assert_int_equal(block->strangers, 1);
    user_table_set_member(entry, true);
    assert_int_equal(block->strangers, 1);
    user_table_set_member(entry, false);
    user_table_set_member(entry, false);
    assert_int_equal(block->strangers, 2);
    assert_int_equal(length(&table.blocks), 2);
    assert_int_equal(length(&table.free_blocks), USER_TABLE_SIZE - 2);
}

/* Of a full table goes who was used least recently; a member last, and nobody with a question. */
static void test_R53_who_makes_room(void **state)
{
    (void)state;
    user_table_set_member(user_table_get(&table, user(1, 0)), true);
    assert_non_null(ask_about(user(1, 1)));
    for (uint32_t i = 2; i < USER_TABLE_SIZE; i++)
        user_table_get(&table, user(i, 0));
    user_table_get(&table, user(2, 0));
    assert_true(list_empty(&table.free_entries));
    user_table_get(&table, user(9999, 0));
    assert_true(list_empty(&table.free_entries));
    assert_false(is_known(user(3, 0)));
    assert_true(is_known(user(2, 0)) && is_known(user(1, 0)) && is_known(user(1, 1)));
    /* Its block is free, and used again. */
    assert_int_equal(length(&table.blocks), USER_TABLE_SIZE - 1);
    user_table_get(&table, user(9998, 0));
    assert_false(is_known(user(4, 0)));
    assert_int_equal(length(&table.blocks), USER_TABLE_SIZE - 1);
    assert_int_equal(length(&table.free_blocks), 1);
    /* Of members alone the oldest goes. */
    for (unsigned i = 0; i < USER_TABLE_SIZE; i++)
        user_table_set_member(&table.entries[i], true);
    user_table_get(&table, user(9997, 0));
    assert_false(is_known(user(1, 0)));
    /* That was a stranger's place: its successor's goes before all members'. */
    user_table_get(&table, user(9996, 0));
    assert_false(is_known(user(9997, 0)));
    assert_true(is_known(user(5, 0)));
}

/* What one who makes room leaves of its block. */
static void test_R53_who_goes_is_not_counted(void **state)
{
    struct user_block *block = user_table_get(&table, user(1, 0))->block;

    (void)state;
    user_table_set_member(user_table_get(&table, user(1, 1)), true);
    for (uint32_t i = 2; i < USER_TABLE_SIZE; i++)
        user_table_set_member(user_table_get(&table, user(i, 0)), true);
    assert_int_equal(block->users, 2);
    assert_int_equal(block->strangers, 1);
    user_table_get(&table, user(9999, 0));
    assert_int_equal(block->users, 1);
    assert_int_equal(block->strangers, 0);
    user_table_set_member(user_table_get(&table, user(9999, 0)), true);
    /* With its last user the block goes, and makes room for that of the newcomer. */
    assert_ptr_equal(user_table_get(&table, user(9998, 0))->block, block);
    assert_int_equal(block->number, 9998);
    assert_int_equal(block->users, 1);
    assert_int_equal(length(&table.blocks), USER_TABLE_SIZE);
}

/* A block's questions are asked one after the other, in their order. */
static void test_R53_questions_of_a_block_are_asked_in_turn(void **state)
{
    struct user_entry *first, *second;

    (void)state;
    assert_null(user_table_ask(&table));
    assert_int_equal(user_table_askable(&table), 0);
    first = ask_about(user(1, 0));
    second = ask_about(user(1, 1));
    assert_int_equal(table.questions, 2);
    assert_int_equal(first->block->questions, 2);
    assert_int_equal(first->question, USER_QUESTION_WAITS);
    assert_int_equal(user_table_askable(&table), 1);
    assert_ptr_equal(user_table_ask(&table), first);
    assert_int_equal(first->question, USER_QUESTION_ASKED);
    assert_int_equal(user_table_askable(&table), 0);
    assert_null(user_table_ask(&table));
    user_table_answer(&table, first);
    assert_int_equal(first->question, USER_QUESTION_NONE);
    assert_int_equal(table.questions, 1);
    assert_int_equal(first->block->questions, 1);
    assert_int_equal(user_table_askable(&table), 1);
    assert_ptr_equal(user_table_ask(&table), second);
    user_table_answer(&table, second);
    assert_int_equal(table.questions, 0);
    assert_null(user_table_ask(&table));
}

/* The block with the fewest strangers goes first; of equals the one that was there first. */
static void test_R53_the_block_with_fewest_strangers_first(void **state)
{
    (void)state;
    ask_about(user(1, 0));
    ask_about(user(1, 1));
    ask_about(user(2, 0));
    ask_about(user(3, 0));
    user_table_get(&table, user(3, 1));
    user_table_set_member(user_table_get(&table, user(3, 2)), true);
    ask_about(user(4, 0));
    assert_int_equal(user_table_askable(&table), 4);
    assert_int_equal(user_table_ask(&table)->uid, user(2, 0));
    assert_int_equal(user_table_ask(&table)->uid, user(4, 0));
    assert_int_equal(user_table_askable(&table), 2);
    assert_int_equal(user_table_ask(&table)->uid, user(1, 0));
    assert_int_equal(user_table_ask(&table)->uid, user(3, 0));
    assert_null(user_table_ask(&table));
}

/* Of more questions than there may be, the newest of the block with the most gives way. */
static void test_R53_the_fullest_block_gives_way(void **state)
{
    struct user_entry *entry;

    (void)state;
    for (uint32_t i = 0; i < USER_TABLE_QUESTIONS - 2; i++)
        assert_non_null(ask_about(user(1, i)));
    assert_non_null(ask_about(user(2, 0)));
    assert_non_null(ask_about(user(2, 1)));
    assert_int_equal(table.questions, USER_TABLE_QUESTIONS);
    /* A block does not push out one of its own. */
    assert_null(ask_about(user(1, 1000)));
    assert_int_equal(table.questions, USER_TABLE_QUESTIONS);
    entry = ask_about(user(3, 0));
    assert_non_null(entry);
    assert_int_equal(entry->question, USER_QUESTION_WAITS);
    assert_int_equal(table.questions, USER_TABLE_QUESTIONS);
    assert_int_equal(user_table_get(&table, user(1, USER_TABLE_QUESTIONS - 3))->question,
                     USER_QUESTION_NONE);
    assert_int_equal(user_table_get(&table, user(1, USER_TABLE_QUESTIONS - 4))->question,
                     USER_QUESTION_WAITS);
    assert_int_equal(user_table_get(&table, user(1, 0))->block->questions,
                     USER_TABLE_QUESTIONS - 3);
    /* Until it has as many as the others. */
    for (uint32_t i = 1; i < 500; i++)
        ask_about(user(3, i));
    assert_int_equal(table.questions, USER_TABLE_QUESTIONS);
    assert_int_equal(user_table_get(&table, user(2, 0))->block->questions, 2);
    assert_int_equal(user_table_get(&table, user(1, 0))->block->questions,
                     (USER_TABLE_QUESTIONS - 2) / 2);
    assert_int_equal(user_table_get(&table, user(3, 0))->block->questions,
                     (USER_TABLE_QUESTIONS - 2) / 2);
}

int main(void)
{
#define TABLE_TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TABLE_TEST(test_R53_a_user_has_one_entry),
        TABLE_TEST(test_R53_blocks_are_counted),
        TABLE_TEST(test_R53_who_makes_room),
        TABLE_TEST(test_R53_who_goes_is_not_counted),
        TABLE_TEST(test_R53_questions_of_a_block_are_asked_in_turn),
        TABLE_TEST(test_R53_the_block_with_fewest_strangers_first),
        TABLE_TEST(test_R53_the_fullest_block_gives_way),
    };
#undef TABLE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
