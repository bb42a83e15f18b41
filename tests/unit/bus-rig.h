/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy between the bus and GDBus, both of which are GDBus connections of the test's. */
#pragma once

#include "bus/proxy.h"

#define BUS_RIG_BUS "org.freedesktop.DBus"
#define BUS_RIG_UID 4711

/* The group of that user. */
#define BUS_RIG_GROUP 4242

/* Its process. */
#define BUS_RIG_PID 31337

/* The bus tells another user for this sender, and no groups. */
#define BUS_RIG_OTHER     ":1.8"
#define BUS_RIG_OTHER_UID 4712

/* The user of this sender has more groups than the proxy reads an answer about. */
#define BUS_RIG_GROUPS     ":1.20"
#define BUS_RIG_GROUPS_UID 4713

/* An answer that the proxy still passes. */
#define BUS_RIG_LARGE 60000

struct bus_rig {
    GDBusConnection *bus, *daemon;
    struct proxy *proxy;
    unsigned queries;  /* about senders */
    unsigned users;    /* those about their users alone */
    char *rule;        /* for signals, that was asked for before the first query */
    char *left;        /* who left last */
    uint32_t ping;     /* serial of the question that was last sent to a program */
    unsigned refusals; /* that a test counted */
    size_t large;      /* bytes of large answers, as the bus's side got them */
    /* Of what the daemon's side got: */
    unsigned calls, others;
    uint32_t uid; /* of the call that came last */
    bool known;
    uint32_t group; /* the first of its groups; 0: none are known */
    uint32_t pid;   /* its process; 0: not known */
    unsigned descriptors;
    GQueue answers;       /* that the bus's side got and no test has taken, under the rig's lock */
    GDBusMessage *answer; /* that was taken last, the test's thread's; or NULL */
};

/* cmocka fixtures: a rig. */
int bus_rig_set_up(void **state);
int bus_rig_tear_down(void **state);

/* A list with the writing end of a pipe, whose reading end is *reader. */
GUnixFDList *bus_rig_pipe(int *reader);

unsigned bus_rig_count_descriptors(GDBusMessage *message);

/* A call of a method that the daemon's side has (Call, Keep, which gets no answer, and Large), and
 * an answer to none of its calls. */
GDBusMessage *bus_rig_call(const char *method);
GDBusMessage *bus_rig_reply(void);

/* Sends the message, which is consumed, to the proxy as from `sender`. */
void bus_rig_send(struct bus_rig *rig, GDBusMessage *message, const char *sender);

/* Has `sender` say that `name` has an owner, or none ("") any more. */
void bus_rig_tell(struct bus_rig *rig, const char *sender, const char *name, const char *owner);

/* Runs the main loop until `met` is true of `data`; fails the test when that takes very long. `met`
 * is called under the lock of what the connections' threads write. */
typedef bool bus_rig_met_fn(const void *data);
void bus_rig_wait(bus_rig_met_fn *met, const void *data);

/* Waits for the next answer that the bus's side gets; each is given once, in their order. The
 * rig's, and good until the next call. */
GDBusMessage *bus_rig_next_answer(struct bus_rig *rig);

/* For bus_rig_wait(), of a rig: there is an answer, or the daemon's side has been closed; a program
 * was asked a question; the daemon's side is closed. */
bool bus_rig_is_answered_or_closed(const void *rig);
bool bus_rig_is_asked(const void *rig);
bool bus_rig_is_closed(const void *rig);
