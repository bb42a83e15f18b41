/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The authentication of D-Bus as the side that is connected to speaks it ("Authentication
 * Protocol"), for a peer that the kernel has told the user of: any EXTERNAL is right. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines of a peer; who sends more is of no use. */
#define MANAGER_GREETING_LINES 16

/* Room for manager_greeting_of_gdbus(). */
#define MANAGER_GREETING_MAX 128

enum manager_greeting_step {
    MANAGER_GREETING_REPLY,  /* *reply, a static string, is to be sent */
    MANAGER_GREETING_BEGUN,  /* messages follow */
    MANAGER_GREETING_BROKEN, /* the peer is to be let go */
};

struct manager_greeting {
    unsigned lines; /* that came */
    bool asked;     /* for the user that the peer wants to be */
    bool trusted;   /* it is let in */
};

void manager_greeting_init(struct manager_greeting *greeting);

/* The next line of the peer, of `size` bytes with its end; the first one begins with a 0. */
enum manager_greeting_step manager_greeting_line(struct manager_greeting *greeting,
                                                 const uint8_t *bytes, size_t size,
                                                 const char **reply);

/* What a server of this process has to be sent as the greeting of a client of the same process; it
 * answers with two lines. Gives the size. */
size_t manager_greeting_of_gdbus(char bytes[MANAGER_GREETING_MAX]);
