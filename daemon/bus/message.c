/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/message.h"

#include <string.h>

#define MESSAGE_MAX     (128u * 1024 * 1024)
#define MESSAGE_VERSION 1
#define MESSAGE_QUIET   1 /* the flag NO_REPLY_EXPECTED */

/* Offsets in the head ("Message Format"). */
enum message_at {
    MESSAGE_AT_ORDER = 0,
    MESSAGE_AT_TYPE = 1,
    MESSAGE_AT_FLAGS = 2,
    MESSAGE_AT_VERSION = 3,
    MESSAGE_AT_BODY = 4,
    MESSAGE_AT_SERIAL = 8,
    MESSAGE_AT_FIELDS = 12,
};

/* "Header Fields". */
enum message_field {
    MESSAGE_FIELD_PATH = 1,
    MESSAGE_FIELD_INTERFACE,
    MESSAGE_FIELD_MEMBER,
    MESSAGE_FIELD_ERROR,
    MESSAGE_FIELD_REPLY_SERIAL,
    MESSAGE_FIELD_DESTINATION,
    MESSAGE_FIELD_SENDER,
    MESSAGE_FIELD_SIGNATURE,
    MESSAGE_FIELD_DESCRIPTORS,
};

/* The bytes of the header fields, read from front to back. */
struct message_reader {
    const uint8_t *bytes;
    size_t at, end;
    bool big_endian;
};

/* A value of a basic type: a string, or a number. */
struct message_value {
    char type;
    const char *text;
    uint32_t number;
};

enum message_step { MESSAGE_STEP_DONE, MESSAGE_STEP_CUT, MESSAGE_STEP_BAD };

static uint32_t message_u32(const uint8_t *at, bool big_endian)
{
    if (big_endian)
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static size_t message_align(size_t at, size_t boundary)
{
    return (at + boundary - 1) / boundary * boundary;
}

size_t message_size(const uint8_t head[MESSAGE_HEAD_SIZE])
{
    bool big_endian = head[MESSAGE_AT_ORDER] == 'B';
    uint64_t body, fields, size;

    if ((!big_endian && head[MESSAGE_AT_ORDER] != 'l') || head[MESSAGE_AT_TYPE] == 0
        || head[MESSAGE_AT_VERSION] != MESSAGE_VERSION)
        return 0;
    body = message_u32(head + MESSAGE_AT_BODY, big_endian);
    fields = message_u32(head + MESSAGE_AT_FIELDS, big_endian);
    size = MESSAGE_HEAD_SIZE + (fields + 7) / 8 * 8 + body;
    return size <= MESSAGE_MAX ? (size_t)size : 0;
}

bool message_is_silent_call(const uint8_t head[MESSAGE_HEAD_SIZE])
{
    return head[MESSAGE_AT_TYPE] == MESSAGE_CALL && (head[MESSAGE_AT_FLAGS] & MESSAGE_QUIET);
}

/* Moves on to the next multiple of `boundary` and past `size` bytes from there. Gives these bytes,
 * or NULL when fewer are left. */
static const uint8_t *message_take(struct message_reader *reader, size_t boundary, size_t size)
{
    size_t from = message_align(reader->at, boundary);

    if (from > reader->end || size > reader->end - from)
        return NULL;
    reader->at = from + size;
    return reader->bytes + from;
}

/* A string with its zero; its length is an integer of `width` bytes before it. */
static enum message_step message_take_text(struct message_reader *reader, size_t width,
                                           const char **text)
{
    const uint8_t *length = message_take(reader, width, width), *from;
    size_t size;

    if (!length)
        return MESSAGE_STEP_CUT;
    size = width == 1 ? *length : message_u32(length, reader->big_endian);
    if (size > MESSAGE_MAX)
        return MESSAGE_STEP_BAD;
    from = message_take(reader, 1, size + 1);
    if (!from)
        return MESSAGE_STEP_CUT;
    *text = (const char *)from;
    return memchr(from, '\0', size + 1) == from + size ? MESSAGE_STEP_DONE : MESSAGE_STEP_BAD;
}

/* Bytes of a number of the type, which are also its alignment; 0 for another type. */
static size_t message_width(char type)
{
    switch (type) {
    case 'y':
        return 1;
    case 'n':
    case 'q':
        return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
        return 4;
    case 'x':
    case 't':
    case 'd':
        return 8;
    default:
        return 0;
    }
}

static enum message_step message_take_value(struct message_reader *reader,
                                            struct message_value *value)
{
    const uint8_t *number;
    size_t width = message_width(value->type);

    if (value->type == 's' || value->type == 'o')
        return message_take_text(reader, 4, &value->text);
    if (value->type == 'g')
        return message_take_text(reader, 1, &value->text);
    if (width == 0)
        return MESSAGE_STEP_BAD;
    number = message_take(reader, width, width);
    if (!number)
        return MESSAGE_STEP_CUT;
    if (width == 4)
        value->number = message_u32(number, reader->big_endian);
    return MESSAGE_STEP_DONE;
}

/* False when the field has another type than it should, or is there already. */
static bool message_set_text(const char **field, char type, const struct message_value *value)
{
    if (*field || value->type != type)
        return false;
    *field = value->text;
    return true;
}

/* The same for a number, which is not 0 where it is there. */
static bool message_set_number(uint32_t *field, const struct message_value *value)
{
    if (*field != 0 || value->type != 'u')
        return false;
    *field = value->number;
    return true;
}

static bool message_set(struct message *message, uint8_t field, const struct message_value *value)
{
    switch (field) {
    case MESSAGE_FIELD_INTERFACE:
        return message_set_text(&message->interface, 's', value);
    case MESSAGE_FIELD_MEMBER:
        return message_set_text(&message->member, 's', value);
    case MESSAGE_FIELD_ERROR:
        return message_set_text(&message->error, 's', value);
    case MESSAGE_FIELD_DESTINATION:
        return message_set_text(&message->destination, 's', value);
    case MESSAGE_FIELD_SENDER:
        return message_set_text(&message->sender, 's', value);
    case MESSAGE_FIELD_SIGNATURE:
        return message_set_text(&message->signature, 'g', value);
    case MESSAGE_FIELD_REPLY_SERIAL:
        return message_set_number(&message->reply_serial, value);
    case MESSAGE_FIELD_DESCRIPTORS:
        return message_set_number(&message->descriptors, value);
    default:
        return field != 0;
    }
}

/* One header field: its code, the signature of its value, the value. */
static enum message_step message_take_field(struct message_reader *reader, struct message *message)
{
    const uint8_t *code = message_take(reader, 8, 1);
    struct message_value value = {0};
    const char *signature;
    enum message_step step;

    if (!code)
        return MESSAGE_STEP_CUT;
    step = message_take_text(reader, 1, &signature);
    if (step != MESSAGE_STEP_DONE)
        return step;
    if (signature[0] == '\0' || signature[1] != '\0')
        return MESSAGE_STEP_BAD;
    value.type = signature[0];
    step = message_take_value(reader, &value);
    if (step != MESSAGE_STEP_DONE)
        return step;
    return message_set(message, *code, &value) ? MESSAGE_STEP_DONE : MESSAGE_STEP_BAD;
}

bool message_read(struct message *message, const uint8_t *bytes, size_t have)
{
    bool big_endian = bytes[MESSAGE_AT_ORDER] == 'B', whole;
    size_t size = message_size(bytes), fields_end, body;
    struct message_reader reader = {bytes, MESSAGE_HEAD_SIZE, have, big_endian};
    enum message_step step = MESSAGE_STEP_DONE;

    *message = (struct message){.type = bytes[MESSAGE_AT_TYPE], .big_endian = big_endian};
    if (size == 0)
        return false;
    message->wants_reply =
        message->type == MESSAGE_CALL && !(bytes[MESSAGE_AT_FLAGS] & MESSAGE_QUIET);
    message->serial = message_u32(bytes + MESSAGE_AT_SERIAL, big_endian);
    fields_end = MESSAGE_HEAD_SIZE + message_u32(bytes + MESSAGE_AT_FIELDS, big_endian);
    whole = fields_end <= have;
    if (whole)
        reader.end = fields_end;
    while (step == MESSAGE_STEP_DONE && reader.at < reader.end)
        step = message_take_field(&reader, message);
    body = message_align(fields_end, 8);
    if (have >= size) {
        message->body = bytes + body;
        message->body_size = size - body;
    }
    return message->serial != 0
           && (step == MESSAGE_STEP_DONE || (step == MESSAGE_STEP_CUT && !whole));
}

bool message_is_flat(const struct message *message)
{
    return !message->signature || !strpbrk(message->signature, "av({");
}

bool message_read_number(const struct message *message, uint32_t *number)
{
    if (!message->body || message->body_size != 4 || !message->signature
        || strcmp(message->signature, "u") != 0)
        return false;
    *number = message_u32(message->body, message->big_endian);
    return true;
}

static bool message_is(const char *text, const char *what)
{
    return text && strcmp(text, what) == 0;
}

const char *message_read_departure(const struct message *message)
{
    struct message_reader reader = {message->body, 0, message->body_size, message->big_endian};
    const char *name, *old_owner, *new_owner;

    if (message->type != MESSAGE_SIGNAL || !message->body
        || !message_is(message->sender, MESSAGE_BUS_NAME)
        || !message_is(message->member, "NameOwnerChanged")
        || !message_is(message->signature, "sss"))
        return NULL;
    if (message_take_text(&reader, 4, &name) != MESSAGE_STEP_DONE
        || message_take_text(&reader, 4, &old_owner) != MESSAGE_STEP_DONE
        || message_take_text(&reader, 4, &new_owner) != MESSAGE_STEP_DONE)
        return NULL;
    return name[0] == ':' && new_owner[0] == '\0' ? name : NULL;
}

/* Bytes that are written one after the other; MESSAGE_BUILD_MAX has room for all that the callers
 * below let in. */
struct message_writer {
    uint8_t *bytes;
    size_t at;
};

static void message_pad(struct message_writer *writer, size_t boundary)
{
    while (writer->at % boundary)
        writer->bytes[writer->at++] = 0;
}

static void message_put_u32(struct message_writer *writer, uint32_t value)
{
    message_pad(writer, 4);
    for (unsigned i = 0; i < 4; i++, value >>= 8)
        writer->bytes[writer->at++] = (uint8_t)value;
}

static void message_put_text(struct message_writer *writer, const char *text, size_t length)
{
    message_put_u32(writer, (uint32_t)length);
    memcpy(writer->bytes + writer->at, text, length);
    writer->at += length;
    writer->bytes[writer->at++] = 0;
}

static void message_put_code(struct message_writer *writer, enum message_field field, char type)
{
    message_pad(writer, 8);
    writer->bytes[writer->at++] = (uint8_t)field;
    writer->bytes[writer->at++] = 1;
    writer->bytes[writer->at++] = (uint8_t)type;
    writer->bytes[writer->at++] = 0;
}

static void message_put_field(struct message_writer *writer, enum message_field field, char type,
                              const char *text)
{
    message_put_code(writer, field, type);
    message_put_text(writer, text, strlen(text));
}

/* The signature of a body that is one string. */
static void message_put_signature(struct message_writer *writer)
{
    message_put_code(writer, MESSAGE_FIELD_SIGNATURE, 'g');
    writer->bytes[writer->at++] = 1;
    writer->bytes[writer->at++] = 's';
    writer->bytes[writer->at++] = 0;
}

/* The sizes in it are still zero. */
static void message_put_head(struct message_writer *writer, enum message_type type, uint8_t flags,
                             uint32_t serial)
{
    writer->bytes[writer->at++] = 'l';
    writer->bytes[writer->at++] = (uint8_t)type;
    writer->bytes[writer->at++] = flags;
    writer->bytes[writer->at++] = MESSAGE_VERSION;
    message_put_u32(writer, 0);
    message_put_u32(writer, serial);
    message_put_u32(writer, 0);
}

/* Ends the header. */
static void message_end_fields(struct message_writer *writer)
{
    message_put_u32(&(struct message_writer){writer->bytes, MESSAGE_AT_FIELDS},
                    (uint32_t)(writer->at - MESSAGE_HEAD_SIZE));
    message_pad(writer, 8);
}

/* Ends the header, and the message with the body, a string. */
static size_t message_put_body(struct message_writer *writer, const char *text, size_t length)
{
    size_t body;

    message_end_fields(writer);
    body = writer->at;
    message_put_text(writer, text, length);
    message_put_u32(&(struct message_writer){writer->bytes, MESSAGE_AT_BODY},
                    (uint32_t)(writer->at - body));
    return writer->at;
}

size_t message_build_bus_call(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial, const char *member,
                              const char *argument)
{
    struct message_writer writer = {into, 0};
    size_t length = strlen(argument);

    if (length > MESSAGE_NAME_MAX || strlen(member) > MESSAGE_NAME_MAX)
        return 0;
    message_put_head(&writer, MESSAGE_CALL, 0, serial);
    message_put_field(&writer, MESSAGE_FIELD_PATH, 'o', "/org/freedesktop/DBus");
    message_put_field(&writer, MESSAGE_FIELD_DESTINATION, 's', MESSAGE_BUS_NAME);
    message_put_field(&writer, MESSAGE_FIELD_INTERFACE, 's', MESSAGE_BUS_NAME);
    message_put_field(&writer, MESSAGE_FIELD_MEMBER, 's', member);
    message_put_signature(&writer);
    return message_put_body(&writer, argument, length);
}

size_t message_build_ping(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial, const char *destination)
{
    struct message_writer writer = {into, 0};

    if (strlen(destination) > MESSAGE_NAME_MAX)
        return 0;
    message_put_head(&writer, MESSAGE_CALL, 0, serial);
    message_put_field(&writer, MESSAGE_FIELD_PATH, 'o', "/");
    message_put_field(&writer, MESSAGE_FIELD_DESTINATION, 's', destination);
    message_put_field(&writer, MESSAGE_FIELD_INTERFACE, 's', "org.freedesktop.DBus.Peer");
    message_put_field(&writer, MESSAGE_FIELD_MEMBER, 's', "Ping");
    message_end_fields(&writer);
    return writer.at;
}

size_t message_build_error(uint8_t into[MESSAGE_BUILD_MAX], uint32_t serial, uint32_t reply_serial,
                           const char *destination, const char *error, const char *text)
{
    struct message_writer writer = {into, 0};
    size_t length = strnlen(text, MESSAGE_NAME_MAX);

    if ((destination && strlen(destination) > MESSAGE_NAME_MAX) || strlen(error) > MESSAGE_NAME_MAX)
        return 0;
    message_put_head(&writer, MESSAGE_ERROR, MESSAGE_QUIET, serial);
    if (destination)
        message_put_field(&writer, MESSAGE_FIELD_DESTINATION, 's', destination);
    message_put_field(&writer, MESSAGE_FIELD_ERROR, 's', error);
    message_put_code(&writer, MESSAGE_FIELD_REPLY_SERIAL, 'u');
    message_put_u32(&writer, reply_serial);
    message_put_signature(&writer);
    return message_put_body(&writer, text, length);
}
