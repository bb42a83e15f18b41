/* SPDX-License-Identifier: BSD-2-Clause */
/* How a program's command is authorized: what is right, and now and then what is wrong. */
#pragma once

#include "call.h"

/* A handle for a command: mostly of a thing of the client's that passes the test, sometimes one
 * that is another client's or nobody's. 0 when the client has none. */
uint32_t auths_pick_handle(struct model *model, struct random *random, unsigned client,
                           model_test *test);

/* Authorizes handle number `entity`, whose authorization value and policy the traits tell, in one
 * of the ways that the client has. May first run policy commands. */
void auths_add(struct model *model, struct random *random, unsigned client, struct call *call,
               unsigned entity, const struct traits *traits);

/* Perhaps adds a session that authorizes nothing: for audit, or to encrypt. With `opaque` nobody
 * reads the answer's parameters, so that they may come encrypted. */
void auths_add_extra(struct model *model, struct random *random, unsigned client, struct call *call,
                     bool opaque);

/* The traits of an entity that has an empty authorization value and no policy. */
extern const struct traits auths_open;
