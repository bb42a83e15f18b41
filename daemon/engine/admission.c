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

int admission_init(struct admission *admission, unsigned max, unsigned max_per_user)
{
    *admission = (struct admission){
        .known = {.share = admission_share(max), .max_per_user = max_per_user},
        .unknown = {.share = share_of(ADMISSION_UNKNOWN, 0, ADMISSION_FOR_NEW_BLOCKS)},
    };
    list_init(&admission->known.seats);
    list_init(&admission->unknown.seats);
    return -pthread_mutex_init(&admission->lock, NULL);
}

void admission_clear(struct admission *admission)
{
    assert(list_empty(&admission->known.seats) && list_empty(&admission->unknown.seats));
    pthread_mutex_destroy(&admission->lock);
}

void admission_set_limits(struct admission *admission, unsigned max, unsigned max_per_user)
{
    pthread_mutex_lock(&admission->lock);
    admission->known.share = admission_share(max);
    admission->known.max_per_user = max_per_user;
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

static struct admission_seat *admission_find(const struct admission_room *room, uint32_t account)
{
    list_for_each (it, &room->seats) {
        struct admission_seat *seat = list_entry(it, struct admission_seat, link);

        if (seat->account == account)
            return seat;
    }
    return NULL;
}

/* Whether there is a connection for an account that has `own`: 0, -EUSERS or -EDQUOT. */
static int admission_check(const struct admission_room *room, uint32_t account, unsigned own)
{
    const struct share_holdings held = {room->root, room->others, own};

    if (room->share.total == 0)
        return 0;
    if (account == ACCOUNT_ROOT)
        return share_has_for_root(&room->share, &held) ? 0 : -EUSERS;
    if (!share_has_any(&room->share, &held))
        return -EUSERS;
    if (room->max_per_user && own >= room->max_per_user)
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

/* A place in the room, without a check. NULL without memory. */
static struct admission_seat *admission_sit(struct admission_room *room, uint32_t account)
{
    struct admission_seat *seat = admission_find(room, account);

    if (!seat) {
        seat = calloc(1, sizeof(*seat));
        if (!seat)
            return NULL;
        seat->room = room;
        seat->account = account;
        list_insert_before(&room->seats, &seat->link);
    }
    seat->count++;
    return seat;
}

static void admission_rise(struct admission_seat *seat)
{
    if (--seat->count > 0)
        return;
    list_remove(&seat->link);
    free(seat);
}

static unsigned admission_held(const struct admission_room *room, uint32_t account)
{
    const struct admission_seat *seat = admission_find(room, account);

    return seat ? seat->count : 0;
}

/* Under the lock. *seat is NULL on failure. */
static int admission_take(struct admission *admission, uint32_t account,
                          struct admission_seat **seat)
{
    struct admission_room *room = &admission->known;
    int error = admission->open ? admission_check(room, account, admission_held(room, account))
                                : -ESHUTDOWN;

    *seat = NULL;
    if (error)
        return error;
    *seat = admission_sit(room, account);
    if (!*seat)
        return -ENOMEM;
    *admission_count(room, account) += 1;
    return 0;
}

/* Under the lock. *seat is NULL on failure. */
static int admission_take_unknown(struct admission *admission, uint32_t uid,
                                  struct admission_seat **seat)
{
    struct admission_room *room = &admission->unknown;
    unsigned held = admission_held(room, account_unknown(uid));
    int error = admission->open ? admission_check(room, account_unknown(uid), held) : -ESHUTDOWN;
    struct admission_seat *block;

    *seat = NULL;
    if (!error)
        error = admission_check_user(room, held, admission_held(room, uid));
    if (error)
        return error;
    block = admission_sit(room, account_unknown(uid));
    if (!block)
        return -ENOMEM;
    *seat = admission_sit(room, uid);
    if (!*seat) {
        admission_rise(block);
        return -ENOMEM;
    }
    (*seat)->block = block;
    room->others++;
    return 0;
}

int admission_enter(struct admission *admission, uint32_t account, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take(admission, account, seat);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

int admission_enter_unknown(struct admission *admission, uint32_t uid, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take_unknown(admission, uid, seat);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

/* Under the lock. */
static void admission_give(struct admission_seat *seat)
{
    *admission_count(seat->room, seat->account) -= 1;
    if (seat->block)
        admission_rise(seat->block);
    admission_rise(seat);
}

int admission_settle(struct admission *admission, uint32_t account, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    admission_give(*seat);
    error = admission_take(admission, account, seat);
    pthread_mutex_unlock(&admission->lock);
    return error;
}

void admission_leave(struct admission *admission, struct admission_seat *seat)
{
    if (!seat)
        return;
    pthread_mutex_lock(&admission->lock);
    admission_give(seat);
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
