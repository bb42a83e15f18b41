/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process at the other end of a connection, for people to see. Nothing is decided by it: a
 * process may pass its socket on, and its number is used again once it has ended. One thread at a
 * time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a name, its final 0 included: 15 of the kernel's, each as long as "\xFF". */
#define PEER_PROGRAM 64

struct peer {
    uint32_t pid;               /* 0: not known */
    bool looked_up;             /* by peer_program(), which alone fills in what follows */
    char program[PEER_PROGRAM]; /* as peer_name_escape() leaves it; "": not known */
};

/* The process of that number, 0 for one that is not known. */
void peer_of_process(struct peer *peer, uint32_t pid);

/* The process that connected the socket `fd`. */
void peer_of_socket(struct peer *peer, int fd);

/*
 * The name of its program, which is the peer's. The first call reads it in /proc, which waits for
 * nothing, and takes as long as all else that a connection costs in the kernel: so it is not for
 * those that nobody has asked about. "" when the process is not known, or had ended by then.
 */
const char *peer_program(struct peer *peer);

/* Copies a name of the kernel's up to its end of line: printable ASCII but for the backslash as it
 * is, all other bytes as "\x" and two hexadecimal digits. */
void peer_name_escape(char program[PEER_PROGRAM], const char *name);
