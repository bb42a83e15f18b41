/* SPDX-License-Identifier: BSD-2-Clause */
/* Clauses that are named here are of the D-Bus specification. */
#include "bus-value.h"

#include <string.h>

bool bus_value_align(struct bus_value_reader *reader, size_t boundary)
{
    reader->at = (reader->at + boundary - 1) / boundary * boundary;
    return reader->at <= reader->end;
}

bool bus_value_integer(struct bus_value_reader *reader, uint64_t *value, size_t size)
{
    size_t i;

    if (!bus_value_align(reader, size) || reader->end - reader->at < size)
        return false;
    *value = 0;
    for (i = 0; i < size; i++)
        *value = *value << 8 | reader->bytes[reader->at + (reader->big ? i : size - 1 - i)];
    reader->at += size;
    return true;
}

/* "Marshaling": the length, and as many bytes, of which none is zero, with a zero behind them. */
bool bus_value_string(struct bus_value_reader *reader, const char **text, size_t length_size)
{
    uint64_t length;

    if (!bus_value_integer(reader, &length, length_size) || length >= reader->end - reader->at)
        return false;
    *text = (const char *)reader->bytes + reader->at;
    reader->at += length + 1;
    return strnlen(*text, length + 1) == length;
}

/* "Summary of D-Bus marshaling". */
bool bus_value_skip(struct bus_value_reader *reader, char type)
{
    const char *text;
    uint64_t value;

    switch (type) {
    case 'y':
        return bus_value_integer(reader, &value, 1);
    case 'n':
    case 'q':
        return bus_value_integer(reader, &value, 2);
    case 'b':
    case 'i':
    case 'u':
    case 'h':
        return bus_value_integer(reader, &value, 4);
    case 'x':
    case 't':
    case 'd':
        return bus_value_integer(reader, &value, 8);
    case 's':
    case 'o':
        return bus_value_string(reader, &text, 4);
    case 'g':
        return bus_value_string(reader, &text, 1);
    default:
        return false;
    }
}
