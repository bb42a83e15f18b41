/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections that outlive the daemon. Each has a seat: a record in memory that the next daemon
 * gets, of what the next daemon cannot ask the kernel, or must not believe without it; and its
 * socket is stored by the service manager (keeper.h). The record comes first, so that a stored
 * socket without one is nobody's. A record that is cut short by a crash is none: its cookie is
 * stored last and cleared first.
 *
 * A connection without a seat is served like others, and ends with the daemon. So are all while
 * there is no keeper.
 */
#pragma once

#include "engine/keeper.h"
#include "engine/loop.h"
#include "engine/peer-groups.h"
#include "rm/journal-records.h"

#include <pthread.h>

#define SEAT_CREATOR 40 /* bytes of a unique name, its final 0 included */
#define SEAT_GROUPS  32
#define SEAT_UNTOLD  UINT32_MAX /* as a count of groups: not known, or more than that */

/* A connection in memory; zeros are a free seat. */
struct seat_record {
    uint64_t cookie;      /* of the socket (SO_COOKIE, socket(7)), which tells it from others */
    uint64_t inode;       /* of the socket: cookies may be counted by network namespace */
    uint64_t id;          /* of a connection from the bus */
    uint32_t uid, pid;    /* pid 0: not known */
    uint32_t group_count; /* of `groups` */
    uint8_t from_socket;  /* it came through the listening socket */
    uint8_t reserved[3];
    char creator[SEAT_CREATOR]; /* unique name on the bus of who may cancel it; empty: nobody */
    uint32_t groups[SEAT_GROUPS];
    uint64_t more[6];
};

_Static_assert(sizeof(struct seat_record) == JOURNAL_SEAT, "a seat is as long as the journal says");

/* Of whom a connection is. */
struct seat_holder {
    uint64_t id;
    uint32_t uid, pid;
    const struct peer_groups *groups;
    bool from_socket;
};

/* A connection's seat; all zero: none. */
struct seat {
    struct list link; /* of those that wait to be stored */
    uint64_t cookie;
    uint32_t number; /* of the record, from 1 on; 0: none */
    int fd;          /* of the socket, borrowed */
    bool waits;      /* it was not stored yet */
};

struct seats {
    pthread_mutex_t lock; /* of the records, and of all that follows up to `full` */
    struct seat_record *records;
    uint32_t *free; /* numbers of free records, a stack */
    uint32_t count, free_count;
    uint32_t newest; /* the last that a connection from the bus got */
    bool full;       /* the log told that there is none left */
    /* Engine thread. */
    struct keeper *keeper;
    struct loop *loop;
    struct list waiting;
    struct timer retry;
};

/* No connection gets a seat at first. The loop is borrowed. */
void seats_init(struct seats *seats, struct loop *loop);

/* All connections must be gone. The records stay as they are. */
void seats_clear(struct seats *seats);

/* Connections get seats from now on: `count` records of zeros, which are borrowed like the keeper.
 * Before any connection is admitted. False without memory. */
bool seats_open(struct seats *seats, struct keeper *keeper, struct seat_record *records,
                uint32_t count);

/* Gives a connection a seat, if there is one left, and has its socket stored. Before it is sent
 * anything. The socket stays open until seats_leave(). Any thread. */
void seats_take(struct seats *seats, struct seat *seat, int fd, const struct seat_holder *holder);

/* The same for one that a former daemon had under this record: its socket is stored already. False
 * when there is no seat left. */
bool seats_adopt(struct seats *seats, struct seat *seat, int fd, const struct seat_record *former);

/* Goes on with what seats_take() began, on the engine's thread. */
void seats_welcome(struct seats *seats, struct seat *seat);

/* Whether sockets of clients that are served wait to be stored. */
bool seats_wait(const struct seats *seats);

/* Frees a connection's seat, before its socket is shut down. Harmless for one without. */
void seats_leave(struct seats *seats, struct seat *seat);

/* Nobody may cancel any connection: unique names mean others from now on. Any thread. */
void seats_forget_creators(struct seats *seats);

/* Notes who may cancel the connection with this id, as its unique name on the bus; NULL: nobody.
 * Any thread. */
void seats_set_creator(struct seats *seats, uint64_t id, const char *creator);
