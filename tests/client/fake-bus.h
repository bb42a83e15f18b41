/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A private bus, and on it a daemon that answers CreateConnection, Cancel and SetLocality as the
 * test says. It answers from GLib's own thread, so that the test's thread can wait in the library.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

#define FAKE_BUS_NAME        "org.example.Tabrmd"
#define FAKE_BUS_ACTIVATABLE "org.example.Exits" /* its program ends at once */
#define FAKE_BUS_ID          UINT64_C(0x8899aabbccddeeff)

enum fake_bus_reply {
    FAKE_BUS_GOOD,
    FAKE_BUS_NO_FD,
    FAKE_BUS_TWO_FDS,
    FAKE_BUS_WRONG_TYPE,
    FAKE_BUS_ERROR,
    FAKE_BUS_SILENT,
};

struct fake_bus {
    char directory[32];
    char address[80];
    TSS2_TCTI_INIT_FUNC init; /* the library's, loaded as the TCTI loader does */
    GPid daemon;              /* dbus-daemon; 0 once it was ended */
    GDBusConnection *service;
    GMutex lock; /* for all below */
    enum fake_bus_reply reply;
    const char *error; /* name for FAKE_BUS_ERROR, */
    unsigned errors;   /* which so many calls get before `reply` holds */
    unsigned calls;    /* that came, answered or not */
    uint32_t verdict;  /* of Cancel and SetLocality */
    int server;        /* the daemon's end of the newest connection, or -1 */
    char creator[64];  /* who called CreateConnection last */
    char caller[64];   /* who called one of the others last, */
    uint64_t id;       /* with what arguments */
    int locality;      /* -1 for Cancel */
};

/* Starts the bus, sets DBUS_SESSION_BUS_ADDRESS and loads the library. Fails the running test if it
 * cannot. */
void fake_bus_start(struct fake_bus *bus);

/* Takes the daemon off the bus, as its death does; and has another one come after it. The
 * connections to its clients stay. */
void fake_bus_leave(struct fake_bus *bus);
void fake_bus_join(struct fake_bus *bus);

/* Ends the bus itself, and starts it again at the same address; and ends everything. */
void fake_bus_end_daemon(struct fake_bus *bus);
void fake_bus_begin_daemon(struct fake_bus *bus);
void fake_bus_stop(struct fake_bus *bus);

/* How calls are answered from here on. */
void fake_bus_answer(struct fake_bus *bus, enum fake_bus_reply reply, const char *error,
                     uint32_t verdict);

/* The same, once so many calls have got that error. */
void fake_bus_fail_first(struct fake_bus *bus, unsigned errors, const char *error);

/* Waits until so many calls have come since the last fake_bus_answer(); and how many there were. */
void fake_bus_await_calls(struct fake_bus *bus, unsigned calls);
unsigned fake_bus_count_calls(struct fake_bus *bus);

/* Takes the daemon's end of the newest connection. */
int fake_bus_take_server(struct fake_bus *bus);
