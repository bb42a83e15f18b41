/* SPDX-License-Identifier: BSD-2-Clause */
/* Something that is tried again and again, each time with another one of its requests refused
 * (alloc-fault.h), until it makes no more. */
#pragma once

#include "alloc-fault.h"

/* More requests than anything here makes. */
#define ALLOC_FAULT_EACH_MOST 100

/* What `attempt` was given it gives back, whatever was refused. How many requests it makes. */
unsigned alloc_fault_each(enum alloc_fault_kind kind, void (*attempt)(void *data), void *data);
