/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Connections that are kept for root, and for accounts that have none; and of those whose account
 * is not known yet, for blocks that have none. */
#define ADMISSION_FOR_ROOT       8
#define ADMISSION_FOR_NEWCOMERS  8
#define ADMISSION_FOR_NEW_BLOCKS 4

/* Of a block's, those that are kept for users that have none. */
#define ADMISSION_FOR_NEW_USERS 2

static struct share admission_share(unsigned max)
{
    return share_of(max, ADMISSION_FOR_ROOT, ADMISSION_FOR_NEWCOMERS);
}

void admission_init(struct admission *admission, struct users *users, unsigned max)
{
    *admission = (struct admission){
        .users = users,
        .known = {.share = admission_share(max)},
        .unknown = {.share = share_of(ADMISSION_UNKNOWN, 0, ADMISSION_FOR_NEW_BLOCKS)},
    };
    list_init(&admission->unknowns);
}

void admission_clear(struct admission *admission)
{
    (void)admission; /* where asserts are compiled out */
    assert(admission->known.root + admission->known.others == 0);
    assert(list_empty(&admission->unknowns));
}

static void admission_lock(struct admission *admission)
{
    pthread_mutex_lock(&admission->users->lock);
}

static void admission_unlock(struct admission *admission)
{
    pthread_mutex_unlock(&admission->users->lock);
}

void admission_set_max(struct admission *admission, unsigned max)
{
    admission_lock(admission);
    admission->known.share = admission_share(max);
    admission_unlock(admission);
}

void admission_set_open(struct admission *admission, bool open)
{
    admission_lock(admission);
    admission->open = open;
    admission_unlock(admission);
}

static unsigned *admission_count(struct admission_room *room, uint32_t account)
{
    return account == ACCOUNT_ROOT ? &room->root : &room->others;
}

/* Whether there is a connection for an account that has `own` and may have `most`: 0, -EUSERS or
 * -EDQUOT. */
static int admission_check(const struct admission_room *room, uint32_t account, unsigned own,
                           unsigned most)
{
    const struct share_holdings held = {room->root, room->others, own};

    if (room->share.total == 0)
        return 0;
    if (account == ACCOUNT_ROOT)
        return share_has_for_root(&room->share, &held) ? 0 : -EUSERS;
    if (!share_has_any(&room->share, &held))
        return -EUSERS;
    if (most && own >= most)
        return -EDQUOT;
    return share_has_for(&room->share, &held) ? 0 : -EDQUOT;
}

/* Whether there is one for a user of a block that has `block`, of which the user has `own`: of what
 * the block has, and may take until it has as many as it leaves. */
static int admission_check_user(const struct admission_room *room, unsigned block, unsigned own)
{
    unsigned left = room->share.total - room->others;
    struct share share =
        share_of(block + (left > block ? (left - block) / 2 : 0), 0, ADMISSION_FOR_NEW_USERS);
    struct share_holdings held = {.others = block, .own = own};

    return share_has_for(&share, &held) ? 0 : -EDQUOT;
}

static struct admission_unknown *admission_find_unknown(const struct admission *admission,
                                                        uint32_t number)
{
    list_for_each (it, &admission->unknowns) {
        struct admission_unknown *unknown = list_entry(it, struct admission_unknown, link);

        if (unknown->number == number)
            return unknown;
    }
    return NULL;
}

static unsigned admission_held_unknown(const struct admission *admission, uint32_t number)
{
    const struct admission_unknown *unknown = admission_find_unknown(admission, number);

    return unknown ? unknown->connections : 0;
}

/* One more connection of an unknown user or block, without a check. NULL without memory. */
static struct admission_unknown *admission_add_unknown(struct admission *admission, uint32_t number)
{
    struct admission_unknown *unknown = admission_find_unknown(admission, number);

    if (!unknown) {
        unknown = calloc(1, sizeof(*unknown));
        if (!unknown)
            return NULL;
        unknown->number = number;
        list_insert_before(&admission->unknowns, &unknown->link);
    }
    unknown->connections++;
    return unknown;
}

static void admission_remove_unknown(struct admission_unknown *unknown)
{
    if (--unknown->connections > 0)
        return;
    list_remove(&unknown->link);
    free(unknown);
}

/* Under the lock, without a check. NULL without memory. */
static struct user *admission_charge(struct admission *admission, uint32_t account)
{
    struct user *user = users_find(admission->users, account);

    if (!user)
        user = users_add(admission->users, account);
    if (!user)
        return NULL;
    user->connections++;
    *admission_count(&admission->known, account) += 1;
    return user;
}

/* Under the lock. *user is NULL on failure. */
static int admission_take(struct admission *admission, uint32_t account, unsigned most,
                          struct user **user)
{
    struct admission_room *room = &admission->known;
    struct user *found = users_find(admission->users, account);
    int error = admission->open
                    ? admission_check(room, account, found ? found->connections : 0, most)
                    : -ESHUTDOWN;

    *user = NULL;
    if (error)
        return error;
    *user = admission_charge(admission, account);
    return *user ? 0 : -ENOMEM;
}

/* Under the lock. *unknown is NULL on failure. */
static int admission_take_unknown(struct admission *admission, uint32_t uid,
                                  struct admission_unknown **unknown)
{
    struct admission_room *room = &admission->unknown;
    unsigned held = admission_held_unknown(admission, account_unknown(uid));
    int error = admission->open ? admission_check(room, account_unknown(uid), held, 0) : -ESHUTDOWN;
    struct admission_unknown *block;

    *unknown = NULL;
    if (!error)
        error = admission_check_user(room, held, admission_held_unknown(admission, uid));
    if (error)
        return error;
    block = admission_add_unknown(admission, account_unknown(uid));
    if (!block)
        return -ENOMEM;
    *unknown = admission_add_unknown(admission, uid);
    if (!*unknown) {
        admission_remove_unknown(block);
        return -ENOMEM;
    }
    (*unknown)->block = block;
    room->others++;
    return 0;
}

/* Under the lock. */
static void admission_give_unknown(struct admission *admission, struct admission_unknown *unknown)
{
    admission->unknown.others--;
    admission_remove_unknown(unknown->block);
    admission_remove_unknown(unknown);
}

int admission_enter(struct admission *admission, uint32_t account, unsigned most,
                    struct user **user)
{
    int error;

    admission_lock(admission);
    error = admission_take(admission, account, most, user);
    admission->refused += error != 0;
    admission_unlock(admission);
    return error;
}

struct user *admission_inherit(struct admission *admission, uint32_t account)
{
    struct user *user;

    admission_lock(admission);
    user = admission_charge(admission, account);
    admission_unlock(admission);
    return user;
}

int admission_enter_unknown(struct admission *admission, uint32_t uid,
                            struct admission_unknown **unknown)
{
    int error;

    admission_lock(admission);
    error = admission_take_unknown(admission, uid, unknown);
    admission->refused += error != 0;
    admission_unlock(admission);
    return error;
}

int admission_settle(struct admission *admission, uint32_t account, unsigned most,
                     struct admission_unknown *unknown, struct user **user)
{
    int error;

    admission_lock(admission);
    admission_give_unknown(admission, unknown);
    error = admission_take(admission, account, most, user);
    admission->refused += error != 0;
    admission_unlock(admission);
    return error;
}

uint64_t admission_refused(struct admission *admission)
{
    uint64_t refused;

    admission_lock(admission);
    refused = admission->refused;
    admission_unlock(admission);
    return refused;
}

void admission_leave(struct admission *admission, struct user *user)
{
    if (!user)
        return;
    admission_lock(admission);
    *admission_count(&admission->known, user->account) -= 1;
    user->connections--;
    users_drop(user);
    admission_unlock(admission);
}

void admission_leave_unknown(struct admission *admission, struct admission_unknown *unknown)
{
    if (!unknown)
        return;
    admission_lock(admission);
    admission_give_unknown(admission, unknown);
    admission_unlock(admission);
}

const char *admission_text(int error)
{
    switch (error) {
    case -ESHUTDOWN:
        return "tabrmd is starting or about to end: try again later";
    case -EUSERS:
        return "tabrmd has as many connections as --max-connections and its limit of open files "
               "allow: close some, or raise the limits";
    case -EDQUOT:
        return "this user has as many connections to tabrmd as it may, which are half of those "
               "that others leave and no more than --max-connections-per-user: close some, or "
               "raise the limits";
    case -EMFILE:
    case -ENFILE:
        return "tabrmd has no file descriptors left: close connections, or raise LimitNOFILE= of "
               "its unit";
    case -ENOMEM:
    case -ENOBUFS:
    case -ENOSPC: /* epoll's own limit */
        return "tabrmd has no memory left for a connection: try again later";
    default:
        return strerror(-error);
    }
}
