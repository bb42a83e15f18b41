/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine on a TPM that a kernel shares, by what a directory of the test says, over libtpms with
 * three slots of each kind. The engine is compiled once more for this, with seams.h.
 */
#include "base/log.h"
#include "engine-tcti.h"
#include "engine-world.h"
#include "engine/openers.h"
#include "esys-jobs.h"
#include "fake-clock.h"
#include "fake-sys.h"
#include "libtpms-chip.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOTS      3
#define NODE       "tpmrm7"
#define ROUNDS     10   /* of the engine's loop, and more than the commands of one clean-up */
#define QUIET      300  /* milliseconds after which the TPM is cleaned up */
#define LONG_QUIET 6000 /* after which it is left empty where sleep is not announced */

struct street {
    struct fake_sys fake;
    struct libtpms_chip *chip;
    struct engine_world *world;
    struct engine_tcti *tcti; /* of client 0 */
};

/* The kernel's TPM is open, nobody else is there, and nothing is started. Time passes only where a
 * test says so. */
static int setup(void **state)
{
    struct street *street = calloc(1, sizeof(*street));

    assert_non_null(street);
    setenv("TSS2_LOG", "all+NONE", 0);
    fake_clock_stop();
    fake_sys_init(&street->fake, 7);
    fake_sys_put(&street->fake, NODE, "");
    street->chip = libtpms_chip_new();
    street->world = engine_world_new(true);
    street->world->chip.tpm = &street->chip->tpm;
    street->world->config.sys = street->world->config.dev = street->fake.path;
    street->world->config.idle_release_ms = IDLE_AUTO;
    *state = street;
    return 0;
}

/* Starts the engine and its first client, at a time when nothing is in doubt any more. */
static void start(struct street *street)
{
    engine_world_start(street->world);
    fake_clock_jump(OPENERS_DOUBT_MS + 1);
    engine_world_connect(street->world, 0, 1000);
    street->tcti = engine_tcti_new(street->world, 0);
}

static int teardown(void **state)
{
    struct street *street = *state;

    if (street->tcti)
        engine_tcti_free(street->tcti);
    engine_world_teardown((void **)&street->world);
    libtpms_chip_free(street->chip);
    fake_sys_clear(&street->fake);
    free(street);
    fake_clock_reset();
    return 0;
}

static unsigned held(const struct street *street, uint32_t first)
{
    uint32_t handles[SLOTS];

    return libtpms_chip_handles(street->chip, first, handles, SLOTS);
}

/* Waits until the TPM has no more than so many. */
static void await(struct street *street, unsigned objects, unsigned sessions)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS
                         && (held(street, HANDLE_TRANSIENT_FIRST) > objects
                             || held(street, HANDLE_LOADED_SESSIONS) > sessions);
         i++)
        engine_world_pump(street->world);
    assert_in_range(held(street, HANDLE_TRANSIENT_FIRST), 0, objects);
    assert_in_range(held(street, HANDLE_LOADED_SESSIONS), 0, sessions);
}

/* Has the engine go round its loop several times, and get all answers that it waits for. */
static void go_round(struct street *street)
{
    struct engine_world *world = street->world;

    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
        engine_world_pump(world);
    }
}

/* Lets a time without commands pass, once the engine is done with the last one. What it does in
 * that time, it has done at the end. */
static void be_quiet(struct street *street, int64_t time)
{
    go_round(street);
    fake_clock_jump(time);
    go_round(street);
}

static ESYS_TR make_key(struct street *street, uint8_t tag)
{
    return job_signing_key(street->tcti->esys, ESYS_TR_RH_NULL, tag);
}

static void sign(struct street *street, ESYS_TR key, ESYS_TR session)
{
    assert_int_equal(job_sign(street->tcti->esys, key, session), TSS2_RC_SUCCESS);
}

static void test_R63_room_is_left_after_each_command(void **state)
{
    struct street *street = *state;
    ESYS_TR keys[SLOTS], sessions[SLOTS];

    street->world->config.idle_release_ms = IDLE_NEVER;
    start(street);
    for (uint8_t i = 0; i < SLOTS; i++) {
        keys[i] = make_key(street, i);
        await(street, 2, 2);
        sessions[i] = job_session(street->tcti->esys, false);
        await(street, 2, 2);
    }
    for (unsigned i = 0; i < 2 * SLOTS; i++) {
        sign(street, keys[i % SLOTS], sessions[i % SLOTS]);
        await(street, 2, 2);
        assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 2);
        assert_int_equal(held(street, HANDLE_LOADED_SESSIONS), 2);
    }
}

static void test_R63_kernel_with_sessions_finds_two_objects(void **state)
{
    struct street *street = *state;
    ESYS_TR keys[2];

    street->world->config.idle_release_ms = IDLE_NEVER;
    fake_sys_put(&street->fake, "class/tpm/tpm7/null_name", "");
    start(street);
    for (uint8_t i = 0; i < 2; i++)
        keys[i] = make_key(street, i);
    for (unsigned i = 0; i < 4; i++) {
        sign(street, keys[i % 2], ESYS_TR_PASSWORD);
        await(street, 1, 2);
    }
}

static void test_R64_room_is_made_for_who_comes(void **state)
{
    struct street *street = *state;
    int fd;

    street->world->config.idle_release_ms = IDLE_NEVER;
    start(street);
    for (uint8_t i = 0; i < 2; i++) {
        make_key(street, i);
        job_session(street->tcti->esys, false);
    }
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 2);
    assert_int_equal(held(street, HANDLE_LOADED_SESSIONS), 2);
    fd = fake_sys_open(&street->fake, NODE);
    await(street, 1, 1);
    close(fd);
}

/* Somebody comes while the TPM works on one client's command, and another client's waits. */
static void test_R64_room_is_made_before_the_next_command(void **state)
{
    struct street *street = *state;
    struct engine_world *world = street->world;
    int fd;

    world->config.idle_release_ms = IDLE_NEVER;
    start(street);
    make_key(street, 1);
    make_key(street, 2);
    engine_world_connect(world, 1, 1000);
    engine_world_connect(world, 2, 1000);
    engine_world_put_random(world, 1, 5);
    engine_world_take(world, 5);
    engine_world_put_random(world, 2, 6);
    fd = fake_sys_open(&street->fake, NODE);
    engine_chip_answer(&world->chip);
    engine_chip_take(&world->chip);
    while (engine_chip_mark(&world->chip) != 6) {
        engine_chip_answer(&world->chip);
        engine_chip_take(&world->chip);
    }
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 1);
    engine_chip_answer(&world->chip);
    close(fd);
}

/* Signs now and then, with quiet times between, that cost one command each. */
static void expect_warm(struct street *street)
{
    ESYS_TR key, session;

    start(street);
    key = make_key(street, 1);
    session = job_session(street->tcti->esys, false);
    be_quiet(street, QUIET);
    assert_int_equal(libtpms_chip_count(street->chip, TPM2_CC_ContextSave), 1);
    for (unsigned i = 0; i < 6; i++) {
        libtpms_chip_clear_counts(street->chip);
        sign(street, key, i % 2 ? session : ESYS_TR_PASSWORD);
        be_quiet(street, QUIET);
        assert_int_equal(street->chip->commands, 1);
    }
}

static void test_R64_warm_things_stay_where_nobody_shares(void **state)
{
    struct street *street = *state;

    close(street->fake.fd);
    street->fake.fd = -1;
    expect_warm(street);
    be_quiet(street, LONG_QUIET);
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 1);
}

static void test_R64_warm_things_stay_while_nobody_is_there(void **state)
{
    struct street *street = *state;

    expect_warm(street);
    be_quiet(street, LONG_QUIET);
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 1);
    assert_int_equal(held(street, HANDLE_LOADED_SESSIONS), 1);
}

static void test_R64_warm_things_leave_when_somebody_comes(void **state)
{
    struct street *street = *state;
    int fd;

    expect_warm(street);
    fd = fake_sys_open(&street->fake, NODE);
    be_quiet(street, 0);
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 1);
    be_quiet(street, QUIET);
    await(street, 0, 0);
    close(fd);
}

static void test_R64_warm_things_leave_before_sleep(void **state)
{
    struct street *street = *state;

    expect_warm(street);
    engine_suspend(street->world->engine);
    engine_world_await_number(street->world, &street->world->suspended, 1);
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(held(street, HANDLE_LOADED_SESSIONS), 0);
    engine_resume(street->world->engine);
}

static void test_R64_warm_things_leave_at_last_where_sleep_is_untold(void **state)
{
    struct street *street = *state;

    street->world->config.sleep_untold = true;
    expect_warm(street);
    be_quiet(street, LONG_QUIET);
    await(street, 0, 0);
}

static void test_R64_kernel_with_sessions_finds_the_tpm_empty(void **state)
{
    struct street *street = *state;

    fake_sys_put(&street->fake, "class/tpm/tpm7/null_name", "");
    start(street);
    make_key(street, 1);
    job_session(street->tcti->esys, false);
    be_quiet(street, QUIET);
    await(street, 0, 0);
}

/* Who had it open before the start is not seen. */
static void test_R64_who_may_be_there_finds_the_tpm_empty(void **state)
{
    struct street *street = *state;

    start(street);
    fake_clock_jump(-OPENERS_DOUBT_MS / 2);
    make_key(street, 1);
    job_session(street->tcti->esys, false);
    be_quiet(street, QUIET);
    await(street, 0, 0);
}

/* What is loaded may not stay over what is left free, however soon it is used again. */
static void test_R64_warm_things_are_bounded_by_the_reserve(void **state)
{
    struct street *street = *state;

    start(street);
    for (uint8_t i = 0; i < SLOTS; i++) {
        make_key(street, i);
        job_session(street->tcti->esys, false);
    }
    be_quiet(street, QUIET);
    assert_int_equal(held(street, HANDLE_TRANSIENT_FIRST), SLOTS - 1);
    assert_int_equal(held(street, HANDLE_LOADED_SESSIONS), SLOTS - 1);
}

/* Starts an engine on a device that answers nothing; why it failed. */
static enum tpm_fault fault_of_dead_device(struct street *street)
{
    struct engine_world *world = street->world;
    struct engine_events events = engine_world_events(world);

    world->config.tcti = "device:" FAKE_SYS_DEVICE;
    world->engine = engine_new(&world->config, &events, NULL);
    assert_non_null(world->engine);
    engine_world_await_flag(world, &world->failed);
    return world->fault;
}

static void test_R65_disabled_tpm_is_the_reason(void **state)
{
    struct street *street = *state;

    fake_sys_put_dead(&street->fake, "class/tpm/tpm7/pcr-sha256/0");
    assert_int_equal(fault_of_dead_device(street), TPM_FAULT_DISABLED);
}

static void test_R65_dead_tpm_is_another_reason(void **state)
{
    struct street *street = *state;

    fake_sys_put(&street->fake, "class/tpm/tpm7/pcr-sha256/0", "0000");
    assert_int_equal(fault_of_dead_device(street), TPM_FAULT_ABSENT);
}

#define STREET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREET_TEST(test_R63_room_is_left_after_each_command),
        STREET_TEST(test_R63_kernel_with_sessions_finds_two_objects),
        STREET_TEST(test_R64_room_is_made_for_who_comes),
        STREET_TEST(test_R64_room_is_made_before_the_next_command),
        STREET_TEST(test_R64_warm_things_stay_where_nobody_shares),
        STREET_TEST(test_R64_warm_things_stay_while_nobody_is_there),
        STREET_TEST(test_R64_warm_things_leave_when_somebody_comes),
        STREET_TEST(test_R64_warm_things_leave_before_sleep),
        STREET_TEST(test_R64_warm_things_leave_at_last_where_sleep_is_untold),
        STREET_TEST(test_R64_kernel_with_sessions_finds_the_tpm_empty),
        STREET_TEST(test_R64_who_may_be_there_finds_the_tpm_empty),
        STREET_TEST(test_R64_warm_things_are_bounded_by_the_reserve),
        STREET_TEST(test_R65_disabled_tpm_is_the_reason),
        STREET_TEST(test_R65_dead_tpm_is_another_reason),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
