/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that were sent to programs on the bus and that they may not have read yet. A program that
 * does not read leaves its answers in the bus, and the bus counts their bytes against the daemon
 * (max_incoming_bytes of dbus-daemon, 127 MiB by default): beyond its limit the bus reads nothing
 * more from the daemon, whoever the next answer is for.
 *
 * So each byte is unread until the program left the bus, which drops the program's unread messages,
 * or answered a question that was sent behind that byte: the messages for a program stay in order.
 * A program is asked (org.freedesktop.DBus.Peer.Ping) when UNREAD_ASK bytes may wait for it. Nobody
 * can guess the question's serial, so that a program that answers has read the question.
 *
 * Users share UNREAD_MAX bytes by base/share.h, in steps of UNREAD_STEP. Programs of a user without
 * room get no more answers; a program that calls then is told so once. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNREAD_STEP      65536u
#define UNREAD_MAX       (1024 * UNREAD_STEP) /* in all */
#define UNREAD_ROOT      (128 * UNREAD_STEP)  /* of these kept for root */
#define UNREAD_NEWCOMERS (128 * UNREAD_STEP)  /* and for users that have less than a step */
#define UNREAD_ASK       65536u

/* Programs that are asked at a time. The bus lets the daemon wait for few answers
 * (max_replies_per_connection of dbus-daemon, 128 by default). */
#define UNREAD_ASKED      64
#define UNREAD_ASKED_USER 4

/* Questions have a serial from this one on, and fewer than twice that. GDBus counts its own from 1
 * on. */
#define UNREAD_SERIAL UINT32_C(0x40000000)

/* The user of programs whose user is not known. */
#define UNREAD_NOBODY UINT32_MAX /* as CALLERS_NO_USER */

struct unread;

struct unread *unread_new(void);

/* NULL is fine. */
void unread_free(struct unread *unread);

/* Whether something may be sent to programs of a user. */
bool unread_has_room(const struct unread *unread, uint32_t uid);

/* `size` bytes were sent to the program with the unique name `name`, which is copied. The serial of
 * a question to be sent to it behind them (UNREAD_SERIAL and above), or 0. */
uint32_t unread_sent(struct unread *unread, const char *name, uint32_t uid, size_t size);

/* A program answered: what it was sent before the question is read. False when it was asked nothing
 * under this serial. */
bool unread_answered(struct unread *unread, const char *name, uint32_t serial);

/* A program of a user who has no room called: true when it is to be told, which is so once until it
 * answers a question. */
bool unread_tell(struct unread *unread, const char *name, uint32_t uid);

/* A program left the bus. */
void unread_left(struct unread *unread, const char *name);
