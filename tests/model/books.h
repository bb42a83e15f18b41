/* SPDX-License-Identifier: BSD-2-Clause */
/* The invariants: the resource manager's books against the model, and against the chip. */
#pragma once

#include "model.h"

/* Forgets things whose fate a fault left open, and that the manager has dropped. While it is
 * suspicious of its own books it has not looked yet, and nothing is settled. */
void books_settle(struct model *model);

/* After each step. What is open is settled first. */
void books_check(struct model *model);

/* Whether the manager still has the thing for its owner. */
bool books_have(struct model *model, const struct thing *thing);

/* At the end: lets all clients go, drains the manager, and checks that only sessions are left
 * that clients have saved. */
void books_check_end(struct model *model);
