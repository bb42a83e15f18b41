/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes newcomers off the listening socket, a bounded number at a time, and pauses when memory or
 * descriptors are out.
 */
#pragma once

#include "engine/listener.h"
#include "engine/loop.h"

/* The pause when memory or descriptors are out. */
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
 * user is `uid`. When it returns 0 it has taken the socket over; a negative errno has the newcomer
 * refused. `accepted` may close the acceptor.
 */
void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct listener *listener,
                   int (*accepted)(void *data, uint32_t uid, int fd), void *data);

/* Newcomers are let in from now on. 0, or a negative errno. */
int acceptor_open(struct acceptor *acceptor);

/* Nobody is let in any more, and who comes waits in the kernel's queue. */
void acceptor_rest(struct acceptor *acceptor);

/* Nobody is let in any more. Harmless when repeated. */
void acceptor_close(struct acceptor *acceptor);
