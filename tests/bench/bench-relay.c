/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least that any process between a client and a TPM can cost: it takes a command off one Unix
 * socket, puts it on another, and brings the response back. One client, blocking calls, two reads
 * and two writes for each command.
 *
 *     bench-relay LISTEN-PATH SERVER-PATH
 */
#include "swtpm-ctrl.h"
#include "wire/header.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RELAY_BUFFER 8192

/* Moves one command or response. False at the end of either connection. */
static bool relay_frame(int from, int to)
{
    uint8_t frame[RELAY_BUFFER];
    size_t have = 0, want = HEADER_SIZE;

    while (have < want) {
        ssize_t got = recv(from, frame + have, sizeof(frame) - have, 0);

        if (got <= 0)
            return false;
        have += (size_t)got;
        if (have >= HEADER_SIZE)
            want = header_load(frame).size;
        if (want > sizeof(frame))
            return false;
    }
    return send(to, frame, have, MSG_NOSIGNAL) == (ssize_t)have;
}

/* A socket has its name before it listens: it gets the name that others wait for after that. */
static int relay_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s.early", path);

    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0
        || rename(address.sun_path, path) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    int listener, client, server;

    if (argc != 3) {
        fprintf(stderr, "usage: bench-relay LISTEN-PATH SERVER-PATH\n");
        return EXIT_FAILURE;
    }
    server = swtpm_connect(argv[2]);
    listener = server < 0 ? -1 : relay_listen(argv[1]);
    client = listener < 0 ? -1 : accept(listener, NULL, NULL);
    if (client < 0) {
        perror("bench-relay");
        return EXIT_FAILURE;
    }
    while (relay_frame(client, server) && relay_frame(server, client))
        ;
    close(client);
    close(listener);
    close(server);
    return EXIT_SUCCESS;
}
