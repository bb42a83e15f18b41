/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Put in front of the daemon's or the library's own files (-include) when they are compiled once
 * more for tests in which memory runs out: what they ask of libc goes through alloc-fault.h. Their
 * own functions stay what they are.
 */
#pragma once

#include "alloc-fault.h"

#include <stdlib.h>
#include <string.h>

#define malloc(size)                   alloc_fault_malloc(size)
#define calloc(count, size)            alloc_fault_calloc(count, size)
#define realloc(old, size)             alloc_fault_realloc(old, size)
#define reallocarray(old, count, size) alloc_fault_reallocarray(old, count, size)
#define strdup(text)                   alloc_fault_strdup(text)
#define free(block)                    alloc_fault_free(block)
