/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal's socket, played by the test, and entries in its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), read by the protocol's own rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct journal_entry {
    size_t size;
    char bytes[8192];
};

/* A datagram socket that listens at `path`. Fails the test when there is none. */
int journal_listen(const char *path);

/* The next entry, waited for up to `ms` milliseconds. False when there is none. */
bool journal_receive(int fd, struct journal_entry *entry, int ms);

/* How many fields an entry has, or -1 when it is none by the protocol. */
int journal_entry_fields(const struct journal_entry *entry);

/* The text of the field of that name, or NULL when there is none, or several. It holds until the
 * next call. */
const char *journal_entry_field(const struct journal_entry *entry, const char *name);
