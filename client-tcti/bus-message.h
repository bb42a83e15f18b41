/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * D-Bus messages as bytes: builds the few calls that this library makes, and reads the messages
 * that come back. libc only, no memory of its own, any thread.
 *
 * Of a reply the header fields are read that say whose reply it is and what its body is, and a body
 * that is one number or begins with a text. What is read must be as the D-Bus specification has it
 * in "Marshaling" and "Message Format", or the message is refused. All other parts, and every
 * message that is no reply, are dropped by their size. Whether a text is of the right form is for
 * its user to check.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_MESSAGE_NAME_MAX   255   /* D-Bus specification, "Valid Names" */
#define BUS_MESSAGE_CALL_MAX   1536  /* five header fields, four of them names, and a body */
#define BUS_MESSAGE_FIXED_SIZE 16    /* what has the size of a message in it */
#define BUS_MESSAGE_MAX        65536 /* no message that is meant for us comes near it */

/* D-Bus specification, "Message Format": the types. Greater ones are to be ignored. */
enum bus_message_type {
    BUS_MESSAGE_METHOD_CALL = 1,
    BUS_MESSAGE_METHOD_RETURN,
    BUS_MESSAGE_ERROR,
    BUS_MESSAGE_SIGNAL,
};

struct bus_message_call {
    uint32_t serial; /* not 0 */
    const char *destination;
    const char *path;
    const char *interface;
    const char *member;
    const char *signature; /* of the body: "", "s", "t" or "ty" */
    const char *name;      /* the "s" */
    uint64_t id;           /* the "t" */
    uint8_t locality;      /* the "y" */
};

/* Strings are in the bytes that were read. Of a message that is no reply only the type is set. */
struct bus_message {
    uint8_t type;           /* an enum bus_message_type, or a greater number */
    uint32_t reply_serial;  /* of the call that it answers */
    const char *error_name; /* NULL without one, */
    const char *sender;     /* as is this, which can be any text */
    const char *signature;  /* of the body; "" without one */
    const char *text;       /* the body's first argument if it is a string, else NULL */
    uint64_t number;        /* of a body of signature "t" or "u", else 0 */
};

/* Stores the message at `out` and returns its size, or 0 when a name is empty or too long. The
 * caller knows that the names are of the right form. */
size_t bus_message_build(uint8_t out[BUS_MESSAGE_CALL_MAX], const struct bus_message_call *call);

/* The size of the message that begins with these bytes, BUS_MESSAGE_FIXED_SIZE to BUS_MESSAGE_MAX.
 * 0 when they begin no message, or a longer one. */
size_t bus_message_size(const uint8_t fixed[BUS_MESSAGE_FIXED_SIZE]);

/* Reads the message of `size` bytes. Returns 0, or -EBADMSG when the bytes are no message, or a
 * reply that is malformed. */
int bus_message_read(struct bus_message *message, const uint8_t *bytes, size_t size);

/* Whether `name` has the form of the names that a bus gives: D-Bus specification, "Bus names". */
bool bus_message_is_unique_name(const char *name);
