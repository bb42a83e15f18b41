/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/heap.h"

/* Makes one heap of two: the later root becomes the first child of the earlier one. */
static struct heap_node *heap_meld(heap_before_fn *before, struct heap_node *a, struct heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct heap_node *swap = a;

        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next)
        b->next->link = &b->next;
    a->child = b;
    b->link = &a->child;
    a->next = NULL;
    return a;
}

/* Melds a chain of siblings: in pairs from the left, then the pairs from the right. */
static struct heap_node *heap_meld_siblings(heap_before_fn *before, struct heap_node *first)
{
    struct heap_node *pairs = NULL, *all = NULL;

    while (first) {
        struct heap_node *a = first, *b = a->next, *pair;

        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        pair = heap_meld(before, a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct heap_node *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        all = heap_meld(before, all, pair);
    }
    return all;
}

static void heap_set_root(struct heap *heap, struct heap_node *root)
{
    heap->root = root;
    if (root)
        root->link = &heap->root;
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
    node->child = node->next = NULL;
    heap_set_root(heap, heap_meld(heap->before, heap->root, node));
}

void heap_take_out(struct heap *heap, struct heap_node *node)
{
    struct heap_node *rest;

    *node->link = node->next;
    if (node->next)
        node->next->link = node->link;
    rest = heap_meld_siblings(heap->before, node->child);
    node->child = node->next = NULL;
    node->link = NULL;
    heap_set_root(heap, heap_meld(heap->before, heap->root, rest));
}
