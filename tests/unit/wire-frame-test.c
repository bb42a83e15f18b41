/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a command ends in a stream of bytes. */
#include "wire/frame.h"

#include "wire/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MAX 64

static void test_R12_frame_sizes(void **state)
{
    static const struct {
        size_t have;
        uint32_t said;
        enum frame_state result;
        size_t size;
    } cases[] = {
        {0, 12, FRAME_PARTIAL, HEADER_SIZE},
        {5, 12, FRAME_PARTIAL, HEADER_SIZE},
        {5, 0, FRAME_PARTIAL, HEADER_SIZE},
        {6, 12, FRAME_PARTIAL, 12},
        {11, 12, FRAME_PARTIAL, 12},
        {12, 12, FRAME_WHOLE, 12},
        {40, 12, FRAME_WHOLE, 12},
        {10, 10, FRAME_WHOLE, 10},
        {6, 9, FRAME_BAD, HEADER_SIZE},
        {6, 0, FRAME_BAD, HEADER_SIZE},
        {MAX, MAX, FRAME_WHOLE, MAX},
        {6, MAX + 1, FRAME_BAD, HEADER_SIZE},
        {6, 0xffffffff, FRAME_BAD, HEADER_SIZE},
    };
    uint8_t bytes[MAX] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = 0;

        header_store(bytes, 0x8001, cases[i].said, 0x17b);
        assert_int_equal(frame_look(bytes, cases[i].have, MAX, &size), cases[i].result);
        assert_int_equal(size, cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R12_frame_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
