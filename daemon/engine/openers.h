/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether somebody has a device open, by what its watcher is told. The watcher is not told of those
 * who had it open before, and two events that follow each other closely may be told as one
 * (inotify(7)). So in doubt somebody is assumed, but not for ever; and whoever uses the device has
 * it open. Times are those of clock_now().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For how long somebody is assumed of whom nothing is seen. */
#define OPENERS_DOUBT_MS 60000

/* How long somebody who was seen to open the device, and not to close it, may do nothing with it
 * before it is taken for closed. */
#define OPENERS_SILENCE_MS 86400000

struct openers {
    uint32_t count;      /* opened, as far as was seen, and not closed */
    int64_t seen_at;     /* the last event */
    bool doubt;          /* there may be one more, */
    int64_t doubt_until; /* until then */
};

/* Nothing is known, or not any more. */
void openers_forget(struct openers *openers, int64_t now);

void openers_opened(struct openers *openers, int64_t now);
void openers_used(struct openers *openers, int64_t now);
void openers_closed(struct openers *openers, int64_t now);

bool openers_any(const struct openers *openers, int64_t now);
