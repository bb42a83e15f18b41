/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that a test runs in a world: shell scripts with tpm2-tools that reach the daemon as
 * TPM2TOOLS_TCTI=tabrmd:bus_type=session, and the daemon itself where it is to end by itself.
 */
#pragma once

#include "world.h"

struct shell {
    struct process process;
    char *out_path, *err_path;
    char *out, *err; /* what the program wrote, once it has ended */
    int status;      /* as process_exit_status(); -1 when it did not end in time and was killed */
};

/* Starts `script` under sh -eu in the world's directory `work`. */
struct shell *shell_start(struct world *world, const char *script);

/* Starts the daemon under test with `args` alone (NULL-ended) and `env` as in process_setup. */
struct shell *shell_start_daemon(struct world *world, const char *const *args,
                                 const char *const *env);

/* Waits for the end and fills out, err and status. Returns the status. */
int shell_finish(struct shell *shell);

/* Kills what still runs. NULL is fine. */
void shell_free(struct shell *shell);

/* Runs a script to its end. Returns its status; a status that is not 0 is said on standard error
 * with what the script wrote, where `expect_success`. *out, if not NULL, gets standard output
 * without its last newline; the caller frees it with g_free(). */
int shell_run(struct world *world, const char *script, bool expect_success, char **out);
