/* SPDX-License-Identifier: BSD-2-Clause */
#include "alloc-fault-each.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

unsigned alloc_fault_each(enum alloc_fault_kind kind, void (*attempt)(void *data), void *data)
{
    for (unsigned nth = 1; nth < ALLOC_FAULT_EACH_MOST; nth++) {
        long held = alloc_fault_held();

        alloc_fault_begin(kind, nth, false);
        attempt(data);
        if (alloc_fault_end() == 0)
            return nth - 1;
        assert_true(alloc_fault_settled(held) <= held);
    }
    fail_msg("it never ends");
    return 0;
}
