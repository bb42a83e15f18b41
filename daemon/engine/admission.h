/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may have a connection: the limits of connections, in all and of each account, over every way
 * in.
 * A connection has a seat, from before anything is made for it until all of that is given back.
 *
 * A connection whose account is not known yet has a seat in another room, which is not at the cost
 * of those that are known. The blocks of such users (base/account.h) share that room as accounts
 * share connections, and the users of a block what the block may have. So whoever fills its part
 * leaves a part for the next.
 * Any thread.
 */
#pragma once

#include "base/account.h"
#include "base/list.h"
#include "base/share.h"

#include <pthread.h>
#include <stdint.h>

/* The most connections whose account is not known yet, beside the others. */
#define ADMISSION_UNKNOWN 256

/* Shared by the connections of one account; of those that are not known, of one user. */
struct admission_seat {
    struct list link;
    struct admission_room *room;
    struct admission_seat *block; /* of a user that is not known; else NULL */
    uint32_t account;
    unsigned count; /* connections */
};

struct admission_room {
    struct list seats;
    struct share share;    /* of the connections; a total of 0: no limit */
    unsigned max_per_user; /* 0: no limit but the share */
    unsigned root, others; /* connections of root, and of all other accounts */
};

struct admission {
    pthread_mutex_t lock;
    struct admission_room known, unknown; /* by whether the account is known */
    bool open;
};

/* Closed at first; `max` connections in all, 0 for no limit and no shares. 0, or a negative errno.
 */
int admission_init(struct admission *admission, unsigned max, unsigned max_per_user);

/* All seats must have been given back. */
void admission_clear(struct admission *admission);

/* Other limits, as above. Who has more connections keeps them, and gets no more. */
void admission_set_limits(struct admission *admission, unsigned max, unsigned max_per_user);

/* Whether anybody is admitted at all. */
void admission_set_open(struct admission *admission, bool open);

/*
 * A seat for a connection of an account. 0; -ESHUTDOWN when it is closed, -EUSERS when there are as
 * many connections as there may be, -EDQUOT when the account has as many as it may, which root
 * never has, or -ENOMEM.
 */
int admission_enter(struct admission *admission, uint32_t account, struct admission_seat **seat);

/*
 * A seat for a connection of a user whose account is not known yet; errors as above.
 * admission_settle() exchanges it for one of the account, or, with an error of admission_enter(),
 * for NULL.
 */
int admission_enter_unknown(struct admission *admission, uint32_t uid,
                            struct admission_seat **seat);
int admission_settle(struct admission *admission, uint32_t account, struct admission_seat **seat);

/* Gives a seat back; NULL is fine. */
void admission_leave(struct admission *admission, struct admission_seat *seat);

/* What a person is told of an error that admission_enter(), or making a connection, gave. */
const char *admission_text(int error);
