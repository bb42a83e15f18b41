/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine's own files share: engine.c (thread and loop), serve.c (commands of clients) and
 * orders.c (messages from other threads). */
#pragma once

#include "engine/client-io.h"
#include "engine/control.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "rm/rc.h"
#include "tpm/tcti.h"

#include <pthread.h>
#include <stdatomic.h>

#define ENGINE_BUCKETS 1024 /* a power of 2 */
#define ENGINE_EVENTS  256

struct engine_client {
    struct list link; /* in its bucket by id, or on the list of those to free */
    struct scheduler_client turn;
    struct client_io io;
    struct rm_client *rm; /* made with the first command */
    uint64_t id;
    uint32_t uid;
    uint8_t locality;
    bool locality_changed; /* since the last command */
    bool closing;          /* goes when it has taken its last response */
    bool gone;             /* freed as soon as no function has it at hand */
    bool want_write;       /* EPOLLOUT is asked for */
};

/* Kinds of messages; the comments name the fields of struct engine_message in use. */
enum engine_order {
    ENGINE_ORDER_CONNECT,  /* client */
    ENGINE_ORDER_CANCEL,   /* id, token */
    ENGINE_ORDER_LOCALITY, /* id, locality, token */
    ENGINE_ORDER_QUERY,    /* token */
    ENGINE_ORDER_SUSPEND,
    ENGINE_ORDER_RESUME,
    ENGINE_ORDER_STOP,
};

struct engine_message {
    struct control_message head; /* its kind is an enum engine_order */
    struct engine_client *client;
    uint64_t id;
    void *token;
    uint8_t locality;
};

enum engine_sleep {
    ENGINE_AWAKE,
    ENGINE_FALLING_ASLEEP, /* commands are held, the TPM is being emptied */
    ENGINE_ASLEEP,
};

struct engine {
    struct engine_events events;
    struct control control;
    pthread_t thread;
    struct engine_message stop; /* made beforehand: stopping must not fail */
    atomic_flag stop_sent;
    bool started; /* there is a thread to join */

    /* The rest is the engine thread's alone. */
    char *conf;
    struct rm_limits limits;
    int idle_release_ms;
    bool flush_all;
    int epoll_fd;
    struct tcti *tcti;
    struct rm *rm;
    uint8_t *command, *response;
    size_t command_capacity, response_capacity;
    struct scheduler scheduler;
    struct list clients[ENGINE_BUCKETS];
    struct list dead; /* clients to free once the stack is clear of them */
    uint32_t client_count;
    struct engine_client *running; /* whose command the TPM works on */

    enum engine_sleep sleep;
    bool failed;
    bool stopping, stop_canceled;
    int64_t stop_at;    /* when the running command is given up; engine_now() */
    bool idle_pending;  /* something happened since the TPM was cleaned up */
    int64_t idle_at;    /* when to clean up */
    int64_t reopen_at;  /* when to try and open a lost TPM again */
    int reopen_wait_ms; /* 0 while the TPM is there */
};

/* Monotonic time, milliseconds. */
int64_t engine_now(void);

/* Something happened that may leave the TPM with things to clean up. */
void engine_touch(struct engine *engine);

/* serve.c */

/* Handles what epoll says of a client's socket. */
void serve_event(struct engine *engine, struct engine_client *client, uint32_t events);

/* Runs the next command whose turn it is, if it is anybody's. */
void serve_next(struct engine *engine);

/* Cancels the command that the client sent and that was not read yet. A TSS2_RC. */
uint32_t serve_cancel_waiting(struct engine *engine, struct engine_client *client);

/* Makes the client known to the loop; 0 or a negative errno. */
int serve_add(struct engine *engine, struct engine_client *client);

/* Ends a client. It is freed by serve_bury(). */
void serve_drop(struct engine *engine, struct engine_client *client);

/* Frees dropped clients; only where nobody has one at hand and no command runs. */
void serve_bury(struct engine *engine);

/* Frees a client that serve_add() was never called or failed for; NULL is fine. */
void serve_client_free(struct engine_client *client);

/* orders.c */

/* Carries out the waiting messages. Also runs from inside of a running command. */
void orders_serve(struct engine *engine);

/* Refuses the waiting messages. */
void orders_refuse(struct engine *engine);
