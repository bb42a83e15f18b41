/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bus with a daemon on it whose answers lie ready as bytes, for processes that are to have no
 * GLib. It serves from a thread or a process of the test's: functions fail by their return value.
 */
#pragma once

#include <stdbool.h>

#include "fake-daemon.h"

struct canned_bus {
    char directory[32];
    char path[64];    /* of the socket */
    char address[80]; /* as D-Bus writes it */
    int listener;
    int gift;      /* a descriptor that comes with all that needs none, unless it is 0 */
    bool nameless; /* its daemon has no name that a bus gives */
};

/* A context, the daemon's end of its connection, and the bus's end of the one to the bus. */
struct canned_link {
    struct fake_link link;
    int bus;
};

/* Fail the running test if they cannot. To connect, a thread serves the system bus, whose address
 * must be in the environment. */
void canned_bus_start(struct canned_bus *bus);
void canned_bus_stop(struct canned_bus *bus);
void canned_bus_connect(const struct canned_bus *bus, TSS2_TCTI_INIT_FUNC init,
                        struct canned_link *connected);

/* The same, for a child of the test's. */
bool canned_bus_try_connect(const struct canned_bus *bus, TSS2_TCTI_INIT_FUNC init,
                            struct canned_link *connected);

/* Accepts a client and answers up to its CreateConnection, with what a bus says besides. Returns
 * the bus's end of the client's connection to it, or -1; `*server` is the daemon's end of the
 * connection that it made. The caller owns both. */
int canned_bus_accept(const struct canned_bus *bus, int *server);

/* Waits for the client's next call and answers that it succeeded. The lower half of its serial is
 * in `*serial`, unless that is NULL. */
bool canned_bus_agree(int fd, uint32_t *serial);

/* Waits for the client's next call, which must be of this method, and answers with an error, a name
 * or a number. */
bool canned_bus_refuse(int fd, const char *method, const char *error);
bool canned_bus_tell_name(int fd, const char *method, const char *name);
bool canned_bus_tell_number(int fd, const char *method, uint32_t number);

/* The same as canned_bus_agree(), with a descriptor that nobody asked for. */
bool canned_bus_agree_and_give(int fd, int gift);
