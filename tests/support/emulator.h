/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests that run under an emulator of the kernel, as QEMU's for user programs. It takes any advice
 * about memory, as the kernel does not (madvise(2)), and lacks some of what the kernel does.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static inline bool emulator_is_kernel(void)
{
    return madvise(NULL, 0, -1) == 0;
}

/* Ends a test program that needs what emulators have not: it is skipped. The line is one of the
 * test protocol too, for programs that speak it. */
static inline void emulator_lacks(const char *what)
{
    const char *protocol = getenv("CMOCKA_MESSAGE_OUTPUT");

    if (!emulator_is_kernel())
        return;
    printf("1..0 # SKIP an emulator is the kernel, which lacks %s\n", what);
    exit(protocol && strcmp(protocol, "TAP") == 0 ? EXIT_SUCCESS : 77);
}
