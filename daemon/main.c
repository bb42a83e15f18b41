/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"
#include "daemon.h"

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

int main(int argc, char **argv)
{
    struct options options;
    char *text;
    bool limited = limit_library_log();
    int status = EX_OK;

    signal(SIGPIPE, SIG_IGN);
    switch (options_parse(&options, argc, argv, &text)) {
    case OPTIONS_RUN:
        if (options.show_version) {
            printf("tabrmd version %s\n", TABRMD_VERSION);
            break;
        }
        log_open(options.logger, options.level);
        if (limited)
            log_warning("TSS2_LOG asks for levels that show passwords and keys; tpm2-tss logs up "
                        "to INFO here, its clients as they are told");
        status = daemon_run(&options);
        log_close();
        break;
    case OPTIONS_HELP:
        printf("%s", text);
        break;
    case OPTIONS_BAD:
        log_stderr(text);
        status = EX_USAGE;
        break;
    }
    free(text);
    options_clear(&options);
    return status;
}
