/* SPDX-License-Identifier: BSD-2-Clause */
/* The reserve follows what is seen of the chip's other users. */
#include "engine/reserve-keeper.h"

#include "descriptor-zero.h"
#include "fake-sys.h"
#include "log-capture.h"
#include "rm-world.h"
#include "rm/state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE "tpmrm7"

struct house {
    struct fake_sys sys;
    struct rm_world *world;
    struct loop loop;
    struct idle idle;
    struct reserve_keeper keeper;
};

static int setup(void **state)
{
    static struct house house;
    struct reserve_rule rule = {.kind = RESERVE_AUTO};

    fake_sys_init(&house.sys, 7);
    fake_sys_put(&house.sys, NODE, "");
    house.world = rm_world_new(NULL);
    assert_int_equal(loop_init(&house.loop), 0);
    idle_init(&house.idle, &house.loop, IDLE_AUTO, false);
    assert_true(reserve_keeper_init(&house.keeper, &house.loop, &house.idle, &rule, house.sys.path,
                                    house.sys.path));
    *state = &house;
    return 0;
}

static int teardown(void **state)
{
    struct house *house = *state;

    reserve_keeper_leave(&house->keeper);
    reserve_keeper_clear(&house->keeper);
    rm_world_free(house->world);
    loop_clear(&house->loop);
    fake_sys_clear(&house->sys);
    return 0;
}

/* Who was there before is not known: somebody is assumed for a while. Then nobody is. */
static void calm(struct house *house)
{
    house->keeper.neighbours.openers = (struct openers){0};
}

static void test_nobody_is_looked_for_before_the_tpm_is_taken(void **state)
{
    struct house *house = *state;

    reserve_keeper_look(&house->keeper);
    assert_false(reserve_keeper_sees_others(&house->keeper));
}

/* Also while the loop is not asked: before each command of the manager's. */
static void test_reserve_grows_for_a_program_that_comes(void **state)
{
    struct house *house = *state;
    struct rm *rm = house->world->rm;
    int fd;

    reserve_keeper_meet(&house->keeper, rm);
    calm(house);
    reserve_keeper_look(&house->keeper);
    assert_int_equal(rm->reserve.objects, 1);
    assert_int_equal(rm->reserve.sessions, 1);
    assert_false(reserve_keeper_sees_others(&house->keeper));
    fd = fake_sys_open(&house->sys, NODE);
    reserve_keeper_look(&house->keeper);
    assert_int_equal(rm->reserve.objects, 2);
    assert_int_equal(rm->reserve.sessions, 2);
    assert_true(reserve_keeper_sees_others(&house->keeper));
    close(fd);
}

static void test_loop_tells_of_who_comes(void **state)
{
    struct house *house = *state;
    int fd;

    reserve_keeper_meet(&house->keeper, house->world->rm);
    calm(house);
    fd = fake_sys_open(&house->sys, NODE);
    loop_run(&house->loop, -1, 1);
    assert_true(reserve_keeper_sees_others(&house->keeper));
    close(fd);
}

/* Whatever number the descriptor has that tells of others. */
static void test_loop_tells_by_descriptor_zero(void **state)
{
    struct house *house = *state;
    int fd;

    descriptor_zero_give_up();
    reserve_keeper_meet(&house->keeper, house->world->rm);
    assert_int_equal(house->keeper.neighbours.fd, 0);
    calm(house);
    reserve_keeper_look(&house->keeper);
    assert_int_equal(house->world->rm->reserve.objects, 1);
    fd = fake_sys_open(&house->sys, NODE);
    loop_run(&house->loop, 0, 1);
    assert_int_equal(house->world->rm->reserve.objects, 2);
    close(fd);
    reserve_keeper_look(&house->keeper);
    assert_int_equal(house->keeper.neighbours.openers.count, 0);
    reserve_keeper_leave(&house->keeper);
    assert_int_equal(fcntl(0, F_GETFD), -1);
    descriptor_zero_take_back();
}

/* What was left in the chip for want of others is to leave, once it has been quiet. */
static void test_way_is_made_for_who_comes(void **state)
{
    struct house *house = *state;
    int fd;

    reserve_keeper_meet(&house->keeper, house->world->rm);
    calm(house);
    house->idle.kept_loaded = true;
    reserve_keeper_look(&house->keeper);
    assert_false(timer_is_armed(&house->idle.quiet));
    fd = fake_sys_open(&house->sys, NODE);
    reserve_keeper_look(&house->keeper);
    assert_true(timer_is_armed(&house->idle.quiet));
    assert_false(house->idle.kept_loaded);
    close(fd);
}

static void test_reserve_that_is_ordered_stays(void **state)
{
    struct house *house = *state;

    house->keeper.rule = (struct reserve_rule){RESERVE_SLOTS, 3, 2};
    reserve_keeper_meet(&house->keeper, house->world->rm);
    assert_int_equal(house->world->rm->reserve.objects, 3);
    assert_int_equal(house->world->rm->reserve.sessions, 2);
}

static void test_nobody_is_looked_at_once_it_is_given_back(void **state)
{
    struct house *house = *state;
    struct rm_reserve reserve;
    int fd;

    reserve_keeper_meet(&house->keeper, house->world->rm);
    calm(house);
    reserve_keeper_look(&house->keeper);
    reserve = house->world->rm->reserve;
    reserve_keeper_leave(&house->keeper);
    assert_null(house->keeper.rm);
    fd = fake_sys_open(&house->sys, NODE);
    loop_run(&house->loop, 0, 1);
    reserve_keeper_look(&house->keeper);
    assert_memory_equal(&reserve, &house->world->rm->reserve, sizeof(reserve));
    close(fd);
}

static void test_what_stays_free_is_told(void **state)
{
    struct house *house = *state;
    struct log_capture *capture;

    reserve_keeper_meet(&house->keeper, house->world->rm);
    capture = log_capture_begin(LOG_LEVEL_INFO);
    reserve_keeper_tell(&house->keeper);
    log_capture_end(capture);
    assert_non_null(strstr(log_capture_line(capture), "the kernel shares the TPM"));
    log_capture_free(capture);
}

#define KEEPER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEEPER_TEST(test_nobody_is_looked_for_before_the_tpm_is_taken),
        KEEPER_TEST(test_reserve_grows_for_a_program_that_comes),
        KEEPER_TEST(test_loop_tells_of_who_comes),
        KEEPER_TEST(test_loop_tells_by_descriptor_zero),
        KEEPER_TEST(test_way_is_made_for_who_comes),
        KEEPER_TEST(test_what_stays_free_is_told),
        KEEPER_TEST(test_reserve_that_is_ordered_stays),
        KEEPER_TEST(test_nobody_is_looked_at_once_it_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
