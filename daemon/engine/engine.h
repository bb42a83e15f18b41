/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: one thread that owns the TPM, every client's socket and the resource manager, so
 * that a command crosses no thread and takes no lock. Other threads put requests to it through a
 * message queue; answers and events come back through the functions of struct engine_events.
 *
 * While the TPM works on a command the queue and the sockets are served all the same, unless the
 * TCTI has no poll handles.
 */
#pragma once

#include "engine/accounts.h"
#include "engine/engine-events.h"
#include "engine/idle.h"
#include "engine/legacy.h"
#include "engine/listener.h"
#include "engine/policies.h"
#include "engine/reserve.h"
#include "engine/rules.h"
#include "engine/trace-filter.h"

struct engine;

struct engine_config {
    const char *tcti;        /* the loader's configuration string; copied */
    const char *name;        /* tells daemons on one TPM apart; copied */
    const char *runtime_dir; /* where the record of sessions is kept; copied; NULL: nowhere */
    struct accounts_config accounts;
    unsigned max_connections;        /* 0: no limit */
    struct rules_config rules;       /* what a user may have; copied */
    struct policies_config policies; /* what a user may send; copied */
    struct reserve_rule reserve;
    const char *sys, *dev; /* where sysfs and the device nodes are; copied; NULL: as ever */
    int idle_release_ms;   /* quiet time after which the TPM is left empty, or as idle.h has it */
    bool sleep_untold;     /* nobody calls engine_suspend() before the machine sleeps */
    bool flush_all;        /* at start, flush sessions of others too */
    struct keeper *keeper; /* who keeps connections for the next daemon, or NULL; borrowed */
    struct passed *passed; /* what it kept for this one, or NULL; it is taken out */
};

/*
 * Starts the thread, which opens the TPM; ready() or failed() tells how that went. Clients may come
 * through `listener` from then on, NULL for none; it is taken over on success. NULL with errno set
 * when there are no threads, descriptors or memory.
 */
struct engine *engine_new(const struct engine_config *config, const struct engine_events *events,
                          struct listener *listener);

/*
 * Asks the engine to stop: the running command ends, within ENGINE_STOP_MS, its answer is sent, the
 * TPM is left empty, all sockets are closed. Any thread, any number of times.
 */
#define ENGINE_STOP_MS 15000
void engine_stop(struct engine *engine);

/*
 * Asks the engine to leave its clients to the next daemon: it takes no more commands, the running
 * one ends and is answered, within ENGINE_HAND_OVER_MS, and the TPM is left empty; handed_over()
 * tells that. Sockets stay open, and who connects waits. engine_stop() may follow. Any thread.
 */
#define ENGINE_HAND_OVER_MS 30000
void engine_hand_over(struct engine *engine);

/* Joins the thread, which engine_stop() must have ended or be about to, and frees. NULL is fine. */
void engine_free(struct engine *engine);

/*
 * Whether the engine gave a sign of life since the last time that this was asked; asks for the next
 * one. A command in a TCTI without poll handles, or one that is opened, counts as life for
 * ENGINE_LONGEST_MS. Any thread, but one at a time.
 */
#define ENGINE_LONGEST_MS 600000
bool engine_alive(struct engine *engine);

/* All below: any thread; the functions return 0, or a negative errno and nothing happens. */

/*
 * A client of user `uid` with these groups, which are copied, of process `pid`, 0 for one that is
 * not known, behind the stream socket `fd`, which is taken over on success only. `id` names it from
 * now on. All that can fail fails here, whatever the engine is at: with the errors of
 * admission_enter(), or with those of memory and epoll (admission_text() says them in words).
 */
int engine_connect(struct engine *engine, uint64_t id, uint32_t uid, uint32_t pid,
                   const struct peer_groups *groups, int fd);

/* The account (base/account.h) that a user is on; that of its block while that is not known yet.
 * Cannot fail. */
uint32_t engine_account(struct engine *engine, uint32_t uid);

/* Who may cancel that connection, as its unique bus name, for the next daemon. */
void engine_set_creator(struct engine *engine, uint64_t id, const char *creator);

/* What the bus calls itself on which unique names mean somebody from now on; those of before do not
 * any more. */
int engine_set_bus(struct engine *engine, const char *bus);

/* Cancels the client's command. rc is 0, or TSS2_TCTI_RC_BAD_SEQUENCE when it has none, or what
 * the TCTI says when it cannot cancel the running one. */
int engine_cancel(struct engine *engine, uint64_t id, void *token);

/* Sets the locality of the client's next commands. rc is 0, or RM_RC_LOCALITY when its user may
 * not have that one. */
int engine_set_locality(struct engine *engine, uint64_t id, uint8_t locality, void *token);

/* Fills the answer's status. */
int engine_query(struct engine *engine, void *token);

/*
 * Asks for a snapshot, which the answer has. rc is 0, or without a snapshot: TSS2_TCTI_RC_MEMORY
 * when there is no memory, TSS2_TCTI_RC_TRY_AGAIN when there is no TPM to ask now, and
 * TSS2_TCTI_RC_IO_ERROR when it does not tell. `account` is who pays for a question to the TPM. A
 * list of connections is made in pieces, between which commands run.
 */
int engine_survey(struct engine *engine, enum snapshot_kind kind, uint32_t account, void *token);

/*
 * From now on commands that the filter lets through are told of behind `fd`, the engine's end of a
 * socket pair of type SOCK_SEQPACKET, which is taken over on success only; see trace-readers.h. rc
 * is 0, or the socket is closed: TSS2_TCTI_RC_TRY_AGAIN when there are too many readers, in all or
 * of that account, TSS2_TCTI_RC_MEMORY when there is no memory.
 */
int engine_open_trace(struct engine *engine, const struct trace_filter *filter, int fd,
                      void *token);

/* Ends the connection of that number (snapshot.h), and cancels its command. rc is 0, or
 * TSS2_TCTI_RC_BAD_VALUE when there is no such connection. */
int engine_disconnect(struct engine *engine, uint64_t number, void *token);

/* Has the TPM left empty as soon as no command waits, whatever the quiet time is. rc is 0, or
 * TSS2_TCTI_RC_TRY_AGAIN when there is no TPM now. The answer does not wait for it to be empty. */
int engine_flush_idle(struct engine *engine, void *token);

/* Puts those parts of the configuration in force that are not for the start alone: the limit of
 * connections, the rules, the policies, and the quiet time. The answer says that it is done. */
int engine_change(struct engine *engine, const struct engine_config *config, void *token);

/* Saves all that sleep would lose, tells so, and holds commands until engine_resume(). Neither
 * can fail. */
void engine_suspend(struct engine *engine);
void engine_resume(struct engine *engine);
