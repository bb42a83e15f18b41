/* SPDX-License-Identifier: BSD-2-Clause */
/* The turns of clients, on the resource manager over libtpms. */
#include "engine-crowd.h"
#include "engine/dispatch.h"
#include "rm-world.h"
#include "rm/rc.h"
#include "wire/control-frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct stage {
    struct rm_world *world;
    struct crowd crowd;
    struct tpm_link link; /* never taken over: nothing is canceled in it */
    struct control_channel channel;
    struct dispatch dispatch;
};

static int setup(void **state)
{
    static struct stage stage;

    stage.world = rm_world_new(NULL);
    crowd_init(&stage.crowd, rm_command_capacity(stage.world->rm));
    stage.channel = (struct control_channel){&stage.crowd.clients, &stage.link};
    dispatch_init(&stage.dispatch, &stage.crowd.clients, &stage.channel);
    assert_true(dispatch_open(&stage.dispatch, stage.world->rm));
    *state = &stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    crowd_clear(&stage->crowd);
    dispatch_clear(&stage->dispatch);
    rm_world_free(stage->world);
    return 0;
}

/* The rest of a turn that began. */
static void finish(struct stage *stage)
{
    dispatch_run(&stage->dispatch, stage->world->rm);
    dispatch_end(&stage->dispatch);
}

static void test_nobody_has_a_turn(void **state)
{
    struct stage *stage = *state;

    crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    crowd_look(&stage->crowd);
    assert_null(dispatch_begin(&stage->dispatch));
}

static void test_command_is_executed_and_answered(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);

    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
    assert_int_equal(client->command, CLIENT_COMMAND_READ);
    assert_false(scheduler_waiting(&stage->crowd.scheduler));
    assert_true(client_prepare(client, stage->world->rm));
    finish(stage);
    assert_int_equal(client->command, CLIENT_COMMAND_NONE);
    assert_int_equal(crowd_get(&stage->crowd, 0), 0);
    assert_int_equal(libtpms_chip_count(stage->world->chip, TPM2_CC_GetRandom), 1);
    assert_null(dispatch_begin(&stage->dispatch));
}

static void test_each_command_has_a_turn_of_its_own(void **state)
{
    struct stage *stage = *state;
    unsigned turns[2] = {0};

    for (unsigned i = 0; i < 2; i++)
        crowd_join(&stage->crowd, i, 1000 + i, CLIENT_FROM_BUS);
    for (unsigned i = 0; i < 3; i++)
        crowd_put_random(&stage->crowd, 0);
    crowd_put_random(&stage->crowd, 1);
    crowd_look(&stage->crowd);
    for (unsigned i = 0; i < 4; i++) {
        struct client *client = dispatch_begin(&stage->dispatch);

        assert_non_null(client);
        turns[client->id - 100]++;
        assert_true(client_prepare(client, stage->world->rm));
        finish(stage);
    }
    assert_null(dispatch_begin(&stage->dispatch));
    assert_int_equal(turns[0], 3);
    assert_int_equal(turns[1], 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(crowd_get(&stage->crowd, 0), 0);
    assert_int_equal(crowd_get(&stage->crowd, 1), 0);
}

static void test_R12_part_of_a_command_is_a_turn_without_one(void **state)
{
    struct stage *stage = *state;

    crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    crowd_put(&stage->crowd, 0, "\x80\x01\0", 3);
    crowd_look(&stage->crowd);
    assert_true(scheduler_waiting(&stage->crowd.scheduler));
    assert_null(dispatch_begin(&stage->dispatch));
    assert_false(scheduler_waiting(&stage->crowd.scheduler));
    assert_false(crowd_has_answer(&stage->crowd, 0));
}

static void test_control_frame_is_a_turn_without_a_command(void **state)
{
    struct stage *stage = *state;

    crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    crowd_put_control(&stage->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&stage->crowd);
    assert_null(dispatch_begin(&stage->dispatch));
    assert_int_equal(crowd_get_control(&stage->crowd, 0, CONTROL_FRAME_HELLO), 0);
}

/* The cancel stands behind its command, and is seen before the command is run. */
static void test_R39_command_that_was_only_read_is_canceled(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_SOCKET);

    crowd_put_random(&stage->crowd, 0);
    crowd_put_control(&stage->crowd, 0, CONTROL_FRAME_CANCEL, 0);
    crowd_look(&stage->crowd);
    assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
    assert_int_equal(client->command, CLIENT_COMMAND_CANCELED);
    finish(stage);
    assert_int_equal(crowd_get_control(&stage->crowd, 0, CONTROL_FRAME_CANCEL), 0);
    assert_int_equal(crowd_get(&stage->crowd, 0), RM_RC_CANCELED);
    assert_int_equal(libtpms_chip_count(stage->world->chip, TPM2_CC_GetRandom), 0);
}

static void test_client_that_could_not_be_made_is_told(void **state)
{
    struct stage *stage = *state;

    crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    assert_non_null(dispatch_begin(&stage->dispatch));
    finish(stage);
    assert_int_equal(crowd_get(&stage->crowd, 0), RM_RC_MEMORY);
}

static void test_client_may_end_in_its_turn(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    struct client_end end;

    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
    assert_true(client_prepare(client, stage->world->rm));
    client_close(client);
    finish(stage);
    assert_false(crowd_has_answer(&stage->crowd, 0));
    assert_true(clients_reap(&stage->crowd.clients, &end));
    assert_true(end.heard);
    assert_null(dispatch_begin(&stage->dispatch));
}

#define DISPATCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISPATCH_TEST(test_nobody_has_a_turn),
        DISPATCH_TEST(test_command_is_executed_and_answered),
        DISPATCH_TEST(test_each_command_has_a_turn_of_its_own),
        DISPATCH_TEST(test_R12_part_of_a_command_is_a_turn_without_one),
        DISPATCH_TEST(test_control_frame_is_a_turn_without_a_command),
        DISPATCH_TEST(test_R39_command_that_was_only_read_is_canceled),
        DISPATCH_TEST(test_client_that_could_not_be_made_is_told),
        DISPATCH_TEST(test_client_may_end_in_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
