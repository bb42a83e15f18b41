/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bus is asked of a sender: its groups (GetConnectionCredentials), and then its user
 * (GetConnectionUnixUser). A bus answers in order, so that the groups are known when the user is;
 * an older bus, or one whose answer is too long to pass, does not tell them. Main thread.
 */
#pragma once

#include "bus/callers.h"
#include "bus/endpoint.h"

/* The questions' serials are from this one on, at the end of the range, where GDBus does not come.
 */
#define CREDENTIALS_SERIAL (UINT32_MAX - 2 * CALLERS_QUERIES + 1)

/* Sends both questions to the bus. */
void credentials_ask(struct endpoint *bus, uint32_t query, const char *sender);

/* True for the bus's answer to one of them, of which `bytes` are the whole: the callers are told.
 */
bool credentials_are_told(struct callers *callers, const struct message *message,
                          const uint8_t *bytes, size_t size);
