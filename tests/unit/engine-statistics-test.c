/* SPDX-License-Identifier: BSD-2-Clause */
/* How times are counted, and what programs are called. */
#include "engine/peer.h"
#include "engine/statistics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_buckets_are_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(statistics_bucket(0), 0);
    assert_int_equal(statistics_bucket(999), 0);
    assert_int_equal(statistics_bucket(1000), 1);
    for (unsigned i = 1; i < STATISTICS_BUCKETS - 2; i++) {
        uint64_t limit = (UINT64_C(1) << i) * 1000;

        assert_int_equal(statistics_bucket(limit - 1), i);
        assert_int_equal(statistics_bucket(limit), i + 1);
    }
    assert_in_range(statistics_bucket(STATISTICS_LONGEST), 20, STATISTICS_BUCKETS - 1);
}

static void test_each_time_is_counted_once(void **state)
{
    struct statistics statistics = {0};
    struct statistics_tally tally = {0};

    (void)state;
    statistics_add(&statistics, 0, 3000);
    statistics_add(&statistics, 5000, 3500);
    statistics_tally_add(&tally, 0, 3000);
    statistics_tally_add(&tally, 5000, 3500);
    assert_int_equal(statistics.queue[0], 1);
    assert_int_equal(statistics.queue[3], 1);
    assert_int_equal(statistics.chip[2], 2);
    assert_int_equal(statistics.queue_ns, 5000);
    assert_int_equal(statistics.chip_ns, 6500);
    assert_int_equal(tally.commands, 2);
    assert_int_equal(tally.queue_ns, 5000);
    assert_int_equal(tally.chip_ns, 6500);
}

static void expect_name(const char *name, const char *expected)
{
    char program[PEER_PROGRAM];

    peer_name_escape(program, name);
    assert_string_equal(program, expected);
}

static void test_names_are_printable(void **state)
{
    (void)state;
    expect_name("", "");
    expect_name("tpm2_sign\n", "tpm2_sign");
    expect_name("two words", "two words");
    expect_name("a\\b", "a\\x5Cb");
    expect_name("\x1b[31m\xff", "\\x1B[31m\\xFF");
    expect_name("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
                "\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80\\x80");
}

/* A name that is too long is cut at the end of a character. */
static void test_long_names_are_cut(void **state)
{
    char name[200], program[PEER_PROGRAM];

    (void)state;
    for (unsigned plain = 0; plain < 5; plain++) {
        memset(name, 0x80, sizeof(name));
        memset(name, 'x', plain);
        name[sizeof(name) - 1] = '\0';
        peer_name_escape(program, name);
        assert_in_range(strlen(program), PEER_PROGRAM - 8, PEER_PROGRAM - 1);
        assert_string_equal(program + strlen(program) - 4, "\\x80");
    }
}

static void test_a_process_that_is_not_there_has_no_name(void **state)
{
    struct peer peer;
    int pair[2];

    (void)state;
    memset(&peer, 'x', sizeof(peer));
    peer_of_process(&peer, 0);
    assert_int_equal(peer.pid, 0);
    assert_string_equal(peer_program(&peer), "");
    peer_of_process(&peer, UINT32_MAX);
    assert_int_equal(peer.pid, UINT32_MAX);
    assert_string_equal(peer_program(&peer), "");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    peer_of_socket(&peer, pair[0]);
    assert_int_equal(peer.pid, (uint32_t)getpid());
    assert_string_equal(peer.program, "");
    assert_string_not_equal(peer_program(&peer), "");
    peer.pid = 0;
    assert_string_not_equal(peer_program(&peer), "");
    close(pair[0]);
    close(pair[1]);
    peer_of_socket(&peer, -1);
    assert_int_equal(peer.pid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_are_powers_of_two),
        cmocka_unit_test(test_each_time_is_counted_once),
        cmocka_unit_test(test_names_are_printable),
        cmocka_unit_test(test_long_names_are_cut),
        cmocka_unit_test(test_a_process_that_is_not_there_has_no_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
