/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values out of a dictionary (a{sv}) that came over the bus. What it has not is 0, "" or empty, as
 * an older daemon does not tell all; what has another type makes the reading bad.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

struct reading {
    GVariant *dictionary; /* borrowed */
    const char *bad;      /* the first key whose value is not what it must be; NULL: all are */
};

uint32_t reading_byte(struct reading *reading, const char *key);
uint32_t reading_u32(struct reading *reading, const char *key);
uint64_t reading_u64(struct reading *reading, const char *key);
bool reading_bool(struct reading *reading, const char *key);

/* A text as words_escape() makes it of one, of at most `most` columns. The caller frees it with
 * g_free(). */
char *reading_text(struct reading *reading, const char *key, unsigned most);

/* A value of this type, which the caller unrefs; NULL where there is none. */
GVariant *reading_value(struct reading *reading, const char *key, const char *type);

/* False, and the reading bad, where there is no such key. */
bool reading_need(struct reading *reading, const char *key);
