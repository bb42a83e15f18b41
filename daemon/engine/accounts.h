/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is a member of the group that may use the daemon, and whose account a user's connections are
 * on (base/account.h). Root, the user of this process, and users that the user database knows as
 * members of that group have accounts of their own; all others are guests, on one account together.
 * For who makes a user namespace may appear as any of thousands of users, of which the database
 * knows nothing. A guest on an account of its own is still a guest.
 *
 * The database may take its time, so threads of our own ask it. At the start it is asked for those
 * whom the group's entry lists. What it says is kept: for ACCOUNTS_MEMBER_MS of a member,
 * ACCOUNTS_GUEST_MS of another, ACCOUNTS_RETRY_MS when it does not say. Then it is asked again, and
 * what it said before counts until it has answered. When it does not say, a user is what it was,
 * and a guest at first.
 *
 * Strangers of one block (base/account.h) are in the way of no other (user-table.h): a member waits
 * for its own answer only, as long as questions about no more than ACCOUNTS_ASKING blocks are in
 * the database's hands. Beyond the questions that may wait, a user is a guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNTS_ASKING    8   /* questions that the database has at a time */
#define ACCOUNTS_LISTED    256 /* of whom the group's entry lists */
#define ACCOUNTS_MEMBER_MS 600000
#define ACCOUNTS_GUEST_MS  60000
#define ACCOUNTS_RETRY_MS  2000

struct accounts;

/* As membership_lookup() and membership_list(). */
typedef int accounts_lookup_fn(uint32_t uid, gid_t group);
typedef unsigned accounts_list_fn(gid_t group, uint32_t *uids, unsigned max);

struct accounts_config {
    accounts_lookup_fn *lookup; /* NULL: nobody is a member but root and this process's user */
    accounts_list_fn *list;     /* NULL: nobody is asked for at the start */
    gid_t group;
    bool apart;     /* guests have accounts of their own, as all have without `lookup` */
    int timeout_ms; /* how long a connection waits for the database to say whose it is */
};

/*
 * `told` is called with `data` on another thread, whenever an answer has come that somebody may
 * wait for; it must return at once, and must not call back. NULL without memory.
 */
struct accounts *accounts_new(const struct accounts_config *config, void (*told)(void *data),
                              void *data);

/* Does not wait for a question that the database does not answer. NULL is fine. */
void accounts_free(struct accounts *accounts);

/* The account of a user in *account; or false when the database is asked first, which ends in
 * told(). `now` is clock_now(). Any thread; waits for nothing. */
bool accounts_find(struct accounts *accounts, uint32_t uid, int64_t now, uint32_t *account);

/* The same of whether a user is a member in *member, whatever account it is on. */
bool accounts_find_member(struct accounts *accounts, uint32_t uid, int64_t now, bool *member);
