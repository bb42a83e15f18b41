/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine between clients on socket pairs and a TPM that the test plays. All waits are bounded
 * and fail the test when nothing comes.
 */
#pragma once

#include "engine-chip.h"
#include "engine/engine.h"
#include "wire/control-frame.h"

#include <pthread.h>

#define ENGINE_WORLD_CLIENTS 8
#define ENGINE_WORLD_STATES  16
#define ENGINE_WORLD_MOMENTS 4000              /* how often a test tries what takes its time */
#define ENGINE_WORLD_ANSWER  (HEADER_SIZE + 2) /* bytes of the answer to a GetRandom */

struct engine_world {
    struct engine_chip chip;
    struct engine_config config;
    struct listener *listener;
    char dir[32], socket[64]; /* of the listener, if there is one */
    struct engine *engine;
    int clients[ENGINE_WORLD_CLIENTS]; /* the clients' ends; a client's id is its place and 100 */
    pthread_mutex_t lock;              /* of what the engine's thread writes: */
    bool ready, failed, handed_over, stopped;
    enum tpm_fault fault; /* why it failed */
    unsigned restored, heard, gone, answers, suspended;
    struct engine_restored last_restored;          /* its strings are gone */
    enum engine_state states[ENGINE_WORLD_STATES]; /* that were told */
    unsigned state_count, troubles[TROUBLES];
    struct engine_answer told; /* the last one */
    void *token;               /* of that */
    /* The test's thread: */
    struct engine_answer answer; /* that engine_world_request() took */
};

/* For cmocka: *state is the world, its engine ready. The TPM has poll handles, or blocks. */
int engine_world_setup(void **state);
int engine_world_setup_blocking(void **state);
/* One with a listening socket; and one that also takes 5 connections, 3 of a user. */
int engine_world_setup_socket(void **state);
int engine_world_setup_limits(void **state);
int engine_world_teardown(void **state);

/* In steps, to change the configuration between them; the listening socket is not needed. */
struct engine_world *engine_world_new(bool polls);
void engine_world_listen(struct engine_world *world);
struct engine_events engine_world_events(struct engine_world *world);
void engine_world_start(struct engine_world *world);
/* Stops the engine and frees it; teardown does so too. */
void engine_world_end(struct engine_world *world);

/* For events of a test that takes no notice of these. */
void engine_world_state_unseen(void *data, enum engine_state state);
void engine_world_trouble_unseen(void *data, enum trouble trouble);

/* What the engine's thread has written. */
unsigned engine_world_number(struct engine_world *world, const unsigned *number);
bool engine_world_flag(struct engine_world *world, const bool *flag);

/* Waits for it, with the TPM answering all that comes. */
void engine_world_await_number(struct engine_world *world, const unsigned *number, unsigned value);
void engine_world_await_flag(struct engine_world *world, const bool *flag);
/* Likewise for an answer to the client, or the end of its connection. */
void engine_world_await_answer(struct engine_world *world, int client);

/* Lets the TPM answer whatever command comes within a moment. */
void engine_world_pump(struct engine_world *world);

/* The next command that the TPM gets; it must be the GetRandom with this mark. */
void engine_world_take(struct engine_world *world, uint16_t mark);

/* Clients. */
void engine_world_connect(struct engine_world *world, int client, uint32_t uid);
/* Through the listening socket, without a hello; with a new descriptor or the one that it has. */
void engine_world_connect_socket(struct engine_world *world, int client);
void engine_world_reach(struct engine_world *world, int client);
void engine_world_put_control(struct engine_world *world, int client, uint32_t operation,
                              uint8_t locality);
/* The rc of the next reply, which must be to `operation`. */
uint32_t engine_world_get_control(struct engine_world *world, int client, uint32_t operation);
void engine_world_disconnect(struct engine_world *world, int client);
void engine_world_put(struct engine_world *world, int client, const uint8_t *bytes, size_t size);
void engine_world_put_random(struct engine_world *world, int client, uint16_t mark);
bool engine_world_has_answer(struct engine_world *world, int client, int timeout);
/* The code of the next response, whose size goes to *size, or must be `size`. */
uint32_t engine_world_get_any(struct engine_world *world, int client, size_t *size);
uint32_t engine_world_get(struct engine_world *world, int client, size_t size);
void engine_world_expect_end(struct engine_world *world, int client);
/* A whole command, with nobody else's in the way. */
void engine_world_expect_served(struct engine_world *world, int client);

/* Waits for the answer to a request that was made with the world as token, and gave `error`. */
uint32_t engine_world_request(struct engine_world *world, int error);
