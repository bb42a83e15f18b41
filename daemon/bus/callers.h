/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose calls over the bus are served, and in what order. A call comes from a sender, a connection
 * to the bus with a unique name; the bus is asked once for the sender's user, and until it has
 * told, the sender's calls wait. Then they are the user's: of each user a few are at work at a time
 * (CALLERS_AT_WORK), up to CALLERS_WAITING wait in their order, and what is more is refused at
 * once. So a user's calls are served in turn with other users', whatever their number, and what a
 * user makes wait is its own.
 *
 * A user who may have no answer has its calls refused when it is their turn.
 *
 * All calls that wait share one room (CALLERS_ROOM). When it is full, the newest call of the
 * longest queue is refused. The user of a sender is remembered for the CALLERS_KNOWN senders that
 * called last; a bus never gives a unique name a second time ("Message Bus Names"), so that what is
 * remembered stays true until the connection to the bus ends.
 *
 * This does no input or output and knows no clock: the owner passes the time and does what the
 * events say. An event may come during each call from below. One thread.
 */
#pragma once

#include "bus/message.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALLERS_AT_WORK 4
#define CALLERS_WAITING 128
#define CALLERS_ROOM    1024
#define CALLERS_KNOWN   1024

/* Queries have numbers below this one. */
#define CALLERS_QUERIES 0x10000

#define CALLERS_NO_USER UINT32_MAX

/* How long the bus may take to tell a sender's user, in milliseconds. */
#define CALLERS_ANSWER_MS 10000

enum callers_refusal {
    CALLERS_BUSY,    /* too many calls wait */
    CALLERS_NOBODY,  /* the bus knows no user of this sender */
    CALLERS_UNREAD,  /* its user's programs have not read what they got */
    CALLERS_SILENCE, /* the bus did not tell in time */
};

struct callers;

/* Strings and bytes are good during the call. None of the functions may free the callers. */
struct callers_events {
    /* Ask the bus for the user of `sender`; callers_told() follows, with the same number, and
     * callers_told_groups() may come before. */
    void (*ask)(void *data, uint32_t query, const char *sender);
    /* Whether a user may have one more answer. If not, its calls are refused (CALLERS_UNREAD). */
    bool (*has_room)(void *data, uint32_t uid);
    /* Have the call served; callers_answered() follows. */
    void (*serve)(void *data, const uint8_t *bytes, size_t size);
    void (*refuse)(void *data, const char *sender, uint32_t serial, enum callers_refusal refusal);
    void *data;
};

/* Copies *events. */
struct callers *callers_new(const struct callers_events *events);

/* Forgets all calls, without an event. NULL is fine. */
void callers_free(struct callers *callers);

/* A call that wants a reply, as whole bytes, which are copied if it must wait. Its header has a
 * sender. `now_ms` is of any clock that does not go back. */
void callers_call(struct callers *callers, const struct message *message, const uint8_t *bytes,
                  size_t size, int64_t now_ms);

/* The name of the sender that query `query` is about; NULL when nobody waits for it. */
const char *callers_asked(const struct callers *callers, uint32_t query);

/* The bus told the groups of query `query`, an array of uint32_t, before it tells the user; NULL
 * when it does not. False when nobody waits for it. */
bool callers_told_groups(struct callers *callers, uint32_t query, GBytes *groups);

/* The bus told the process of query `query`, before it tells the user. Nothing when nobody waits
 * for it. */
void callers_told_pid(struct callers *callers, uint32_t query, uint32_t pid);

/* The bus answered query `query`. False when nobody waits for it. */
bool callers_told(struct callers *callers, uint32_t query, bool known, uint32_t uid);

/* A call was answered: its sender's name and its serial. What is none of ours is passed over. */
void callers_answered(struct callers *callers, const char *sender, uint32_t serial);

/* Forgets a sender that left the bus, and those of its calls that wait. */
void callers_left(struct callers *callers, const char *name);

/* Whether a sender is known to be on the bus: it called, and has not left since, nor have many
 * others called. *uid is its user, or CALLERS_NO_USER before that was told. */
bool callers_has(const struct callers *callers, const char *sender, uint32_t *uid);

/* How many calls are at work or wait. */
unsigned callers_pending(const struct callers *callers);

/* Refuses what waits for an answer of the bus for too long. Milliseconds until this is due again,
 * -1 for never. */
int callers_expire(struct callers *callers, int64_t now_ms);

/* The user of a call at work, and its groups in *groups, an array of uint32_t that is the callers',
 * or NULL when they are not known; nobody need ask for them. False when there is no such call. */
bool callers_user(const struct callers *callers, const char *sender, uint32_t serial, uint32_t *uid,
                  GBytes **groups);

/* The number of the process that makes a call at work, for people to see; 0 when it is not known.
 */
uint32_t callers_pid(const struct callers *callers, const char *sender, uint32_t serial);
