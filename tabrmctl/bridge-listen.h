/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the bridge listens: on one or two ports next to each other of the loopback interface, or on
 * one or two Unix sockets that their owner alone can connect to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What the path of the second socket has behind that of the first. */
#define BRIDGE_LISTEN_CONTROL ".ctrl"
/* Bytes of a path, its final 0 included, so that there is room for that. */
#define BRIDGE_LISTEN_PATH 100
/* The port of Microsoft's simulator and of swtpm. */
#define BRIDGE_LISTEN_PORT 2321

struct bridge_listen {
    char host[48];                 /* address as text; "" for a Unix socket */
    char path[BRIDGE_LISTEN_PATH]; /* of a Unix socket, or "" */
    uint16_t port;                 /* of the first channel; 0: any that is free */
    bool v6;
    int fds[2]; /* of commands, and the other channel or -1 */
};

/* Port `port` of 127.0.0.1. */
void bridge_listen_init(struct bridge_listen *listen, uint16_t port);

/* ADDRESS:PORT, [ADDRESS]:PORT, or a path. False, and it was said why, when that is not well or the
 * address is none of the loopback interface. */
bool bridge_listen_at(struct bridge_listen *listen, const char *text);
bool bridge_listen_path(struct bridge_listen *listen, const char *path);

/* Opens the sockets, in the place of those that nobody listens on any more. An exit status; EX_OK
 * when it succeeded, else it was said why. */
int bridge_listen_open(struct bridge_listen *listen, bool two);

/* Closes the sockets, and removes Unix sockets. */
void bridge_listen_close(struct bridge_listen *listen);
