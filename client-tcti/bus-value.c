/* SPDX-License-Identifier: BSD-2-Clause */
/* Clauses that are named here are of the D-Bus specification. */
#include "bus-value.h"

#include <string.h>

#define DEPTH_MAX      64 /* "Valid Signatures": containers in each other, all together */
#define DEPTH_EACH_MAX 32 /* and arrays alone, and structs alone */

bool bus_value_align(struct bus_value_reader *reader, size_t boundary)
{
    for (; reader->at % boundary != 0; reader->at++)
        if (reader->at == reader->end || reader->bytes[reader->at] != 0)
            return false;
    return true;
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

/* The size of the character that begins at `text`, which ends with a zero, or 0 when it is none of
 * UTF-8 as Unicode, "Well-Formed UTF-8 Byte Sequences", has it. */
static size_t bus_value_character(const uint8_t *text)
{
    static const struct {
        uint8_t first, second_from, second_to; /* the greatest first byte, and the second's range */
        uint8_t size;
    } forms[] = {
        {0x7F, 0, 0, 1},       {0xC1, 0, 0, 0},       {0xDF, 0x80, 0xBF, 2}, {0xE0, 0xA0, 0xBF, 3},
        {0xEC, 0x80, 0xBF, 3}, {0xED, 0x80, 0x9F, 3}, {0xEF, 0x80, 0xBF, 3}, {0xF0, 0x90, 0xBF, 4},
        {0xF3, 0x80, 0xBF, 4}, {0xF4, 0x80, 0x8F, 4}, {0xFF, 0, 0, 0},
    };
    size_t form = 0, i;

    while (text[0] > forms[form].first)
        form++;
    if (forms[form].size < 2)
        return forms[form].size;
    if (text[1] < forms[form].second_from || text[1] > forms[form].second_to)
        return 0;
    for (i = 2; i < forms[form].size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return forms[form].size;
}

/* "Marshaling": no zero but the one at the end, and UTF-8. */
bool bus_value_string(struct bus_value_reader *reader, const char **text, size_t length_size)
{
    const uint8_t *from, *end;
    uint64_t length;
    size_t size;

    if (!bus_value_integer(reader, &length, length_size) || length >= reader->end - reader->at)
        return false;
    from = reader->bytes + reader->at;
    end = from + length;
    if (*end != '\0' || memchr(from, '\0', length) != NULL)
        return false;
    *text = (const char *)from;
    reader->at += length + 1;
    for (; from < end; from += size) {
        size = bus_value_character(from);
        if (size == 0)
            return false;
    }
    return true;
}

/* "Valid Object Paths". */
static bool bus_value_is_path(const char *path)
{
    static const char element[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length;

    if (strcmp(path, "/") == 0)
        return true;
    do {
        if (*path != '/')
            return false;
        length = strspn(path + 1, element);
        if (length == 0)
            return false;
        path += 1 + length;
    } while (*path != '\0');
    return true;
}

/* "Summary of D-Bus marshaling". */
size_t bus_value_alignment(char type)
{
    switch (type) {
    case 'y':
    case 'g':
    case 'v':
        return 1;
    case 'n':
    case 'q':
        return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
    case 's':
    case 'o':
    case 'a':
        return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
    case '{':
        return 8;
    default:
        return 0;
    }
}

static bool bus_value_is_basic(char type)
{
    return bus_value_alignment(type) != 0 && strchr("va({", type) == NULL;
}

/* The end of the one complete type that begins at `type` ("Valid Signatures"), or NULL. It is in
 * so many arrays, and in so many structs or dict entries. */
static const char *bus_value_type_end(const char *type, unsigned arrays, unsigned structs)
{
    const char *begin = type++;

    if (arrays > DEPTH_EACH_MAX || structs > DEPTH_EACH_MAX)
        return NULL;
    switch (*begin) {
    case 'a':
        if (*type != '{')
            return bus_value_type_end(type, arrays + 1, structs);
        if (!bus_value_is_basic(type[1]))
            return NULL;
        type = bus_value_type_end(type + 2, arrays + 1, structs + 1);
        return type != NULL && *type == '}' ? type + 1 : NULL;
    case '(':
        do
            type = bus_value_type_end(type, arrays, structs + 1);
        while (type != NULL && *type != ')');
        return type != NULL ? type + 1 : NULL;
    case '{':
        return NULL;
    default:
        return bus_value_alignment(*begin) != 0 ? type : NULL;
    }
}

static bool bus_value_is_signature(const char *signature)
{
    while (signature != NULL && *signature != '\0')
        signature = bus_value_type_end(signature, 0, 0);
    return signature != NULL;
}

bool bus_value_signature(struct bus_value_reader *reader, const char **signature)
{
    return bus_value_string(reader, signature, 1) && bus_value_is_signature(*signature);
}

bool bus_value_path(struct bus_value_reader *reader, const char **path)
{
    return bus_value_string(reader, path, 4) && bus_value_is_path(*path);
}

/* "Marshaling": the size, which the padding up to the first element is no part of, and elements. */
static bool bus_value_skip_array(struct bus_value_reader *reader, const char **type, unsigned depth)
{
    const char *element = *type, *next;
    struct bus_value_reader inside;
    uint64_t size;

    /* Whether dict entries are in place was seen when the whole signature was. */
    if (!bus_value_integer(reader, &size, 4)
        || !bus_value_align(reader, bus_value_alignment(*element))
        || size > reader->end - reader->at)
        return false;
    inside = *reader;
    inside.end = reader->at + size;
    reader->at = inside.end;
    while (inside.at < inside.end) {
        next = element;
        if (!bus_value_skip(&inside, &next, depth + 1))
            return false;
    }
    *type = bus_value_type_end(element - 1, 0, 0);
    return true;
}

static bool bus_value_skip_struct(struct bus_value_reader *reader, const char **type,
                                  unsigned depth)
{
    if (!bus_value_align(reader, 8))
        return false;
    while (**type != ')' && **type != '}')
        if (!bus_value_skip(reader, type, depth + 1))
            return false;
    ++*type;
    return true;
}

/* "Valid Signatures": a variant has a signature of one complete type. */
bool bus_value_skip_variant(struct bus_value_reader *reader, unsigned depth)
{
    const char *type;

    return bus_value_signature(reader, &type) && *type != '\0'
           && bus_value_skip(reader, &type, depth + 1) && *type == '\0';
}

bool bus_value_skip(struct bus_value_reader *reader, const char **type, unsigned depth)
{
    const char *text;
    uint64_t value;
    char code = *(*type)++;

    if (depth > DEPTH_MAX)
        return false;
    switch (code) {
    case 's':
        return bus_value_string(reader, &text, 4);
    case 'o':
        return bus_value_path(reader, &text);
    case 'g':
        return bus_value_signature(reader, &text);
    case 'b':
        return bus_value_integer(reader, &value, 4) && value <= 1;
    case 'a':
        return bus_value_skip_array(reader, type, depth);
    case '(':
    case '{':
        return bus_value_skip_struct(reader, type, depth);
    case 'v':
        return bus_value_skip_variant(reader, depth);
    default:
        return bus_value_integer(reader, &value, bus_value_alignment(code));
    }
}
