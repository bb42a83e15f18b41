/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the books goes into the journal, by record. Clients, objects and sessions have marks,
 * which the functions that change them touch; handles have cells of their own. Without a journal
 * all of that is nothing.
 */
#pragma once

#include <stdbool.h>

struct handle_entry;
struct handles;
struct rm;

/* The journal of a manager without clients gets the noters of the manager's records, and the
 * chip's record. */
void note_begin(struct rm *rm);

/* The chip's record is noted again. */
void note_chip(struct rm *rm);

/* A handle was given out, and the holder's next one changed. */
void note_handle(struct rm *rm, struct handles *handles, const struct handle_entry *entry);
