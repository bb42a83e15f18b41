/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program on the world's bus without a D-Bus library, so that it can send what no library would,
 * as fast as the bus takes it.
 */
#pragma once

#include "world.h"

/* A call of the daemon's object; `body` is a tuple, which is consumed, or NULL. *size bytes, to be
 * freed with g_free(). */
uint8_t *bus_attacker_call(const char *method, GVariant *body, GDBusMessageFlags flags,
                           size_t *size);

/* A socket to the bus, authenticated and greeted; -1 when the bus does not want us. */
int bus_attacker_connect(const struct world *world);

/* False when the bus hangs up. */
bool bus_attacker_send(int fd, const void *bytes, size_t size);

/* The next message that comes, within a long time; NULL for none. */
GDBusMessage *bus_attacker_receive(int fd);

/* A child of the test that sends a call over and over, with other serials, and reads nothing; as
 * `user` of the machine, NULL for this one. bus_attacker_end() ends it: true when it was at work
 * until then. */
pid_t bus_attacker_flood(const struct world *world, const char *user, const uint8_t *call,
                         size_t size);
bool bus_attacker_end(pid_t child);
