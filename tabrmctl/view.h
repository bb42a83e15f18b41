/* SPDX-License-Identifier: BSD-2-Clause */
/* What a text is made for: the terminal's size, and colors. */
#pragma once

#include <stdbool.h>

struct view {
    unsigned columns; /* no line has more; 0: as many as wanted */
    unsigned rows;    /* what is one screen has no more; 0: as many as wanted */
    bool color;
};

enum ink { INK_PLAIN, INK_BOLD, INK_FAINT, INK_GOOD, INK_WARN, INK_BAD, INK_MARK };

/* What the terminal makes it by, and ends it by; "" where there are no colors. */
const char *view_ink(const struct view *view, enum ink ink);
const char *view_ink_end(const struct view *view, enum ink ink);
