/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager over libtpms, which dies at each of its commits and at each command to the
 * chip, before the chip runs the command and after that. At each such point a child process goes on
 * as the next daemon does: it has the chip and the journal, makes books of the journal, compares
 * them with the chip, and must have what the clients know to have. It dies at one of its own points
 * on the way, too.
 *
 * A program is a function that calls the steps below. After each of them the test knows what each
 * client holds, from answers alone.
 */
#pragma once

#include "crash-bytes.h"
#include "libtpms-chip.h"
#include "plain-journal.h"
#include "rm/state.h"

#define CRASH_CLIENTS  3
#define CRASH_HOLDINGS 32
#define CRASH_NOBODY   CRASH_CLIENTS /* the client of what a closed connection left */

enum holding_kind {
    HOLDING_KEY,
    HOLDING_SEQUENCE, /* a hash of `fed` bytes */
    HOLDING_SESSION,  /* with a policy of `fed` steps */
    HOLDING_HMAC,     /* a session that audits */
};

struct holding {
    enum holding_kind kind;
    unsigned client;
    uint32_t handle;
    uint32_t hierarchy; /* of a key */
    unsigned fed;
    bool gone;                    /* the client cannot use it any more */
    bool may_live;                /* it is gone, and the books need not know yet */
    uint8_t name[RECORD_NAME];    /* of a key, */
    bool named;                   /* once it is known */
    uint8_t context[CRASH_BYTES]; /* of a session that its client has saved */
    size_t context_size;
};

struct crash_world;

/* What the client at whose command the manager is learns from a successful answer. */
typedef void crash_learn(struct crash_world *world);

struct crash_step {
    const char *what;
    unsigned client;
    uint8_t command[CRASH_BYTES];
    size_t size;
    crash_learn *learn;
    struct holding *about; /* what of the client's it names, or NULL */
    uint32_t hierarchy;    /* of a new key */
    uint32_t ends;         /* whose keys end with it (crash_hits()); 0: nobody's */
    bool flushes;
};

struct crash_world {
    struct rm_tpm tpm; /* between the manager and the chip */
    struct libtpms_chip *chip;
    struct plain_journal plain;
    struct rm *rm;
    struct rm_client *clients[CRASH_CLIENTS];
    struct holding holdings[CRASH_HOLDINGS];
    unsigned holding_count;
    struct crash_step step;
    uint8_t response[CRASH_BYTES];
    size_t response_size;
    uint8_t digests[8][32]; /* of policies, by steps */

    void (*gap)(struct crash_world *world); /* what happens while no daemon runs, or NULL */
    unsigned depth;                         /* daemons that died before this one */
    unsigned points, inner;                 /* where daemons died so far; the inner one of these */
    const char *at;                         /* which of them this is */
    uint32_t lost_session;       /* its context was on the way from the chip; 0: none was */
    bool ran;                    /* the chip ran the client's command */
    bool was_reset;              /* while no daemon ran */
    bool audited;                /* the chip audits commands that move contexts */
    const struct holding *saved; /* the key that was saved last, and its context */
    uint8_t context[CRASH_BYTES];
    size_t context_size;
    bool quiet; /* nobody dies: the outcome is looked at */
};

/* Runs a program with all that may happen to it. How many points there were. */
unsigned crash_world_run(void (*program)(struct crash_world *world),
                         void (*gap)(struct crash_world *world));

/* Steps; each succeeds. What they make is returned, or what they are about is named. */
struct holding *crash_key(struct crash_world *world, unsigned client, uint32_t hierarchy);
void crash_read(struct crash_world *world, struct holding *key);
void crash_use(struct crash_world *world, struct holding *key);
struct holding *crash_sequence(struct crash_world *world, unsigned client);
void crash_feed(struct crash_world *world, struct holding *sequence);
void crash_finish(struct crash_world *world, struct holding *sequence);
struct holding *crash_session(struct crash_world *world, unsigned client);
struct holding *crash_hmac_session(struct crash_world *world, unsigned client);
void crash_policy(struct crash_world *world, struct holding *session);
void crash_save_session(struct crash_world *world, struct holding *session);
void crash_load_session(struct crash_world *world, struct holding *session, unsigned client);
/* Has a session that audits end with its command. */
void crash_last_use(struct crash_world *world, struct holding *session);
/* A client saves a key, another one, or the same, loads it. */
struct holding *crash_share(struct crash_world *world, struct holding *key, unsigned client);
/* A client loads what was saved last once more. */
struct holding *crash_reload(struct crash_world *world, unsigned client);
void crash_flush(struct crash_world *world, struct holding *holding);
void crash_clear(struct crash_world *world);
void crash_change_seed(struct crash_world *world, uint32_t hierarchy);
void crash_control(struct crash_world *world, uint32_t hierarchy, bool on);
/* From now on the chip audits TPM2_ContextSave and TPM2_FlushContext. */
void crash_audit(struct crash_world *world);
void crash_disconnect(struct crash_world *world, unsigned client);
void crash_idle(struct crash_world *world, enum rm_idle_goal goal);
