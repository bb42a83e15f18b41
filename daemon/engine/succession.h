/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal that this daemon writes, in memory which the service manager keeps for the next one.
 * Its descriptor is stored under the name that the former daemon's has not, and only when the
 * journal is whole the other one is dropped.
 */
#pragma once

#include "engine/keeper.h"
#include "engine/kept-memory.h"
#include "engine/legacy.h"

struct succession {
    struct keeper *keeper;   /* borrowed; NULL: nobody keeps anything */
    struct kept_memory kept; /* of the journal */
    struct journal *journal; /* NULL: there is none */
    unsigned which;          /* of the two names */
};

/* Makes an empty journal of the generation after the former one's, with room for `desk` bytes. NULL
 * where nobody keeps it, or without memory, which is logged. */
struct journal *succession_begin(struct succession *succession, const struct legacy *legacy,
                                 uint64_t owner, size_t desk);

/* Frees the journal, which is in no use any more, and leaves what is kept of it. Harmless without
 * one. */
void succession_abandon(struct succession *succession);

/* Has the journal kept, if there is one, and what the former daemon left never be read again. */
void succession_complete(struct succession *succession, struct legacy *legacy);

/* Has nothing kept any more: the next daemon begins anew. */
void succession_end(struct succession *succession);

/* What a former daemon left has done no harm. */
void succession_trust(struct succession *succession);

/* This daemon ends well, and the next one's start does not count. */
void succession_hand_over(struct succession *succession);

/* What the bus calls itself on which the creators of connections have their unique names from now
 * on. Whoever made one on another bus is nobody on this one, also when the daemon is killed in the
 * middle of this. */
void succession_set_bus(struct succession *succession, struct seats *seats, const char *bus);
