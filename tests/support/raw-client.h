/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client without a client library: it asks for a connection over D-Bus and owns the bare socket,
 * so that it can send what no library would. Its bus connection is its own, so two raw clients are
 * two peers.
 */
#pragma once

#include "world.h"

struct raw_client {
    GDBusConnection *bus;
    uint64_t id;
    int fd;
};

/* Connects. NULL, with a word on standard error, when the daemon hands out no descriptor. */
struct raw_client *raw_client_new(struct world *world);
/* The same on the daemon's socket. NULL when nobody listens there. */
struct raw_client *raw_client_connect(const char *socket);

void raw_client_free(struct raw_client *raw);

/* Sends bytes as they are. False when the daemon has closed or takes nothing for a long time. */
bool raw_client_send(struct raw_client *raw, const void *bytes, size_t size);

/* Receives one response of up to `capacity` bytes. Its size, 0 at the end of the connection, or
 * -1 when none comes for a long time. */
ssize_t raw_client_receive(struct raw_client *raw, uint8_t *response, size_t capacity);

/* Sends a command and gives the response code of the answer; UINT32_MAX when there is none. */
uint32_t raw_client_transact(struct raw_client *raw, const uint8_t *command, size_t size);

/* The same for the command `code` with one handle and nothing else. */
uint32_t raw_client_send_handle(struct raw_client *raw, uint32_t code, uint32_t handle);

/* Starts a policy session; its handle in *handle. The response code, UINT32_MAX for none. */
uint32_t raw_client_start_session(struct raw_client *raw, uint32_t *handle);

/* True when the daemon closes the connection within a long time; what comes before is read. */
bool raw_client_closed(struct raw_client *raw);

/* Calls a method of the connection (Cancel, SetLocality) with `arguments`, which are consumed.
 * True with *rc set when it answered, false with the D-Bus error's name in *error (g_free()). */
bool raw_client_call(struct raw_client *raw, const char *method, GVariant *arguments, uint32_t *rc,
                     char **error);
