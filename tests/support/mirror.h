/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal over plain memory for a manager in a test's process. What it says must be what the
 * manager's books say. One thread, a few managers.
 */
#pragma once

#include "rm/journal-image.h"
#include "rm/state.h"

/* The manager, which has no clients yet, keeps its books in a journal from now on. */
void mirror_begin(struct rm *rm);

/* Frees the manager, and the journal if it has one. */
void mirror_end(struct rm *rm);

/* Room for so many more bytes is all that there is; SIZE_MAX: as much as there was. */
void mirror_limit(struct rm *rm, size_t room);

/* Reads what is committed by now. False when it cannot be read. */
bool mirror_read(struct rm *rm, struct journal_image *image);
