/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes newcomers off the listening socket, a bounded number at a time, and makes pauses when what
 * that takes is out.
 */
#pragma once

#include "engine/listener.h"
#include "engine/loop.h"

/* How long nobody is let in when what it takes is out. */
#define ACCEPTOR_PAUSE_MS 200

struct acceptor {
    struct loop *loop;
    struct listener *listener; /* NULL: there is none, or it is closed */
    struct watch watch;
    struct timer pause;
    bool warned; /* that nobody is let in, and nobody was since */
    int (*accepted)(void *data, uint32_t uid, int fd);
    void *data;
};

/*
 * Takes the listener over; NULL for none. `accepted` is called with `data` for each newcomer, whose
 * user is `uid`; with 0 it takes the socket over, and a negative errno has the newcomer refused.
 * It may close the acceptor.
 */
void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct listener *listener,
                   int (*accepted)(void *data, uint32_t uid, int fd), void *data);

/* Newcomers are let in from now on. 0, or a negative errno. */
int acceptor_open(struct acceptor *acceptor);

/* Nobody is let in any more. Harmless when repeated. */
void acceptor_close(struct acceptor *acceptor);
