/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/peer-groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Room for the groups of most users. */
#define PEER_GROUPS_FEW 32

/* Asks the kernel for the supplementary groups into *ids, which is to be freed in any case. How
 * many, or a negative errno. */
static int peer_groups_ask(int fd, gid_t **ids)
{
    socklen_t size = PEER_GROUPS_FEW * sizeof(gid_t), room;

    *ids = NULL;
    do {
        /* One more than that, for the peer's own group. */
        gid_t *larger = realloc(*ids, size + sizeof(gid_t));

        if (!larger)
            return -ENOMEM;
        *ids = larger;
        room = size;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, *ids, &size) == 0)
            return (int)(size / sizeof(gid_t));
        /* Without room for all of them it says in `size` what they take. */
    } while (errno == ERANGE && size > room && size <= PEER_GROUPS_MAX * sizeof(gid_t));
    return -errno;
}

bool peer_groups_of_socket(struct peer_groups *groups, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    gid_t *ids;
    int count = peer_groups_ask(fd, &ids);

    *groups = (struct peer_groups){0};
    if (count < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        free(ids);
        return count != -ENOMEM;
    }
    ids[count] = peer.gid;
    *groups = (struct peer_groups){true, (unsigned)count + 1, ids};
    return true;
}

bool peer_groups_copy(struct peer_groups *groups, const struct peer_groups *from)
{
    *groups = (struct peer_groups){0};
    if (!from->known)
        return true;
    groups->ids = calloc(from->count + 1, sizeof(gid_t));
    if (!groups->ids)
        return false;
    if (from->count > 0)
        memcpy(groups->ids, from->ids, from->count * sizeof(gid_t));
    groups->count = from->count;
    groups->known = true;
    return true;
}

void peer_groups_clear(struct peer_groups *groups)
{
    free(groups->ids);
    *groups = (struct peer_groups){0};
}

bool peer_groups_have(const struct peer_groups *groups, gid_t group)
{
    for (unsigned i = 0; i < groups->count; i++) {
        if (groups->ids[i] == group)
            return true;
    }
    return false;
}
