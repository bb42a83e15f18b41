/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients outlive the daemon: it is restarted, killed, stopped, and they go on. */
#include "holder.h"
#include "kept.h"

#include <signal.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

static int setup(void **state)
{
    static const char *const no_args[] = {NULL};

    return kept_world_with(state, no_args, KEPT_MAX);
}

static void test_a_restart_keeps_all(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    for (unsigned i = 0; i < 3; i++) {
        assert_true(keeper_restart(kept->keeper));
        holder_expect(&one);
        holder_expect(&other);
    }
    kept_expect_log(kept, "2 connections of a former daemon are served on, with 2 objects and 4 "
                          "sessions");
    assert_int_equal(keeper_kept(kept->keeper, "c"), 2);
    holder_free(&one);
    holder_free(&other);
    assert_true(keeper_await_kept(kept->keeper, "c", 0));
}

static void test_a_kill_keeps_all(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    for (unsigned i = 0; i < 2; i++) {
        assert_true(keeper_kill(kept->keeper, SIGKILL));
        holder_expect(&one);
        holder_expect(&other);
    }
    holder_free(&one);
    holder_free(&other);
    assert_true(keeper_await_kept(kept->keeper, "c", 0));
}

/* The command that the chip was at is never sent again, and its client is told so. */
static void test_a_kill_in_a_command_is_a_lost_answer(void **state)
{
    struct kept *kept = *state;
    struct holder idle = holder_new(kept->world, SERVED_BUS);
    struct holder busy = holder_new(kept->world, SERVED_SOCKET);
    struct counts before, after;

    counts_read(kept->world->counts, &before);
    holder_begin(&busy, kept->world, 60000);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    assert_int_equal(holder_finish(&busy), 0xB0101);
    counts_read(kept->world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 1);
    holder_expect(&busy);
    holder_expect(&idle);
    holder_free(&busy);
    holder_free(&idle);
}

/* The restart waits for the command, which is answered. */
static void test_a_restart_waits_for_the_command(void **state)
{
    struct kept *kept = *state;
    struct holder busy = holder_new(kept->world, SERVED_SOCKET);

    holder_begin(&busy, kept->world, 1000);
    assert_true(keeper_restart(kept->keeper));
    assert_int_equal(holder_finish(&busy), TSS2_RC_SUCCESS);
    holder_expect(&busy);
    holder_free(&busy);
}

static void test_a_stop_ends_all(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);

    assert_int_equal(keeper_stop(kept->keeper), 0);
    assert_true(world_chip_empty(kept->world));
    holder_expect_end(&one);
    holder_expect_end(&other);
    holder_free(&one);
    holder_free(&other);
}

/* Three times in a row the daemon dies of the same clients. */
static void test_crashes_in_a_row_end_in_a_clean_start(void **state)
{
    struct kept *kept = *state;
    struct holder holder = holder_new(kept->world, SERVED_SOCKET);

    /* A restart before them is none. */
    assert_true(keeper_restart(kept->keeper));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(keeper_kill(kept->keeper, SIGKILL));
        assert_int_equal(esys_client_random(holder.client, 8), TSS2_RC_SUCCESS);
    }
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    holder_expect_end(&holder);
    kept_expect_log(kept, "tabrmd died 3 times in a row");
    holder_free(&holder);
}

/* A command of which the daemon dies twice is not tried a third time, and others go on. */
static void test_the_connection_at_the_desk_ends_at_the_second_crash(void **state)
{
    struct kept *kept = *state;
    struct holder idle = holder_new(kept->world, SERVED_BUS);
    struct holder busy = holder_new(kept->world, SERVED_SOCKET);

    assert_true(keeper_kill(kept->keeper, SIGKILL));
    holder_begin(&busy, kept->world, 60000);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    assert_int_equal(holder_finish(&busy) & TSS2_RC_LAYER_MASK, TSS2_TCTI_RC_LAYER);
    holder_expect(&idle);
    holder_free(&busy);
    holder_free(&idle);
}

#define ENDURANCE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, kept_end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENDURANCE_TEST(test_a_restart_keeps_all),
        ENDURANCE_TEST(test_a_kill_keeps_all),
        ENDURANCE_TEST(test_a_kill_in_a_command_is_a_lost_answer),
        ENDURANCE_TEST(test_a_restart_waits_for_the_command),
        ENDURANCE_TEST(test_a_stop_ends_all),
        ENDURANCE_TEST(test_crashes_in_a_row_end_in_a_clean_start),
        ENDURANCE_TEST(test_the_connection_at_the_desk_ends_at_the_second_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
