/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's server on the test's own thread: it takes a TPM over that another thread plays, and
 * is told what to do from inside of its own events.
 */
#pragma once

#include "engine-chip.h"
#include "engine/server.h"
#include "fake-sys.h"

#include <pthread.h>
#include <stdatomic.h>

struct engine_theatre {
    struct server server;
    struct server_config config;
    struct engine_chip chip;
    struct fake_sys sys;
    pthread_t player;
    atomic_bool over;
    struct timer act; /* the next thing to do, once the server has come to rest */
    void (*acts[6])(struct engine_theatre *theatre);
    unsigned act_number;
    unsigned ready, failed, heard, gone, suspended, handed_over;
    unsigned gone_before; /* the client with a command was heard */
    enum tpm_fault fault;
    struct listener *listener;
    int end;           /* a client's own */
    unsigned looks;    /* for an answer */
    bool sleeps_early; /* suspend before it has started, */
    bool wakes_early;  /* and resume */
    bool hands_over_early;
};

/* For cmocka: *state is the theatre. */
int engine_theatre_setup(void **state);
int engine_theatre_teardown(void **state);

/* A listening socket, which goes with the server. */
struct listener *engine_theatre_listen(const struct engine_theatre *theatre);

/* Runs the server to its end. */
void engine_theatre_run(struct engine_theatre *theatre);

/* An act: the last one. */
void engine_theatre_stop(struct engine_theatre *theatre);

/* Does the next act, which something that happened has made possible; or the same one again. */
void engine_theatre_act_soon(struct engine_theatre *theatre);
void engine_theatre_act_again(struct engine_theatre *theatre);

/* A client, which is not welcomed yet, and its own end. */
struct client *engine_theatre_admit(struct engine_theatre *theatre, int *end);
