/* SPDX-License-Identifier: BSD-2-Clause */
/* Two managers' books, of which one was made of the other's journal. */
#pragma once

#include "rm/state.h"

/* Whether all that a journal keeps is the same in both; `copy` is changed by that. NULL, or a
 * sentence that says what differs; it holds until the next call. */
const char *mirror_compare(struct rm *books, struct rm *copy);
