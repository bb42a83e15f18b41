/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log-journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

/* The most bytes of a text but the message. */
#define WORD_MAX 64

struct buffer {
    char *bytes;
    size_t used;
};

/* A field of digits and letters of ours. */
__attribute__((format(printf, 2, 3))) static void add(struct buffer *buffer, const char *format,
                                                      ...)
{
    size_t room = LOG_JOURNAL_MAX - buffer->used;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(buffer->bytes + buffer->used, room, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < room)
        buffer->used += (size_t)size;
}

/* A field of text: its name and a newline, the size as 8 bytes, the lowest first, and the text with
 * a newline. */
static void add_text(struct buffer *buffer, const char *name, const char *text, size_t most)
{
    size_t head = strlen(name) + 1 + 8, size = strnlen(text, most);
    size_t room = LOG_JOURNAL_MAX - buffer->used;
    char *at = buffer->bytes + buffer->used;

    if (room <= head + 1)
        return;
    if (size > room - head - 1)
        size = room - head - 1;
    at += sprintf(at, "%s\n", name);
    for (unsigned i = 0; i < 8; i++)
        *at++ = (char)((uint64_t)size >> 8 * i & 0xFF);
    memcpy(at, text, size);
    at[size] = '\n';
    buffer->used += head + size + 1;
}

static void add_user(struct buffer *buffer, const struct log_about *about)
{
    if (about->connection > 0)
        add(buffer, "TABRMD_CONNECTION=%" PRIu64 "\n", about->connection);
    if (about->of_user)
        add(buffer, "TABRMD_UID=%" PRIu32 "\n", about->uid);
    if (about->pid > 0)
        add(buffer, "TABRMD_PID=%" PRIu32 "\n", about->pid);
    if (about->program && about->program[0])
        add_text(buffer, "TABRMD_PROGRAM", about->program, WORD_MAX);
}

static void add_command(struct buffer *buffer, const struct log_about *about)
{
    if (about->command == 0)
        return;
    if (about->command_name)
        add_text(buffer, "TABRMD_COMMAND", about->command_name, WORD_MAX);
    add(buffer, "TABRMD_COMMAND_CODE=0x%" PRIX32 "\n", about->command);
    if (about->answered)
        add(buffer, "TABRMD_RESPONSE_CODE=0x%" PRIX32 "\n", about->response);
    if (about->duration > 0)
        add(buffer, "TABRMD_DURATION_USEC=%" PRIu64 "\n", about->duration);
}

size_t log_journal_build(char entry[LOG_JOURNAL_MAX], int priority, enum log_event event,
                         const struct log_about *about, const char *text)
{
    struct buffer buffer = {entry, 0};

    add(&buffer, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=tabrmd\n", priority,
        LOG_FAC(LOG_DAEMON));
    if (event < LOG_EVENT_NONE)
        add(&buffer, "MESSAGE_ID=%s\nTABRMD_EVENT=%s\n", log_events[event].id,
            log_events[event].name);
    add_user(&buffer, about);
    add_command(&buffer, about);
    add_text(&buffer, "MESSAGE", text, LOG_JOURNAL_MAX);
    return buffer.used;
}

bool log_journal_owns(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    uintmax_t device, inode;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(fd, &status) == 0
           && status.st_dev == device && status.st_ino == inode;
}
