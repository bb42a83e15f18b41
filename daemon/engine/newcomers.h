/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How newcomers from the socket and from the bus become clients: each is admitted, or refused, by
 * the account of its user; and waits for the user database where that is not known.
 */
#pragma once

#include "engine/accounts.h"
#include "engine/client.h"

struct newcomers_config {
    struct accounts_config accounts;
    unsigned max_connections, max_connections_per_user; /* 0: no limit */
    const uint32_t *high_uids, *low_uids;               /* users of other priority */
    unsigned high_count, low_count;
};

struct newcomers {
    struct loop *loop; /* borrowed, with the next one */
    struct clients *clients;
    struct admission admission;
    struct accounts *accounts;
    uint32_t *named; /* the users of high priority, then those of low */
    unsigned high_count, low_count;
    int timeout_ms;       /* of a client whose account is not known yet */
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
uint32_t newcomers_account(const struct newcomers *newcomers, uint32_t uid);

/* Makes a client of the socket `fd`, which it takes over on success. 0, or a negative errno, of
 * which admission_text() makes words. Any thread. */
int newcomers_admit(struct newcomers *newcomers, uint32_t uid, int fd, struct client **client);

/* Has a client that was admitted served, as soon as its account is known or was waited for long
 * enough. */
void newcomers_welcome(struct newcomers *newcomers, struct client *client);

/* A newcomer at the listening socket; for the acceptor. */
int newcomers_accept(void *data, uint32_t uid, int fd);

/* Has clients served whose account is known by now. */
void newcomers_settle(struct newcomers *newcomers);

/* Admits nobody any more. Clients whose account is not known yet go. */
void newcomers_close(struct newcomers *newcomers);
