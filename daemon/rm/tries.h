/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wrong passwords of each account. The TPM counts those of all users together, takes one off the
 * count in each recovery time, and at its limit refuses everybody's protected keys (Part 1,
 * "Dictionary Attack Protection"). So each account has a count of its own that goes down at the
 * same pace, and a third of the limit for its budget, one wrong password at the least: whoever
 * tries passwords locks itself out and leaves the others theirs. Plain data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Accounts with wrong passwords at a time; further ones share a budget. */
#define TRIES_ACCOUNTS 64

/* What the TPM goes by. */
struct tries_rule {
    uint32_t limit;    /* TPM_PT_MAX_AUTH_FAIL */
    uint32_t recovery; /* TPM_PT_LOCKOUT_INTERVAL, seconds; 0: it does not protect */
};

struct tries_count {
    uint32_t account;
    uint32_t count; /* 0: free */
    int64_t since;  /* when it went down last; milliseconds */
};

/* All zero at first. */
struct tries {
    struct tries_count counts[TRIES_ACCOUNTS + 1]; /* the last one: of further accounts */
    unsigned used;                                 /* accounts that may have a count */
};

/* Counts a wrong password at `now`, in milliseconds of a clock that does not jump back. */
void tries_add(struct tries *tries, const struct tries_rule *rule, uint32_t account, int64_t now);

/* Milliseconds until an account may try again; 0: it may now. */
int64_t tries_wait(struct tries *tries, const struct tries_rule *rule, uint32_t account,
                   int64_t now);

/* The TPM's count was set to 0. */
void tries_clear(struct tries *tries);
