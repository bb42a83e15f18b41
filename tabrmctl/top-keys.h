/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys do in `tabrmctl top`. Pure. */
#pragma once

#include "pace.h"

#include <stdbool.h>
#include <stddef.h>

struct top_keys {
    bool there; /* there is a terminal that has keys */
    enum pace_key key;
    bool reverse;
    unsigned first, page, count; /* the first connection in sight, and how many are, and how many
                                  * there are at all */
};

enum top_keys_effect { TOP_KEYS_DRAW, TOP_KEYS_QUIT, TOP_KEYS_STOP };

/* Takes bytes as a terminal sends them; what follows a quit or a stop is dropped. */
enum top_keys_effect top_keys_take(struct top_keys *keys, const char *bytes, size_t size);

/* There are `count` connections now, and a screen has `page` of them. */
void top_keys_bound(struct top_keys *keys, unsigned count, unsigned page);
