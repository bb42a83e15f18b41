/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine's own files share: engine.c (thread and loop), device.c (the TPM's part of the
 * engine's life), door.c (how clients come in), serve.c (their commands), requests.c (their control
 * frames) and orders.c (messages from other threads).
 */
#pragma once

#include "base/clock.h"
#include "engine/accounts.h"
#include "engine/admission.h"
#include "engine/client.h"
#include "engine/control-channel.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/loop.h"
#include "engine/mailbox.h"
#include "engine/managed-tpm.h"
#include "engine/scheduler.h"
#include "rm/rc.h"

#include <pthread.h>

/* Kinds of messages; the comments name the fields of struct engine_message in use. */
enum engine_order {
    ENGINE_ORDER_CONNECT,  /* client */
    ENGINE_ORDER_CANCEL,   /* id, token */
    ENGINE_ORDER_LOCALITY, /* id, locality, token */
    ENGINE_ORDER_QUERY,    /* token */
};

struct engine_message {
    struct mailbox_message head; /* its kind is an enum engine_order */
    struct client *client;
    uint64_t id;
    void *token;
    uint8_t locality;
};

enum engine_phase {
    ENGINE_STARTING,
    ENGINE_SERVING,
    ENGINE_SUSPENDING, /* commands are held, the TPM is being emptied */
    ENGINE_SUSPENDED,  /* commands are held, the TPM has nothing that sleep would lose */
    ENGINE_FAILED,     /* there is no TPM, or none any more */
    ENGINE_STOPPING,
};

struct engine {
    struct engine_events events;
    struct mailbox mailbox;
    struct watch mailbox_watch, door_watch;
    pthread_t thread;
    struct admission admission;
    struct accounts *accounts;
    bool started; /* there is a thread to join */

    /* The rest is the engine thread's alone. */
    enum engine_phase phase;
    bool suspend_at_start; /* it was asked for while the engine started */
    int patience_ms;       /* of a client whose account is not known yet */
    struct loop loop;
    struct managed_tpm managed;
    struct listener *listener;
    uint32_t *high_uids, *low_uids;
    unsigned high_count, low_count;
    struct scheduler scheduler;
    struct clients clients;
    struct control_channel channel;
    struct dispatch dispatch;
    struct list doubtful; /* admitted clients whose account is not known yet, the oldest first */
    bool door_warned;     /* that nobody is let in, and nobody was since */
    int64_t stop_at;      /* when the running command is given up; clock_now() */
    bool stop_canceled;   /* it was canceled */
    int64_t door_at;      /* when to let newcomers in again; 0: they are let in */
};

/* door.c */

/* How long nobody is let in when what it takes is out. */
#define DOOR_PAUSE_MS 200

/* Makes a client of the socket `fd`, which it takes over on success, and puts it into the epoll set
 * without its events. 0 or a negative errno. Any thread. */
int door_admit(struct engine *engine, uint32_t uid, int fd, struct client **client);

/* Has a client that door_admit() made served, as soon as its account is known, or was waited for as
 * long as the configuration says. */
void door_welcome(struct engine *engine, struct client *client);

/* Lets newcomers in through the listening socket, if there is one. False without memory. */
bool door_open(struct engine *engine);

/* Lets nobody in any more. Clients whose account is not known yet go. */
void door_close(struct engine *engine);

/* Newcomers wait at the listening socket. */
void door_event(struct watch *watch, uint32_t events);

/* Ends a pause that door_event() made, if it is time for that, and has clients served whose account
 * was waited for too long. */
void door_mind(struct engine *engine);

/* The user database has answered: has clients served whose account is known by now. */
void door_settle_doubtful(struct engine *engine);

/* Milliseconds until it is time for either; -1 when it need not be. */
int door_left(const struct engine *engine);

/* orders.c */

/* Carries out a bounded number of the waiting messages, and what the flags ask for. Also runs from
 * inside of a running command. */
void orders_serve(struct engine *engine);

/* Refuses the waiting messages, and frees closed clients. */
void orders_refuse(struct engine *engine);

/* engine.c */

/* Frees closed clients; only where nobody has one at hand and no command runs. */
void engine_reap(struct engine *engine);

/* Clients are served, now or when the machine has slept. */
bool engine_lives(const struct engine *engine);
