/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program is made of. Each step takes what it needs from the model and the chances of its
 * own, so that it means something whatever steps came before it.
 */
#pragma once

#include "call.h"

typedef void step_run(struct model *model, struct random *random, unsigned client);

/* objects.c: keys come into being */
step_run objects_create_primary, objects_create, objects_load, objects_load_external,
    objects_create_loaded, objects_evict_control;

/* uses.c: keys at work, and commands that need none */
step_run uses_key, uses_read_public, uses_random, uses_hash, uses_pcr, uses_exchange;

/* sequences.c */
step_run sequences_start, sequences_update, sequences_complete;

/* sessions.c */
step_run sessions_start, sessions_policy, sessions_policy_secret, sessions_audit_digest,
    sessions_fill;

/* contexts.c */
step_run contexts_save, contexts_load, contexts_load_spoiled, contexts_flush;

/* hierarchies.c: commands that end other things than they name */
step_run hierarchies_clear, hierarchies_change_seed, hierarchies_control, hierarchies_reset;

/* views.c: what a client sees of the TPM's resources */
step_run views_handles, views_properties;

/* malformed.c */
step_run malformed_header, malformed_areas, malformed_parameters;

/* Without spilling the reference holds what its slots can: flushes things until so many more
 * objects and sessions fit. */
void contexts_make_room(struct model *model, struct random *random, unsigned objects,
                        unsigned sessions);

/* Flushes a thing of the client's, or tries to. */
void contexts_flush_handle(struct model *model, unsigned client, uint32_t handle);

/* Persistent keys: the handle of number `index`, and naming it in a call, with the Name of what was
 * last put there. */
#define OBJECTS_PERSISTENT(index) (UINT32_C(0x81000000) + (index))
void objects_name_persistent(struct model *model, unsigned client, struct call *call,
                             unsigned index);
