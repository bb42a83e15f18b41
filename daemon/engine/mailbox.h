/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of other threads to the engine: messages, in order, and flags, which need no memory and
 * cannot fail. A descriptor is readable while there are any. To put a request in never waits for
 * the engine.
 */
#pragma once

#include "base/list.h"

#include <pthread.h>

/* Messages are refused while this many wait, but for urgent ones. */
#define MAILBOX_MAX_WAITING 4096

/* The start of every message. */
struct mailbox_message {
    struct list link;
};

/* What can be asked for without a message; to ask twice is to ask once. */
enum mailbox_flag {
    MAILBOX_STOP = 1 << 0,
    MAILBOX_PING = 1 << 1,    /* a sign of life: nothing to do */
    MAILBOX_SLEEP = 1 << 2,   /* takes MAILBOX_WAKE back */
    MAILBOX_WAKE = 1 << 3,    /* takes MAILBOX_SLEEP back */
    MAILBOX_ACCOUNT = 1 << 4, /* the user database has answered */
    MAILBOX_HAND_OVER = 1 << 5,
};

struct mailbox {
    int fd; /* an eventfd */
    pthread_mutex_t lock;
    struct list messages;
    unsigned waiting; /* messages */
    unsigned flags;
};

/* 0, or a negative errno: then mailbox_clear() is harmless. */
int mailbox_init(struct mailbox *mailbox);

/* There must be no messages. */
void mailbox_clear(struct mailbox *mailbox);

/*
 * Hands a message over; any thread. -EAGAIN, and the caller keeps it, when too many wait and the
 * message is not `urgent`. An urgent one is always taken.
 */
int mailbox_put(struct mailbox *mailbox, struct mailbox_message *message, bool urgent);

/* Sets a flag; any thread. False when it was set already, and not taken since. */
bool mailbox_raise(struct mailbox *mailbox, enum mailbox_flag flag);

/* The oldest message, now the caller's, or NULL. Engine thread. */
struct mailbox_message *mailbox_take(struct mailbox *mailbox);

/* The flags that are set; they are no longer. Engine thread. */
unsigned mailbox_take_flags(struct mailbox *mailbox);
