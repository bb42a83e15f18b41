/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Connections that are kept for root, and for accounts that have none. */
#define ADMISSION_FOR_ROOT      8
#define ADMISSION_FOR_NEWCOMERS 8

/* The most connections whose account is not known yet. */
#define ADMISSION_UNKNOWN 64

int admission_init(struct admission *admission, unsigned max, unsigned max_per_user)
{
    *admission = (struct admission){
        .share = share_of(max, ADMISSION_FOR_ROOT, ADMISSION_FOR_NEWCOMERS),
        .max_per_user = max_per_user,
    };
    list_init(&admission->seats);
    admission->unknown.account = ACCOUNT_GUESTS;
    return -pthread_mutex_init(&admission->lock, NULL);
}

void admission_clear(struct admission *admission)
{
    assert(list_empty(&admission->seats));
    pthread_mutex_destroy(&admission->lock);
}

void admission_set_open(struct admission *admission, bool open)
{
    pthread_mutex_lock(&admission->lock);
    admission->open = open;
    pthread_mutex_unlock(&admission->lock);
}

static unsigned *admission_count(struct admission *admission, uint32_t account)
{
    return account == ACCOUNT_ROOT ? &admission->root : &admission->others;
}

static struct admission_seat *admission_find(const struct admission *admission, uint32_t account)
{
    list_for_each (it, &admission->seats) {
        struct admission_seat *seat = list_entry(it, struct admission_seat, link);

        if (seat->account == account)
            return seat;
    }
    return NULL;
}

/* Whether there is a connection for an account that has `own`: 0, -EUSERS or -EDQUOT. */
static int admission_check(const struct admission *admission, uint32_t account, unsigned own)
{
    const struct share_holdings held = {admission->root, admission->others, own};

    if (admission->share.total == 0)
        return 0;
    if (account == ACCOUNT_ROOT)
        return share_has_for_root(&admission->share, &held) ? 0 : -EUSERS;
    if (!share_has_any(&admission->share, &held))
        return -EUSERS;
    if (admission->max_per_user && own >= admission->max_per_user)
        return -EDQUOT;
    return share_has_for(&admission->share, &held) ? 0 : -EDQUOT;
}

/* Under the lock. */
static int admission_take(struct admission *admission, uint32_t account,
                          struct admission_seat **seat)
{
    int error;

    if (!admission->open)
        return -ESHUTDOWN;
    *seat = admission_find(admission, account);
    error = admission_check(admission, account, *seat ? (*seat)->count : 0);
    if (error)
        return error;
    if (!*seat) {
        *seat = calloc(1, sizeof(**seat));
        if (!*seat)
            return -ENOMEM;
        (*seat)->account = account;
        list_insert_before(&admission->seats, &(*seat)->link);
    }
    (*seat)->count++;
    *admission_count(admission, account) += 1;
    return 0;
}

int admission_enter(struct admission *admission, uint32_t account, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take(admission, account, seat);
    pthread_mutex_unlock(&admission->lock);
    if (error)
        *seat = NULL;
    return error;
}

/* Under the lock. */
static void admission_give(struct admission *admission, struct admission_seat *seat)
{
    *admission_count(admission, seat->account) -= 1;
    if (--seat->count > 0 || seat == &admission->unknown)
        return;
    list_remove(&seat->link);
    free(seat);
}

int admission_enter_unknown(struct admission *admission, struct admission_seat **seat)
{
    struct share_holdings held;
    int error = 0;

    *seat = NULL;
    pthread_mutex_lock(&admission->lock);
    held = (struct share_holdings){admission->root, admission->others, 0};
    if (!admission->open)
        error = -ESHUTDOWN;
    else if (admission->unknown.count >= ADMISSION_UNKNOWN
             || (admission->share.total && !share_has_any(&admission->share, &held)))
        error = -EUSERS;
    if (!error) {
        *seat = &admission->unknown;
        admission->unknown.count++;
        admission->others++;
    }
    pthread_mutex_unlock(&admission->lock);
    return error;
}

int admission_settle(struct admission *admission, uint32_t account, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    admission_give(admission, *seat);
    error = admission_take(admission, account, seat);
    pthread_mutex_unlock(&admission->lock);
    if (error)
        *seat = NULL;
    return error;
}

void admission_leave(struct admission *admission, struct admission_seat *seat)
{
    if (!seat)
        return;
    pthread_mutex_lock(&admission->lock);
    admission_give(admission, seat);
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
