/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells a forked child from the process that made the mark. The mark is a byte on a page that the
 * kernel hands to a child as zeros (MADV_WIPEONFORK), so that asking costs no system call and
 * holds for every kind of fork. Where the kernel has no such pages the process number serves.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct fork_mark {
    volatile unsigned char *page; /* NULL where the process number serves */
    pid_t process;                /* 0 where the page does */
};

void fork_mark_init(struct fork_mark *mark);

/* Whether this process is a child, at any distance, of the one that called fork_mark_init(). */
bool fork_mark_forked(const struct fork_mark *mark);

/* May be called in a child, and for a mark of zero bytes. */
void fork_mark_clear(struct fork_mark *mark);
