/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares out a number of connections, or of sessions, none of which can be taken back. Some are
 * kept for root. An account may hold as many of the rest as it leaves, so that each account has at
 * most half of what it found; and the last ones are only for accounts that have none yet. So two
 * accounts, or ten, cannot shut out the next.
 */
#pragma once

#include <stdbool.h>

struct share {
    unsigned total;
    unsigned for_root;      /* kept for root */
    unsigned for_newcomers; /* kept for accounts that hold none */
};

/* What is held of them. */
struct share_holdings {
    unsigned root;   /* by root */
    unsigned others; /* by all other accounts together */
    unsigned own;    /* by the account that wants one more; part of the above */
};

/* A share of `total` things, of which root has at least `for_root` for itself and newcomers
 * `for_newcomers`, but a quarter and an eighth at most. */
struct share share_of(unsigned total, unsigned for_root, unsigned for_newcomers);

/* Whether root may have one more: as long as there is one. */
bool share_has_for_root(const struct share *share, const struct share_holdings *held);

/* Whether any is left for an account other than root. */
bool share_has_any(const struct share *share, const struct share_holdings *held);

/* Whether an account other than root may have one more. */
bool share_has_for(const struct share *share, const struct share_holdings *held);
