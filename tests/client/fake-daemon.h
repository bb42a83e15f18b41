/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon of which the test itself plays every byte: a listening socket in a directory of its own,
 * and for each TCTI context the daemon's end of its connection. Helpers fail the running test when
 * something that they need does not happen in time.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tss2/tss2_tcti.h>

#include "wire/control-frame.h"

#define FAKE_WAIT_MS 20000

struct fake_daemon {
    char directory[32];
    char path[64]; /* of the socket */
    char conf[80]; /* socket=PATH */
    int listener;
};

/* A context and the other end of its socket. */
struct fake_link {
    TSS2_TCTI_CONTEXT *tcti;
    int server;
};

/* How a daemon ends before its answer to a hello is out. */
enum fake_death {
    FAKE_DEATH_DEAF,        /* with the hello unread */
    FAKE_DEATH_HEARD,       /* once it has read it */
    FAKE_DEATH_IN_ITS_WORD, /* with the last byte of the answer missing */
    FAKE_DEATH_FOR_GOOD,    /* and with it the one who listens for the next daemon */
};

struct fake_deaths {
    unsigned count; /* of the first connections end so */
    enum fake_death death;
    unsigned accepted; /* set to how many connections there were in all */
};

void fake_daemon_start(struct fake_daemon *daemon);
void fake_daemon_stop(struct fake_daemon *daemon);

/* Calls Init, or the function given, while a thread accepts and answers the hello with `verdict`;
 * returns what it returned. On success both ends are in `link`. */
TSS2_RC fake_daemon_connect(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init, uint32_t verdict,
                            struct fake_link *link);

/* The same, of a daemon that dies and comes back before. */
TSS2_RC fake_daemon_connect_after(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init,
                                  struct fake_deaths *deaths, uint32_t verdict,
                                  struct fake_link *link);

/* Calls Init while a thread accepts, waits for the hello if it `listens`, says these bytes instead
 * of a reply, and closes; as often as Init connects. Returns what Init returned; nothing stays
 * open. */
TSS2_RC fake_daemon_turn_away(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init, bool listens,
                              const uint8_t *says, size_t size);

/* Finalizes the context and closes the daemon's end; either may be gone. */
void fake_link_close(struct fake_link *link);

/* Reads exactly `size` bytes at the daemon's end. */
void fake_link_read(const struct fake_link *link, void *bytes, size_t size);
void fake_link_write(const struct fake_link *link, const void *bytes, size_t size);

/* Writes the reply to a control frame. */
void fake_link_reply(const struct fake_link *link, uint32_t operation, uint32_t rc);

/* Fills `size` bytes with a response (or command) whose header is right and whose body follows
 * from `seed`. */
void fake_frame(uint8_t *bytes, size_t size, uint8_t seed);

/* Sends a command of `size` bytes through the context and checks that the daemon gets it. */
void fake_link_command(const struct fake_link *link, size_t size, uint8_t seed);

/* Receives a response within `timeout`, as Tss2_Tcti_Receive() has it, and checks that it is these
 * `size` bytes. */
void fake_link_expect(const struct fake_link *link, const uint8_t *response, size_t size,
                      int32_t timeout);

/* A whole exchange: proves that the context is idle and in step. */
void fake_link_exchange(const struct fake_link *link, uint8_t seed);

/* Open descriptors of this process, and its threads. */
size_t fake_count_fds(void);
size_t fake_count_threads(void);
