/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages on their way into a non-blocking stream socket, with their descriptors. Bytes that the
 * socket does not take at once wait in memory and are counted; the owner bounds them by what it
 * sends. A message that has begun ends before another begins; else urgent messages go before
 * others. One thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors of one message; what the kernel passes at once. */
#define OUTBOX_FDS 253

enum outbox_urgency { OUTBOX_URGENT, OUTBOX_LATER, OUTBOX_URGENCIES };

struct outbox {
    int fd;
    size_t bytes; /* that wait */
    GQueue waiting[OUTBOX_URGENCIES];
    struct outbox_parcel *begun; /* a part of it is sent */
};

/* Borrows the descriptor. */
void outbox_init(struct outbox *outbox, int fd);

/* Forgets what waits, and closes its descriptors. */
void outbox_clear(struct outbox *outbox);

/* Sends a copy of the bytes, now or when there is room; `count` descriptors go with them, and are
 * closed by the outbox in each case. False when the socket is broken. */
bool outbox_send(struct outbox *outbox, enum outbox_urgency urgency, const uint8_t *bytes,
                 size_t size, const int *fds, unsigned count);

/* Sends what waits, as far as there is room. False when the socket is broken. */
bool outbox_flush(struct outbox *outbox);
