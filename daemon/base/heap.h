/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A priority queue whose links stand in its elements: a pairing heap. Putting a thing in takes no
 * memory and cannot fail; taking one out costs the logarithm of the number of elements on average.
 * The order of an element must not change while it is in a heap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
    struct heap_node *child; /* first of the elements that come after this one */
    struct heap_node *next;  /* sibling */
    struct heap_node **link; /* the pointer that points here; NULL for an element in no heap */
};

typedef bool heap_before_fn(const struct heap_node *a, const struct heap_node *b);

struct heap {
    struct heap_node *root; /* the first element, NULL when there is none */
    heap_before_fn *before;
};

#define heap_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_insert(struct heap *heap, struct heap_node *node);

static inline bool heap_holds(const struct heap_node *node)
{
    return node->link != NULL;
}

/* Takes out an element that is in the heap. */
void heap_take_out(struct heap *heap, struct heap_node *node);

/* The same of any element; harmless for one that is in no heap. */
static inline void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (heap_holds(node))
        heap_take_out(heap, node);
}
