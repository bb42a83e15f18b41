/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test program needs beside what it is built with: programs and modules of other packages,
 * such as swtpm. meson.build names them in TABRMD_TEST_NEEDS, by the names of needs.c's table.
 * Where one is missing the program says which, and the package of Debian that has it, and is
 * skipped before its first test; with TABRMD_TEST_WHOLE set, as by scripts/test, it fails.
 */
#pragma once

/* Does so; runs before main(). */
void needs_check(void);
