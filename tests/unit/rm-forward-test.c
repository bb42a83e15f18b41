/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's command on its way to the chip: what is sent, and what becomes of the bytes. */
#include "rm-script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT(n) (UINT32_C(0x80000000) + (n))

/* The chip gets a copy, each time anew, of which nothing is left. */
static void test_bytes_of_a_command_stay_as_they_came(void **state)
{
    static const uint8_t zeros[HEADER_SIZE + 8];
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, OBJECT(9)), other;
    uint8_t command[HEADER_SIZE + 8], before[HEADER_SIZE + 8];
    size_t size;

    other = rm_script_make(script, 0, OBJECT(8));
    rm_script_make(script, 0, OBJECT(7));
    assert_int_equal(rm_script_flush(script, 0, OBJECT(2)), TPM2_RC_SUCCESS);
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), CC_BOTH);
    store_be32(command + HEADER_SIZE, other);
    store_be32(command + HEADER_SIZE + 4, first);
    memcpy(before, command, sizeof(command));
    expect_named(script, CC_BOTH, 2, OBJECT(8), OBJECT(9), TPM2_RC_OBJECT_MEMORY);
    expect_flush(&script->chip, OBJECT(7), TPM2_RC_SUCCESS);
    expect_named(script, CC_BOTH, 2, OBJECT(8), OBJECT(9), TPM2_RC_SUCCESS);
    size = rm_execute(script->rm, script->clients[0], command, sizeof(command), script->response);
    assert_int_equal(size, HEADER_SIZE);
    assert_int_equal(header_load(script->response).code, TPM2_RC_SUCCESS);
    assert_memory_equal(command, before, sizeof(command));
    assert_memory_equal(script->rm->forwarded, zeros, sizeof(zeros));
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_of_a_command_stay_as_they_came),
    };

    return cmocka_run_group_tests_name("rm-forward", tests, NULL, NULL);
}
