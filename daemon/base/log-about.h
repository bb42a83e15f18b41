/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom and what a line of the log is about: its fields in the journal, and whose limit counts it.
 * All zero: nobody; the limit is root's then.
 */
#pragma once

#include "base/account.h"

#include <stdbool.h>
#include <stdint.h>

struct log_about {
    uint32_t account; /* whom the line counts for (base/account.h) */
    bool of_user;     /* `uid` is known */
    uint32_t uid;
    uint64_t connection;      /* its number; 0: none */
    uint32_t pid;             /* 0: not known */
    const char *program;      /* of that process, by its own word; NULL or "": not known */
    uint32_t command;         /* TPM_CC; 0: none */
    const char *command_name; /* with a command */
    bool answered;            /* `response` is known */
    uint32_t response;        /* TPM_RC */
    uint64_t duration;        /* of the command, microseconds; 0: not known */
};

#define LOG_NOBODY ((struct log_about){0})

/* A user, of whom no more is known. */
static inline struct log_about log_about_user(uint32_t account, uint32_t uid)
{
    return (struct log_about){.account = account, .of_user = true, .uid = uid};
}
