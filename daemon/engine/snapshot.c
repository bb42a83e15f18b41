/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/snapshot.h"

#include <stdlib.h>

/* Bytes of each thing of a kind. */
static const size_t snapshot_sizes[] = {
    [SNAPSHOT_CONNECTIONS] = sizeof(struct snapshot_connection),
    [SNAPSHOT_USERS] = sizeof(struct snapshot_user),
    [SNAPSHOT_STATISTICS] = sizeof(struct snapshot_statistics),
    [SNAPSHOT_SLOTS] = sizeof(struct rm_slot),
    [SNAPSHOT_CHIP] = sizeof(struct rm_identity),
    [SNAPSHOT_LOCKOUT] = sizeof(struct rm_lockout),
};

struct snapshot *snapshot_new(enum snapshot_kind kind, size_t room)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (!snapshot)
        return NULL;
    snapshot->kind = kind;
    /* No room is one byte, so that there is something to point at. */
    snapshot->data = room > 0 ? calloc(room, snapshot_sizes[kind]) : calloc(1, 1);
    if (snapshot->data)
        return snapshot;
    free(snapshot);
    return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->data);
    free(snapshot);
}
