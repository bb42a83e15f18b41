/* SPDX-License-Identifier: BSD-2-Clause */
/* Which commands the reader of a trace is told of. Pure. */
#pragma once

#include "wire/trace-record.h"

#define TRACE_FILTER_ANY_USER UINT32_MAX

struct trace_filter {
    uint32_t viewer;  /* the user number of the reader */
    bool all;         /* it may see the commands of others; else those of its own connections */
    uint32_t uid;     /* of this user; or TRACE_FILTER_ANY_USER */
    uint32_t pid;     /* of this process; 0: of any */
    bool failed_only; /* those with a response code other than 0 */
    uint32_t slow_ms; /* those that waited and ran for so many milliseconds at least */
    bool with_bytes;  /* with the bytes of the whole command and response; only with `all` */
};

/* Whether a command with this record is one of them. */
bool trace_filter_passes(const struct trace_filter *filter, const struct trace_record *record);
