/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's place on the message bus: the connection, which goes through a proxy (proxy.h), and
 * the name, which is asked for only when
 * there is something to serve. A bus that goes away is connected to again, and the name taken
 * again; clients that are connected need the bus for nothing. Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;

enum bus_fault {
    BUS_FAULT_NONE_THERE, /* no bus */
    BUS_FAULT_TAKEN,      /* somebody else has the name */
    BUS_FAULT_FORBIDDEN,  /* the bus's policy does not let this user have the name */
};

/* Strings are good during the call. */
struct bus_events {
    void (*connected)(void *data, GDBusConnection *connection);
    /* What the bus calls itself, which no other bus does; NULL when it does not tell. */
    void (*identified)(void *data, const char *id);
    void (*owned)(void *data);                  /* clients can find the daemon */
    void (*left)(void *data, const char *name); /* a unique name, and what waited for it there */
    void (*closed)(void *data);                 /* the connection that connected() gave is dead */
    /* Once the bus has taken the name back, or there is none to give back, and no call is left to
     * be answered: see bus_disown(). */
    void (*disowned)(void *data);
    /* Before owned() was called for the first time; later faults are tried again and logged, and so
     * are all where the bus is not needed. */
    void (*failed)(void *data, enum bus_fault fault, const char *text);
    /* Such a fault is tried again. */
    void (*missed)(void *data);
    void *data;
};

/* Starts to connect; connected() or failed() follows. Copies `name` and *events. `needed` says that
 * want of the bus, or of the name, is a failure before owned() was called. */
struct bus *bus_new(bool session, const char *name, bool needed, const struct bus_events *events);

/* Asks for the name, on this connection and on those that follow it. */
void bus_own(struct bus *bus);

/* Gives the name back; disowned() follows, within BUS_DISOWN_MS. Programs that call from then on
 * wait for the next daemon, where the bus starts one. */
#define BUS_DISOWN_MS 4000
void bus_disown(struct bus *bus);

/* The user who the bus says makes this call, and its groups, as callers_user() gives them. False
 * when the call is answered, or its connection to the bus is gone. */
bool bus_caller(const struct bus *bus, GDBusMethodInvocation *invocation, uint32_t *uid,
                GBytes **groups);

/* The process that the bus says makes this call, for people to see; 0 when it is not known. */
uint32_t bus_caller_pid(const struct bus *bus, GDBusMethodInvocation *invocation);

/* Gives the name back and disconnects. NULL is fine. */
void bus_free(struct bus *bus);
