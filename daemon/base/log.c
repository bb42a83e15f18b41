/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

/* The longest line that is written, its newline included; what is over is cut. */
#define LINE_MAX_BYTES 512

enum log_level log_threshold = LOG_LEVEL_INFO;
static enum log_sink log_current_sink = LOG_SINK_STDOUT;

/* Indexed by enum log_level. */
static const struct {
    int priority;
    const char *word;
} log_levels[] = {
    [LOG_LEVEL_ERROR] = {LOG_ERR, "error: "},
    [LOG_LEVEL_WARNING] = {LOG_WARNING, "warning: "},
    [LOG_LEVEL_INFO] = {LOG_INFO, ""},
    [LOG_LEVEL_DEBUG] = {LOG_DEBUG, "debug: "},
};

void log_open(enum log_sink sink, enum log_level level)
{
    log_current_sink = sink;
    log_threshold = level;
    if (sink == LOG_SINK_SYSLOG)
        openlog("tabrmd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    int used, more;
    va_list arguments;

    va_start(arguments, format);
    if (log_current_sink == LOG_SINK_SYSLOG) {
        vsyslog(log_levels[level].priority, format, arguments);
        va_end(arguments);
        return;
    }
    used = snprintf(line, sizeof(line), "tabrmd: %s", log_levels[level].word);
    more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, arguments);
    va_end(arguments);
    if (more < 0)
        return;
    used += more;
    if (used > (int)sizeof(line) - 2)
        used = (int)sizeof(line) - 2;
    line[used++] = '\n';
    /* One write a line, so that lines of two threads do not mix. A lost line is lost. */
    if (write(STDOUT_FILENO, line, (size_t)used) < 0)
        return;
}
