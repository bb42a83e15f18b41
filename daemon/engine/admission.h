/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admits connections, over every way in: the limits of connections, in all and of each account. A
 * connection is charged to its user (user.h) before anything is made for it, until all of that is
 * given back.
 *
 * A connection whose account is not known yet is charged to its user's number, which costs the
 * known accounts nothing. The blocks of such users (base/account.h) share what there is for them as
 * accounts share connections, and the users of a block share what the block may have. So a user or
 * block that fills its part leaves a part for the next. Any thread.
 */
#pragma once

#include "base/account.h"
#include "base/list.h"
#include "base/share.h"
#include "engine/user.h"

#include <stdint.h>

/* The most connections whose account is not known yet, beside the others. */
#define ADMISSION_UNKNOWN 256

/* The connections of a user whose account is not known yet, or of a block of such users. */
struct admission_unknown {
    struct list link;
    struct admission_unknown *block; /* of a user; NULL of a block */
    uint32_t number;                 /* of the user; of a block its account */
    unsigned connections;
};

struct admission_room {
    struct share share;    /* of the connections; a total of 0: no limit */
    unsigned root, others; /* connections of root, and of all other accounts */
};

struct admission {
    struct users *users;                  /* their lock is over all below */
    struct admission_room known, unknown; /* by whether the account is known */
    struct list unknowns;
    uint64_t refused; /* connections so far */
    bool open;
};

/* Closed at first; `max` connections in all, 0 for no limit and no shares. The users are borrowed.
 */
void admission_init(struct admission *admission, struct users *users, unsigned max);

/* All connections must have been given back. */
void admission_clear(struct admission *admission);

/* Sets another limit, as above. Who has more connections keeps them, and gets no more. */
void admission_set_max(struct admission *admission, unsigned max);

/* Whether anybody is admitted at all. */
void admission_set_open(struct admission *admission, bool open);

/*
 * Charges a connection to the user of an account that may have `most`, 0 for no limit but its
 * share. 0 with the user; or with NULL -ESHUTDOWN when nobody is admitted, -EUSERS when there are
 * as many connections as there may be, -EDQUOT when the account has as many as it may, which root
 * never has, or -ENOMEM.
 */
int admission_enter(struct admission *admission, uint32_t account, unsigned most,
                    struct user **user);

/* Charges a connection that a former daemon admitted; limits do not apply. NULL without memory. */
struct user *admission_inherit(struct admission *admission, uint32_t account);

/* Charges a connection to user number `uid`, whose account is not known yet; errors as above. */
int admission_enter_unknown(struct admission *admission, uint32_t uid,
                            struct admission_unknown **unknown);

/* Gives such a connection back, and charges it to the user of its account as above. */
int admission_settle(struct admission *admission, uint32_t account, unsigned most,
                     struct admission_unknown *unknown, struct user **user);

/* Gives a connection back; NULL is fine. */
void admission_leave(struct admission *admission, struct user *user);
void admission_leave_unknown(struct admission *admission, struct admission_unknown *unknown);

/* How many connections were refused so far. */
uint64_t admission_refused(struct admission *admission);

/* What a person is told of an error that admission_enter(), or making a connection, gave. */
const char *admission_text(int error);
