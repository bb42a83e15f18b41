/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a daemon under a service manager that keeps descriptors (keeper.h), as its unit does.
 *
 *     bench-keeper DIRECTORY LOG DAEMON ARGUMENT...
 *
 * Its socket is made in the directory, and what the daemon says goes to the file. The answer is
 * "ok" and the daemon's process number once that is ready, or "error". At the end of standard input
 * the daemon ends too.
 */
#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>

/* Descriptors that are kept, as in the service's unit. */
#define KEPT_MAX 1152

int main(int argc, char **argv)
{
    struct keeper_setup setup = {.max = KEPT_MAX};
    struct keeper *keeper;
    bool started;

    if (argc < 4) {
        fprintf(stderr, "usage: bench-keeper DIRECTORY LOG DAEMON ARGUMENT...\n");
        return EXIT_FAILURE;
    }
    setup.directory = argv[1];
    setup.log = argv[2];
    setup.argv = (const char *const *)argv + 3;
    keeper = keeper_new(&setup);
    started = keeper && keeper_start(keeper);
    if (started)
        printf("ok %d\n", (int)keeper_pid(keeper));
    else
        printf("error\n");
    fflush(stdout);
    while (started && getchar() != EOF)
        ;
    if (started)
        keeper_stop(keeper);
    keeper_free(keeper);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
