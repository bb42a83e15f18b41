/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An authorization session. Its handle is the TPM's own: session handles enter cpHash, so they
 * cannot be virtualized. 0x02...... and 0x03...... with the same low 24 bits are one session.
 *
 * The state of a session says who owns the session; the possible transitions are one table
 * (session.c). The member `loaded` says where it is: a session context is good for one load only,
 * so a session is either in a slot or in a blob, never both.
 *
 * `saved` is the context that the TPM accepts now. `held` are the bytes that a client got for the
 * session: they differ from `saved` once the session was refreshed (see context-gap.h).
 */
#pragma once

#include "base/list.h"
#include "rm/blob.h"
#include "rm/eviction.h"
#include "rm/journal.h"
#include "rm/user.h"

struct rm;
struct rm_client;

enum session_state {
    SESSION_ACTIVE,       /* its owner uses it */
    SESSION_CLIENT_SAVED, /* saved by its owner, who holds `held` */
    SESSION_ABANDONED,    /* likewise, and the owner's connection is closed */
    SESSION_DOOMED,       /* nobody's; the chip still has it, in a slot or saved */
    SESSION_GONE,         /* the chip has it no more; the structure is about to be freed */
};

enum session_event {
    SESSION_EVENT_CLIENT_SAVE,  /* its owner saved it */
    SESSION_EVENT_CLIENT_LOAD,  /* a client presented the bytes that it was saved to */
    SESSION_EVENT_GIVE_UP,      /* its owner flushed it, or an abandoned one had to go */
    SESSION_EVENT_OWNER_CLOSED, /* its owner's connection ended */
    SESSION_EVENT_ENDED,        /* the chip has it no more */
};

struct session {
    struct list link; /* rm->sessions: saved ones stand in the order in which they were saved */
    uint32_t handle;
    enum session_state state;
    bool loaded;             /* in a slot; else `saved` is its context */
    bool pinned;             /* named by the command that runs */
    struct rm_client *owner; /* NULL when abandoned or doomed */
    uint32_t uid;            /* of its owner, or its last one */
    struct rm_user *user;    /* whom it is charged to; NULL when it is doomed */
    struct blob saved, held;
    uint64_t sequence;    /* of `saved` */
    uint64_t saved_at;    /* rm->clock when that was made */
    uint64_t held_since;  /* rm->clock when its owner saved it */
    bool context_used_up; /* a client held the bytes of `saved` and has loaded them */
    struct journal_mark mark;
    struct eviction_record eviction;
};

/* A session that the chip does not have yet, and one that the chip does not get. NULL without
 * memory, or without room in the journal. */
struct session *session_new(struct rm *rm);
void session_discard(struct rm *rm, struct session *session);

/* Enters a new session into the books, in this state and out of a slot; nobody is charged. */
void session_enter(struct rm *rm, struct session *session, uint32_t handle,
                   enum session_state state);

/* The chip started it under `handle`, loaded; `owner` is charged for it. A former session of that
 * handle, which the chip cannot have any more, ends. */
void session_start(struct rm *rm, struct session *session, uint32_t handle,
                   struct rm_client *owner);

/* Moves the session to its next state, gives charges back, and frees a session that is gone. The
 * event must be possible in the session's state: session_can() tells. */
void session_apply(struct rm *rm, struct session *session, enum session_event event);
bool session_can(const struct session *session, enum session_event event);

/* Makes `client` the owner of a session, or with NULL nobody, and charges the session to the
 * client's user. */
void session_set_owner(struct rm *rm, struct session *session, struct rm_client *client);

/* Its owner saved it, and holds these bytes from then on. `held` is emptied. */
void session_saved_by_client(struct rm *rm, struct session *session, struct blob *held);

/* `client` presented the bytes that it was saved to, and is its owner. */
void session_loaded_by_client(struct rm *rm, struct session *session, struct rm_client *client);

/* Takes the context that the TPM just made of a loaded session, which leaves its slot by that.
 * False when `context` is no well-formed context of that session; `context` is emptied either way.
 */
bool session_take_context(struct rm *rm, struct session *session, struct blob *context);

/* Sets whether the session is in a slot; nothing else changes. */
void session_set_loaded(struct rm *rm, struct session *session, bool loaded);

/* The chip loaded the session, whose context is used up by that. */
void session_loaded(struct rm *rm, struct session *session);

/* Whether the client owns the session, or a closed connection of the same user left it. */
bool session_belongs_to(const struct session *session, const struct rm_client *client);

/* The session that `handle` names, whoever owns it, or NULL. */
struct session *session_find(struct rm *rm, uint32_t handle);

/* The session that `client` owns and can use (loaded, as far as it knows) under `handle`. */
struct session *session_find_usable(struct rm *rm, const struct rm_client *client, uint32_t handle);

/* The abandoned session of `user` that was saved longest ago, or NULL. */
struct session *session_oldest_abandoned(struct rm *rm, const struct rm_user *user);

/* The abandoned session that is given up when the chip has no handle left for `user`, which may be
 * NULL. It is the session that was saved longest ago of `user`, else of the user with the most
 * sessions. NULL when there is none. */
struct session *session_to_give_up(struct rm *rm, const struct rm_user *user);

/* The session whose saved context a client was given as exactly these bytes, or NULL. */
struct session *session_find_held(struct rm *rm, const uint8_t *bytes, size_t size);
