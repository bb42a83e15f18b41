/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include "base/account.h"
#include "base/log-journal.h"
#include "base/log-limit.h"
#include "base/log-socket.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* The longest line that is written, its newline included; what is over is cut. */
#define LINE_MAX_BYTES 512

/* Where syslog listens. It is not spoken to through syslog(3), which waits for as long as nobody
 * reads there. */
#ifndef LOG_SOCKET
#define LOG_SOCKET _PATH_LOG
#endif

/* Where the journal listens for entries with fields. GLib's writer for them, as sd_journal_send(3),
 * waits for as long as nobody reads there. */
#ifndef LOG_JOURNAL_SOCKET
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
#endif

/* One line is written at a time: the room that was found for a line must still be there when the
 * line is written. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long log_lost; /* lines since the last one that was written */
static struct log_socket log_syslog = {LOG_SOCKET, -1}, log_journal = {LOG_JOURNAL_SOCKET, -1};
static struct log_limit log_limits;

_Atomic enum log_level log_threshold = LOG_LEVEL_INFO;
static enum log_sink log_current_sink = LOG_SINK_STDOUT;
static bool log_stdout_journal;

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
    log_lost = 0;
    log_limits = (struct log_limit){0};
    log_stdout_journal = log_journal_owns(STDOUT_FILENO);
}

void log_set_level(enum log_level level)
{
    log_threshold = level;
}

void log_stderr(const char *text)
{
    if (log_journal_owns(STDERR_FILENO))
        fprintf(stderr, "<%d>%s\n", LOG_ERR, text);
    else
        fprintf(stderr, "tabrmd: %s\n", text);
}

/* A pipe that is writable takes a whole line (pipe(7), PIPE_BUF). */
static bool log_to_stdout(const char *line, size_t size)
{
    struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};

    return poll(&room, 1, 0) == 1 && room.revents & POLLOUT
           && write(STDOUT_FILENO, line, size) == (ssize_t)size;
}

/* What a line is, but for its text. */
struct log_head {
    enum log_level level;
    enum log_event event; /* LOG_EVENT_NONE: of no event */
    const struct log_about *about;
};

/* What comes in front of the text, for syslog as RFC 3164 has it. Its length. */
static int log_prefix(char *line, size_t size, enum log_level level)
{
    time_t now = time(NULL);
    char stamp[32] = "";
    struct tm local;

    if (log_current_sink == LOG_SINK_STDOUT)
        return log_stdout_journal ? snprintf(line, size, "<%d>", log_levels[level].priority)
                                  : snprintf(line, size, "tabrmd: %s", log_levels[level].word);
    if (localtime_r(&now, &local))
        strftime(stamp, sizeof(stamp), "%b %e %T ", &local);
    return snprintf(line, size, "<%d>%stabrmd[%d]: ", LOG_DAEMON | log_levels[level].priority,
                    stamp, (int)getpid());
}

static bool log_as_text(enum log_level level, const char *text)
{
    char line[LINE_MAX_BYTES];
    int used = log_prefix(line, sizeof(line), level);

    used += snprintf(line + used, sizeof(line) - (size_t)used - 1, "%s", text);
    if (used > (int)sizeof(line) - 2)
        used = (int)sizeof(line) - 2;
    if (log_current_sink == LOG_SINK_SYSLOG)
        return log_socket_send(&log_syslog, line, (size_t)used) == LOG_SOCKET_TAKEN;
    line[used++] = '\n';
    return log_to_stdout(line, (size_t)used);
}

static bool log_with_fields(const struct log_head *head, const char *text)
{
    char entry[LOG_JOURNAL_MAX];
    size_t size =
        log_journal_build(entry, log_levels[head->level].priority, head->event, head->about, text);

    switch (log_socket_send(&log_journal, entry, size)) {
    case LOG_SOCKET_TAKEN:
        return true;
    case LOG_SOCKET_FULL:
        return false;
    case LOG_SOCKET_ABSENT:
        break;
    }
    return log_as_text(head->level, text);
}

/* A message is one line, whoever chose a part of it. */
static void log_keep_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7F)
            *text = ' ';
}

/* One line, if it is taken at once. */
__attribute__((format(printf, 2, 0))) static bool log_line(const struct log_head *head,
                                                           const char *format, va_list arguments)
{
    char text[LINE_MAX_BYTES];

    if (vsnprintf(text, sizeof(text), format, arguments) < 0)
        return false;
    log_keep_line(text);
    if (log_current_sink == LOG_SINK_STDOUT && log_stdout_journal)
        return log_with_fields(head, text);
    return log_as_text(head->level, text);
}

/* A line about the log itself. */
__attribute__((format(printf, 2, 3))) static bool log_notice(const struct log_about *about,
                                                             const char *format, ...)
{
    struct log_head head = {log_events[LOG_EVENT_LOG_INCOMPLETE].level, LOG_EVENT_LOG_INCOMPLETE,
                            about};
    va_list arguments;
    bool taken;

    va_start(arguments, format);
    taken = log_line(&head, format, arguments);
    va_end(arguments);
    return taken;
}

/* Tells of the lines that were lost. False while that cannot be told either. Under the lock. */
static bool log_tell_lost(void)
{
    if (log_lost > 0
        && log_notice(&LOG_NOBODY,
                      "%lu lines of this log are missing here: it was full, or nobody read it",
                      log_lost))
        log_lost = 0;
    return log_lost == 0;
}

/* Writes a line, behind the count of lines that were lost before it. Under the lock. */
__attribute__((format(printf, 2, 0))) static bool log_take(const struct log_head *head,
                                                           const char *format, va_list arguments)
{
    bool taken = log_tell_lost() && log_line(head, format, arguments);

    log_lost += !taken;
    return taken;
}

/* Tells of the lines that were left out in a time that is over at `now`. Under the lock. */
static void log_tell_left_out(int64_t now)
{
    struct log_limit_count count;
    char account[ACCOUNT_TEXT];

    while (log_limit_ended(&log_limits, now, &count)) {
        bool told =
            log_tell_lost()
            && log_notice(&LOG_NOBODY,
                          "%lu more lines about %s of %s are left out: %u a minute are "
                          "written",
                          count.left_out, log_events[count.event].many,
                          count.several ? "further users" : account_text(count.account, account),
                          LOG_LIMIT_LINES);

        log_lost += !told;
    }
}

uint64_t log_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* In milliseconds. */
static int64_t log_now(void)
{
    return (int64_t)(log_clock() / 1000);
}

void log_write(enum log_level level, const char *format, ...)
{
    struct log_head head = {level, LOG_EVENT_NONE, &LOG_NOBODY};
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&log_lock);
    log_tell_left_out(log_now());
    log_take(&head, format, arguments);
    pthread_mutex_unlock(&log_lock);
    va_end(arguments);
}

/* Whether the limit of the event, if it has one, lets a line pass. Under the lock. */
static bool log_may_tell(enum log_event event, const struct log_about *about, int64_t now)
{
    return event >= LOG_EVENTS_LIMITED || log_limit_admit(&log_limits, event, about->account, now);
}

__attribute__((format(printf, 3, 0))) static bool log_take_event(enum log_event event,
                                                                 const struct log_about *about,
                                                                 const char *format,
                                                                 va_list arguments)
{
    struct log_head head = {log_events[event].level, event, about};
    int64_t now = log_now();
    bool taken = false;

    pthread_mutex_lock(&log_lock);
    log_tell_left_out(now);
    if (log_may_tell(event, about, now))
        taken = log_take(&head, format, arguments);
    pthread_mutex_unlock(&log_lock);
    return taken;
}

void log_write_event(enum log_event event, struct log_about about, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_take_event(event, &about, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 1, 2))) static bool log_tell_failure(const char *format, ...)
{
    va_list arguments;
    bool taken;

    va_start(arguments, format);
    taken = log_take_event(LOG_EVENT_FAILED, &LOG_NOBODY, format, arguments);
    va_end(arguments);
    return taken;
}

void log_failure(const char *text)
{
    bool fields = log_current_sink == LOG_SINK_STDOUT && log_stdout_journal;
    bool apart = fields || log_current_sink == LOG_SINK_SYSLOG;
    bool told = apart && log_tell_failure("%s", text);

    /* The same journal has the event, and needs no line without fields beside it. */
    if (!told || !fields || !log_journal_owns(STDERR_FILENO))
        log_stderr(text);
}

void log_close(void)
{
    pthread_mutex_lock(&log_lock);
    log_tell_left_out(INT64_MAX);
    pthread_mutex_unlock(&log_lock);
}
