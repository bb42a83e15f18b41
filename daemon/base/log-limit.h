/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits the log lines that clients can cause: LOG_LIMIT_LINES of each kind about one account in
 * LOG_LIMIT_MS, counted from the first line. Lines that are left out are counted.
 * LOG_LIMIT_ACCOUNTS accounts are told apart at a time, for each kind; further accounts share one
 * limit. Plain data; log.h uses it under its lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_LINES    10
#define LOG_LIMIT_MS       60000
#define LOG_LIMIT_ACCOUNTS 64

/* What a line that a client can cause is about. */
enum log_kind {
    LOG_KIND_REFUSED,   /* a connection that was refused */
    LOG_KIND_PAUSE,     /* nobody can be let in */
    LOG_KIND_ABANDONED, /* a saved session of a closed connection that was flushed */
    LOG_KIND_CHIP,      /* the TPM's answer to a client's command cannot be used */
    LOG_KIND_FULL,      /* a client that has all the objects or sessions that it may have */
    LOG_KIND_DENIED,    /* a command that its sender may not send */
    LOG_KIND_ACCOUNT,   /* a user of whom the user database says nothing */
    LOG_KIND_UNREAD,    /* calls on the bus that get no answer, as those before were not read */
    LOG_KINDS
};

/* Lines of one kind about one account. */
struct log_limit_entry {
    bool used;
    uint32_t account;
    int64_t since;          /* of the first line, milliseconds */
    unsigned lines;         /* that were written since then */
    unsigned long left_out; /* that were not */
};

/* All zero at first. */
struct log_limit {
    struct log_limit_entry entries[LOG_KINDS]
                                  [LOG_LIMIT_ACCOUNTS + 1]; /* the last: of further ones */
};

/* Whether a line may be written at `now`, in milliseconds of a clock that does not jump back. After
 * log_limit_ended() has been asked until it said no. */
bool log_limit_admit(struct log_limit *limit, enum log_kind kind, uint32_t account, int64_t now);

/* Ends one time span that is over at `now` and in which lines were left out. True with what has to
 * be told of it; false when there is none. */
struct log_limit_count {
    enum log_kind kind;
    uint32_t account;
    bool several; /* accounts that share a limit; then `account` means nothing */
    unsigned long left_out;
};
bool log_limit_ended(struct log_limit *limit, int64_t now, struct log_limit_count *count);
