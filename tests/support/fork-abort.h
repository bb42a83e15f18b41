/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked into each program of cmocka's: an assertion that fails in a child of fork() ends the
 * child, by SIGABRT and with the assertion on standard error. Without it cmocka leaves the test for
 * the next one, in the child too, which would run the rest of the tests beside its parent. A test
 * that waits for a child looks at the child's status, and fails with it.
 */
#pragma once

/* Called before main(). What the environment says of CMOCKA_TEST_ABORT holds for all processes. */
void fork_abort_install(void);
