/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel tells the user of a Unix socket's peer. Of TCP's it tells in /proc/net/tcp and tcp6,
 * which have a line for each socket of the machine, with its user. A socket whose program has
 * closed it has no inode there, and a user of 0, which says nothing.
 */
#include "bridge-peer.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a line of /proc/net/tcp6: sl, local, remote, st, queues, timer, retransmits, uid, timeout,
 * inode. */
#define PEER_LINE " %*u: %71s %71s %*s %*s %*s %*s %u %*s %lu"

#define PEER_END_MAX 72

union peer_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum bridge_peer bridge_peer_user(uid_t uid)
{
    return uid == geteuid() || uid == 0 ? BRIDGE_PEER_MINE : BRIDGE_PEER_OTHER;
}

/* One end of a connection as the kernel prints it: words of the address as they are in memory. A
 * version 4 address may be a mapped one of version 6. */
static void bridge_peer_print(const union peer_address *address, bool mapped,
                              char end[PEER_END_MAX])
{
    uint32_t words[4];

    if (address->any.sa_family == AF_INET6) {
        memcpy(words, &address->v6.sin6_addr, sizeof(words));
        snprintf(end, PEER_END_MAX, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
                 ntohs(address->v6.sin6_port));
        return;
    }
    snprintf(end, PEER_END_MAX, "%s%08X:%04X", mapped ? "0000000000000000FFFF0000" : "",
             address->v4.sin_addr.s_addr, ntohs(address->v4.sin_port));
}

/* Whose socket that from `local` to `remote` is. */
static enum bridge_peer bridge_peer_in(const char *path, const char *local, const char *remote)
{
    FILE *file = fopen(path, "re");
    char line[512], from[PEER_END_MAX], to[PEER_END_MAX];
    enum bridge_peer found = BRIDGE_PEER_GONE;

    if (!file)
        return found;
    while (found == BRIDGE_PEER_GONE && fgets(line, sizeof(line), file)) {
        unsigned uid;
        unsigned long inode;

        if (sscanf(line, PEER_LINE, from, to, &uid, &inode) == 4 && inode != 0
            && strcmp(from, local) == 0 && strcmp(to, remote) == 0)
            found = bridge_peer_user(uid);
    }
    fclose(file);
    return found;
}

static enum bridge_peer bridge_peer_listed(const union peer_address *peer,
                                           const union peer_address *own, const char *path,
                                           bool mapped)
{
    char local[PEER_END_MAX], remote[PEER_END_MAX];

    bridge_peer_print(peer, mapped, local);
    bridge_peer_print(own, mapped, remote);
    return bridge_peer_in(path, local, remote);
}

static enum bridge_peer bridge_peer_tcp(int fd)
{
    union peer_address peer = {0}, own = {0};
    socklen_t peer_size = sizeof(peer), own_size = sizeof(own);
    enum bridge_peer found;

    if (getpeername(fd, &peer.any, &peer_size) < 0 || getsockname(fd, &own.any, &own_size) < 0)
        return BRIDGE_PEER_GONE;
    if (peer.any.sa_family == AF_INET6)
        return bridge_peer_listed(&peer, &own, "/proc/net/tcp6", false);
    found = bridge_peer_listed(&peer, &own, "/proc/net/tcp", false);
    if (found != BRIDGE_PEER_GONE)
        return found;
    return bridge_peer_listed(&peer, &own, "/proc/net/tcp6", true);
}

enum bridge_peer bridge_peer_find(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int domain;
    socklen_t domain_size = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) < 0)
        return BRIDGE_PEER_GONE;
    if (domain != AF_UNIX)
        return bridge_peer_tcp(fd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return BRIDGE_PEER_GONE;
    return bridge_peer_user(peer.uid);
}
