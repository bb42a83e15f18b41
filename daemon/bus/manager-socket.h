/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket on which the manager interface is served without a bus, peer to peer. Peers are few,
 * and shared out among accounts as other things are (base/share.h), so that nobody shuts out the
 * next; who finds no room is let go at once. Main thread.
 */
#pragma once

#include "bus/manager-frontend.h"
#include "engine/listener.h"

/* Peers in all; of these kept for root, and for accounts that have none. Each has three
 * descriptors, which process_carries() counts. */
#define MANAGER_SOCKET_PEERS     24
#define MANAGER_SOCKET_ROOT      6
#define MANAGER_SOCKET_NEWCOMERS 3

struct manager_socket;

/* Serves on `listener`, which it takes over; borrows the others. */
struct manager_socket *manager_socket_new(struct listener *listener, struct engine *engine,
                                          struct manager_frontend *frontend);

/* Lets nobody in from now on: the engine is about to be freed. Those who are connected stay. */
void manager_socket_close(struct manager_socket *socket);

/* Ends all connections, and frees; runs the main loop. NULL is fine. */
void manager_socket_free(struct manager_socket *socket);
