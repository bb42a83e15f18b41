/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream socket that speaks D-Bus, watched by the main loop: lines and messages out of it, with
 * the descriptors that came along, and messages into it. Main thread.
 */
#pragma once

#include "bus/framing.h"
#include "bus/outbox.h"

struct endpoint_events {
    /* A line, a message, or the beginning of one is in the framing's buffer. Descriptors that are
     * still the endpoint's afterwards are closed. */
    void (*handle)(void *data, enum framing_event event);
    /* Some of what waited was sent. */
    void (*sent)(void *data);
    /* The other side is gone, or speaks no D-Bus: to be closed. */
    void (*broken)(void *data);
    void *data;
};

struct endpoint {
    int fd; /* -1 when it is closed */
    struct endpoint_events events;
    struct framing framing;      /* of what is read */
    struct outbox outbox;        /* of what is written */
    int descriptors[OUTBOX_FDS]; /* that came with what is being read */
    unsigned count;
    bool paused;                     /* nothing is read */
    guint read_source, write_source; /* 0 for none */
};

/* Takes over the descriptor, which does not block; borrows the buffer for the framing. */
void endpoint_init(struct endpoint *endpoint, int fd, uint8_t *buffer, size_t capacity,
                   const struct endpoint_events *events);

/* Closes, and forgets what waits. Sending to a closed endpoint does nothing. */
void endpoint_close(struct endpoint *endpoint);

/* Reading stops, or goes on. */
void endpoint_pause(struct endpoint *endpoint, bool paused);

/* Reads once and deals with it. False when there is nothing more, or it is paused or closed. */
bool endpoint_read(struct endpoint *endpoint);

/* Sends a message, now or when there is room. */
void endpoint_send(struct endpoint *endpoint, enum outbox_urgency urgency, const uint8_t *bytes,
                   size_t size);

/* Sends the event's bytes and descriptors, for which handle() of `from` is called, to another
 * endpoint, before other messages. */
void endpoint_pass(struct endpoint *from, struct endpoint *to);

/* Closes the descriptors of the event for which handle() is called. */
void endpoint_drop_descriptors(struct endpoint *endpoint);

/* Sends what waits, as far as there is room. */
void endpoint_flush(struct endpoint *endpoint);
