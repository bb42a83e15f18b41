/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a program has a device open, by the events of its watch. Times are those of clock_now().
 *
 * The watch tells nothing of programs that had the device open before, and two equal events before
 * a read may be told as one (inotify(7)). So openings and closings cannot be counted: two programs
 * that open the device at a time, by chance or by intent, are seen as one, and when both have
 * closed it nobody seems to be left, though a third program may have it open. There is no other
 * source: a daemon without privileges cannot see the descriptors of other processes, nothing else
 * tells of the opens of a device, and leases are for files only. What is sure is that a program
 * that uses the device has it open.
 *
 * So the error is to assume an opener that is gone, not to miss one that is there; and the error
 * ends. When nobody seems to be left an opener is assumed for as long again as the device was open,
 * OPENERS_DOUBT_MS at least and OPENERS_SILENCE_MS at most. No closing shortens that time, and any
 * event begins it anew. A program that uses the device for a second costs the larger reserve for a
 * minute. A program that has the device open for longer than that, and does nothing, is missed
 * until it uses the device.
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

/* The device is watched anew: the known openers cannot be told from others any more. */
void openers_forget(struct openers *openers, int64_t now);

/* Events were lost. */
void openers_missed(struct openers *openers, int64_t now);

void openers_opened(struct openers *openers, int64_t now);
void openers_used(struct openers *openers, int64_t now);
void openers_closed(struct openers *openers, int64_t now);

bool openers_any(const struct openers *openers, int64_t now);
