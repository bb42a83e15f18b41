/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and descriptors that run out at a chosen moment, for code that was compiled with seams.h.
 * Requests are counted while a shortage is set, and one of them, or all from one on, are refused.
 * Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum scarce_kind {
    SCARCE_MEMORY,      /* the heap, threads, and what the kernel has no memory for */
    SCARCE_DESCRIPTORS, /* EMFILE */
};

/* From now on request number `nth` (1, 2, ...) is refused, with `lasting` all behind it too. */
void scarce_begin(enum scarce_kind kind, unsigned nth, bool lasting);

/* Ends the shortage. How many requests were refused. */
unsigned scarce_end(void);

/* How many were refused so far. */
unsigned scarce_refused(void);

/* Heap blocks that were given out and not freed. */
long scarce_held(void);

/* From now on heap blocks that are freed with these bytes in them are counted; NULL ends that. How
 * many there were since the last call. */
unsigned scarce_watch(const void *bytes, size_t size);

/* Calls of accept4() since the start. */
unsigned scarce_accepts(void);

void *scarce_malloc(size_t size);
void *scarce_calloc(size_t count, size_t size);
void *scarce_realloc(void *old, size_t size);
void *scarce_reallocarray(void *old, size_t count, size_t size);
char *scarce_strdup(const char *text);
void scarce_free(void *block);
