/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admits connections, over every way in: the limits of connections, in all and of each account. A
 * connection is charged to its account before anything is made for it, until all of that is given
 * back.
 *
 * A connection whose account is not known yet is charged to its user, in a room of its own, which
 * costs the known accounts nothing. The blocks of such users (base/account.h) share that room as
 * accounts share connections, and the users of a block share what the block may have. So a user or
 * block that fills its part leaves a part for the next. Any thread.
 */
#pragma once

#include "base/account.h"
#include "base/list.h"
#include "base/share.h"

#include <pthread.h>
#include <stdint.h>

/* The most connections whose account is not known yet, beside the others. */
#define ADMISSION_UNKNOWN 256

/* The connections of one account, or of one user whose account is not known. */
struct admission_charge {
    struct list link;
    struct admission_room *room;
    struct admission_charge *block; /* of a user that is not known; else NULL */
    uint32_t account;
    unsigned count; /* connections */
};

struct admission_room {
    struct list charges;
    struct share share;    /* of the connections; a total of 0: no limit */
    unsigned root, others; /* connections of root, and of all other accounts */
};

struct admission {
    pthread_mutex_t lock;
    struct admission_room known, unknown; /* by whether the account is known */
    bool open;
};

/* Nobody is admitted at first. `max` connections in all, 0 for no limit and no shares. 0, or a
 * negative errno. */
int admission_init(struct admission *admission, unsigned max);

/* All connections must have been given back. */
void admission_clear(struct admission *admission);

/* Sets another limit, as above. Who has more connections keeps them, and gets no more. */
void admission_set_max(struct admission *admission, unsigned max);

/* Whether anybody is admitted at all. */
void admission_set_open(struct admission *admission, bool open);

/*
 * Charges a connection to an account that may have `most`, 0 for no limit but its share. 0;
 * -ESHUTDOWN when nobody is admitted, -EUSERS when there are as many connections as there may be,
 * -EDQUOT when the account has as many as it may, which root never has, or -ENOMEM.
 */
int admission_enter(struct admission *admission, uint32_t account, unsigned most,
                    struct admission_charge **charge);

/*
 * Charges a connection to a user whose account is not known yet; errors as above.
 * admission_settle() charges the connection to the account instead; with an error of
 * admission_enter() *charge is NULL then.
 */
int admission_enter_unknown(struct admission *admission, uint32_t uid,
                            struct admission_charge **charge);
int admission_settle(struct admission *admission, uint32_t account, unsigned most,
                     struct admission_charge **charge);

/* Gives a connection back; NULL is fine. */
void admission_leave(struct admission *admission, struct admission_charge *charge);

/* What a person is told of an error that admission_enter(), or making a connection, gave. */
const char *admission_text(int error);
