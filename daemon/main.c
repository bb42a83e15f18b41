/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

int main(int argc, char **argv)
{
    struct options options;
    char *text;
    int status = EX_OK;

    /* tpm2-tss writes to standard error unless told otherwise. */
    setenv("TSS2_LOG", "all+NONE", 0);
    signal(SIGPIPE, SIG_IGN);
    switch (options_parse(&options, argc, argv, &text)) {
    case OPTIONS_RUN:
        if (options.show_version) {
            printf("tabrmd version %s\n", TABRMD_VERSION);
            break;
        }
        log_open(options.logger, options.level);
        status = daemon_run(&options);
        break;
    case OPTIONS_HELP:
        printf("%s", text);
        break;
    case OPTIONS_BAD:
        fprintf(stderr, "tabrmd: %s\n", text);
        status = EX_USAGE;
        break;
    }
    free(text);
    options_clear(&options);
    return status;
}
