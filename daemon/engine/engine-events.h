/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine tells those above it. */
#pragma once

#include "engine/engine-state.h"
#include "engine/snapshot.h"
#include "engine/trouble.h"
#include "rm/rm.h"
#include "tpm/fault.h"

struct engine_status {
    uint32_t clients;
    bool tpm_present;
    struct rm_stats stats;
    uint64_t chip_time; /* of clients' turns, microseconds */
    enum engine_state state;
    enum trouble trouble;   /* the last one that was told; TROUBLE_NONE: there was none */
    int64_t trouble_age_ms; /* how long ago that was */
};

/* The answer to a request. */
struct engine_answer {
    uint32_t rc; /* a TSS2_RC */
    struct engine_status status;
    struct snapshot *snapshot; /* what was asked for, now the receiver's; or NULL */
};

/* A connection over the bus that a former daemon made. */
struct engine_restored {
    uint64_t id;
    uint32_t uid, account; /* of whom it is, and charged to */
    const char *creator;   /* unique name of whoever made it; "": nobody's any more */
    const char *bus;       /* what the bus calls itself on which that is the name */
    bool heard;            /* its creator has its end of the socket: it has sent a command */
};

/* Called on the engine's thread; must return soon. Strings are good during the call. */
struct engine_events {
    /* The TPM is there and clients are served. Once. */
    void (*ready)(void *data);
    /* A connection of a former daemon goes on. Before ready(), once for each of them. */
    void (*restored)(void *data, const struct engine_restored *restored);
    /* There is no TPM to work with, or none any more. The engine waits to be stopped. Once. */
    void (*failed)(void *data, enum tpm_fault fault, const char *text);
    /* The client has its end of the socket: its first command is to be run, or it closed it before
     * it sent one. Once for each that engine_connect() made, but for those that the engine let go
     * of by itself before that. */
    void (*client_heard)(void *data, uint64_t id);
    /* The client's socket is closed and all that it had is given back. Once for each that
     * engine_connect() made. */
    void (*client_gone)(void *data, uint64_t id);
    /* The answer to the request made with `token`. Once for each that was accepted. */
    void (*answered)(void *data, void *token, const struct engine_answer *answer);
    /* The TPM holds nothing that sleep would lose. Once for each engine_suspend(), but for one
     * that engine_resume() overtook, or that came while another was still waited for or the engine
     * hands over. */
    void (*suspended)(void *data);
    /* The engine is at something else now. ENGINE_STARTING is not told. */
    void (*state)(void *data, enum engine_state state);
    /* Something is wrong with the TPM. Each trouble once in a minute at the most. */
    void (*trouble)(void *data, enum trouble trouble);
    /* The TPM is empty, no command is at work, and all that clients have stands in the journal: the
     * process may end. Once, after engine_hand_over(), unless engine_stop() came meanwhile. */
    void (*handed_over)(void *data);
    /* All is given back and the thread ends. Once, after engine_stop(). */
    void (*stopped)(void *data);
    void *data;
};
