/* SPDX-License-Identifier: BSD-2-Clause */
/* What `tabrmctl stats` prints for people. Pure. */
#pragma once

#include "model.h"
#include "view.h"

/* The model needs MODEL_STATISTICS. The caller frees the text with g_free(). */
char *stats_text(const struct model *model, const struct view *view);
