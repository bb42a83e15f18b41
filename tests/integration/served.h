/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world whose daemon is served as systemd would serve it: with a runtime directory, so that it
 * keeps a record of its sessions and has its socket there, beside the bus. Clients come by either
 * way, and the programs around the daemon can be taken away and put back.
 */
#pragma once

#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"

enum served_way { SERVED_BUS, SERVED_SOCKET };

/* A world with a runtime directory, its daemon ready; served_empty_world() without one. */
int served_world(void **state);
int served_empty_world(void **state);

/* The same, and more arguments for the daemon. */
int served_world_with(void **state, const char *const *args);
int served_empty_world_with(void **state, const char *const *args);

/* Starts the daemon without a bus, what it says going to the file `log`, and waits for its socket.
 */
bool served_start_without_bus(struct world *world, const char *log);

/* The daemon's socket, and the client library's configuration for a way; to be freed with
 * g_free(). */
char *served_socket(const struct world *world);
char *served_conf(const struct world *world, enum served_way way);

/* A client of the library by one way; NULL with the library's code in *rc, which may be NULL. */
struct esys_client *served_client(const struct world *world, enum served_way way, TSS2_RC *rc);

/* A client without a library on the daemon's socket. NULL when nobody listens there. */
struct raw_client *served_raw_client(const struct world *world);

/* Kills a program of the world, swtpm or the bus, and starts it again as it was started, with its
 * output in `log`. */
bool served_restart(struct world *world, struct process *process, const char *log);

/* Stops a program of the world as SIGSTOP does, and comes back when all of it stands still. */
bool served_freeze(const struct process *process);

/* The world's own connection to a bus that is new. */
bool served_rejoin_bus(struct world *world);

/* Waits until the daemon has sent `count` commands with the code, 0 for any, to the chip since
 * `before`. */
bool served_await_chip(const struct world *world, const struct counts *before, uint32_t code,
                       uint64_t count);

#define served_test(function) \
    cmocka_unit_test_setup_teardown(function, served_world, suite_end_world)
#define served_empty_test(function) \
    cmocka_unit_test_setup_teardown(function, served_empty_world, suite_end_world)
