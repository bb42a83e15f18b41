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

int admission_init(struct admission *admission, unsigned max)
{
    *admission = (struct admission){
        .known = {.share = admission_share(max)},
        .unknown = {.share = share_of(ADMISSION_UNKNOWN, 0, ADMISSION_FOR_NEW_BLOCKS)},
    };
    list_init(&admission->known.charges);
    list_init(&admission->unknown.charges);
    return -pthread_mutex_init(&admission->lock, NULL);
}

void admission_clear(struct admission *admission)
{
    assert(list_empty(&admission->known.charges) && list_empty(&admission->unknown.charges));
    pthread_mutex_destroy(&admission->lock);
}

void admission_set_max(struct admission *admission, unsigned max)
{
    pthread_mutex_lock(&admission->lock);
    admission->known.share = admission_share(max);
    pthread_mutex_unlock(&admission->lock);
}

void admission_set_open(struct admission *admission, bool open)
{
    pthread_mutex_lock(&admission->lock);
    admission->open = open;
    pthread_mutex_unlock(&admission->lock);
}

static unsigned *admission_count(struct admission_room *room, uint32_t account)
{
    return account == ACCOUNT_ROOT ? &room->root : &room->others;
}

static struct admission_charge *admission_find(const struct admission_room *room, uint32_t account)
{
    list_for_each (it, &room->charges) {
        struct admission_charge *charge = list_entry(it, struct admission_charge, link);

        if (charge->account == account)
            return charge;
    }
    return NULL;
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

/* Charges one more connection, without a check. NULL without memory. */
static struct admission_charge *admission_add(struct admission_room *room, uint32_t account)
{
    struct admission_charge *charge = admission_find(room, account);

    if (!charge) {
        charge = calloc(1, sizeof(*charge));
        if (!charge)
            return NULL;
        charge->room = room;
        charge->account = account;
        list_insert_before(&room->charges, &charge->link);
    }
    charge->count++;
    return charge;
}

static void admission_drop(struct admission_charge *charge)
{
    if (--charge->count > 0)
        return;
    list_remove(&charge->link);
    free(charge);
}

static unsigned admission_held(const struct admission_room *room, uint32_t account)
{
    const struct admission_charge *charge = admission_find(room, account);

    return charge ? charge->count : 0;
}

/* Under the lock. *charge is NULL on failure. */
static int admission_take(struct admission *admission, uint32_t account, unsigned most,
                          struct admission_charge **charge)
{
    struct admission_room *room = &admission->known;
    unsigned held = admission_held(room, account);
    int error = admission->open ? admission_check(room, account, held, most) : -ESHUTDOWN;

    *charge = NULL;
    if (error)
        return error;
    *charge = admission_add(room, account);
    if (!*charge)
        return -ENOMEM;
    *admission_count(room, account) += 1;
    return 0;
}

/* Under the lock. *charge is NULL on failure. */
static int admission_take_unknown(struct admission *admission, uint32_t uid,
                                  struct admission_charge **charge)
{
    struct admission_room *room = &admission->unknown;
    unsigned held = admission_held(room, account_unknown(uid));
    int error = admission->open ? admission_check(room, account_unknown(uid), held, 0) : -ESHUTDOWN;
    struct admission_charge *block;

    *charge = NULL;
    if (!error)
        error = admission_check_user(room, held, admission_held(room, uid));
    if (error)
        return error;
    block = admission_add(room, account_unknown(uid));
    if (!block)
        return -ENOMEM;
    *charge = admission_add(room, uid);
    if (!*charge) {
        admission_drop(block);
        return -ENOMEM;
    }
    (*charge)->block = block;
    room->others++;
    return 0;
}

int admission_enter(struct admission *admission, uint32_t account, unsigned most,
                    struct admission_charge **charge)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take(admission, account, most, charge);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

int admission_enter_unknown(struct admission *admission, uint32_t uid,
                            struct admission_charge **charge)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take_unknown(admission, uid, charge);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

/* Under the lock. */
static void admission_give(struct admission_charge *charge)
{
    *admission_count(charge->room, charge->account) -= 1;
    if (charge->block)
        admission_drop(charge->block);
    admission_drop(charge);
}

int admission_settle(struct admission *admission, uint32_t account, unsigned most,
                     struct admission_charge **charge)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    admission_give(*charge);
    error = admission_take(admission, account, most, charge);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

void admission_leave(struct admission *admission, struct admission_charge *charge)
{
    if (!charge)
        return;
    pthread_mutex_lock(&admission->lock);
    admission_give(charge);
    pthread_mutex_unlock(&admission->lock);
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
