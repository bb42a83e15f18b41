/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/openers.h"

static bool openers_doubted(const struct openers *openers, int64_t now)
{
    /* A time before the doubt began means that the clock went back. */
    return now >= openers->doubted_since && now < openers->doubted_until;
}

/* Nobody seems to be left. */
static void openers_doubt(struct openers *openers, int64_t now)
{
    int64_t pause = now - openers->since;

    if (pause < OPENERS_DOUBT_MS)
        pause = OPENERS_DOUBT_MS;
    if (pause > OPENERS_SILENCE_MS)
        pause = OPENERS_SILENCE_MS;
    openers->doubted_since = now;
    openers->doubted_until = now + pause;
}

void openers_begin(struct openers *openers, int64_t now)
{
    *openers = (struct openers){
        .since = now, .doubted_since = now, .doubted_until = now + OPENERS_DOUBT_MS};
}

void openers_forget(struct openers *openers, int64_t now)
{
    if (openers_any(openers, now)) {
        openers->count = 0;
        openers_doubt(openers, now);
    } else {
        openers_begin(openers, now);
    }
}

/* A user that was not seen to open the device has it open for longer than was known. */
void openers_used(struct openers *openers, int64_t now)
{
    openers->seen_at = now;
    if (openers->count == 0)
        openers->count = 1;
}

void openers_missed(struct openers *openers, int64_t now)
{
    openers_used(openers, now);
    openers_forget(openers, now);
}

void openers_opened(struct openers *openers, int64_t now)
{
    if (!openers_any(openers, now))
        openers->since = now;
    openers->seen_at = now;
    if (openers->count < UINT32_MAX)
        openers->count++;
}

void openers_closed(struct openers *openers, int64_t now)
{
    openers->seen_at = now;
    if (openers->count > 0)
        openers->count--;
    if (openers->count == 0)
        openers_doubt(openers, now);
}

bool openers_any(const struct openers *openers, int64_t now)
{
    return (openers->count > 0 && now - openers->seen_at <= OPENERS_SILENCE_MS)
           || openers_doubted(openers, now);
}
