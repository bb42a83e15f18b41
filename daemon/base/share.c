/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/share.h"

static unsigned lesser(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

struct share share_of(unsigned total, unsigned for_root, unsigned for_newcomers)
{
    return (struct share){total, lesser(for_root, total / 4), lesser(for_newcomers, total / 8)};
}

/* What accounts other than root may still take. */
static unsigned left(const struct share *share, const struct share_holdings *held)
{
    unsigned kept = held->root > share->for_root ? held->root : share->for_root;

    return share->total > kept + held->others ? share->total - kept - held->others : 0;
}

bool share_has_for_root(const struct share *share, const struct share_holdings *held)
{
    return held->root + held->others < share->total;
}

bool share_has_any(const struct share *share, const struct share_holdings *held)
{
    return left(share, held) > 0;
}

bool share_has_for(const struct share *share, const struct share_holdings *held)
{
    unsigned more = left(share, held);

    return more > 0 && (held->own == 0 || (more > held->own && more > share->for_newcomers));
}
