/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Put in front of the daemon's own files (-include) when they are compiled once more for tests in
 * which memory runs out: what they ask of libc goes through scarce.h. Their own functions stay what
 * they are.
 */
#pragma once

#include "scarce.h"

#include <stdlib.h>
#include <string.h>

#define malloc(size)                   scarce_malloc(size)
#define calloc(count, size)            scarce_calloc(count, size)
#define realloc(old, size)             scarce_realloc(old, size)
#define reallocarray(old, count, size) scarce_reallocarray(old, count, size)
#define strdup(text)                   scarce_strdup(text)
#define free(block)                    scarce_free(block)
