/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits the log lines that clients can cause: LOG_LIMIT_LINES about each event of one account in
 * LOG_LIMIT_MS, counted from the first line. Lines that are left out are counted.
 * LOG_LIMIT_ACCOUNTS accounts are told apart at a time, for each event; further accounts share one
 * limit. Plain data; log.h uses it under its lock.
 */
#pragma once

#include "base/log-event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_LINES    10
#define LOG_LIMIT_MS       60000
#define LOG_LIMIT_ACCOUNTS 64

/* Lines about one event of one account. */
struct log_limit_entry {
    bool used;
    uint32_t account;
    int64_t since;          /* of the first line, milliseconds */
    unsigned lines;         /* that were written since then */
    unsigned long left_out; /* that were not */
};

/* All zero at first. */
struct log_limit {
    struct log_limit_entry entries[LOG_EVENTS_LIMITED]
                                  [LOG_LIMIT_ACCOUNTS + 1]; /* the last: of further ones */
};

/* Whether a line about an event before LOG_EVENTS_LIMITED may be written at `now`, in milliseconds
 * of a clock that does not jump back. After log_limit_ended() has been asked until it said no. */
bool log_limit_admit(struct log_limit *limit, enum log_event event, uint32_t account, int64_t now);

/* Ends one time span that is over at `now` and in which lines were left out. True with what has to
 * be told of it; false when there is none. */
struct log_limit_count {
    enum log_event event;
    uint32_t account;
    bool several; /* accounts that share a limit; then `account` means nothing */
    unsigned long left_out;
};
bool log_limit_ended(struct log_limit *limit, int64_t now, struct log_limit_count *count);
