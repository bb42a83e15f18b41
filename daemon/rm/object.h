/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transient object. It can be in the chip (it has a physical handle), outside of it (it has a
 * saved context), or both: the content of a key never changes, so its context stays valid while
 * the key is loaded, and a clean object leaves the chip by a mere flush.
 *
 * Handles of several clients may name one object: whoever presents the bytes of its context has
 * what the TPM itself asks for, and gets a handle of his own to the copy that is there. Sequence
 * objects change with every use; they are never shared, and their context dies when it is loaded.
 *
 * An object that no handle names is an orphan: it stays while its slot is not needed, because the
 * next process of a shell pipeline may load its context again.
 */
#pragma once

#include "base/list.h"
#include "rm/blob.h"
#include "rm/eviction.h"
#include "rm/journal.h"

#define OBJECT_NOT_LOADED UINT32_C(0) /* no physical handle: those are 0x80...... */

struct rm;

struct object {
    struct list link;          /* rm->objects */
    struct list slot_link;     /* rm->slots, while it is in the chip */
    struct list content_link;  /* one of rm->contents, while it can be found by its context */
    uint32_t physical;         /* the chip's handle, or OBJECT_NOT_LOADED */
    uint32_t references;       /* virtual handles that name it */
    bool immutable;            /* known to be no sequence object: `saved` stays valid */
    bool sequence;             /* a sequence object for certain: each use changes it */
    bool pinned;               /* named by the command that runs */
    bool unproven;             /* of a former daemon's books; the chip was not asked (resync.h) */
    uint8_t name_size;         /* of `name`; 0: not known */
    uint8_t name[RECORD_NAME]; /* its Name, or the first bytes of a longer one */
    struct blob saved;         /* valid context, or empty */
    bool st_clear;             /* `saved` is void after a TPM Restart */
    uint32_t hierarchy;        /* of `saved`; 0 while that is empty */
    struct blob public_answer; /* to TPM2_ReadPublic, or empty; see answer-cache.h */
    struct eviction_record eviction;
    struct journal_mark mark;
    uint64_t client;  /* number of the client that used it last, or made it; for reports */
    uint32_t account; /* of that client */
};

/* A new object outside of the chip, without context, without references. NULL without memory, or
 * without room in the journal. */
struct object *object_new(struct rm *rm);

/* Forgets the object; sends nothing. Its references must be gone. NULL is fine. */
void object_free(struct rm *rm, struct object *object);

/* A client of that number and account uses the object. */
static inline void object_note_user(struct object *object, uint64_t client, uint32_t account)
{
    object->client = client;
    object->account = account;
}

/* Keeps the object's Name, by which it is known again (identity.h), as far as there is room. */
void object_set_name(struct rm *rm, struct object *object, const uint8_t *name, size_t size);

/* Sets the chip's handle of the object. OBJECT_NOT_LOADED takes the object out of
 * rm->objects_loaded. */
void object_set_physical(struct rm *rm, struct object *object, uint32_t physical);

/* Takes the context that the TPM made of this object, or that the TPM loaded this object from. The
 * context tells whether the object is a sequence object, and its hierarchy. `context` is emptied.
 * False when `context` is no well-formed object context, or longer than a response; then nothing
 * changed but `context`. */
bool object_take_context(struct rm *rm, struct object *object, struct blob *context);

/* Forgets the context, which is void. An object that is not in the chip is nowhere then. */
void object_clear_context(struct rm *rm, struct object *object);

/* The live object whose context is exactly these bytes, or NULL. */
struct object *object_find_content(struct rm *rm, const uint8_t *bytes, size_t size);

/* A handle was given to a client, or taken from it. When the last handle is taken, an object that
 * is not in the chip is freed, and an object in the chip becomes an orphan. */
void object_reference(struct object *object);
void object_unreference(struct rm *rm, struct object *object);
