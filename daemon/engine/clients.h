/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of all clients (client.h), and what they have in common. */
#pragma once

#include "engine/admission.h"
#include "engine/client-record.h"
#include "engine/desk.h"
#include "engine/loop.h"
#include "engine/policies.h"
#include "engine/scheduler.h"

#define CLIENTS_BUCKETS 1024 /* a power of 2 */

struct client;

struct clients {
    struct loop *loop;
    struct scheduler *scheduler;
    struct admission *admission;
    struct desk *desk;
    struct seats *seats; /* NULL: no connection outlives the daemon */
    struct list by_id[CLIENTS_BUCKETS];
    struct list without_id; /* open clients from the socket */
    struct list closed;     /* clients to free */
    uint32_t count;         /* of open and draining clients */
    struct list by_number[CLIENTS_BUCKETS];
    uint64_t newest; /* number of the newest client */
    uint32_t known;  /* clients with a number */
    struct statistics statistics;
    uint64_t
        arrival; /* clock_now_ns() of commands that come now; 0: they wait from the next turn on */
    struct policies *policies; /* NULL: everybody may send everything */
    uint64_t policy;           /* number of these policies */
};

/* What a client that was freed leaves to be told. */
struct client_end {
    uint64_t id;
    enum client_origin origin;
    bool opened; /* it was served */
    bool heard;  /* a command of it was executed, and the TPM may hold things that were its */
};

/* The four are borrowed; the desk is opened before any client is. */
void clients_init(struct clients *clients, struct loop *loop, struct scheduler *scheduler,
                  struct admission *admission, struct desk *desk);

/* The clients' records are in the desk's journal from now on, if it has one. Before any is opened.
 */
void clients_meet_journal(struct clients *clients);

/* All clients must be gone. */
void clients_clear(struct clients *clients);

/* Has clients send what the configuration says. 0 or a negative errno. */
int clients_init_policies(struct clients *clients, const struct policies_config *config);

/* From now on clients may send what these policies say; one reference is taken over. Also inside of
 * a TPM command. */
void clients_set_policies(struct clients *clients, struct policies *policies);

/* The open client from the bus with this id, or NULL. */
struct client *clients_find(const struct clients *clients, uint64_t id);

/* Gives a client that was admitted its number, at `now`, which is clock_now(). */
void clients_know(struct clients *clients, struct client *client, int64_t now);

/* The same with the number that it had with a former daemon. */
void clients_know_again(struct clients *clients, struct client *client, uint64_t number,
                        int64_t now);

/* The client with this number, unless it is closed, or NULL. */
struct client *clients_find_number(const struct clients *clients, uint64_t number);

/* Calls `visit` with `data` for each open client; it may close it. */
void clients_visit(struct clients *clients, void (*visit)(struct client *client, void *data),
                   void *data);

/* Closes all that are open. */
void clients_close(struct clients *clients);

/* Whether there are closed clients to free. */
static inline bool clients_to_reap(const struct clients *clients)
{
    return !list_empty(&clients->closed);
}

/* Frees one of them; false when there is none. Not inside of a TPM command. */
bool clients_reap(struct clients *clients, struct client_end *end);
