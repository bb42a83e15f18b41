/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct admission_seat {
    struct list link;
    uint32_t uid;
    unsigned count; /* connections */
};

int admission_init(struct admission *admission, unsigned max, unsigned max_per_user)
{
    *admission = (struct admission){.max = max, .max_per_user = max_per_user};
    list_init(&admission->seats);
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

static struct admission_seat *admission_find(const struct admission *admission, uint32_t uid)
{
    list_for_each (it, &admission->seats) {
        struct admission_seat *seat = list_entry(it, struct admission_seat, link);

        if (seat->uid == uid)
            return seat;
    }
    return NULL;
}

/* Under the lock. */
static int admission_take(struct admission *admission, uint32_t uid, struct admission_seat **seat)
{
    if (!admission->open)
        return -ESHUTDOWN;
    if (admission->max && admission->count >= admission->max)
        return -EUSERS;
    *seat = admission_find(admission, uid);
    if (!*seat) {
        *seat = calloc(1, sizeof(**seat));
        if (!*seat)
            return -ENOMEM;
        (*seat)->uid = uid;
        list_insert_before(&admission->seats, &(*seat)->link);
    } else if (uid != 0 && admission->max_per_user && (*seat)->count >= admission->max_per_user) {
        return -EDQUOT;
    }
    (*seat)->count++;
    admission->count++;
    return 0;
}

int admission_enter(struct admission *admission, uint32_t uid, struct admission_seat **seat)
{
    int error;

    pthread_mutex_lock(&admission->lock);
    error = admission_take(admission, uid, seat);
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
    admission->count--;
    if (--seat->count == 0) {
        list_remove(&seat->link);
        free(seat);
    }
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
        return "this user has as many connections to tabrmd as --max-connections-per-user allows: "
               "close some, or raise it";
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
