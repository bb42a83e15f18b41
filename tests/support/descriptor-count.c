/* SPDX-License-Identifier: BSD-2-Clause */
#include "descriptor-count.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How often is looked whether all are closed; a millisecond each. */
#define MOMENTS 20000

unsigned descriptor_count(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

unsigned descriptor_count_settled(unsigned count)
{
    for (unsigned i = 0; i < MOMENTS && descriptor_count() != count; i++)
        poll(NULL, 0, 1);
    return descriptor_count();
}
