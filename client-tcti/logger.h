/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the library, by the convention of tpm2-tss: TSS2_LOG holds items `module+level`, of
 * which the modules `tcti` and `all` are meant here, and TSS2_LOGFILE names a file, or is `stderr`,
 * or is `stdout` or `-`. Errors are written where TSS2_LOG says nothing of these modules. A call
 * that fails is one error at most; success is none. In a program with raised privilege
 * (secure_getenv(3)) the environment is not read.
 *
 * Bytes of commands and responses are never in a message. No descriptor stays open between
 * messages. Safe from any thread as long as none changes the environment.
 */
#pragma once

enum logger_level {
    LOGGER_NONE,
    LOGGER_ERROR,
    LOGGER_WARNING,
    LOGGER_INFO,
    LOGGER_DEBUG,
    LOGGER_TRACE,
};

/* Reads TSS2_LOG anew; `otherwise` is the level where it asks for none. Until it was called nothing
 * is written. */
void logger_configure(enum logger_level otherwise);

/* The level that TSS2_LOG's value `text` (or NULL) asks of module `tcti`. */
enum logger_level logger_parse(const char *text, enum logger_level otherwise);

__attribute__((cold, format(printf, 5, 6))) void logger_write(enum logger_level level,
                                                              const char *file, int line,
                                                              const char *function,
                                                              const char *format, ...);

__attribute__((cold)) enum logger_level logger_threshold(void);

#ifdef __FILE_NAME__
#define LOGGER_FILE __FILE_NAME__
#else
#define LOGGER_FILE __FILE__
#endif

#define logger_at(level, ...)                                                  \
    ((level) <= logger_threshold()                                             \
         ? logger_write((level), LOGGER_FILE, __LINE__, __func__, __VA_ARGS__) \
         : (void)0)
#define logger_error(...)   logger_at(LOGGER_ERROR, __VA_ARGS__)
#define logger_warning(...) logger_at(LOGGER_WARNING, __VA_ARGS__)
#define logger_debug(...)   logger_at(LOGGER_DEBUG, __VA_ARGS__)
