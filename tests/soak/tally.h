/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the soak's driver and its clients share: a mapped file in which the clients count what they
 * did and the driver says when to end. Clients are processes; each has a place of its own.
 */
#pragma once

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define SOAK_CLIENTS   64
#define SOAK_ATTACKERS 10

/* Whom the attackers are, and which niceness all have. */
#define SOAK_ATTACKER_USER  "nobody"
#define SOAK_ATTACKER_GROUP "tss"
#define SOAK_NICE           "10"

struct tally {
    _Atomic uint32_t stop;                   /* clients end with their present job */
    _Atomic uint64_t checks;                 /* answers that were compared with what they must be */
    _Atomic uint64_t connections;            /* made */
    _Atomic uint64_t failures;               /* answers that told of a lost transport (0xB0101) */
    _Atomic uint64_t warnings;               /* passing warnings of the chip that were handed on */
    _Atomic uint64_t losses;                 /* answers that told that a thing is lost */
    _Atomic uint64_t lost_sessions;          /* of these, sessions of which the chip has nothing */
    _Atomic uint64_t early_ends;             /* of connections, before their first answer */
    _Atomic uint64_t grown;                  /* commands that let something grow, answered */
    _Atomic uint64_t unknown;                /* such commands whose outcome was not told */
    _Atomic uint64_t unknown_done;           /* of these, those that turned out to be done */
    _Atomic uint64_t cancels;                /* commands that were canceled */
    _Atomic uint64_t jobs[SOAK_CLIENTS];     /* done, by client */
    _Atomic uint64_t answers[SOAK_CLIENTS];  /* that were got, by client */
    _Atomic uint64_t rounds[SOAK_ATTACKERS]; /* of attacks, by attacker */
};

/* Maps the file at `path`, which is made if it is not there. NULL with errno on failure. */
static inline struct tally *tally_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, sizeof(struct tally)) == 0)
        map = mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

/* Commands that were sent and answered. */
static inline uint64_t tally_calls(const struct tally *tally)
{
    uint64_t calls = 0;

    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        calls += atomic_load(&tally->answers[i]);
    return calls;
}

/* NULL is fine. */
static inline void tally_close(struct tally *tally)
{
    if (tally)
        munmap(tally, sizeof(*tally));
}
