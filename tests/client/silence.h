/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways of failing as a table. Each happens three times: without TSS2_LOG one line must say what is
 * wrong, or none where it is no error; with `tcti+none` nothing may come out on standard output or
 * standard error; and with `tcti+warning` lines of the library's must say it. The call's code is
 * what it should be each time.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tss2/tss2_tcti.h>

#define NC TSS2_TCTI_RC_NO_CONNECTION
#define IO TSS2_TCTI_RC_IO_ERROR
#define BV TSS2_TCTI_RC_BAD_VALUE
#define NP TSS2_TCTI_RC_NOT_PERMITTED
#define NI TSS2_TCTI_RC_NOT_IMPLEMENTED
#define MR TSS2_TCTI_RC_MALFORMED_RESPONSE
#define GF TSS2_TCTI_RC_GENERAL_FAILURE

struct silence {
    const char *name; /* of the test */
    TSS2_RC (*happen)(void);
    TSS2_RC rc;
    const char *says; /* part of what TSS2_LOG brings out */
    const char *line; /* part of the one line without it: NULL for `says`, "" for no line */
};

/* What Init says to `conf`; what it made is finalized. */
TSS2_RC silence_init(TSS2_TCTI_INIT_FUNC init, const char *conf);

/* Runs a test for each of `count` cases, at most 64, and returns how many failed. */
int silence_run(const char *name, const struct silence *cases, size_t count,
                CMFixtureFunction start, CMFixtureFunction stop);
