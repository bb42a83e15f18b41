/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may have a connection: the limits of connections, in all and of each user, over every way in.
 * A connection has a seat, from before anything is made for it until all of that is given back.
 * Any thread.
 */
#pragma once

#include "base/list.h"

#include <pthread.h>
#include <stdint.h>

struct admission_seat; /* shared by the connections of one user */

struct admission {
    pthread_mutex_t lock;
    struct list seats;
    unsigned max, max_per_user; /* 0: no limit */
    unsigned count;
    bool open;
};

/* Closed at first. 0, or a negative errno. */
int admission_init(struct admission *admission, unsigned max, unsigned max_per_user);

/* All seats must have been given back. */
void admission_clear(struct admission *admission);

/* Whether anybody is admitted at all. */
void admission_set_open(struct admission *admission, bool open);

/*
 * A seat for a connection of user `uid`. 0; -ESHUTDOWN when it is closed, -EUSERS when there are as
 * many connections as there may be, -EDQUOT when the user has as many as it may, which root never
 * has, or -ENOMEM.
 */
int admission_enter(struct admission *admission, uint32_t uid, struct admission_seat **seat);

/* Gives a seat back; NULL is fine. */
void admission_leave(struct admission *admission, struct admission_seat *seat);

/* What a person is told of an error that admission_enter(), or making a connection, gave. */
const char *admission_text(int error);
