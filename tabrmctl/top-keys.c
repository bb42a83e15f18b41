/* SPDX-License-Identifier: BSD-2-Clause */
#include "top-keys.h"

#include <glib.h>
#include <limits.h>
#include <string.h>

#define TOP_KEYS_CTRL_Z '\032'

enum top_keys_way { TOP_UP, TOP_DOWN, TOP_PAGE_UP, TOP_PAGE_DOWN, TOP_HOME, TOP_END };

/* What terminals send for keys that are no letters (xterm's control sequences). */
static const struct {
    const char *bytes;
    enum top_keys_way way;
} top_sequences[] = {
    {"\033[A", TOP_UP},   {"\033OA", TOP_UP},       {"\033[B", TOP_DOWN},
    {"\033OB", TOP_DOWN}, {"\033[5~", TOP_PAGE_UP}, {"\033[6~", TOP_PAGE_DOWN},
    {"\033[H", TOP_HOME}, {"\033OH", TOP_HOME},     {"\033[1~", TOP_HOME},
    {"\033[F", TOP_END},  {"\033OF", TOP_END},      {"\033[4~", TOP_END},
    {"k", TOP_UP},        {"j", TOP_DOWN},          {" ", TOP_PAGE_DOWN},
};

void top_keys_bound(struct top_keys *keys, unsigned count, unsigned page)
{
    unsigned last = count > page ? count - page : 0;

    keys->count = count;
    keys->page = page;
    keys->first = MIN(keys->first, last);
}

static void top_keys_go(struct top_keys *keys, enum top_keys_way way)
{
    unsigned page = MIN(keys->page, keys->count);

    switch (way) {
    case TOP_UP:
        keys->first -= keys->first > 0;
        break;
    case TOP_DOWN:
        keys->first++;
        break;
    case TOP_PAGE_UP:
        keys->first -= MIN(keys->first, page);
        break;
    case TOP_PAGE_DOWN:
        keys->first += page;
        break;
    case TOP_HOME:
        keys->first = 0;
        break;
    case TOP_END:
        keys->first = keys->count;
        break;
    }
    top_keys_bound(keys, keys->count, keys->page);
}

/* The bytes of a way at the head of these; 0: there is none. */
static size_t top_keys_way(struct top_keys *keys, const char *bytes, size_t size)
{
    for (gsize i = 0; i < G_N_ELEMENTS(top_sequences); i++) {
        size_t length = strlen(top_sequences[i].bytes);

        if (length <= size && memcmp(bytes, top_sequences[i].bytes, length) == 0) {
            top_keys_go(keys, top_sequences[i].way);
            return length;
        }
    }
    return 0;
}

static void top_keys_letter(struct top_keys *keys, char letter)
{
    enum pace_key key = pace_key_letter(g_ascii_tolower(letter));

    if (letter == 'r')
        keys->reverse = !keys->reverse;
    else if (key != PACE_KEYS)
        keys->key = key;
}

enum top_keys_effect top_keys_take(struct top_keys *keys, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t taken = top_keys_way(keys, bytes, size);

        if (taken == 0 && *bytes == 'q')
            return TOP_KEYS_QUIT;
        if (taken == 0 && *bytes == TOP_KEYS_CTRL_Z)
            return TOP_KEYS_STOP;
        if (taken == 0)
            top_keys_letter(keys, *bytes);
        taken = MAX(taken, 1);
        bytes += taken;
        size -= taken;
    }
    return TOP_KEYS_DRAW;
}
