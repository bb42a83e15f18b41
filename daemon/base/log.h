/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's log: one line a message, to standard output or to syslog.
 *
 * No message ever carries bytes of a command or of a response, at any level: they hold secrets.
 * Safe from any thread once log_open() has returned. A sink that cannot take a line loses it and
 * nothing else happens: a full disk must not stop the TPM.
 */
#pragma once

#include <stdbool.h>

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

/* The level in force; the macros below test it before they evaluate their arguments. */
extern enum log_level log_threshold;

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);

#define log_at(level, ...) ((level) <= log_threshold ? log_write((level), __VA_ARGS__) : (void)0)
#define log_error(...)     log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)      log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)     log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
