/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections that were handed out over the bus and whose callers may not have them yet. A
 * caller that does not read leaves its answers in the bus, and the bus counts their descriptors
 * against the daemon (max_incoming_unix_fds of dbus-daemon, 64 by default): at its limit it reads
 * nothing more from the daemon, whoever the next answer is for. So a connection is unconfirmed
 * until its first command came, its other end was closed, or its caller left the bus, which takes
 * the caller's unread answers along; and of unconfirmed ones there may be few.
 *
 * Accounts share them by base/share.h, up to HANDOUTS_ACCOUNT each, root too. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HANDOUTS_MAX       56 /* in all */
#define HANDOUTS_ROOT      8  /* of these kept for root */
#define HANDOUTS_NEWCOMERS 6  /* and for accounts that have none */
#define HANDOUTS_ACCOUNT   16

struct handouts;

struct handouts *handouts_new(void);

/* NULL is fine. */
void handouts_free(struct handouts *handouts);

/* Whether an account (base/account.h) may have one more. */
bool handouts_have_room(const struct handouts *handouts, uint32_t account);

/* Connection `id` is handed out to the bus name `caller`, which is copied. */
void handouts_add(struct handouts *handouts, uint64_t id, uint32_t account, const char *caller);

/* The caller has the connection, or the connection is closed. A connection that is not known is
 * passed over. */
void handouts_confirm(struct handouts *handouts, uint64_t id);

/* A caller left the bus: all that it has is confirmed. */
void handouts_caller_left(struct handouts *handouts, const char *caller);

/* The connection to the bus is dead, and with it the unread answers in the bus. */
void handouts_clear(struct handouts *handouts);
