/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages from other threads to the engine, in order, with a descriptor that is readable while
 * there are any. Putting one in never waits for the engine.
 */
#pragma once

#include "base/list.h"

#include <pthread.h>

/* Requests on behalf of clients are refused while this many messages wait. */
#define CONTROL_MAX_WAITING 4096

/* The start of every message; what kind it is says the engine. */
struct control_message {
    struct list link;
    int kind;
};

struct control {
    int fd; /* an eventfd */
    pthread_mutex_t lock;
    struct list messages;
    unsigned waiting;
};

/* 0, or a negative errno. */
int control_init(struct control *control);

/* The queue must be empty. */
void control_clear(struct control *control);

/*
 * Hands a message over; any thread. -EAGAIN, and the caller keeps it, when too many wait and the
 * message is not `urgent`. An urgent one is always taken.
 */
int control_put(struct control *control, struct control_message *message, bool urgent);

/* The oldest message, now the caller's, or NULL. Clears the descriptor when it was the last.
 * Engine thread. */
struct control_message *control_take(struct control *control);
