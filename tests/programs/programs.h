/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each test gives one job to programs of the system, which know of the daemon by the TCTI's name
 * alone. The job is a shell function; it says itself which of its steps failed. Then the daemon
 * ends, and the TPM must be empty but for what the job made persistent.
 */
#pragma once

#include "shell.h"
#include "suite.h"

#include <stdio.h>

/* Runs `job` of `theme`.sh in a directory of its own. */
static inline void programs_run(void **state, const char *theme, const char *job)
{
    struct world *world = *state;
    char *script = g_strdup_printf("JOBS='%s/lib/jobs.sh' PROGRAMS='%s'; . \"$JOBS\"; "
                                   ". \"$PROGRAMS/common.sh\"; . \"$PROGRAMS/%s.sh\"; %s",
                                   TEST_SCRIPTS, TEST_PROGRAMS, theme, job);

    assert_int_equal(shell_run(world, script, true, NULL), 0);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
    g_free(script);
}
