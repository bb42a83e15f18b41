/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client of the soak: a process with at most one connection of the client library at a time,
 * over the socket or the bus as chance has it. All chance comes from its seed.
 *
 * It knows what each of its commands must give. An answer is right, or tells of a fault that was
 * injected: one that passes (the transport broke before the chip got the command, or the chip had
 * a warning), after which the same command is made again and must be right, or told that the
 * session or sequence that it names has ended with the answer; or, only where the soak's faults
 * lose things, that an object or session is gone. Then the client starts over. Where the daemon
 * dies now and then, a session may be gone that the chip saved at that moment, of which the soak
 * counts one for each death at the most. Any other answer is wrong, and ends the soak.
 */
#pragma once

#include "tally.h"

#include <stdbool.h>
#include <tss2/tss2_esys.h>

struct soak {
    struct tally *tally;
    const char *library, *socket; /* paths */
    unsigned index;
    bool lossy;      /* faults may lose things */
    bool deadly;     /* the daemon dies now and then */
    bool lost;       /* one did: the job is over, and the connection is given up */
    uint64_t chance; /* state of the generator */
    int64_t since;   /* when the call that is being repeated was made first, in ms; 0: none */
    bool unanswered; /* of that call, an answer was lost */
    bool sequence;   /* what the job's calls name by a handle is a sequence, */
    bool session;    /* or a session */
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    TPMS_CONTEXT *context; /* what the job has saved; freed after the job */
};

/* A job: one round of what a kind of client does. False when it was given up because of a loss. */
typedef bool soak_job(struct soak *soak);

/* A number below `limit`, and bytes. */
uint32_t soak_chance(struct soak *soak, uint32_t limit);
void soak_bytes(struct soak *soak, void *bytes, size_t size);

/* Sleeps for less than `ms` milliseconds. */
void soak_pause(struct soak *soak, unsigned ms);

/* Whether it is time to end. */
bool soak_ends(const struct soak *soak);

/* A clock, and whether a call that failed, made at `since`, took as long as the library waits for a
 * daemon that does not answer: on a busy machine, or between two daemons, one may not. */
int64_t soak_now_ms(void);
bool soak_waited(int64_t since);

/* Connects, if there is no connection; a daemon that takes nobody is wrong, but while there is none
 * on the bus, which starts none here. */
void soak_connect(struct soak *soak);
void soak_disconnect(struct soak *soak);

/* Saves an object, goes to a new connection perhaps, and has it again in *object. */
bool soak_carry(struct soak *soak, ESYS_TR *object);

/* Flushes a session, which is no password. */
bool soak_flush_session(struct soak *soak, ESYS_TR session);

/* A bare connection to the daemon's socket, blocking. Closed with close(). */
int soak_connect_raw(struct soak *soak);

/* The connection has ended before its first answer: the daemon died when it had accepted it and had
 * not had it kept yet, of which the soak counts one for each death at the most. Wrong where no
 * daemon dies. False always. */
bool soak_ended_early(struct soak *soak);

/* An answer is wrong: says so with the client's number, and ends the process. */
__attribute__((format(printf, 2, 3))) _Noreturn void soak_wrong(struct soak *soak,
                                                                const char *format, ...);

/* Judges what `call` gave: true when it is to be made again. */
bool soak_again(struct soak *soak, const char *call, uint32_t rc);

/* The same for a call that must be refused with `code`, and whose refusal is a check. True when it
 * is to be made again. */
bool soak_refused(struct soak *soak, const char *call, uint32_t rc, uint32_t code);

/* Checks that an answer is what it must be. */
void soak_equal(struct soak *soak, const char *what, const void *is, size_t is_size,
                const void *must_be, size_t must_be_size);

/* Makes a call until no passing fault hits it, and leaves the job when a thing was lost. */
#define SOAK_TRY(soak, call)                        \
    do {                                            \
        uint32_t soak_rc;                           \
                                                    \
        do                                          \
            soak_rc = (call);                       \
        while (soak_again((soak), #call, soak_rc)); \
        if (soak_rc != TSS2_RC_SUCCESS)             \
            return false;                           \
    } while (0)
