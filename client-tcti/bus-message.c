/* SPDX-License-Identifier: BSD-2-Clause */
/* Clauses that are named here are of the D-Bus specification. */
#include "bus-message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bus-value.h"

#define VERSION 1

/* "Header Fields". */
enum bus_message_field {
    FIELD_PATH = 1,
    FIELD_INTERFACE,
    FIELD_MEMBER,
    FIELD_ERROR_NAME,
    FIELD_REPLY_SERIAL,
    FIELD_DESTINATION,
    FIELD_SENDER,
    FIELD_SIGNATURE,
};

static const char bus_message_field_types[] = {
    [FIELD_PATH] = 'o',       [FIELD_INTERFACE] = 's',    [FIELD_MEMBER] = 's',
    [FIELD_ERROR_NAME] = 's', [FIELD_REPLY_SERIAL] = 'u', [FIELD_DESTINATION] = 's',
    [FIELD_SENDER] = 's',     [FIELD_SIGNATURE] = 'g',
};

/* Bytes that are written one after the other. BUS_MESSAGE_CALL_MAX has room for them all. */
struct bus_message_writer {
    uint8_t *bytes;
    size_t at;
};

static void bus_message_put_padding(struct bus_message_writer *writer, size_t boundary)
{
    while (writer->at % boundary != 0)
        writer->bytes[writer->at++] = 0;
}

/* An integer of `size` bytes, which is also what it is aligned to. */
static void bus_message_put_integer(struct bus_message_writer *writer, uint64_t value, size_t size)
{
    bus_message_put_padding(writer, size);
    for (; size > 0; size--, value >>= 8)
        writer->bytes[writer->at++] = (uint8_t)value;
}

/* With its terminating zero. The length before it is an integer of `length_size` bytes. */
static void bus_message_put_string(struct bus_message_writer *writer, const char *text,
                                   size_t length_size)
{
    size_t length = strlen(text);

    bus_message_put_integer(writer, length, length_size);
    memcpy(writer->bytes + writer->at, text, length + 1);
    writer->at += length + 1;
}

static void bus_message_put_field(struct bus_message_writer *writer, enum bus_message_field field,
                                  const char *text)
{
    const char type[2] = {bus_message_field_types[field], '\0'};

    bus_message_put_padding(writer, 8);
    bus_message_put_integer(writer, field, 1);
    bus_message_put_string(writer, type, 1);
    bus_message_put_string(writer, text, type[0] == 'g' ? 1 : 4);
}

static bool bus_message_name_fits(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= BUS_MESSAGE_NAME_MAX;
}

static void bus_message_put_body(struct bus_message_writer *writer,
                                 const struct bus_message_call *call)
{
    const char *type;

    for (type = call->signature; *type != '\0'; type++) {
        assert(*type != 's' || call->name != NULL);
        if (*type == 's')
            bus_message_put_string(writer, call->name, 4);
        else if (*type == 't')
            bus_message_put_integer(writer, call->id, 8);
        else
            bus_message_put_integer(writer, call->locality, 1);
    }
}

size_t bus_message_build(uint8_t out[BUS_MESSAGE_CALL_MAX], const struct bus_message_call *call)
{
    struct bus_message_writer writer = {out, 0};
    size_t fields_end, body;

    assert(call->serial != 0);
    if (!bus_message_name_fits(call->destination) || !bus_message_name_fits(call->path)
        || !bus_message_name_fits(call->interface) || !bus_message_name_fits(call->member))
        return 0;
    if (call->name != NULL && !bus_message_name_fits(call->name))
        return 0;
    /* "Message Format": byte order, type, flags, version, size of the body, serial, and the size
     * of the header fields. The sizes come at the end. */
    bus_message_put_integer(&writer, 'l', 1);
    bus_message_put_integer(&writer, BUS_MESSAGE_METHOD_CALL, 1);
    bus_message_put_integer(&writer, 0, 1);
    bus_message_put_integer(&writer, VERSION, 1);
    bus_message_put_integer(&writer, 0, 4);
    bus_message_put_integer(&writer, call->serial, 4);
    bus_message_put_integer(&writer, 0, 4);
    bus_message_put_field(&writer, FIELD_PATH, call->path);
    bus_message_put_field(&writer, FIELD_DESTINATION, call->destination);
    bus_message_put_field(&writer, FIELD_INTERFACE, call->interface);
    bus_message_put_field(&writer, FIELD_MEMBER, call->member);
    if (call->signature[0] != '\0')
        bus_message_put_field(&writer, FIELD_SIGNATURE, call->signature);
    fields_end = writer.at;
    bus_message_put_padding(&writer, 8);
    body = writer.at;
    bus_message_put_body(&writer, call);
    assert(writer.at <= BUS_MESSAGE_CALL_MAX);
    bus_message_put_integer(&(struct bus_message_writer){out, 4}, writer.at - body, 4);
    bus_message_put_integer(&(struct bus_message_writer){out, 12},
                            fields_end - BUS_MESSAGE_FIXED_SIZE, 4);
    return writer.at;
}

/* One text of the header, which comes once. */
static bool bus_message_read_text(struct bus_value_reader *reader, const char **text,
                                  size_t length_size)
{
    return *text == NULL && bus_value_string(reader, text, length_size);
}

/* The serial of the call that a reply is for, which comes once. "Message Format": it is not 0. */
static bool bus_message_read_serial(struct bus_value_reader *reader, uint32_t *serial)
{
    uint64_t value;

    if (*serial != 0 || !bus_value_integer(reader, &value, 4))
        return false;
    *serial = (uint32_t)value;
    return value != 0;
}

/* "Header Fields": a struct of a code and a variant. What is not read has a type of one letter, so
 * that it can be passed over by its size. */
static bool bus_message_read_field(struct bus_value_reader *reader, struct bus_message *message)
{
    const char *type;
    uint64_t code;

    if (!bus_value_align(reader, 8) || !bus_value_integer(reader, &code, 1)
        || !bus_value_string(reader, &type, 1) || strlen(type) != 1)
        return false;
    switch (code) {
    case FIELD_ERROR_NAME:
        return *type == 's' && bus_message_read_text(reader, &message->error_name, 4);
    case FIELD_REPLY_SERIAL:
        return *type == 'u' && bus_message_read_serial(reader, &message->reply_serial);
    case FIELD_SENDER:
        return *type == 's' && bus_message_read_text(reader, &message->sender, 4);
    case FIELD_SIGNATURE:
        return *type == 'g' && bus_message_read_text(reader, &message->signature, 1);
    default:
        return bus_value_skip(reader, *type);
    }
}

static bool bus_message_read_fields(struct bus_value_reader *reader, struct bus_message *message)
{
    while (reader->at < reader->end)
        if (!bus_message_read_field(reader, message))
            return false;
    if (message->signature == NULL)
        message->signature = "";
    return message->reply_serial != 0
           && (message->type != BUS_MESSAGE_ERROR || message->error_name != NULL);
}

/* A body that is one number, or one text, must end with it. Of any other body only the text at its
 * beginning is read, as an error's body may begin with one. */
static bool bus_message_read_body(struct bus_value_reader *reader, struct bus_message *message)
{
    const char *type = message->signature;
    bool good = true;

    if (strcmp(type, "t") == 0 || strcmp(type, "u") == 0)
        good = bus_value_integer(reader, &message->number, *type == 't' ? 8 : 4);
    else if (*type == 's')
        good = bus_value_string(reader, &message->text, 4);
    else
        return true;
    return good && (type[1] != '\0' || reader->at == reader->end);
}

/* The sizes that stand in the fixed part, "Message Format"; each fits 32 bits. */
static bool bus_message_sizes(const uint8_t *bytes, uint64_t *fields, uint64_t *body)
{
    struct bus_value_reader reader = {bytes, 4, BUS_MESSAGE_FIXED_SIZE, bytes[0] == 'B'};
    uint64_t serial;

    return (bytes[0] == 'l' || bytes[0] == 'B') && bytes[1] != 0 && bytes[3] == VERSION
           && bus_value_integer(&reader, body, 4) && bus_value_integer(&reader, &serial, 4)
           && bus_value_integer(&reader, fields, 4) && serial != 0;
}

size_t bus_message_size(const uint8_t fixed[BUS_MESSAGE_FIXED_SIZE])
{
    uint64_t fields, body, size;

    if (!bus_message_sizes(fixed, &fields, &body))
        return 0;
    size = BUS_MESSAGE_FIXED_SIZE + (fields + 7) / 8 * 8 + body;
    return size <= BUS_MESSAGE_MAX ? (size_t)size : 0;
}

int bus_message_read(struct bus_message *message, const uint8_t *bytes, size_t size)
{
    struct bus_value_reader reader = {bytes, BUS_MESSAGE_FIXED_SIZE, 0, false};
    uint64_t fields, body;

    if (size < BUS_MESSAGE_FIXED_SIZE || bus_message_size(bytes) != size
        || !bus_message_sizes(bytes, &fields, &body))
        return -EBADMSG;
    *message = (struct bus_message){.type = bytes[1]};
    if (message->type != BUS_MESSAGE_METHOD_RETURN && message->type != BUS_MESSAGE_ERROR)
        return 0;
    reader.big = bytes[0] == 'B';
    reader.end = BUS_MESSAGE_FIXED_SIZE + (size_t)fields;
    if (!bus_message_read_fields(&reader, message))
        return -EBADMSG;
    reader.end = size;
    return bus_value_align(&reader, 8) && bus_message_read_body(&reader, message) ? 0 : -EBADMSG;
}

bool bus_message_is_unique_name(const char *name)
{
    static const char element[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_-";
    size_t length, elements = 0;

    if (name[0] != ':' || strlen(name) > BUS_MESSAGE_NAME_MAX)
        return false;
    do {
        length = strspn(++name, element);
        if (length == 0)
            return false;
        name += length;
        elements++;
    } while (*name == '.');
    return *name == '\0' && elements >= 2;
}
