/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager as keeper of descriptors (FDSTORE=1 of sd_notify(3)): what it has been sent
 * outlives the process, and the next daemon is passed it. It has a descriptor of its own of each
 * open file, so a kept socket ends by shutdown(2) and not by close(2): then the service manager
 * drops it by itself. What a daemon was passed is kept already, and must not be stored again.
 *
 * Messages go to one connected socket. All functions are for any thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What the descriptors are called. Anybody may list these names, and all of them are in one
 * environment variable of the next daemon: so they are short, and tell nothing. */
#define KEEPER_CONNECTION "c"  /* each of the clients' sockets */
#define KEEPER_LISTENER   "l"  /* the listening socket that this daemon made */
#define KEEPER_JOURNAL_0  "s0" /* memory of the journal, in turn */
#define KEEPER_JOURNAL_1  "s1"

#define KEEPER_NAME 256 /* bytes of a name, its final 0 included */

/* Descriptors that are kept free beyond those of connections: for the others, and for those of
 * connections that ended and that the service manager has not dropped yet. To send it more than it
 * keeps is a load on it. */
#define KEEPER_SPARE 64

struct keeper;

/* The address that NOTIFY_SOCKET stands for. False when it is none, or of another kind of socket.
 */
bool keeper_address(const char *path, struct sockaddr_un *address, socklen_t *size);

/* The keeper at that socket, which keeps up to `most` descriptors. NULL with errno set; EINVAL when
 * that is not an address, or when there would be no room for connections. */
struct keeper *keeper_new(const char *path, unsigned most);

/* NULL is fine. */
void keeper_free(struct keeper *keeper);

/* How many connections may be kept. */
unsigned keeper_connections(const struct keeper *keeper);

/*
 * Has a client's socket kept, until it is shut down or its peer is gone. Does not wait. 0; -EAGAIN
 * when the service manager has too much to read, and the caller is to try again; or another
 * negative errno: then it is not kept, of which the log tells once.
 */
int keeper_store_connection(struct keeper *keeper, int fd);

/* Has a descriptor kept under a name until keeper_remove(), whatever happens to it. Waits for up to
 * KEEPER_WAIT_MS where the service manager has too much to read. 0 or a negative errno. */
#define KEEPER_WAIT_MS 2000
int keeper_store(struct keeper *keeper, const char *name, int fd);

/* Has all descriptors of a name dropped; waits as keeper_store(). 0 or a negative errno. */
int keeper_remove(struct keeper *keeper, const char *name);
