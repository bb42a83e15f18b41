/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry of systemd's journal with fields, in its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). Fields that hold text are in the protocol's binary
 * form, their size in front, so that no text can end its field or begin another one. Pure, but for
 * log_journal_owns().
 */
#pragma once

#include "base/log-about.h"
#include "base/log-event.h"

#include <stddef.h>

/* The most bytes of an entry; what has no room there is left out, from the end of a text on. */
#define LOG_JOURNAL_MAX 2048

/* Puts an entry together. `priority` is syslog's; the event may be LOG_EVENT_NONE. Its size. */
size_t log_journal_build(char entry[LOG_JOURNAL_MAX], int priority, enum log_event event,
                         const struct log_about *about, const char *text);

/* True when the descriptor leads to the journal: systemd.exec(5), JOURNAL_STREAM. */
bool log_journal_owns(int fd);
