/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager: many clients, each with objects and sessions of its own, on one chip with
 * a few slots. It is pure computation over `struct rm_tpm`: no descriptors, threads, clock or bus.
 * One thread uses it; nothing here blocks but the TPM's own answer.
 *
 * What a client sees is a TPM of its own: virtual transient handles, its own sessions, its own
 * view of capabilities. The chip's slots are a cache of what the clients hold (see residency.h).
 */
#pragma once

#include "rm/chip.h"
#include "rm/ledger.h"
#include "rm/policy.h"
#include "rm/tpm.h"

struct journal;
struct rm;
struct rm_client;
struct rm_user;

/* What one client, or all connections of one user together, may hold. A total of 0 for a user is no
 * limit. */
struct rm_limits {
    uint32_t objects_per_client;
    uint32_t sessions_per_client;
    uint32_t objects_per_uid;
    uint32_t sessions_per_uid;
    uint32_t abandoned_per_uid; /* saved sessions that outlive their connection */
    bool share_sessions;        /* the chip's sessions are shared out (base/share.h) */
};

/*
 * What is left free between commands for the chip's other users. No command of a client fails for
 * the reserve: a command that needs more slots than the others takes them from the reserve for as
 * long as it runs (rm_settle()). One slot of each kind is always the manager's.
 */
struct rm_reserve {
    uint32_t objects;  /* slots of loaded transient objects */
    uint32_t sessions; /* slots of loaded sessions */
    uint32_t active;   /* of the sessions, loaded and saved, that the chip tracks */
};

/* Counts since the start. `chip_commands` is all that the chip was sent; `context_commands` are
 * those of them that the manager sent to move contexts. `denied_commands` of the clients' were
 * refused by a policy, or for wrong passwords. */
struct rm_stats {
    uint64_t client_commands, chip_commands, context_commands, denied_commands;
};

/*
 * A manager for a chip that was read by chip_read(). Copies `chip` and `limits`; borrows `tpm`,
 * which must outlive the manager. NULL when memory is out.
 */
struct rm *rm_new(struct rm_tpm *tpm, const struct chip *chip, const struct rm_limits *limits);

/*
 * From now on the sessions in the chip are recorded in `ledger`, which is borrowed; it must be
 * clear (ledger_clear()). NULL: no record.
 */
void rm_set_ledger(struct rm *rm, struct ledger *ledger);

/*
 * From now on the books are kept in `journal`, which is borrowed and outlives the manager. Before
 * the first client. NULL, as at first: nothing is kept. All that a command to the chip may follow
 * from is committed before the command; what was changed since is committed by the caller, before
 * anybody sees it.
 */
void rm_set_journal(struct rm *rm, struct journal *journal);

/* Sets the reserve, which is nothing at first. It takes effect with the next chip command of the
 * manager's own choice; rm_settle() makes the room now. Also from inside of transact(). */
void rm_set_reserve(struct rm *rm, const struct rm_reserve *reserve);

/* Frees the manager; all clients must be gone. Sends nothing (see rm_idle()). NULL is fine. */
void rm_free(struct rm *rm);

/* The user that an account (base/account.h) is, with one more reference, which is the caller's;
 * NULL without memory. A user is known for as long as there is a reference: the caller's, or that
 * of a client, a session or a kept answer. */
struct rm_user *rm_user_get(struct rm *rm, uint32_t account);

/* One more reference to a user, which is returned; one less, where NULL is fine. The caller gives
 * all back before it frees the manager. */
struct rm_user *rm_user_reference(struct rm_user *user);
void rm_user_unreference(struct rm_user *user);

/* Whether nothing is charged to the user: the only reference is the caller's. */
bool rm_user_is_idle(const struct rm_user *user);

/* A client of user number `uid`, charged to `user`, with the manager's limits. Takes the caller's
 * reference to `user` over, which may be NULL for want of memory. NULL when memory is out. */
struct rm_client *rm_client_new(struct rm *rm, struct rm_user *user, uint32_t uid);

/* Limits of a client's own, which are copied; `share_sessions` is the manager's. Of the totals of
 * its account, those count of whoever wants more. Who has more than a limit keeps it, and gets no
 * more. Also from inside of transact(). */
void rm_client_set_limits(struct rm_client *client, const struct rm_limits *limits);

/*
 * Ends a client, at any time. Sends nothing: its objects and the sessions that it held are given
 * up at once and their slots reclaimed later; sessions that it saved itself stay, abandoned.
 */
void rm_client_free(struct rm_client *client);

/* The connection that the client belongs to, by its cookie (SO_COOKIE, socket(7)). */
void rm_client_set_cookie(struct rm_client *client, uint64_t cookie);

/* The client of the connection with this cookie, or NULL. */
struct rm_client *rm_find_client(struct rm *rm, uint64_t cookie);

/* The client's number in log lines and reports (rm/report.h), instead of the manager's own count of
 * clients. */
void rm_client_set_number(struct rm_client *client, uint64_t number);

/* The process at the other end of the client, for log lines: its number, 0 if that is not known,
 * and its program, which is borrowed for as long as the client is there. */
void rm_client_set_process(struct rm_client *client, uint32_t pid, const char *program);

/* The locality (0 to 4) under which the client's commands go to the TPM. */
void rm_client_set_locality(struct rm_client *client, uint8_t locality);

/* What the client may send, which is copied; at first that is everything. False without memory, and
 * nothing changes. Also from inside of transact(). */
bool rm_client_set_policy(struct rm_client *client, const struct policy *policy);

/* What a client's next command is likely to find in the chip, if it is like the last one. */
enum rm_affinity {
    RM_AFFINITY_NEUTRAL,     /* what it names needs no room, or finds free slots */
    RM_AFFINITY_RESIDENT,    /* what it names is in the chip, and may leave for others' commands */
    RM_AFFINITY_WOULD_EVICT, /* what it names is not, and something else leaves for it */
};

/* A guess, for the order of service; O(sessions in the books). NULL, which is a client without
 * commands so far, names nothing. */
enum rm_affinity rm_client_affinity(const struct rm_client *client);

/* The time, in milliseconds of a clock that does not jump back, for what wears off. */
void rm_set_time(struct rm *rm, int64_t now);

/*
 * Runs one command of a client: `size` bytes at `command`, HEADER_SIZE at the least. Writes a whole
 * response to `response`, which has rm_response_capacity() bytes, and returns its size: always an
 * answer, HEADER_SIZE bytes at the least, whatever came in.
 */
size_t rm_execute(struct rm *rm, struct rm_client *client, const uint8_t *command, size_t size,
                  uint8_t *response);

/* Bytes that a response buffer and a command buffer must have. */
size_t rm_response_capacity(const struct rm *rm);
size_t rm_command_capacity(const struct rm *rm);

/*
 * One step towards a free reserve, at most one chip command or one refresh of a session. The slots
 * that a command took of the reserve, or that a larger reserve needs, are made free. To be repeated
 * right after each rm_execute() until it gives false: then the reserve is free, or cannot be made
 * free. rm_execute() starts with the same.
 */
bool rm_settle(struct rm *rm);

/* How far clean-up goes. Each also does what the ones before it do. */
enum rm_idle_goal {
    RM_IDLE_TIDY,  /* flush what nobody holds any more; refresh sessions that need it */
    RM_IDLE_SAVE,  /* save each loaded object once, so that it can leave by a mere flush */
    RM_IDLE_EMPTY, /* save and flush everything, so that the chip is left empty */
    RM_IDLE_SLEEP, /* the same, as the machine is about to sleep */
};

enum rm_idle_result {
    RM_IDLE_DONE,      /* nothing is left to do, or nothing can be done: the TPM does not serve */
    RM_IDLE_MORE,      /* a step was done, and there may be another one */
    RM_IDLE_NO_MEMORY, /* there is no memory to save a context to, so that something stays */
};

/* One step of clean-up, at most one chip command or one refresh of a session. */
enum rm_idle_result rm_idle(struct rm *rm, enum rm_idle_goal goal);

/* True when the TPM did not answer (transact() failed) and has not since. */
bool rm_tpm_lost(const struct rm *rm);

const struct rm_stats *rm_stats(const struct rm *rm);
