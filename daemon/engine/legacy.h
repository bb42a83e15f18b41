/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a former daemon left with the service manager (keeper.h): its journal, and the sockets of
 * its clients. Of two journals the newer one counts that is good. Nothing of it changes, but for
 * the count of attempts to read it, and until legacy_end().
 */
#pragma once

#include "engine/desk-remains.h"
#include "engine/kept-memory.h"
#include "engine/passed.h"
#include "engine/seats.h"

struct client;

struct legacy_socket {
    uint64_t cookie, inode;
    int fd;                /* -1: it is a client's, or was ended */
    struct client *client; /* whose it is now, or NULL */
};

/* Attempts to read a journal within the time of LEGACY_TRUST_MS each: at the second one the
 * connection that was at the desk ends, as it may be what the daemon dies of; from the third on
 * nothing is read. */
#define LEGACY_SUSPECTS 2
#define LEGACY_GIVES_UP 3
#define LEGACY_TRUST_MS 60000

struct legacy {
    struct kept_memory memory[2];  /* of s0 and s1 */
    struct legacy_socket *sockets; /* by cookie */
    unsigned socket_count;
    int chosen;                   /* of the two; -1: none is good */
    enum journal_verdict verdict; /* why, if none is */
    uint32_t starts;              /* attempts, with this one */
    bool counted[2];              /* this one, in the journals */
    struct journal_image image;   /* of the chosen one, with the next */
    struct desk_remains remains;
};

/* Takes descriptors out of `passed`, NULL for none, of which the listening sockets stay there. What
 * is of no use is ended. False without memory; then nothing is taken. */
bool legacy_init(struct legacy *legacy, struct passed *passed);

/* Unmaps and closes, and leaves all with the service manager. Harmless when repeated. */
void legacy_clear(struct legacy *legacy);

/* Whether there is anything. */
bool legacy_is_there(const struct legacy *legacy);

/* Reads the journals; `owner` tells whose they are to be. True when one is good. */
bool legacy_read(struct legacy *legacy, uint64_t owner);

/* This attempt ends in good order: it is none. */
void legacy_forgive(struct legacy *legacy);

/* The journal is of no use after all. */
void legacy_refuse(struct legacy *legacy, enum journal_verdict verdict);

/* The cookie of the connection that is suspected, or 0. */
uint64_t legacy_suspect(const struct legacy *legacy);

/* The connection's socket, if its seat in the good journal says the same; NULL without one. The
 * seat goes to *seat. */
struct legacy_socket *legacy_find(const struct legacy *legacy, uint64_t cookie,
                                  const struct seat_record **seat);

/* The seats of the good journal, image.seats of them. */
const struct seat_record *legacy_seats(const struct legacy *legacy);

/* Ends the sockets that are nobody's, and has the journals never be read again. */
void legacy_end(struct legacy *legacy);
