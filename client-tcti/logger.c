/* SPDX-License-Identifier: BSD-2-Clause */
#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

/* The longest line that is written, its newline included; what is over is cut. */
#define LINE_MAX_BYTES 1024

static atomic_int logger_current = LOGGER_NONE;

/* Indexed by enum logger_level: the word in TSS2_LOG, and the one that begins a line. */
static const struct {
    const char *word;
    const char *prefix;
} logger_levels[] = {
    [LOGGER_NONE] = {"none", ""},
    [LOGGER_ERROR] = {"error", "ERROR"},
    [LOGGER_WARNING] = {"warning", "WARNING"},
    [LOGGER_INFO] = {"info", "info"},
    [LOGGER_DEBUG] = {"debug", "debug"},
    [LOGGER_TRACE] = {"trace", "trace"},
};

enum logger_level logger_threshold(void)
{
    return (enum logger_level)atomic_load_explicit(&logger_current, memory_order_relaxed);
}

static int logger_word_is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

enum logger_level logger_parse(const char *text, enum logger_level otherwise)
{
    enum logger_level level = otherwise;
    size_t length, module, i;

    for (; text != NULL && *text != '\0'; text += length + (text[length] == ',')) {
        length = strcspn(text, ",");
        module = strcspn(text, "+,");
        if (module == length
            || (!logger_word_is(text, module, "tcti") && !logger_word_is(text, module, "all")))
            continue;
        for (i = 0; i < sizeof(logger_levels) / sizeof(logger_levels[0]); i++)
            if (logger_word_is(text + module + 1, length - module - 1, logger_levels[i].word))
                level = (enum logger_level)i;
    }
    return level;
}

void logger_configure(enum logger_level otherwise)
{
    atomic_store_explicit(&logger_current, logger_parse(secure_getenv("TSS2_LOG"), otherwise),
                          memory_order_relaxed);
}

static void logger_put(const char *line, size_t size)
{
    const char *file = secure_getenv("TSS2_LOGFILE");
    int fd = STDERR_FILENO, opened = -1;

    if (file != NULL && (strcmp(file, "-") == 0 || strcmp(file, "stdout") == 0))
        fd = STDOUT_FILENO;
    else if (file != NULL && *file != '\0' && strcmp(file, "stderr") != 0)
        opened = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (opened >= 0)
        fd = opened;
    /* A line that cannot be written is lost. */
    (void)!write(fd, line, size);
    if (opened >= 0)
        close(opened);
}

void logger_write(enum logger_level level, const char *file, int line, const char *function,
                  const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    int used, more, saved_errno = errno;
    va_list arguments;

    used = snprintf(text, sizeof(text), "%s:tcti:%s:%d:%s() ", logger_levels[level].prefix, file,
                    line, function);
    va_start(arguments, format);
    more = vsnprintf(text + used, sizeof(text) - (size_t)used - 2, format, arguments);
    va_end(arguments);
    used = MIN(used + MAX(more, 0), (int)sizeof(text) - 3);
    text[used++] = ' ';
    text[used++] = '\n';
    logger_put(text, (size_t)used);
    errno = saved_errno;
}
