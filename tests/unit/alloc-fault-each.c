/* SPDX-License-Identifier: BSD-2-Clause */
#include "alloc-fault-each.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How often is looked whether something has ended; a millisecond each. */
#define MOMENTS 20000

unsigned alloc_fault_each(enum alloc_fault_kind kind, void (*attempt)(void *data), void *data)
{
    for (unsigned nth = 1; nth < ALLOC_FAULT_EACH_MOST; nth++) {
        long held = alloc_fault_held();

        alloc_fault_begin(kind, nth, false);
        attempt(data);
        if (alloc_fault_end() == 0)
            return nth - 1;
        assert_int_equal(alloc_fault_held(), held);
    }
    fail_msg("it never ends");
    return 0;
}

void alloc_fault_each_await_end(void)
{
    for (unsigned i = 0; i < MOMENTS && alloc_fault_held() != 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(alloc_fault_held(), 0);
}
