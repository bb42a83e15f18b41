/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands between the resource manager and its chip: sees what the chip is sent, and puts the
 * faults of a program in the way. It can tell whether a client's command has reached the chip,
 * which the client itself cannot know when the answer is lost.
 */
#pragma once

#include "libtpms-chip.h"

enum chip_watch_fault {
    CHIP_WATCH_NONE,
    CHIP_WATCH_CODE, /* the chip answers `code` instead of running the command */
    CHIP_WATCH_DOWN, /* the command does not reach the chip */
    CHIP_WATCH_LOST, /* the chip runs it and the answer is lost */
    CHIP_WATCH_CUT,  /* likewise, the answer comes without its last byte */
    /* What no chip does, to see that it is noticed: */
    CHIP_WATCH_LIE,    /* says that it ran a FlushContext and did not */
    CHIP_WATCH_ALTER,  /* turns a bit of its answer over */
    CHIP_WATCH_ABORT,  /* ends the process, as an assertion does */
    CHIP_WATCH_MORTAL, /* does nothing wrong, but the daemon dies in each step, if it can */
    /* The same, and the next daemon does what none does; see deaths.h: */
    CHIP_WATCH_STALE, /* the next one reads what was committed before the last commit */
    CHIP_WATCH_SKIP,  /* changes are not noted */
    CHIP_WATCH_TWICE, /* a command that was on the chip is sent once more */
};

struct chip_watch {
    struct rm_tpm tpm;
    struct libtpms_chip *chip;

    /* The fault of this step. */
    enum chip_watch_fault fault;
    uint32_t code;
    unsigned skip;  /* commands that it lets pass first */
    unsigned times; /* commands that it hits */

    /* The client's command that runs; its handles are the chip's by the time it gets there, so it
     * is told by its code and, where the manager sends that code too, by its bytes. */
    const uint8_t *client_bytes;
    size_t client_size;

    const uint8_t *own_command; /* where the manager has its own commands */

    /* Called before the chip gets a command, and after that when it has run it; with a session
     * whose only context is in the answer, or 0. It need not come back. */
    void (*live)(struct chip_watch *watch, uint32_t lost_session);
    unsigned life; /* so many more such moments the daemon has; 0: no bound */

    /* What the chip's stream of chance starts with at the client's command, and at a startup. */
    uint64_t seed, startup_seed;

    /* What happened since chip_watch_begin(). */
    bool hit;              /* the fault did ... */
    uint32_t hit_code;     /* ... hit a command of this code */
    bool hit_startup;      /* and it hit a TPM2_Startup */
    bool ran;              /* the chip ran the client's command ... */
    bool answered;         /* ... and the answer came through */
    bool unheard;          /* the manager sent it, and does not know whether the chip ran it */
    bool gave_up;          /* the chip was out of session handles, as it said */
    bool asked;            /* the manager asked it something before the client's command */
    uint32_t lost_session; /* its context was in an answer that did not come through; or 0 */
};

void chip_watch_init(struct chip_watch *watch, struct libtpms_chip *chip);

/* A client's command is about to be executed; NULL: something else is. */
void chip_watch_begin(struct chip_watch *watch, const uint8_t *command, size_t size);
