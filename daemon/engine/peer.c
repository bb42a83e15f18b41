/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/peer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of a name that the kernel gives a program, with the end of line behind it (proc(5)). */
#define PEER_NAME 16

void peer_name_escape(char program[PEER_PROGRAM], const char *name)
{
    char *at = program;

    for (; *name && *name != '\n' && at - program < PEER_PROGRAM - 4; name++) {
        unsigned char c = (unsigned char)*name;

        if (c >= ' ' && c <= '~' && c != '\\')
            *at++ = (char)c;
        else
            at += snprintf(at, 5, "\\x%02X", c);
    }
    *at = '\0';
}

/* Reads the name that the kernel has for the process. */
static void peer_look_up(struct peer *peer)
{
    char path[32], name[PEER_NAME + 1];
    ssize_t size;
    int fd;

    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", peer->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    size = read(fd, name, PEER_NAME);
    close(fd);
    name[size > 0 ? size : 0] = '\0';
    peer_name_escape(peer->program, name);
}

const char *peer_program(struct peer *peer)
{
    if (!peer->looked_up && peer->pid != 0)
        peer_look_up(peer);
    peer->looked_up = true;
    return peer->program;
}

void peer_of_process(struct peer *peer, uint32_t pid)
{
    *peer = (struct peer){.pid = pid};
}

void peer_of_socket(struct peer *peer, int fd)
{
    struct ucred creator;
    socklen_t size = sizeof(creator);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &creator, &size) == 0 && creator.pid > 0;

    peer_of_process(peer, known ? (uint32_t)creator.pid : 0);
}
