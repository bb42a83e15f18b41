/* SPDX-License-Identifier: BSD-2-Clause */
/* How a daemon is, in a word. Pure. */
#pragma once

#include "model.h"
#include "view.h"

struct health {
    bool good;
    enum ink ink;
    const char *word; /* such as "healthy" */
    const char *why;  /* what it means, and what mends it; "" where it is good */
};

/* By the parts that the model has; it needs MODEL_CHIP and MODEL_STATUS. */
struct health health_of(const struct model *model);
