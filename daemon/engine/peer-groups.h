/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The groups of whoever is at the other end of a connection, its own and the supplementary ones, as
 * the kernel or the bus tells them; never as the peer does.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The most groups of one peer: what the kernel lets a process have (NGROUPS_MAX), and its own. */
#define PEER_GROUPS_MAX 65537

/* All zero: not known. */
struct peer_groups {
    bool known;
    unsigned count;
    gid_t *ids; /* of its own memory, `count` of them */
};

/* The groups of the peer of the Unix socket `fd`, when it connected (SO_PEERCRED, SO_PEERGROUPS);
 * not known where the kernel does not tell (before Linux 4.13). False without memory. */
bool peer_groups_of_socket(struct peer_groups *groups, int fd);

/* Copies groups. False without memory. */
bool peer_groups_copy(struct peer_groups *groups, const struct peer_groups *from);

/* Forgets them. Harmless when repeated. */
void peer_groups_clear(struct peer_groups *groups);

bool peer_groups_have(const struct peer_groups *groups, gid_t group);
