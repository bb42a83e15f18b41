/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Daemons that die, at a command to the chip or at a commit, or that hand over; and the next one,
 * which makes its books of the journal and goes on. The reference has none of that. Whatever the
 * daemon was at when it died, its clients must not see more than an answer that is lost.
 */
#pragma once

#include "model.h"

/* The first daemon, with a journal. */
void deaths_begin(struct model *model);

/* Before the world sees what the manager did: the changes are committed, and it may die. */
void deaths_commit(struct model *model);

/* The daemon that came after another one has asked the chip since the last command of a client; the
 * reference is asked as well. Its answer to that command stays where it is. */
void deaths_tell_reference(struct model *model);

/* Has the manager run a client's command as the daemon does, and the next one after a death. The
 * response is in model->response. */
void deaths_execute(struct model *model, unsigned client, const uint8_t *command, size_t size);

/* Makes the reserve free, by as many daemons as it takes. */
void deaths_settle(struct model *model);

/* Runs work of the manager's own, in which the daemon may die. True when it did: then the next one
 * is there, and the work was not done to its end. */
typedef void deaths_work(struct model *model, void *data);
bool deaths_survive(struct model *model, deaths_work *work, void *data);

/* What becomes of the daemon in this step; before it, and at its end. */
void deaths_begin_step(struct model *model);
void deaths_end_step(struct model *model);
