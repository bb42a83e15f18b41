/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept of a client for people to see, and by which number they name it. Engine thread, but
 * for what is set before the engine gets the client. */
#pragma once

#include "base/list.h"
#include "engine/peer.h"
#include "engine/statistics.h"

enum client_origin {
    CLIENT_FROM_BUS,    /* made by engine_connect(); has an id */
    CLIENT_FROM_SOCKET, /* came through the listening socket */
};

struct client_record {
    struct list link;   /* in its bucket by number (struct clients); alone before it has one */
    uint64_t number;    /* from 1 on, no secret, never given twice; 0: none yet */
    int64_t since;      /* clock_now() when the engine got it */
    uint64_t ready;     /* clock_now_ns() when its command began to wait; 0: with the next turn */
    const char *policy; /* policy_name() of its policy, static; NULL before it was served */
    bool told_locality; /* the log told that it was refused one */
    struct statistics_tally tally;
    struct peer peer;
};
