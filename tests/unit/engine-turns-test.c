/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order of service as the engine keeps it, whatever clients do to it, on a clock that only the test
 * moves: what a client waits for is counted in turns of others. The engine is compiled once more
 * for this, with seams.h.
 */
#include "base/log.h"
#include "engine-world.h"
#include "warp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define VICTIM      0 /* of another user than the other clients */
#define VICTIM_UID  2000
#define CROWD_UID   1000
#define VICTIM_MARK 99

static int setup(void **state)
{
    engine_world_setup(state);
    warp_stop();
    engine_world_connect(*state, VICTIM, VICTIM_UID);
    return 0;
}

static int teardown(void **state)
{
    warp_reset();
    return engine_world_teardown(state);
}

/* Until the engine has seen all that was sent so far. */
static void poke(struct engine_world *world)
{
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
}

static void crowd_begin(struct engine_world *world, unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        engine_world_connect(world, (int)i, CROWD_UID);
        engine_world_put_random(world, (int)i, (uint16_t)i);
        poke(world);
    }
    engine_chip_take(&world->chip);
}

/* Whose command runs. */
static int running(struct engine_world *world)
{
    uint16_t mark = engine_chip_mark(&world->chip);

    return mark == VICTIM_MARK ? VICTIM : mark;
}

/* The victim's command comes while one of the crowd's runs. How many of these end before it. */
static unsigned wait_of_victim(struct engine_world *world, unsigned most,
                               void (*turn)(struct engine_world *world, int client))
{
    unsigned others = 0;

    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    while (running(world) != VICTIM) {
        assert_true(++others <= most);
        turn(world, running(world));
        engine_chip_take(&world->chip);
    }
    warp_jump(10);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, VICTIM, ENGINE_WORLD_ANSWER), 0);
    engine_chip_take(&world->chip);
    return others;
}

static void expensive_turn_and_gone(struct engine_world *world, int client)
{
    engine_world_disconnect(world, client);
    engine_world_connect(world, client, CROWD_UID);
    engine_world_put_random(world, client, (uint16_t)client);
    poke(world);
    warp_jump(250);
    engine_chip_answer(&world->chip);
}

/* They hang up while their command runs, and come again with the next one. */
static void test_R49_who_hangs_up_is_charged(void **state)
{
    struct engine_world *world = *state;

    crowd_begin(world, 4);
    for (unsigned i = 0; i < 30; i++)
        wait_of_victim(world, 2, expensive_turn_and_gone);
    for (int i = 1; i <= 4; i++)
        engine_world_disconnect(world, i);
    poke(world);
    engine_chip_answer(&world->chip);
}

#define TURNS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TURNS_TEST(test_R49_who_hangs_up_is_charged),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
