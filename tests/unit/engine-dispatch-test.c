/* SPDX-License-Identifier: BSD-2-Clause */
/* The turns of clients, on the resource manager over libtpms. */
#include "engine-crowd.h"
#include "engine/dispatch.h"
#include "mirror.h"
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
    /* The crowd's connections have no cookies. */
    mirror_look_away(true);
    crowd_init(&stage.crowd, rm_command_capacity(stage.world->rm));
    stage.channel = (struct control_channel){&stage.crowd.clients, &stage.link};
    dispatch_init(&stage.dispatch, &stage.crowd.clients, &stage.channel);
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
    /* Nothing is left of either. */
    for (unsigned i = 0; i < HEADER_SIZE + 10; i++)
        assert_int_equal(stage->crowd.desk.bytes[DESK_COMMAND][i]
                             | stage->crowd.desk.bytes[DESK_RESPONSE][i],
                         0);
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
    assert_null(stage->crowd.scheduler.turn.user);
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
    assert_null(stage->crowd.scheduler.turn.user);
    assert_int_equal(crowd_get_control(&stage->crowd, 0, CONTROL_FRAME_HELLO), 0);
    for (unsigned i = 0; i < CONTROL_FRAME_MAX_REQUEST; i++)
        assert_int_equal(stage->crowd.desk.bytes[DESK_COMMAND][i], 0);
    /* And is over then. */
    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    assert_non_null(dispatch_begin(&stage->dispatch));
    assert_false(scheduler_scans(&stage->crowd.scheduler));
    finish(stage);
}

/* What is expected of those who wait: a control frame, or not even a header, costs the least. */
static void test_R60_what_waiting_commands_will_cost(void **state)
{
    struct stage *stage = *state;
    uint64_t least = CLIENT_COST_MIN, usual = 10000000;
    const uint64_t expected[] = {usual, least, least, usual, usual};
    struct client *clients[5];
    uint8_t bytes[HEADER_SIZE];

    for (unsigned i = 0; i < 5; i++)
        clients[i] = crowd_join(&stage->crowd, i, 1000,
                                i == 1 || i == 4 ? CLIENT_FROM_SOCKET : CLIENT_FROM_BUS);
    crowd_put_random(&stage->crowd, 0);
    crowd_put_control(&stage->crowd, 1, CONTROL_FRAME_HELLO, 0);
    crowd_put(&stage->crowd, 2, "\x80\x01\0", 3);
    /* Over the bus there are no control frames. */
    crowd_put_control(&stage->crowd, 3, CONTROL_FRAME_HELLO, 0);
    header_store(bytes, TPM2_ST_NO_SESSIONS, sizeof(bytes), TPM2_CC_GetTestResult);
    crowd_put(&stage->crowd, 4, bytes, sizeof(bytes));
    crowd_look(&stage->crowd);
    dispatch_begin(&stage->dispatch);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(clients[i]->turn.expected, expected[i]);
    if (stage->dispatch.client) {
        client_prepare(stage->dispatch.client, stage->world->rm);
        finish(stage);
    }
}

static uint64_t expected_cost(const struct stage *stage, const uint8_t *command, size_t size)
{
    return command_cost_expected(&stage->dispatch.costs, command_cost_kind(command, size));
}

/* A turn of client 0 with these bytes. */
static void run_bytes(struct stage *stage, const uint8_t *bytes, size_t size)
{
    struct client *client;

    crowd_put(&stage->crowd, 0, bytes, size);
    crowd_look(&stage->crowd);
    client = dispatch_begin(&stage->dispatch);
    if (!client)
        return;
    client_prepare(client, stage->world->rm);
    finish(stage);
}

/* Of commands that the chip has carried out, and of no others. */
static void test_R60_costs_are_learned_from_what_was_run(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    uint8_t command[HEADER_SIZE + 2] = {0};
    uint64_t learned;

    /* The chip refuses one without its parameter. */
    header_store(command, TPM2_ST_NO_SESSIONS, HEADER_SIZE, TPM2_CC_GetRandom);
    run_bytes(stage, command, HEADER_SIZE);
    assert_int_not_equal(crowd_get(&stage->crowd, 0), 0);
    assert_int_equal(expected_cost(stage, command, HEADER_SIZE), 10000000);
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_GetRandom);
    command[HEADER_SIZE + 1] = 8;
    run_bytes(stage, command, sizeof(command));
    assert_int_equal(crowd_get(&stage->crowd, 0), 0);
    learned = expected_cost(stage, command, sizeof(command));
    assert_int_not_equal(learned, 10000000);
    /* Nor from a turn without a command. */
    run_bytes(stage, command, 3);
    assert_null(stage->dispatch.client);
    assert_int_equal(expected_cost(stage, command, sizeof(command)), learned);
    /* What a turn costs is not more than is charged at the most. */
    assert_in_range(client->turn.virtual_time, 3 * CLIENT_COST_MIN, UINT64_C(60000000000));
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
    assert_int_equal(stage->crowd.clients.statistics.canceled, 1);
    assert_int_equal(client->record.tally.commands, 0);
    assert_int_equal(stage->crowd.clients.statistics.chip_ns, 0);
}

/* A command that is refused counts as one, for its client and its user. */
static void test_what_is_refused_is_counted(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_BUS);
    uint8_t command[HEADER_SIZE + 4];

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_ReadPublic);
    store_be32(command + HEADER_SIZE, 0x80123456);
    crowd_put(&stage->crowd, 0, command, sizeof(command));
    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    assert_int_equal(dispatch_running(&stage->dispatch, client), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
        assert_int_equal(dispatch_running(&stage->dispatch, client),
                         i ? TPM2_CC_GetRandom : TPM2_CC_ReadPublic);
        assert_true(client_prepare(client, stage->world->rm));
        finish(stage);
        assert_int_equal(dispatch_running(&stage->dispatch, client), 0);
    }
    assert_int_equal(crowd_get(&stage->crowd, 0), RM_RC_HANDLE(0));
    assert_int_equal(client->record.tally.commands, 2);
    assert_int_equal(client->record.tally.refusals, 1);
    assert_int_equal(client->user->tally.commands, 2);
    assert_int_equal(client->user->tally.refusals, 1);
}

/* So is one that is as long as what is read at a time. */
static void test_R39_cancel_behind_the_longest_command_is_seen(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    size_t size = stage->crowd.desk.capacity;
    uint8_t *command = calloc(1, size);

    assert_non_null(command);
    header_store(command, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_CC_GetRandom);
    crowd_put(&stage->crowd, 0, command, size);
    crowd_put_control(&stage->crowd, 0, CONTROL_FRAME_CANCEL, 0);
    free(command);
    crowd_look(&stage->crowd);
    assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
    assert_int_equal(client->command, CLIENT_COMMAND_CANCELED);
    finish(stage);
}

/* A client of whom all was read is not looked at again, which it would pay for. */
static void test_R39_command_with_nothing_behind_it_costs_itself(void **state)
{
    struct stage *stage = *state;
    struct client *client = crowd_join(&stage->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    uint64_t before;

    crowd_put_random(&stage->crowd, 0);
    crowd_look(&stage->crowd);
    before = client->turn.virtual_time;
    assert_ptr_equal(dispatch_begin(&stage->dispatch), client);
    assert_int_equal(client->turn.virtual_time, before);
    finish(stage);
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
        DISPATCH_TEST(test_R60_what_waiting_commands_will_cost),
        DISPATCH_TEST(test_R60_costs_are_learned_from_what_was_run),
        DISPATCH_TEST(test_R39_command_that_was_only_read_is_canceled),
        DISPATCH_TEST(test_what_is_refused_is_counted),
        DISPATCH_TEST(test_R39_cancel_behind_the_longest_command_is_seen),
        DISPATCH_TEST(test_R39_command_with_nothing_behind_it_costs_itself),
        DISPATCH_TEST(test_client_that_could_not_be_made_is_told),
        DISPATCH_TEST(test_client_may_end_in_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
