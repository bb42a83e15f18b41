/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world whose daemon reads a configuration file, `test.conf`, that a test changes while the
 * daemon runs, and tells a service manager, which the test is, of that. Users come by the bus and
 * by the socket, whoever they are.
 */
#pragma once

#include "served.h"

/* A world whose daemon has started with this file; the same with more configuration for the
 * counting TCTI, which is borrowed. */
int configured_world(void **state, const char *text);
int configured_world_with(void **state, const char *text, const char *tcti);
int configured_end(void **state);

/* Writes the file, or the drop-in NAME of it. */
void configured_put(const struct world *world, const char *text);
void configured_put_drop_in(const struct world *world, const char *name, const char *text);

/* Has the daemon read its files again, and waits until it has. */
void configured_read_again(struct world *world);

/* The same with another file. */
void configured_reload(struct world *world, const char *text);

/* Waits until the daemon's log has this. */
void configured_expect_said(struct world *world, const char *text);

/* A client of the library of the user `uid`, who has the group of the socket and up to two others,
 * 0 for none; it takes root. As served_client(). */
struct esys_client *configured_come_as(const struct world *world, enum served_way way, uid_t uid,
                                       gid_t one, gid_t other, TSS2_RC *rc);
