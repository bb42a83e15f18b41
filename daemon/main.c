/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"
#include "daemon.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/*
 * tpm2-tss writes to standard error unless told otherwise, and at its two lowest levels all bytes
 * of commands and responses, passwords among them. True when it was asked to do that.
 */
static bool limit_library_log(void)
{
    const char *wanted = getenv("TSS2_LOG");
    bool all = wanted && (strcasestr(wanted, "debug") || strcasestr(wanted, "trace"));

    setenv("TSS2_LOG", "all+NONE", 0);
    if (all)
        setenv("TSS2_LOG", "all+INFO", 1);
    return all;
}

static void print_errors(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i] && lines[i][0]; i++)
        log_stderr(lines[i]);
}

static int run(struct options *options, const struct reload_source *source, const char *warnings,
               bool limited)
{
    g_auto(GStrv) lines = g_strsplit(warnings ? warnings : "", "\n", -1);
    int status;

    if (options->show_version) {
        printf("tabrmd version %s\n", TABRMD_VERSION);
        return EX_OK;
    }
    log_open(options->logger, options->level);
    if (limited)
        log_warning("TSS2_LOG asks for levels that show passwords and keys; tpm2-tss logs up "
                    "to INFO here, its clients as they are told");
    for (unsigned i = 0; lines[i] && lines[i][0]; i++)
        log_warning("%s", lines[i]);
    status = daemon_run(options, source);
    log_close();
    return status;
}

int main(int argc, char **argv)
{
    static const struct conf_places places = {TABRMD_CONFIG_FILE, TABRMD_VENDOR_DIR};
    struct reload_source source = {argc, argv, &places};
    struct options options;
    char *text;
    bool limited = limit_library_log();
    int status = EX_OK;

    signal(SIGPIPE, SIG_IGN);
    switch (options_parse(&options, argc, argv, &places, &text)) {
    case OPTIONS_RUN:
        status = run(&options, &source, text, limited);
        break;
    case OPTIONS_PRINT:
        printf("%s", text);
        break;
    case OPTIONS_BAD:
        print_errors(text);
        status = EX_USAGE;
        break;
    case OPTIONS_UNFIT:
        print_errors(text);
        status = EX_CONFIG;
        break;
    }
    free(text);
    options_clear(&options);
    return status;
}
