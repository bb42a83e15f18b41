/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors of this process, for tests that none is left behind. */
#pragma once

/* How many are open, and a few more that are always the same: `.`, `..` and the one by which it
 * looks. */
unsigned descriptor_count(void);

/* The same, when they are `count` or some seconds are over: another thread may close a socket with
 * unread bytes (base/descriptors.h). */
unsigned descriptor_count_settled(unsigned count);
