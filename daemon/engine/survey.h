/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes snapshots (snapshot.h) of what the engine has, one after the other. A list of connections
 * is made in pieces, of SURVEY_PIECE clients or so: the time that a piece takes away from clients'
 * commands is about that of a control frame.
 *
 * The engine's and the manager's books are read inside of a TPM command too. The TPM itself is
 * asked only between commands, at most once in SURVEY_LOCKOUT_MS, whoever asks; the account that
 * asked first is charged for it.
 */
#pragma once

#include "engine/dispatch.h"
#include "engine/managed-tpm.h"
#include "engine/newcomers.h"
#include "engine/snapshot.h"

#define SURVEY_PIECE      64
#define SURVEY_LOCKOUT_MS 1000

/* What is asked for. */
struct survey {
    struct list link;
    enum snapshot_kind kind;
    uint32_t account; /* who pays for a question to the TPM */
    void *token;
    struct snapshot *snapshot; /* the part that is there; NULL at first */
    unsigned bucket;           /* of clients, the next one to look at */
    uint64_t newest;           /* the number of the last client to look at */
};

/* What the TPM said last. */
struct survey_lockout {
    bool asked, told;
    int64_t at; /* clock_now() */
    struct rm_lockout lockout;
};

struct surveys_owner {
    /* Whether the TPM may be asked now. */
    bool (*may_ask)(const void *data);
    /* Called for each survey, once; it is given the snapshot, or NULL with another code than 0: see
     * engine_survey(). */
    void (*done)(const void *data, void *token, uint32_t rc, struct snapshot *snapshot);
    const void *data;
};

struct surveys {
    struct list books, questions; /* what is asked for: of the books, of the TPM */
    struct timer next;            /* due while there is something to do between commands */
    const struct clients *clients;
    struct newcomers *newcomers;
    struct managed_tpm *managed;
    const struct dispatch *dispatch;
    struct surveys_owner owner;
    struct survey_lockout lockout;
};

/* All is borrowed. */
void surveys_init(struct surveys *surveys, const struct clients *clients,
                  struct newcomers *newcomers, struct managed_tpm *managed,
                  const struct dispatch *dispatch, const struct surveys_owner *owner);

/* Takes the survey over, which is freed by free(). The loop goes on with it between commands. Also
 * inside of a TPM command, as the next two. */
void surveys_add(struct surveys *surveys, struct survey *survey);

/* Whether surveys_step() has something to do now. */
static inline bool surveys_waiting(const struct surveys *surveys)
{
    return !list_empty(&surveys->books);
}

/* Makes one piece of the first survey of the books. */
void surveys_step(struct surveys *surveys);

/* Ends all that are left with the code `rc`. */
void surveys_refuse(struct surveys *surveys, uint32_t rc);
