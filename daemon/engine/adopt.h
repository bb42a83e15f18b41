/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A former daemon's clients become this one's: their connections, what they have in the resource
 * manager, and the bytes that were on their way. Whatever the former daemon was at when it ended,
 * each of their commands runs once, or is answered as one whose outcome is not known.
 */
#pragma once

#include "engine/client.h"
#include "engine/desk.h"
#include "engine/engine-events.h"
#include "engine/legacy.h"
#include "engine/newcomers.h"
#include "rm/report.h"

/* What was kept, and what was not. */
struct adopt_tally {
    unsigned connections, newcomers;
    unsigned ended;   /* connections: the client or its socket is gone, or it was suspected */
    unsigned unknown; /* commands whose outcome is not known */
    bool suspected;   /* one is among those that ended */
};

struct adopt {
    struct legacy *legacy; /* of which a journal is good; borrowed, with the next ones */
    struct rm *rm;         /* empty, with its journal */
    struct newcomers *newcomers;
    struct desk *desk; /* with nothing on it */
    const struct engine_events *events;
    struct adopt_tally tally;
};

/* Makes the books and the clients, which are served on. False without memory, or when records do
 * not agree: then all clients are to be closed, and restore_undo() is due. */
bool adopt_all(struct adopt *adopt);

/* Has those wait for what is not known of them that had not been served yet. Newcomers are
 * admitted. */
void adopt_newcomers(struct adopt *adopt);

/* Tells in the log what was kept, and what was ended and why: clients held `before` by the books,
 * and hold `after` by the chip's word. */
void adopt_tell(const struct adopt *adopt, const struct rm_holdings *before,
                const struct rm_holdings *after);
