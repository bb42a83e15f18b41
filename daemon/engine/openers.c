/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/openers.h"

static void openers_doubt(struct openers *openers, int64_t now)
{
    openers->doubt = true;
    openers->doubt_until = now + OPENERS_DOUBT_MS;
}

void openers_forget(struct openers *openers, int64_t now)
{
    openers->count = 0;
    openers_doubt(openers, now);
}

void openers_opened(struct openers *openers, int64_t now)
{
    openers->seen_at = now;
    if (openers->count < UINT32_MAX)
        openers->count++;
}

void openers_used(struct openers *openers, int64_t now)
{
    openers->seen_at = now;
    if (openers->count == 0)
        openers->count = 1;
}

/* The last one that is known of may have come together with another. One that is not known of is
 * who was assumed. */
void openers_closed(struct openers *openers, int64_t now)
{
    openers->seen_at = now;
    if (openers->count == 0)
        openers->doubt = false;
    else if (--openers->count == 0)
        openers_doubt(openers, now);
}

bool openers_any(const struct openers *openers, int64_t now)
{
    if (openers->count > 0 && now - openers->seen_at <= OPENERS_SILENCE_MS)
        return true;
    /* Further away than that it is when the clock went back. */
    return openers->doubt && openers->doubt_until > now
           && openers->doubt_until - now <= OPENERS_DOUBT_MS;
}
