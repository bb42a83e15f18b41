/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of a served world (served.h) that has something of each kind to lose. What goes wrong
 * fails the test. */
#pragma once

#include "served.h"

/* A client with a key, a session, and a session that it saved. */
struct holder {
    struct esys_client *client;
    ESYS_TR key, session;
    TPMS_CONTEXT *saved;
};

struct holder holder_new(const struct world *world, enum served_way way);
void holder_free(struct holder *holder);

/* All of it is there as before. */
void holder_expect(struct holder *holder);

/* The connection is over. */
void holder_expect_end(struct holder *holder);

/* Sends a GetRandom for which the chip takes so many milliseconds, and comes back when the chip has
 * it. */
void holder_begin(struct holder *holder, struct world *world, unsigned ms);

/* Waits for the answer to that. */
TSS2_RC holder_finish(struct holder *holder);
