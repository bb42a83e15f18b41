/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether somebody has a device open, by what its watcher is told. Times are those of clock_now().
 *
 * The watcher is not told of those who had it open before, and what happens twice before it looks
 * may be told once (inotify(7)). So openings and closings cannot be counted: two that open at a
 * time, by chance or by intent, are seen as one, and when each has closed nobody seems to be left,
 * though a third has it open still. Nor is there anything to ask: a daemon without privileges is
 * shown no descriptors of others, nothing else tells the opens of a device, and leases are for
 * files only. What is sure is that whoever uses the device has it open.
 *
 * So the error is to be that somebody is assumed who is gone, and not that somebody is missed who
 * is there; and it has an end. When nobody seems to be left somebody is assumed for as long again
 * as the device was open, OPENERS_DOUBT_MS at least and OPENERS_SILENCE_MS at most. No closing
 * shortens that, and any event begins it anew. A program that uses the device for a second costs
 * the larger reserve for a minute. Who stays longer, and does nothing, is missed until it does
 * something.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For how long somebody is assumed at first, and at least when nobody seems to be left. */
#define OPENERS_DOUBT_MS 60000

/* How long somebody who was seen to open the device, and not to close it, may do nothing with it
 * before it is taken for closed. */
#define OPENERS_SILENCE_MS 86400000

struct openers {
    uint32_t count;        /* opened, as far as was seen, and not closed */
    int64_t since;         /* when somebody began to have it open, or may have */
    int64_t seen_at;       /* the last event */
    int64_t doubted_since; /* there may be one more from here */
    int64_t doubted_until; /* to here */
};

/* Nothing is known yet. */
void openers_begin(struct openers *openers, int64_t now);

/* Who is known cannot be told from others any more: it is watched anew. */
void openers_forget(struct openers *openers, int64_t now);

/* The watcher was not told of all that somebody did. */
void openers_missed(struct openers *openers, int64_t now);

void openers_opened(struct openers *openers, int64_t now);
void openers_used(struct openers *openers, int64_t now);
void openers_closed(struct openers *openers, int64_t now);

bool openers_any(const struct openers *openers, int64_t now);
