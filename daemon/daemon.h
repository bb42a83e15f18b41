/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole daemon: the main thread's loop between bus, engine, signals and the service manager.
 *
 * Exit statuses are those of sysexits.h:
 *
 *   EX_OK           0  ended as asked by SIGTERM or SIGINT
 *   EX_USAGE       64  bad command line
 *   EX_UNAVAILABLE 69  no TPM 2.0 that works, or no bus
 *   EX_OSERR       71  threads, descriptors or memory are out
 *   EX_CANTCREAT   73  the socket cannot be where --socket says
 *   EX_IOERR       74  the TPM's device went away
 *   EX_TEMPFAIL    75  another program has the TPM, the name on the bus or the socket
 *   EX_NOPERM      77  no right to the TPM, the name or the socket's place; started as root without
 *                      --allow-root
 *   EX_CONFIG      78  --tcti names nothing that can be a TPM; a configuration file is wrong
 */
#pragma once

#include "reload.h"

/* Runs until the daemon is to end; returns the exit status. `source` is where the options came
 * from, which may change while it runs. Once in a process. */
int daemon_run(struct options *options, const struct reload_source *source);
