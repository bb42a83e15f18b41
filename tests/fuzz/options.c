/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: the input is its words, each ended by a zero byte. What is accepted is in the
 * ranges that options.h promises; what is not is answered with a sentence of one line. Words that
 * name a file to read are left out: what is in it is another target's.
 */
#include "options.h"

#include "engine/engine.h"
#include "fuzz.h"

#include <string.h>

#define MAX_WORDS 32
#define FILE_WORD "--config"

static void check_accepted(const struct options *options)
{
    fuzz_must(options->tcti && options->tcti[0], "no TCTI");
    fuzz_must(options->bus_name && strchr(options->bus_name, '.') && options->bus_name[0] != ':',
              "bus name \"%s\"", options->bus_name ? options->bus_name : "");
    fuzz_must(options->limits.max_connections >= 1 && options->limits.max_connections <= 16384,
              "%u connections", options->limits.max_connections);
    fuzz_must(options->limits.max_sessions >= 1 && options->limits.max_sessions <= 64,
              "%u sessions", options->limits.max_sessions);
    fuzz_must(options->limits.max_transients >= 1 && options->limits.max_transients <= 1024,
              "%u objects", options->limits.max_transients);
    fuzz_must(options->reserve.objects <= RESERVE_MOST && options->reserve.sessions <= RESERVE_MOST,
              "a reserve of %u and %u", options->reserve.objects, options->reserve.sessions);
    fuzz_must(options->idle_release_ms >= 0 || options->idle_release_ms == IDLE_NEVER
                  || options->idle_release_ms == IDLE_AUTO,
              "a quiet time of %d ms", options->idle_release_ms);
    fuzz_must(options->logger == LOG_SINK_STDOUT || options->logger == LOG_SINK_SYSLOG,
              "log sink %d", (int)options->logger);
}

static void check_result(enum options_result result, const struct options *options,
                         const char *text)
{
    switch (result) {
    case OPTIONS_RUN:
        fuzz_must(!text, "a good command line has the message \"%s\"", text);
        check_accepted(options);
        return;
    case OPTIONS_PRINT:
        fuzz_must(text && (strstr(text, "tcti") || strstr(text, "nothing is wrong")),
                  "what was asked for is not there");
        return;
    case OPTIONS_UNFIT:
        fuzz_must(0, "no file was read, and the reason is one: %s", text);
        return;
    case OPTIONS_BAD:
        fuzz_must(text && text[0], "a command line is refused without a reason");
        fuzz_must(!strchr(text, '\n'), "the reason is more than a line: %s", text);
        return;
    }
    fuzz_must(0, "result %d", (int)result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), *argv[MAX_WORDS + 2] = {0}, *text = NULL;
    static char program[] = "tabrmd";
    enum options_result result;
    struct options options;
    int argc = 0;

    fuzz_must(copy, "no memory");
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    argv[argc++] = program;
    for (size_t at = 0; at < size && argc <= MAX_WORDS; at += strlen(copy + at) + 1)
        if (strncmp(copy + at, FILE_WORD, strlen(FILE_WORD)) != 0)
            argv[argc++] = copy + at;
    result = options_parse(&options, argc, argv, NULL, &text);
    check_result(result, &options, text);
    free(text);
    options_clear(&options);
    free(copy);
    return 0;
}
