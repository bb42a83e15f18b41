/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole commands and responses as a capture file of the format pcapng, in which Wireshark's
 * dissector of TPM 2.0 finds them: it looks at TCP port 2321. So each is an IPv4 packet with one
 * TCP segment; the port of a client, and its address from 50000 connections on, follow from the
 * number of the connection. Pure functions.
 */
#pragma once

#include "wire/trace-record.h"

#include <glib.h>

struct trace_capture;

struct trace_capture *trace_capture_new(void);

/* NULL is fine. */
void trace_capture_free(struct trace_capture *capture);

/* Appends what the file begins with. */
void trace_capture_begin(GString *file);

/* Appends the packets of a record that has `bytes`; `began` is when the command's turn began,
 * nanoseconds since the epoch. A record without bytes makes none. */
void trace_capture_add(struct trace_capture *capture, GString *file,
                       const struct trace_record *record, const uint8_t *bytes, gint64 began);
