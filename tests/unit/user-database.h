/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user database that a test plays: users with even numbers are members of the group. It answers
 * while its gate is open. One for the process; any thread.
 */
#pragma once

#include "engine/accounts.h"

/* Users from here on are ones that nobody but an attacker is seen as. */
#define USER_DATABASE_STRANGERS 300000

/* For accounts that it is asked for; a connection waits long for its answers. */
extern const struct accounts_config user_database_config;

int user_database_ask(uint32_t uid, gid_t group);

/* The gate open or closed, nothing asked yet. */
void user_database_reset(bool open);

/*
 * The same, when no thread that the accounts of an earlier test have left may ask any more: it
 * would be counted. The first call is before there are accounts. For a process without threads of
 * its own.
 */
void user_database_begin(bool open);

/* Waits until the threads that ask have ended, which they must. */
void user_database_await_alone(void);

/* The gate; `silent`: it says nothing of use. */
void user_database_set(bool open, bool silent);

/* Whether it never comes back from a question about a stranger. */
void user_database_set_stuck(bool stuck);

/* How many questions it was asked, and has answered. */
unsigned user_database_questions(void);
unsigned user_database_answers(void);

/* Wait for at least so many, which must come. */
void user_database_await_questions(unsigned count);
void user_database_await_answers(unsigned count);
