/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How newcomers from the socket and from the bus become clients: each is admitted, or refused, by
 * the account of its user, with the rules for that user; and waits for the user database where it
 * is not known whether the user is a member of the group that may use the daemon.
 */
#pragma once

#include "engine/accounts.h"
#include "engine/client.h"

struct newcomers_config {
    struct accounts_config accounts;
    unsigned max_connections; /* 0: no limit */
    struct rules_config rules;
};

struct newcomers {
    struct loop *loop; /* borrowed, with the next one */
    struct clients *clients;
    struct users users;
    struct seats seats; /* of all clients */
    struct admission admission;
    struct accounts *accounts;
    pthread_mutex_t lock; /* of the next one */
    struct rules *rules;
    int timeout_ms;       /* of a client of whose user that is not known yet */
    struct list doubtful; /* such clients, the oldest first */
    struct timer timeout; /* that of the oldest */
};

/*
 * Nobody is admitted at first. Copies the configuration. `told` is called with `data` on another
 * thread when the user database has answered; newcomers_settle() is due then. 0, or a negative
 * errno: then nothing is to be cleared.
 */
int newcomers_init(struct newcomers *newcomers, struct loop *loop, struct clients *clients,
                   const struct newcomers_config *config, void (*told)(void *data), void *data);

/* The user database is asked for nobody any more. All clients must be gone. */
void newcomers_clear(struct newcomers *newcomers);

/* Newcomers are admitted from now on. */
void newcomers_open(struct newcomers *newcomers);

/* The account (base/account.h) of a user; that of unknown ones of its block while it is not known
 * yet. Any thread. */
uint32_t newcomers_account(struct newcomers *newcomers, uint32_t uid);

/* Makes a client of the socket `fd`, which it takes over on success; whose that is, is copied, and
 * kept for the next daemon (seats.h). 0, or a negative errno, of which admission_text() makes
 * words. Any thread. */
int newcomers_admit(struct newcomers *newcomers, const struct seat_holder *holder, int fd,
                    struct client **client);

/*
 * Makes a client of a connection that a former daemon had under this seat, and has it served on;
 * `account`, `member` and `number` are as they were, and what the rules say of it is not. NULL
 * without memory, or when the kernel says that the socket is another user's; else `fd` is taken
 * over. Limits do not apply.
 */
struct client *newcomers_inherit(struct newcomers *newcomers, const struct seat_record *seat,
                                 uint32_t account, bool member, uint64_t number, int fd);

/* The same of one that was not served yet: it waits for what is not known of it. NULL when it gets
 * no place; else `fd` is taken over. */
struct client *newcomers_inherit_new(struct newcomers *newcomers, const struct seat_record *seat,
                                     int fd);

/* Another limit of connections, 0 for none, and other rules, of which it takes a reference over;
 * for open clients too. A client stays on its account. */
void newcomers_change(struct newcomers *newcomers, unsigned max_connections, struct rules *rules);

/* Has a client that was admitted served, as soon as it is known whether its user is a member, or
 * was waited for long enough. */
void newcomers_welcome(struct newcomers *newcomers, struct client *client);

/* A newcomer at the listening socket; for the acceptor. */
int newcomers_accept(void *data, uint32_t uid, int fd);

/* Has clients served of whose users that is known by now. */
void newcomers_settle(struct newcomers *newcomers);

/* Admits nobody any more. Clients that still wait go. */
void newcomers_close(struct newcomers *newcomers);
