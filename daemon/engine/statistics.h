/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine counts of clients' commands, beside what the manager counts (rm/statistics.h):
 * plain integers of the engine's thread, since the start. A turn begins and ends at readings of the
 * clock that the order of service needs too; only for a command that waits while others run the
 * clock is read once more.
 */
#pragma once

#include <stdint.h>

/* Bucket i counts times below 2^i microseconds and not below 2^(i-1). */
#define STATISTICS_BUCKETS 32

/* The longest time that is counted, nanoseconds; it has a bucket. */
#define STATISTICS_LONGEST UINT64_C(1000000000000)

/* Of one connection, or of all connections of a user since the engine knows the user. */
struct statistics_tally {
    uint64_t commands; /* that the manager executed */
    uint64_t refusals; /* of the commands, those with a response code of the manager's */
    uint64_t queue_ns; /* time that they waited for their turns */
    uint64_t chip_ns;  /* time of their turns: the TPM's, and the daemon's own beside it */
};

/* Of all. */
struct statistics {
    uint64_t queue[STATISTICS_BUCKETS], chip[STATISTICS_BUCKETS]; /* each command once in each */
    uint64_t queue_ns, chip_ns;
    uint64_t canceled; /* commands, before they ran; they are not counted above */
};

/* The bucket of a time of up to STATISTICS_LONGEST. */
static inline unsigned statistics_bucket(uint64_t nanoseconds)
{
    return (unsigned)__builtin_clzll(nanoseconds / 1000 * 2 + 1) ^ 63;
}

static inline void statistics_tally_add(struct statistics_tally *tally, uint64_t queue_ns,
                                        uint64_t chip_ns)
{
    tally->commands++;
    tally->chip_ns += chip_ns;
    if (queue_ns > 0)
        tally->queue_ns += queue_ns;
}

/* Counts a command's time of waiting and of its turn. */
static inline void statistics_add(struct statistics *statistics, uint64_t queue_ns,
                                  uint64_t chip_ns)
{
    statistics->chip[statistics_bucket(chip_ns)]++;
    statistics->chip_ns += chip_ns;
    if (queue_ns == 0) {
        statistics->queue[0]++;
        return;
    }
    statistics->queue[statistics_bucket(queue_ns)]++;
    statistics->queue_ns += queue_ns;
}
