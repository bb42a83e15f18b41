/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traps each store to a piece of memory: its pages are read-only, the store faults, is made in a
 * single step, and then the memory is looked at. Where the processor is not known for that, there
 * are no traps. One piece at a time, and one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `look` is called after each store to `size` bytes of pages. It may call anything but what stores
 * there. False where that cannot be, and nothing is done. */
bool store_trap_begin(uint8_t *bytes, size_t size, void (*look)(void));
void store_trap_end(void);

/* Lets the kernel, or somebody else who must not be trapped, store there for a while. No effect
 * without traps. */
void store_trap_pause(bool pause);
