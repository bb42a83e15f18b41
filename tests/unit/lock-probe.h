/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a function waits for a lock. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Calls `call` in another thread while `lock` is held: true when it sleeps until it gets the lock,
 * false when it comes to its end without. */
bool lock_probe_waits(pthread_mutex_t *lock, void (*call)(void *data), void *data);
