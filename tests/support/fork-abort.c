/* SPDX-License-Identifier: BSD-2-Clause */
#include "fork-abort.h"

#include <pthread.h>
#include <stdlib.h>

/* Part of the environment. What a child changes in it needs neither memory nor a lock, which a
 * thread of its parent may have had. */
static char fork_abort_entry[] = "CMOCKA_TEST_ABORT=0";

static void fork_abort_in_child(void)
{
    fork_abort_entry[sizeof(fork_abort_entry) - 2] = '1';
}

__attribute__((constructor)) void fork_abort_install(void)
{
    if (!getenv("CMOCKA_TEST_ABORT") && putenv(fork_abort_entry) == 0)
        pthread_atfork(NULL, NULL, fork_abort_in_child);
}
