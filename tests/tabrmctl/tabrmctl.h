/* SPDX-License-Identifier: BSD-2-Clause */
/* What each test of tabrmctl needs: a shell script in a world, in which `tabrmctl` is the program
 * under test, and what the script writes. */
#pragma once

#include "shell.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Runs `script` to its end; its status. *out gets what it wrote to standard output and to standard
 * error, without the last newline; the caller frees it with g_free(). */
static inline int tabrmctl_script(struct world *world, const char *script, char **out)
{
    g_autofree char *whole =
        g_strdup_printf("exec 2>&1; PATH='%s':$PATH; T='%s'; unset NO_COLOR; %s", TEST_TABRMCTL_DIR,
                        TEST_TABRMCTL, script);

    return shell_run(world, whole, false, out);
}

/* Runs `script`, which must end with `status` and have written each of `texts` (NULL-ended). */
static inline void tabrmctl_expect(struct world *world, const char *script, int status,
                                   const char *const *texts)
{
    g_autofree char *out = NULL;
    int ended = tabrmctl_script(world, script, &out);
    bool good = ended == status;

    for (; *texts; texts++) {
        if (!strstr(out, *texts)) {
            fprintf(stderr, "not said: %s\n", *texts);
            good = false;
        }
    }
    if (!good)
        fprintf(stderr, "status %d, expected %d, of: %s\n%s\n", ended, status, script, out);
    assert_true(good);
}

/* The same with the texts as arguments. */
#define expect(world, script, status, ...) \
    tabrmctl_expect((world), (script), (status), (const char *const[]){__VA_ARGS__, NULL})
