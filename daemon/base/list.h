/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A doubly linked list whose links stand in its elements, so that putting a thing on a list
 * takes no memory and cannot fail. A head is a link that points at itself when the list is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

/* The element of type `type` whose member `member` is the link `link`. */
#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walks the links of a list; the current link may be removed in the body. */
#define list_for_each(it, head)                                               \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Puts `link` in front of `at`; with the head as `at` that is the end of the list. */
static inline void list_insert_before(struct list *at, struct list *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

/* Takes `link` off its list; harmless for a link that is on none. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
