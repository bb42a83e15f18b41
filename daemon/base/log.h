/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's log: one line a message, to standard output or to syslog. Where standard output is
 * the journal's, a line goes to the journal's own socket, with fields (base/log-journal.h); where
 * there is none, to standard output, with its level in front, in the form of sd-daemon(3).
 *
 * No message ever carries bytes of a command or of a response, at any level: they hold secrets.
 * Safe from any thread once log_open() has returned. A line that the sink cannot take at once is
 * lost, and a later line says how many were lost: neither a full disk nor a reader that sleeps may
 * stop the TPM.
 *
 * What a person may want to find is an event (base/log-event.h). Events that a client can cause at
 * will have limits (base/log-limit.h). The count of lines that were left out stands in front of the
 * first line after the time span of the limit. At level debug there is a line for each command, and
 * no limit.
 */
#pragma once

#include "base/log-about.h"
#include "base/log-event.h"

#include <stdint.h>

enum log_sink { LOG_SINK_STDOUT, LOG_SINK_SYSLOG };

/* Chooses the sink and the least important level that is still written. Main thread, once. */
void log_open(enum log_sink sink, enum log_level level);

/* Another least important level. Any thread. */
void log_set_level(enum log_level level);

/* Writes one line to standard error, at the level of errors, for what has to be seen wherever the
 * log goes. Any thread, log_open() or not. */
void log_stderr(const char *text);

/* Tells why the daemon ends: on standard error, and as an event where the log goes somewhere else
 * or has fields. */
void log_failure(const char *text);

/* The level in force; the macros below test it before they evaluate their arguments. */
extern _Atomic enum log_level log_threshold;

__attribute__((cold, format(printf, 2, 3))) void log_write(enum log_level level, const char *format,
                                                           ...);

/* A line about an event, at the event's level. */
__attribute__((cold, format(printf, 3, 4))) void
log_write_event(enum log_event event, struct log_about about, const char *format, ...);

/* Microseconds of a clock that does not jump, for how long something took. */
uint64_t log_clock(void);

/* Says at once how many lines were left out. Main thread, at the end. */
void log_close(void);

#define log_at(level, ...) ((level) <= log_threshold ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...)     log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)      log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)     log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* `about` is a struct log_about. */
#define log_event(event, about, ...)                                                           \
    (log_events[event].level <= log_threshold ? log_write_event((event), (about), __VA_ARGS__) \
                                              : (void)0)
