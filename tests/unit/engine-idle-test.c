/* SPDX-License-Identifier: BSD-2-Clause */
/* When the TPM is cleaned up and how far, on the resource manager over libtpms. */
#include "engine/idle.h"

#include "base/clock.h"

#include "esys-jobs.h"
#include "rm-world.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOUR_MS 3600000

struct night {
    struct rm_world *world;
    struct loop loop;
    struct idle idle;
};

/* A client that holds a key, which is in the chip. */
static int setup(void **state)
{
    static struct night night;

    night.world = rm_world_new(NULL);
    job_primary(rm_world_connect(night.world, 0, 1000), ESYS_TR_RH_OWNER);
    assert_int_equal(loop_init(&night.loop), 0);
    idle_init(&night.idle, &night.loop, IDLE_AUTO, false);
    *state = &night;
    return 0;
}

static int teardown(void **state)
{
    struct night *night = *state;

    rm_world_free(night->world);
    loop_clear(&night->loop);
    return 0;
}

static unsigned keys_in_chip(struct night *night)
{
    return rm_world_in_chip(night->world, HANDLE_TRANSIENT_FIRST);
}

static enum idle_progress clean_up(struct night *night, bool suspending, bool others)
{
    enum idle_progress progress = IDLE_MORE;

    for (unsigned i = 0; i < 100 && progress == IDLE_MORE; i++)
        progress = idle_step(&night->idle, night->world->rm, suspending, others);
    return progress;
}

static void test_it_is_due_after_the_quiet_time(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, HOUR_MS, false);
    idle_arm(&night->idle, clock_now());
    loop_run(&night->loop, 0, 1);
    assert_false(night->idle.due);
    timer_disarm(&night->idle.quiet);
    idle_init(&night->idle, &night->loop, 0, false);
    idle_arm(&night->idle, clock_now());
    loop_run(&night->loop, -1, 1);
    assert_true(night->idle.due);
    /* Something happens again: the quiet time begins anew. */
    night->idle.release_ms = HOUR_MS;
    idle_arm(&night->idle, clock_now());
    assert_false(night->idle.due);
    loop_run(&night->loop, 0, 1);
    assert_false(night->idle.due);
}

/* How long it is, by the configuration. */
static void test_quiet_times(void **state)
{
    static const struct {
        int release_ms, pause;
    } cases[] = {{IDLE_AUTO, 250}, {IDLE_NEVER, 250}, {0, 0}, {1, 1}, {HOUR_MS, HOUR_MS}};
    struct night *night = *state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        idle_init(&night->idle, &night->loop, cases[i].release_ms, false);
        night->idle.kept_loaded = true;
        idle_arm(&night->idle, clock_now());
        assert_int_equal(night->idle.quiet.pause, cases[i].pause);
        assert_false(night->idle.kept_loaded);
        timer_disarm(&night->idle.quiet);
    }
}

/* Where nobody else wants the TPM the key is saved, and stays; a step sends one command. */
static void test_what_may_be_used_again_is_saved_and_stays(void **state)
{
    struct night *night = *state;

    libtpms_chip_clear_counts(night->world->chip);
    assert_int_equal(idle_step(&night->idle, night->world->rm, false, false), IDLE_MORE);
    assert_true(night->idle.due);
    assert_int_equal(night->world->chip->commands, 1);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(libtpms_chip_count(night->world->chip, TPM2_CC_ContextSave), 1);
    assert_int_equal(libtpms_chip_count(night->world->chip, TPM2_CC_FlushContext), 0);
    assert_int_equal(keys_in_chip(night), 1);
    assert_true(night->idle.kept_loaded);
    assert_false(night->idle.due);
    assert_false(timer_is_armed(&night->idle.quiet));
}

static void test_others_find_it_empty(void **state)
{
    struct night *night = *state;

    assert_int_equal(clean_up(night, false, true), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
    assert_false(night->idle.kept_loaded);
}

/* What was left for want of others leaves when there are some. */
static void test_way_is_made_for_others_who_come_later(void **state)
{
    struct night *night = *state;

    idle_make_way(&night->idle);
    assert_false(timer_is_armed(&night->idle.quiet));
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    idle_make_way(&night->idle);
    assert_true(timer_is_armed(&night->idle.quiet));
    assert_int_equal(clean_up(night, false, true), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
}

static void test_policy_of_the_configuration(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, IDLE_NEVER, false);
    assert_int_equal(clean_up(night, false, true), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 1);
    assert_false(night->idle.kept_loaded);
    idle_init(&night->idle, &night->loop, HOUR_MS, false);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
}

static void test_at_once_is_a_configuration_too(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, 0, false);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
}

static void test_nothing_is_left_for_sleep_to_lose(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, IDLE_NEVER, false);
    assert_int_equal(clean_up(night, true, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
}

/* Where nobody tells of sleep, what is saved leaves after a long quiet time. */
static void test_untold_sleep_is_reckoned_with(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, IDLE_AUTO, true);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 1);
    assert_true(timer_is_armed(&night->idle.quiet));
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
    assert_false(timer_is_armed(&night->idle.quiet));
}

static void touch(void *data, const uint8_t *command)
{
    (void)command;
    idle_arm(data, clock_now());
}

/* A client that came while the TPM worked: the clean-up waits for a quiet time again. */
static void test_what_happens_in_a_step_ends_it(void **state)
{
    struct night *night = *state;

    night->world->chip->between = touch;
    night->world->chip->between_data = &night->idle;
    assert_int_equal(idle_step(&night->idle, night->world->rm, true, false), IDLE_MORE);
    assert_false(night->idle.due);
    assert_true(timer_is_armed(&night->idle.quiet));
    night->world->chip->between = NULL;
}

/* Without a quiet time, and whatever the configuration says; then all is as before. */
static void test_it_is_emptied_on_order(void **state)
{
    struct night *night = *state;

    idle_init(&night->idle, &night->loop, IDLE_NEVER, false);
    idle_arm(&night->idle, clock_now());
    assert_false(night->idle.due);
    idle_order(&night->idle);
    assert_true(night->idle.due);
    assert_int_equal(idle_step(&night->idle, night->world->rm, false, false), IDLE_MORE);
    /* A command comes in between. */
    idle_arm(&night->idle, clock_now());
    assert_true(night->idle.due);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 0);
    assert_int_equal(night->idle.ordered, 0);
    assert_false(night->idle.due);
    job_primary(night->world->clients[0].esys, ESYS_TR_RH_OWNER);
    assert_int_equal(clean_up(night, false, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 1);
}

/* What is loaded again and again is not flushed for ever. */
static void test_an_order_ends(void **state)
{
    struct night *night = *state;
    unsigned steps = 0;

    idle_init(&night->idle, &night->loop, IDLE_NEVER, false);
    idle_order(&night->idle);
    night->idle.ordered = 10;
    for (; night->idle.ordered > 0; steps++) {
        assert_true(steps < 100);
        idle_step(&night->idle, night->world->rm, false, false);
        if (keys_in_chip(night) == 0)
            job_primary(night->world->clients[0].esys, ESYS_TR_RH_OWNER);
    }
    assert_int_equal(steps, 10);
}

static void test_without_a_tpm_there_is_nothing_to_clean(void **state)
{
    struct night *night = *state;

    assert_int_equal(idle_step(&night->idle, NULL, true, false), IDLE_CLEAN);
    libtpms_chip_inject(night->world->chip, CHIP_FAULT_TRANSPORT, 0, 0, 1);
    job_random(night->world->clients[0].esys);
    assert_true(rm_tpm_lost(night->world->rm));
    assert_int_equal(idle_step(&night->idle, night->world->rm, true, false), IDLE_CLEAN);
    assert_int_equal(keys_in_chip(night), 1);
    assert_int_equal(job_random(night->world->clients[0].esys), 0);
}

#define IDLE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IDLE_TEST(test_it_is_due_after_the_quiet_time),
        IDLE_TEST(test_quiet_times),
        IDLE_TEST(test_what_may_be_used_again_is_saved_and_stays),
        IDLE_TEST(test_others_find_it_empty),
        IDLE_TEST(test_way_is_made_for_others_who_come_later),
        IDLE_TEST(test_policy_of_the_configuration),
        IDLE_TEST(test_at_once_is_a_configuration_too),
        IDLE_TEST(test_nothing_is_left_for_sleep_to_lose),
        IDLE_TEST(test_untold_sleep_is_reckoned_with),
        IDLE_TEST(test_what_happens_in_a_step_ends_it),
        IDLE_TEST(test_it_is_emptied_on_order),
        IDLE_TEST(test_an_order_ends),
        IDLE_TEST(test_without_a_tpm_there_is_nothing_to_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
