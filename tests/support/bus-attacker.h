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

/* A call of the object that has a long answer. */
uint8_t *bus_attacker_introspection(size_t *size);

/* Gives a call a serial; it has 1. */
void bus_attacker_set_serial(uint8_t *call, uint32_t serial);

/* A call whose body is an array of `count` variants with a byte, of 4 bytes each. */
uint8_t *bus_attacker_large_call(uint32_t count, size_t *size);

/* A socket to the world's bus, or to the one at `path`, authenticated and greeted; -1 when the bus
 * does not want us. */
int bus_attacker_connect(const struct world *world);
int bus_attacker_join(const char *path);

/* False when the bus hangs up. */
bool bus_attacker_send(int fd, const void *bytes, size_t size);

/* Sends a call at least `count` times, with other serials. False when the bus hangs up. */
bool bus_attacker_send_calls(int fd, const uint8_t *call, size_t size, unsigned count);

/* The next message that comes, within a long time; NULL for none. */
GDBusMessage *bus_attacker_receive(int fd);

/* The name of the next error that comes within a long time; to be freed, NULL for none. */
char *bus_attacker_refusal(int fd);

/* A child of the test that sends a call over and over, with other serials, and reads nothing; as
 * `user` of the machine, NULL for this one. bus_attacker_end() ends it: true when it was at work
 * until then. */
pid_t bus_attacker_flood(const struct world *world, const char *user, const uint8_t *call,
                         size_t size);
bool bus_attacker_end(pid_t child);
