/* SPDX-License-Identifier: BSD-2-Clause */
/* What `tabrmctl status` shows: one screen. Pure. */
#pragma once

#include "model.h"
#include "screen.h"

/*
 * The text for the view, of at most its rows. The model needs MODEL_CHIP and MODEL_STATUS; what
 * else it has not is left out. The caller frees the text with g_free().
 */
char *status_screen(const struct model *model, const struct view *view);

/* Writes what sits in the slots for objects, or for sessions, to the line. */
void status_screen_slots(struct screen *screen, const struct model *model, bool sessions);
