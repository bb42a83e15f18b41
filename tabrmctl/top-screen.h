/* SPDX-License-Identifier: BSD-2-Clause */
/* What `tabrmctl top` shows. Pure. */
#pragma once

#include "model.h"
#include "pace.h"
#include "view.h"

struct top_screen {
    const struct model *before; /* NULL: there is none yet */
    const struct model *now;    /* needs MODEL_CHIP, MODEL_STATUS and MODEL_CONNECTIONS */
    enum pace_key key;
    bool reverse;
    bool keys;      /* tells the keys in the last line */
    unsigned first; /* connections that are scrolled out above */
};

/* The text for the view, of at most its rows, and one object in a line, for --json. The caller
 * frees them with g_free(). */
char *top_screen_text(const struct top_screen *top, const struct view *view);
char *top_screen_json(const struct top_screen *top);

/* Connections that the view shows at a time. */
unsigned top_screen_page(const struct view *view);
