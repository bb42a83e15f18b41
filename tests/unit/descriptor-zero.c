/* SPDX-License-Identifier: BSD-2-Clause */
#include "descriptor-zero.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static int kept = -1;

void descriptor_zero_give_up(void)
{
    kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    assert_true(kept >= 0);
    close(STDIN_FILENO);
}

void descriptor_zero_take_back(void)
{
    assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    close(kept);
}
