/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include "base/account.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* One line is written at a time: the room that was found for a line must still be there when the
 * line is written. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long log_lost; /* lines since the last one that was written */
static int log_socket = -1;
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

/* True when the descriptor leads to the journal: systemd.exec(5), JOURNAL_STREAM. */
static bool log_is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    uintmax_t device, inode;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(fd, &status) == 0
           && status.st_dev == device && status.st_ino == inode;
}

void log_open(enum log_sink sink, enum log_level level)
{
    log_current_sink = sink;
    log_threshold = level;
    log_lost = 0;
    log_limits = (struct log_limit){0};
    log_stdout_journal = log_is_journal(STDOUT_FILENO);
}

void log_set_level(enum log_level level)
{
    log_threshold = level;
}

void log_stderr(const char *text)
{
    if (log_is_journal(STDERR_FILENO))
        fprintf(stderr, "<%d>%s\n", LOG_ERR, text);
    else
        fprintf(stderr, "tabrmd: %s\n", text);
}

static bool log_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};

    if (log_socket >= 0)
        close(log_socket);
    log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return log_socket >= 0
           && connect(log_socket, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* After a restart of syslog the socket has to be connected anew; a busy syslog does not take the
 * line. */
static bool log_to_syslog(const char *line, size_t size)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        if (log_socket >= 0 && send(log_socket, line, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if ((log_socket >= 0 && errno == EAGAIN) || !log_connect())
            return false;
    }
    return false;
}

/* A pipe that is writable takes a whole line (pipe(7), PIPE_BUF). */
static bool log_to_stdout(const char *line, size_t size)
{
    struct pollfd room = {STDOUT_FILENO, POLLOUT, 0};

    return poll(&room, 1, 0) == 1 && room.revents & POLLOUT
           && write(STDOUT_FILENO, line, size) == (ssize_t)size;
}

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

/* One line, if it is taken at once. */
static bool log_line(enum log_level level, const char *format, va_list arguments)
{
    char line[LINE_MAX_BYTES];
    int used = log_prefix(line, sizeof(line), level);
    int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, arguments);

    if (more < 0)
        return false;
    used += more;
    if (used > (int)sizeof(line) - 2)
        used = (int)sizeof(line) - 2;
    if (log_current_sink == LOG_SINK_SYSLOG)
        return log_to_syslog(line, (size_t)used);
    line[used++] = '\n';
    return log_to_stdout(line, (size_t)used);
}

__attribute__((format(printf, 1, 2))) static bool log_notice(const char *format, ...)
{
    va_list arguments;
    bool taken;

    va_start(arguments, format);
    taken = log_line(LOG_LEVEL_WARNING, format, arguments);
    va_end(arguments);
    return taken;
}

/* Writes a line, behind the count of lines that were lost before it. Under the lock. */
static void log_take(enum log_level level, const char *format, va_list arguments)
{
    if (log_lost > 0
        && log_notice("%lu lines of this log are missing here: it was full, or nobody read it",
                      log_lost))
        log_lost = 0;
    if (log_lost > 0 || !log_line(level, format, arguments))
        log_lost++;
}

__attribute__((format(printf, 2, 3))) static void log_say(enum log_level level, const char *format,
                                                          ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_take(level, format, arguments);
    va_end(arguments);
}

/* Tells of the lines that were left out in a time that is over at `now`. Under the lock. */
static void log_tell_left_out(int64_t now)
{
    static const char *const kinds[LOG_KINDS] = {
        [LOG_KIND_REFUSED] = "refused connections",
        [LOG_KIND_PAUSE] = "pauses in which nobody is let in",
        [LOG_KIND_ABANDONED] = "saved sessions that were flushed",
        [LOG_KIND_FULL] = "refusals of objects and sessions",
        [LOG_KIND_DENIED] = "refusals of commands",
        [LOG_KIND_ACCOUNT] = "accounts that are not known",
        [LOG_KIND_UNREAD] = "calls without an answer",
        [LOG_KIND_CHIP] = "answers of the TPM that are of no use",
    };
    struct log_limit_count count;
    char account[ACCOUNT_TEXT];

    while (log_limit_ended(&log_limits, now, &count))
        log_say(LOG_LEVEL_WARNING,
                "%lu more lines about %s of %s are left out: %u a minute are written",
                count.left_out, kinds[count.kind],
                count.several ? "further users" : account_text(count.account, account),
                LOG_LIMIT_LINES);
}

static int64_t log_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&log_lock);
    log_tell_left_out(log_now());
    log_take(level, format, arguments);
    pthread_mutex_unlock(&log_lock);
    va_end(arguments);
}

void log_write_limited(enum log_level level, enum log_kind kind, uint32_t account,
                       const char *format, ...)
{
    int64_t now = log_now();
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&log_lock);
    log_tell_left_out(now);
    if (log_limit_admit(&log_limits, kind, account, now))
        log_take(level, format, arguments);
    pthread_mutex_unlock(&log_lock);
    va_end(arguments);
}

void log_close(void)
{
    pthread_mutex_lock(&log_lock);
    log_tell_left_out(INT64_MAX);
    pthread_mutex_unlock(&log_lock);
}
