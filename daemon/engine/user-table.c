/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/user-table.h"

#include "base/account.h"

#include <assert.h>

void user_table_init(struct user_table *table)
{
    *table = (struct user_table){0};
    list_init(&table->free_entries);
    list_init(&table->blocks);
    list_init(&table->free_blocks);
    for (unsigned i = 0; i < USER_TABLE_BUCKETS; i++)
        list_init(&table->buckets[i]);
    for (unsigned i = 0; i < USER_TABLE_SIZE; i++) {
        list_insert_before(&table->free_entries, &table->entries[i].bucket);
        list_init(&table->entries[i].queue);
        list_insert_before(&table->free_blocks, &table->room[i].link);
    }
}

/* Neighbouring users are in different ones. */
static struct list *user_table_bucket(struct user_table *table, uint32_t uid)
{
    return &table->buckets[(uid ^ uid >> 8) % USER_TABLE_BUCKETS];
}

/* There are as many blocks as users, so there is one for each. */
static struct user_block *user_table_block(struct user_table *table, uint32_t number)
{
    struct user_block *block;

    list_for_each (it, &table->blocks) {
        block = list_entry(it, struct user_block, link);
        if (block->number == number)
            return block;
    }
    block = list_entry(table->free_blocks.next, struct user_block, link);
    list_remove(&block->link);
    *block = (struct user_block){.number = number};
    list_init(&block->queue);
    list_insert_before(&table->blocks, &block->link);
    return block;
}

static void user_table_forget(struct user_table *table, struct user_entry *entry)
{
    struct user_block *block = entry->block;

    block->strangers -= !entry->member;
    if (--block->users == 0) {
        list_remove(&block->link);
        list_insert_before(&table->free_blocks, &block->link);
    }
    list_remove(&entry->bucket);
    list_insert_before(&table->free_entries, &entry->bucket);
}

/* Whether entry `a` makes room for a new user before entry `b`. */
static bool user_table_is_less(const struct user_entry *a, const struct user_entry *b)
{
    return a->member != b->member ? !a->member : a->last_use < b->last_use;
}

/* Frees the entry that is needed least. */
static void user_table_make_room(struct user_table *table)
{
    struct user_entry *least = NULL;

    for (unsigned i = 0; i < USER_TABLE_SIZE; i++) {
        struct user_entry *entry = &table->entries[i];

        if (entry->question == USER_QUESTION_NONE && (!least || user_table_is_less(entry, least)))
            least = entry;
    }
    assert(least); /* those that wait are fewer than the entries */
    user_table_forget(table, least);
}

static struct user_entry *user_table_add(struct user_table *table, uint32_t uid)
{
    struct user_block *block = user_table_block(table, uid / ACCOUNT_BLOCK);
    struct user_entry *entry = list_entry(table->free_entries.next, struct user_entry, bucket);

    list_remove(&entry->bucket);
    *entry = (struct user_entry){.uid = uid, .block = block};
    list_init(&entry->queue);
    list_insert_before(user_table_bucket(table, uid), &entry->bucket);
    block->users++;
    block->strangers++;
    return entry;
}

struct user_entry *user_table_get(struct user_table *table, uint32_t uid)
{
    struct user_entry *entry = NULL;

    list_for_each (it, user_table_bucket(table, uid)) {
        struct user_entry *one = list_entry(it, struct user_entry, bucket);

        if (one->uid == uid)
            entry = one;
    }
    if (!entry) {
        if (list_empty(&table->free_entries))
            user_table_make_room(table);
        entry = user_table_add(table, uid);
    }
    entry->last_use = ++table->order;
    return entry;
}

static void user_table_drop_question(struct user_table *table, struct user_entry *entry)
{
    entry->question = USER_QUESTION_NONE;
    entry->block->questions--;
    table->questions--;
    list_remove(&entry->queue);
}

/* Makes room for a question of `block`, where the block with the most has more even then. */
static bool user_table_push_out(struct user_table *table, const struct user_block *block)
{
    struct user_block *fullest = NULL;

    list_for_each (it, &table->blocks) {
        struct user_block *one = list_entry(it, struct user_block, link);

        if (!fullest || one->questions > fullest->questions)
            fullest = one;
    }
    assert(fullest); /* `block` is one of them */
    if (fullest->questions <= block->questions + 1)
        return false;
    /* The block has at least two questions, and at most one of them is being asked. */
    user_table_drop_question(table, list_entry(fullest->queue.prev, struct user_entry, queue));
    return true;
}

bool user_table_wait(struct user_table *table, struct user_entry *entry)
{
    if (table->questions >= USER_TABLE_QUESTIONS && !user_table_push_out(table, entry->block))
        return false;
    entry->question = USER_QUESTION_WAITS;
    entry->block->questions++;
    table->questions++;
    list_insert_before(&entry->block->queue, &entry->queue);
    return true;
}

static bool user_table_is_askable(const struct user_block *block)
{
    return !block->asked && !list_empty(&block->queue);
}

struct user_entry *user_table_ask(struct user_table *table)
{
    struct user_block *next = NULL;
    struct user_entry *entry;

    list_for_each (it, &table->blocks) {
        struct user_block *block = list_entry(it, struct user_block, link);

        if (user_table_is_askable(block) && (!next || block->strangers < next->strangers))
            next = block;
    }
    if (!next)
        return NULL;
    entry = list_entry(next->queue.next, struct user_entry, queue);
    list_remove(&entry->queue);
    entry->question = USER_QUESTION_ASKED;
    next->asked = true;
    return entry;
}

unsigned user_table_askable(const struct user_table *table)
{
    unsigned count = 0;

    list_for_each (it, &table->blocks)
        count += user_table_is_askable(list_entry(it, struct user_block, link));
    return count;
}

void user_table_answer(struct user_table *table, struct user_entry *entry)
{
    entry->block->asked = false;
    user_table_drop_question(table, entry);
}

void user_table_set_member(struct user_entry *entry, bool member)
{
    entry->block->strangers += entry->member;
    entry->block->strangers -= member;
    entry->member = member;
}
