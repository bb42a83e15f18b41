/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * D-Bus messages by their bytes: reads the parts of a header that decide where a message goes, and
 * builds the messages of the proxy's own. Clauses are of the D-Bus Specification, version 0.38. No
 * function reads beyond the bytes that it is given, whatever these are; none allocates. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bus itself, as a name and an interface ("Message Bus Messages"). */
#define MESSAGE_BUS_NAME "org.freedesktop.DBus"

/* The part of a header of which the size follows ("Message Format"). */
#define MESSAGE_HEAD_SIZE 16

/* Room for each message that is built here; names and texts that would need more are cut or
 * refused. */
#define MESSAGE_BUILD_MAX 1024

/* The longest bus name, error name or member name ("Valid Names"). */
#define MESSAGE_NAME_MAX 255

enum message_type {
    MESSAGE_CALL = 1,
    MESSAGE_RETURN = 2,
    MESSAGE_ERROR = 3,
    MESSAGE_SIGNAL = 4,
};

/* Strings point into the bytes that were read. NULL or 0: no such field. */
struct message {
    uint8_t type; /* of enum message_type, or one that the specification does not know */
    bool wants_reply;
    uint32_t serial, reply_serial;
    uint32_t descriptors; /* that belong to it */
    const char *sender, *destination, *interface, *member, *error, *signature;
    const uint8_t *body; /* NULL when the bytes end before it */
    size_t body_size;
    bool big_endian;
};

/* The size in bytes of the message that begins with `head`. 0 when `head` begins no message, or one
 * that is larger than the protocol allows (128 MiB). */
size_t message_size(const uint8_t head[MESSAGE_HEAD_SIZE]);

/* True for a call whose caller wants no reply, of which `head` is enough. */
bool message_is_silent_call(const uint8_t head[MESSAGE_HEAD_SIZE]);

/* Reads the header of a message of which the first `have` bytes are at `bytes`, the head at the
 * least; of a header that goes on beyond them, the fields that are whole. False when it is
 * malformed, or has a field of a container type (the specification has none). */
bool message_read(struct message *message, const uint8_t *bytes, size_t have);

/* True when the body has no values of container types, which may be nested. */
bool message_is_flat(const struct message *message);

/* The body of a message whose signature is "u". False when there is none. */
bool message_read_number(const struct message *message, uint32_t *number);

/* The name in a signal that says that a unique name is gone from the bus (NameOwnerChanged with an
 * empty new owner); it points into the message. NULL for another message. */
const char *message_read_departure(const struct message *message);

/* Builds a call of the bus's own method `member`, which has a string for its argument. Bytes used;
 * 0 when that is too long. */
size_t message_build_bus_call(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial, const char *member,
                              const char *argument);

/* Builds a call of org.freedesktop.DBus.Peer.Ping of `destination`. Bytes used; 0 when that is too
 * long. */
size_t message_build_ping(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial,
                          const char *destination);

/* Builds the error `error` in answer to call `reply_serial` of `destination`, which may be NULL;
 * a long text is cut.
 * Bytes used; 0 when a name is too long. */
size_t message_build_error(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial, uint32_t reply_serial,
                           const char *destination, const char *error, const char *text);
