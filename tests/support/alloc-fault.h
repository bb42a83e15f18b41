/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and descriptors that run out at a chosen moment, for code that was compiled with seams.h.
 * Requests are counted while a shortage is set, and one of them, or all from one on, are refused.
 * Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum alloc_fault_kind {
    ALLOC_FAULT_MEMORY,      /* the heap, threads, and what the kernel has no memory for */
    ALLOC_FAULT_DESCRIPTORS, /* EMFILE */
};

/* From now on request number `nth` (1, 2, ...) is refused, with `lasting` all behind it too. */
void alloc_fault_begin(enum alloc_fault_kind kind, unsigned nth, bool lasting);

/* Ends the shortage. How many requests were refused. */
unsigned alloc_fault_end(void);

/* How many were refused so far. */
unsigned alloc_fault_refused(void);

/* Heap blocks that were given out and not freed. */
long alloc_fault_held(void);

/* The same, when they are no more than `most` or some seconds are over: another thread may close a
 * socket with unread bytes, and frees what it was told that by. */
long alloc_fault_settled(long most);

/* From now on heap blocks that are freed with these bytes in them are counted; NULL ends that. How
 * many there were since the last call. */
unsigned alloc_fault_watch(const void *bytes, size_t size);

/* Calls of accept4() since the start. */
unsigned alloc_fault_accepts(void);

void *alloc_fault_malloc(size_t size);
void *alloc_fault_calloc(size_t count, size_t size);
void *alloc_fault_realloc(void *old, size_t size);
void *alloc_fault_reallocarray(void *old, size_t count, size_t size);
char *alloc_fault_strdup(const char *text);
void alloc_fault_free(void *block);
