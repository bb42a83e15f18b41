/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves clients on the TPM, from its start to its end: the work of the engine's thread. Other
 * threads may call nothing here except where a comment says so.
 */
#pragma once

#include "engine/acceptor.h"
#include "engine/condition.h"
#include "engine/control-channel.h"
#include "engine/dispatch.h"
#include "engine/ending.h"
#include "engine/engine-events.h"
#include "engine/managed-tpm.h"
#include "engine/newcomers.h"
#include "engine/server-phase.h"
#include "engine/survey.h"
#include "engine/takeover.h"

/* What outlives the process. */
struct server_kept {
    struct legacy legacy; /* what a former daemon left, until it was taken over */
    struct succession succession;
    struct timer trust; /* until what a former daemon left has done no harm */
    bool taken;         /* the TPM was taken over, and what a former daemon left */
    bool emptied;       /* the TPM is left empty, to hand over */
    char bus[sizeof(((struct journal_facts *)0)->bus)]; /* as of server_set_bus() */
};

struct server {
    struct engine_events events;
    enum server_phase phase;
    bool suspend_at_start; /* it was asked for while the server started */
    struct loop loop;
    struct scheduler scheduler;
    struct desk desk;
    struct clients clients;
    struct newcomers newcomers;
    struct acceptor acceptor;
    struct managed_tpm managed;
    struct control_channel channel;
    struct dispatch dispatch;
    struct surveys surveys;
    struct condition condition;
    /* What the state was made of when it was looked at last. */
    enum server_phase seen_phase;
    enum tpm_link_state seen_link;
    struct server_kept kept;
    struct ending ending; /* of server_stop() or server_hand_over() */
};

struct server_change {
    struct rules *rules;       /* a reference that is given away */
    unsigned max_connections;  /* 0: no limit */
    int release_ms;            /* as in struct idle */
    struct policies *policies; /* borrowed */
};

struct server_config {
    struct managed_tpm_config tpm;
    struct newcomers_config newcomers;
    struct policies_config policies;
    struct keeper *keeper; /* who keeps connections, or NULL; borrowed */
    struct passed *passed; /* what was kept, or NULL; it is taken out */
};

/*
 * Copies all of it. Clients may come through `listener`, NULL for none; it is taken over on
 * success. `told` is called with `data` on another thread, and is to lead to newcomers_settle(). 0,
 * or a negative errno: then nothing is to be cleared.
 */
int server_init(struct server *server, const struct server_config *config,
                const struct engine_events *events, struct listener *listener,
                void (*told)(void *data), void *data);

/* After server_run(), or where it never was. All clients must be gone. */
void server_clear(struct server *server);

/* Takes the TPM over, serves until server_stop(), and gives everything back. */
void server_run(struct server *server);

/* All below may run inside of a TPM command. */

/* Has a client that was admitted served, or closes it. */
void server_welcome(struct server *server, struct client *client);

/* Cancels the command of a client from the bus. A TSS2_RC. */
uint32_t server_cancel(struct server *server, uint64_t id);

/* Sets the locality of such a client's next commands. A TSS2_RC. */
uint32_t server_set_locality(struct server *server, uint64_t id, uint8_t locality);

/* What the bus calls itself whose unique names the clients' creators have from now on. */
void server_set_bus(struct server *server, const char *bus);

/* What can change while it serves. */
void server_change(struct server *server, const struct server_change *change);

void server_get_status(const struct server *server, struct engine_status *status);

/* Answers a request; the snapshot, NULL for none, is given away. */
void server_answer(const struct server *server, void *token, uint32_t rc,
                   struct snapshot *snapshot);

/* Takes a survey over, whose answer comes later. */
void server_survey(struct server *server, struct survey *survey);

/* Takes a reader of a trace over and gives 0, or a TSS2_RC: see trace_readers_add(). */
uint32_t server_open_trace(struct server *server, struct trace_reader *reader);

/* Ends the client with this number, and cancels its command. A TSS2_RC. */
uint32_t server_disconnect(struct server *server, uint64_t number);

/* Has the TPM left empty without a quiet time. A TSS2_RC. */
uint32_t server_flush_idle(struct server *server);

/* Holds commands and empties the TPM, which ends in suspended(); and goes on. */
void server_suspend(struct server *server);
void server_resume(struct server *server);

/* Has the running command end, the TPM left empty, and handed_over() told, within `within`
 * milliseconds. Clients stay as they are, for the next daemon. No effect when it ends anyway. */
void server_hand_over(struct server *server, int within);

/* Has the server end within `within` milliseconds; only the first call counts. */
void server_stop(struct server *server, int within);

/* Tells of closed clients, and frees them. Not inside of a TPM command. */
void server_free_closed(struct server *server);

/* The same, where it is called for each command. */
static inline void server_reap(struct server *server)
{
    if (clients_to_reap(&server->clients))
        server_free_closed(server);
}
