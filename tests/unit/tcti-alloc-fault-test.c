/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCTI while memory or descriptors are out, and what it leaves in memory. It is compiled once
 * more for this, with seams.h. */
#include "alloc-fault.h"
#include "descriptor-count.h"
#include "tcti-bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>

#include <cmocka.h>

/* More requests than anything here makes. */
#define MANY 100

static const char secret[] = "what the TPM says to one client";

/* An answer that does not fit, with the secret at its end. */
static void answer_too_long(struct bench *bench)
{
    uint8_t bytes[sizeof(bench->response) + sizeof(secret)] = {0};

    memcpy(bytes + sizeof(bench->response), secret, sizeof(secret));
    assert_int_equal(send(bench->chip.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static void test_an_answer_that_is_discarded_is_wiped(void **state)
{
    struct bench *bench = *state;

    alloc_fault_watch(secret, sizeof(secret));
    answer_too_long(bench);
    assert_int_equal(bench_transact(bench, 0), -EMSGSIZE);
    assert_int_equal(alloc_fault_watch(NULL, 0), 0);
}

/* Without memory for an answer that is too long it stays where it is, and the transport ends. */
static void test_R42_no_memory_to_discard_an_answer(void **state)
{
    struct bench *bench = *state;
    long held = alloc_fault_held();

    answer_too_long(bench);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    assert_int_equal(bench_transact(bench, 0), -ENOMEM);
    assert_int_equal(alloc_fault_end(), 1);
    assert_false(tcti_is_open(bench->tcti));
    assert_int_equal(alloc_fault_held(), held);
}

/* Each request of opening is refused in turn; nothing is left of it. */
static void expect_openings(struct bench *bench, enum alloc_fault_kind kind)
{
    unsigned nth = 1, open = descriptor_count();

    for (;; nth++) {
        uint32_t rc;

        assert_true(nth < MANY);
        alloc_fault_begin(kind, nth, false);
        rc = tcti_open(bench->tcti, bench->chip.conf);
        if (alloc_fault_end() == 0) {
            assert_int_equal(rc, TSS2_RC_SUCCESS);
            break;
        }
        assert_int_equal(rc, TSS2_TCTI_RC_MEMORY);
        assert_false(tcti_is_open(bench->tcti));
        assert_true(descriptor_count() < open);
    }
    assert_true(nth > 1);
    assert_true(tcti_is_open(bench->tcti));
    assert_false(tcti_blocks(bench->tcti));
    assert_int_equal(descriptor_count(), open);
}

static void test_R42_openings_without_memory_or_descriptors(void **state)
{
    struct bench *bench = *state;

    expect_openings(bench, ALLOC_FAULT_MEMORY);
    expect_openings(bench, ALLOC_FAULT_DESCRIPTORS);
}

static void expect_none_made(enum alloc_fault_kind kind)
{
    static const struct tcti_waiter nothing = {.fd = -1};
    unsigned nth = 1, before = descriptor_count();
    long held = alloc_fault_held();

    for (;; nth++) {
        struct tcti *tcti;

        assert_true(nth < MANY);
        alloc_fault_begin(kind, nth, false);
        tcti = tcti_new(&nothing);
        if (alloc_fault_end() == 0) {
            assert_non_null(tcti);
            tcti_free(tcti);
            break;
        }
        assert_null(tcti);
        assert_int_equal(alloc_fault_held(), held);
        assert_int_equal(descriptor_count(), before);
    }
    assert_true(nth > 1);
    assert_int_equal(alloc_fault_held(), held);
    assert_int_equal(descriptor_count(), before);
}

static void test_R42_no_memory_or_descriptor_for_a_tcti(void **state)
{
    (void)state;
    expect_none_made(ALLOC_FAULT_MEMORY);
    expect_none_made(ALLOC_FAULT_DESCRIPTORS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R42_no_memory_or_descriptor_for_a_tcti),
        TEST(test_R42_no_memory_to_discard_an_answer),
        TEST(test_R42_openings_without_memory_or_descriptors),
        TEST(test_an_answer_that_is_discarded_is_wiped),
    };

    return cmocka_run_group_tests_name("tcti-alloc-fault", tests, NULL, NULL);
}
