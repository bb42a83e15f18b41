/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The users of whom accounts.c knows something, or about whom it asks, by their blocks
 * (base/account.h). A block counts once, however many users it has: its next question is asked when
 * the last one is answered. Of several blocks that wait the one with the fewest strangers goes
 * first, and the one with the most questions gives way. So a user that is seen as any user of its
 * block delays its own block's users only. No locks.
 */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define USER_TABLE_SIZE      512 /* users */
#define USER_TABLE_QUESTIONS 256 /* that wait or are being asked, at a time */
#define USER_TABLE_BUCKETS   256

/* Whether the database is to be asked about a user. */
enum user_question {
    USER_QUESTION_NONE,
    USER_QUESTION_WAITS,
    USER_QUESTION_ASKED, /* it is in the database's hands */
};

struct user_entry {
    struct list bucket; /* of those with the same hash; of free ones */
    struct list queue;  /* in the block's questions while it waits */
    struct user_block *block;
    uint32_t uid;
    enum user_question question;
    bool known;        /* the database was asked, */
    bool member;       /* and said this; else the user is a stranger */
    int64_t since;     /* when it said so, */
    int64_t keep;      /* and how long that is good for */
    uint64_t last_use; /* the order in which the user was asked for */
};

struct user_block {
    struct list link;  /* of those that have users; of free ones */
    struct list queue; /* questions that wait, the oldest first */
    uint32_t number;
    unsigned users, strangers, questions;
    bool asked; /* one of the questions is in the database's hands */
};

struct user_table {
    struct user_entry entries[USER_TABLE_SIZE];
    struct user_block room[USER_TABLE_SIZE];
    struct list buckets[USER_TABLE_BUCKETS];
    struct list free_entries, blocks, free_blocks;
    unsigned questions;
    uint64_t order;
};

void user_table_init(struct user_table *table);

/*
 * The user's entry. A new entry takes the place of the entry that is needed least: of the users
 * without a question strangers go before members, and users that were asked for earlier before
 * others.
 */
struct user_entry *user_table_get(struct user_table *table, uint32_t uid);

/* Has the database be asked about a user without a question. When there are too many questions the
 * newest of the block with the most goes; false when that is this one. */
bool user_table_wait(struct user_table *table, struct user_entry *entry);

/* The question to ask next, which counts as being asked from now on. NULL when each block with
 * questions has one that is being asked. */
struct user_entry *user_table_ask(struct user_table *table);

/* How many questions could be asked now. */
unsigned user_table_askable(const struct user_table *table);

/* The database has answered: the question is none any more. */
void user_table_answer(struct user_table *table, struct user_entry *entry);

/* Whether the user is a member. */
void user_table_set_member(struct user_entry *entry, bool member);
