/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine on a clock that jumps, as one does for a process or a machine that stood still for a
 * while, and as the monotonic clock must never do; and what it does when its time has come. The
 * engine is compiled once more for this, with seams.h.
 */
#include "alloc-fault.h"
#include "base/log.h"
#include "engine-tcti.h"
#include "engine-world.h"
#include "esys-jobs.h"
#include "fake-clock.h"
#include "libtpms-chip.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000) /* milliseconds */
#define DAY  (24 * HOUR)

static const int64_t jumps[] = {10 * HOUR, -10 * HOUR, 60 * DAY, -60 * DAY};

#define JUMPS (sizeof(jumps) / sizeof(jumps[0]))

static int teardown(void **state)
{
    fake_clock_reset();
    alloc_fault_end();
    return engine_world_teardown(state);
}

static void answer(struct engine_world *world, int client)
{
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
}

/* What a jump back leads to does not depend on when the machine was booted. */
static void test_R61_clock_has_a_beginning_of_its_own(void **state)
{
    struct timespec now;

    (void)state;
    fake_clock_gettime(CLOCK_MONOTONIC, &now);
    assert_in_range(now.tv_sec, FAKE_CLOCK_BEGINNING, FAKE_CLOCK_BEGINNING + DAY / 1000);
}

/* The engine looks at the clock again when it is spoken to. */
static void poke(struct engine_world *world)
{
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
}

/* A command of client 0 during which the clock jumps; then client 1 has commands of ten seconds
 * each, always one that runs and one that waits. Client 0 does not wait for as many of them as
 * would fill the jump. */
static void test_R38_a_jump_in_a_command_starves_nobody(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 2000);
    for (size_t i = 0; i < JUMPS; i++) {
        unsigned others = 0;

        engine_world_put_random(world, 0, 1);
        engine_world_take(world, 1);
        fake_clock_jump(jumps[i]);
        answer(world, 0);
        engine_world_put_random(world, 1, 3);
        engine_world_take(world, 3);
        engine_world_put_random(world, 0, 2);
        while (engine_chip_mark(&world->chip) == 3) {
            assert_true(++others <= 20);
            engine_world_put_random(world, 1, 3);
            poke(world);
            fake_clock_jump(10000);
            answer(world, 1);
            engine_chip_take(&world->chip);
        }
        answer(world, 0);
        engine_world_take(world, 3);
        answer(world, 1);
    }
}

/* Between commands, and with no time passing at all. */
static void test_jumps_between_commands(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 2000);
    for (size_t i = 0; i < JUMPS; i++) {
        fake_clock_jump(jumps[i]);
        engine_world_expect_served(world, 0);
        engine_world_expect_served(world, 1);
    }
    fake_clock_stop();
    for (unsigned i = 0; i < 20; i++) {
        engine_world_put_random(world, 0, 1);
        engine_world_put_random(world, 1, 1);
        for (unsigned k = 0; k < 2; k++) {
            engine_chip_take(&world->chip);
            engine_chip_answer(&world->chip);
        }
        assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
        assert_int_equal(engine_world_get(world, 1, ENGINE_WORLD_ANSWER), 0);
    }
}

/* The TPM is busy, and the clock jumps in the pause before its next try. */
static void test_R31_pause_over_a_jump(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (size_t i = 0; i < JUMPS; i++) {
        engine_world_put_random(world, 0, 1);
        engine_world_take(world, 1);
        fake_clock_stop();
        engine_chip_answer_code(&world->chip, TPM2_RC_RETRY);
        poke(world);
        fake_clock_jump(jumps[i]);
        fake_clock_go();
        engine_world_take(world, 1);
        answer(world, 0);
    }
}

/* The TPM does not answer any more, and what `end` asks for, by which `done` is set, is bounded all
 * the same. */
static void end_in_a_command(struct engine_world *world, void (*end)(struct engine *),
                             const bool *done, int64_t jump)
{
    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    end(world->engine);
    poke(world);
    fake_clock_jump(jump);
    assert_int_equal(engine_query(world->engine, world), 0);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_flag(world, done); i++)
        poll(NULL, 0, 5);
    assert_true(engine_world_flag(world, done));
}

static void test_R37_stop_ends_when_the_clock_jumps_forward(void **state)
{
    struct engine_world *world = *state;

    end_in_a_command(world, engine_stop, &world->stopped, HOUR);
}

static void test_R37_stop_ends_when_the_clock_jumps_back(void **state)
{
    struct engine_world *world = *state;

    end_in_a_command(world, engine_stop, &world->stopped, -30 * DAY);
}

/* The command that runs is left alone for a while, and then canceled once. */
static void test_R37_stop_cancels_the_command_once(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_stop(world->engine);
    poke(world);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 0);
    fake_clock_jump(11000);
    for (unsigned i = 0; i < 3; i++)
        poke(world);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 1);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), TPM2_RC_CANCELED);
    engine_world_await_flag(world, &world->stopped);
}

/* Where clients stay it is left alone for longer. */
static void test_hand_over_cancels_the_command_late(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_hand_over(world->engine);
    poke(world);
    fake_clock_jump(24000);
    for (unsigned i = 0; i < 3; i++)
        poke(world);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 0);
    fake_clock_jump(2000);
    for (unsigned i = 0; i < 3; i++)
        poke(world);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 1);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), TPM2_RC_CANCELED);
    engine_world_await_flag(world, &world->handed_over);
    assert_false(engine_world_has_answer(world, 0, 0));
}

/* A driver that does not come back does not hold the next daemon up. */
static void test_hand_over_gives_a_lost_command_up(void **state)
{
    struct engine_world *world = *state;

    end_in_a_command(world, engine_hand_over, &world->handed_over, HOUR);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_FAILURE);
}

/* The transport breaks, and is there again while the engine waits before its next attempt. */
static void test_R34_lost_tpm_comes_back_over_a_jump(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (size_t i = 0; i < JUMPS; i++) {
        uint32_t code = 1;
        size_t size;

        engine_world_put_random(world, 0, 1);
        engine_world_take(world, 1);
        engine_chip_break(&world->chip);
        assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_FAILURE);
        fake_clock_jump(jumps[i]);
        engine_chip_mend(&world->chip);
        for (unsigned k = 0; k < ENGINE_WORLD_MOMENTS && code != 0; k++) {
            engine_world_put_random(world, 0, 2);
            engine_world_await_answer(world, 0);
            code = engine_world_get_any(world, 0, &size);
            if (code != 0)
                engine_world_pump(world);
        }
        assert_int_equal(code, 0);
    }
}

/* Sees the hello of a newcomer answered. */
static void expect_let_in(struct engine_world *world, int client)
{
    assert_int_equal(engine_world_get_control(world, client, CONTROL_FRAME_HELLO), 0);
    engine_world_disconnect(world, client);
}

/* Nobody can be let in, and the clock stands still: then it is not tried again, newcomers wait
 * unharmed, and all others are served. */
static void test_R42_a_closed_door_neither_spins_nor_stays(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (size_t i = 0; i < JUMPS; i++) {
        unsigned accepts;

        fake_clock_stop();
        accepts = alloc_fault_accepts();
        alloc_fault_begin(i % 2 ? ALLOC_FAULT_MEMORY : ALLOC_FAULT_DESCRIPTORS, 1, true);
        engine_world_connect_socket(world, 1);
        engine_world_put_control(world, 1, CONTROL_FRAME_HELLO, 0);
        for (unsigned k = 0; k < ENGINE_WORLD_MOMENTS && alloc_fault_accepts() == accepts; k++)
            engine_world_pump(world);
        accepts = alloc_fault_accepts();
        /* With a descriptor kept for it the newcomer is tried to be told so, once. */
        for (unsigned k = 0; k < 100; k++)
            engine_world_expect_served(world, 0);
        assert_in_range(alloc_fault_accepts() - accepts, 0, 1);
        alloc_fault_end();
        fake_clock_jump(jumps[i]);
        fake_clock_go();
        expect_let_in(world, 1);
    }
}

static void await_alive(struct engine_world *world)
{
    bool alive = engine_alive(world->engine);

    for (unsigned k = 0; k < ENGINE_WORLD_MOMENTS && !alive; k++) {
        poll(NULL, 0, 5);
        alive = engine_alive(world->engine);
    }
    assert_true(alive);
}

/* A TCTI that gives nobody a sign of life has ten minutes; the engine else is asked, not the
 * clock. */
static void test_signs_of_life_over_a_jump(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (size_t i = 0; i < JUMPS; i++) {
        fake_clock_jump(jumps[i]);
        await_alive(world);
        engine_world_expect_served(world, 0);
    }
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_alive(world->engine);
    fake_clock_jump(ENGINE_LONGEST_MS / 2);
    assert_true(engine_alive(world->engine));
    fake_clock_jump(-HOUR);
    assert_true(engine_alive(world->engine));
    fake_clock_jump(2 * HOUR);
    assert_false(engine_alive(world->engine));
    answer(world, 0);
    await_alive(world);
}

static void test_sleep_over_a_jump(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    for (size_t i = 0; i < JUMPS; i++) {
        engine_world_expect_served(world, 0);
        engine_suspend(world->engine);
        engine_world_await_number(world, &world->suspended, 1 + (unsigned)i);
        fake_clock_jump(jumps[i]);
        engine_world_put_random(world, 0, 1);
        poke(world);
        assert_false(engine_chip_has_command(&world->chip));
        engine_resume(world->engine);
        engine_world_take(world, 1);
        answer(world, 0);
    }
}

/* A world with a working TPM, which is left empty soon after the last command. */
static struct engine_world *releasing_world(struct libtpms_chip *chip)
{
    struct engine_world *world = engine_world_new(true);

    setenv("TSS2_LOG", "all+NONE", 0);
    world->chip.tpm = &chip->tpm;
    world->config.idle_release_ms = 200;
    engine_world_start(world);
    engine_world_connect(world, 0, 1000);
    return world;
}

static bool holds_a_key(struct libtpms_chip *chip)
{
    uint32_t handle;

    return libtpms_chip_handles(chip, HANDLE_TRANSIENT_FIRST, &handle, 1) > 0;
}

static void await_release(struct engine_world *world, struct libtpms_chip *chip)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && holds_a_key(chip); i++)
        engine_world_pump(world);
    assert_false(holds_a_key(chip));
}

/* What a client has is out of the TPM soon after its last command, whatever the clock says. */
static void test_idle_release_over_a_jump(void **state)
{
    struct libtpms_chip *chip = libtpms_chip_new();
    struct engine_world *world = releasing_world(chip);
    struct engine_tcti *tcti = engine_tcti_new(world, 0);

    for (size_t i = 0; i < JUMPS; i++) {
        ESYS_TR key = job_signing_key(tcti->esys, ESYS_TR_RH_NULL, 1);

        fake_clock_jump(jumps[i]);
        await_release(world, chip);
        assert_int_equal(job_sign(tcti->esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_FlushContext(tcti->esys, key), TSS2_RC_SUCCESS);
    }
    engine_tcti_free(tcti);
    *state = world;
    teardown(state);
    libtpms_chip_free(chip);
}

/* What idle time had no memory for is done when there is some, without any command. */
static void test_R42_clean_up_comes_when_memory_does(void **state)
{
    struct libtpms_chip *chip = libtpms_chip_new();
    struct engine_world *world;
    struct engine_tcti *tcti;
    ESYS_TR key;

    fake_clock_stop();
    world = releasing_world(chip);
    tcti = engine_tcti_new(world, 0);
    key = job_signing_key(tcti->esys, ESYS_TR_RH_NULL, 1);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, true);
    fake_clock_go();
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && alloc_fault_refused() == 0; i++)
        engine_world_pump(world);
    assert_true(alloc_fault_refused() > 0 && holds_a_key(chip));
    alloc_fault_end();
    await_release(world, chip);
    assert_int_equal(job_sign(tcti->esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    engine_tcti_free(tcti);
    *state = world;
    teardown(state);
    libtpms_chip_free(chip);
}

#define CLOCK_TEST(test, setup) \
    cmocka_unit_test_setup_teardown(test, engine_world_setup##setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R61_clock_has_a_beginning_of_its_own),
        CLOCK_TEST(test_R38_a_jump_in_a_command_starves_nobody, ),
        CLOCK_TEST(test_jumps_between_commands, ),
        CLOCK_TEST(test_R31_pause_over_a_jump, ),
        CLOCK_TEST(test_R37_stop_ends_when_the_clock_jumps_forward, ),
        CLOCK_TEST(test_R37_stop_ends_when_the_clock_jumps_back, ),
        CLOCK_TEST(test_R37_stop_cancels_the_command_once, ),
        CLOCK_TEST(test_hand_over_cancels_the_command_late, ),
        CLOCK_TEST(test_hand_over_gives_a_lost_command_up, ),
        CLOCK_TEST(test_R34_lost_tpm_comes_back_over_a_jump, ),
        CLOCK_TEST(test_R42_a_closed_door_neither_spins_nor_stays, _socket),
        CLOCK_TEST(test_signs_of_life_over_a_jump, _blocking),
        CLOCK_TEST(test_sleep_over_a_jump, ),
        cmocka_unit_test(test_idle_release_over_a_jump),
        cmocka_unit_test(test_R42_clean_up_comes_when_memory_does),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
