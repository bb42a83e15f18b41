/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model in the text format of Prometheus, with names by its conventions: seconds and bytes,
 * counters that end in _total. Pure.
 */
#pragma once

#include "model.h"

/* The model needs MODEL_CHIP, MODEL_STATUS and MODEL_STATISTICS; what else it has not is left out.
 * The caller frees the text with g_free(). */
char *prometheus_text(const struct model *model);
