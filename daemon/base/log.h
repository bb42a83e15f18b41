/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's log: one line a message, to standard output or to syslog. Where standard output is
 * the journal's, which adds time and program itself, a line starts with its level, in the form of
 * sd-daemon(3).
 *
 * No message ever carries bytes of a command or of a response, at any level: they hold secrets.
 * Safe from any thread once log_open() has returned. A line that the sink cannot take at once is
 * lost, and a later line says how many were lost: neither a full disk nor a reader that sleeps may
 * stop the TPM.
 *
 * Lines that a client can cause at will have limits (base/log-limit.h). The count of lines that
 * were left out stands in front of the first line after the time span of the limit. At level debug
 * there is a line for each command, and no limit.
 */
#pragma once

#include "base/log-limit.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_SILENT,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

enum log_sink { LOG_SINK_STDOUT, LOG_SINK_SYSLOG };

/* Chooses the sink and the least important level that is still written. Main thread, once. */
void log_open(enum log_sink sink, enum log_level level);

/* Another least important level. Any thread. */
void log_set_level(enum log_level level);

/* Writes one line to standard error, at the level of errors, for what has to be seen wherever the
 * log goes. Any thread, log_open() or not. */
void log_stderr(const char *text);

/* The level in force; the macros below test it before they evaluate their arguments. */
extern _Atomic enum log_level log_threshold;

__attribute__((cold, format(printf, 2, 3))) void log_write(enum log_level level, const char *format,
                                                           ...);

/* A line that a client can cause, about an account (base/account.h). */
__attribute__((cold, format(printf, 4, 5))) void log_write_limited(enum log_level level,
                                                                   enum log_kind kind,
                                                                   uint32_t account,
                                                                   const char *format, ...);

/* Says at once how many lines were left out. Main thread, at the end. */
void log_close(void);

#define log_at(level, ...) ((level) <= log_threshold ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...)     log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)      log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)     log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#define log_limited(level, kind, account, ...)                                             \
    ((level) <= log_threshold ? log_write_limited((level), (kind), (account), __VA_ARGS__) \
                              : (void)0)
