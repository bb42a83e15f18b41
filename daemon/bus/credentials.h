/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bus is asked of a sender: its user, groups and process (GetConnectionCredentials), and
 * its user alone (GetConnectionUnixUser) when the first answer does not tell it: an older bus, or
 * an answer that is too long to be read. Main thread.
 */
#pragma once

#include "bus/callers.h"
#include "bus/endpoint.h"

/* The questions' serials are from this one on, at the end of the range, where GDBus does not come.
 */
#define CREDENTIALS_SERIAL (UINT32_MAX - 2 * CALLERS_QUERIES + 1)

/* Sends the first question to the bus. */
void credentials_ask(struct endpoint *bus, uint32_t query, const char *sender);

/* True for the bus's answer to a question: the callers are told, or `bus` is asked the second one.
 * `bytes` are the whole message; NULL when it was too long to be read. */
bool credentials_are_told(struct callers *callers, struct endpoint *bus,
                          const struct message *message, const uint8_t *bytes, size_t size);
