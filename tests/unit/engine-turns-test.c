/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order of service as the engine keeps it, whatever clients do to it, on a clock that only the test
 * moves: what a client waits for is counted in turns of others. The engine is compiled once more
 * for this, with seams.h.
 */
#include "base/log.h"
#include "engine-world.h"
#include "fake-clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define VICTIM      0 /* of another user than the other clients */
#define VICTIM_UID  2000
#define CROWD_UID   1000
#define VICTIM_MARK 99

static int setup(void **state)
{
    engine_world_setup(state);
    fake_clock_stop();
    engine_world_connect(*state, VICTIM, VICTIM_UID);
    return 0;
}

static int teardown(void **state)
{
    fake_clock_reset();
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
    fake_clock_jump(10);
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
    fake_clock_jump(250);
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

static struct snapshot *survey(struct engine_world *world, enum snapshot_kind kind)
{
    int error = engine_survey(world->engine, kind, 0, world);

    assert_int_equal(engine_world_request(world, error), 0);
    assert_non_null(world->answer.snapshot);
    return world->answer.snapshot;
}

#define MS UINT64_C(1000000)

/* A client waits from when its command has come, also inside of another one, until its turn. */
static void test_times_of_waiting_and_of_turns_are_counted(void **state)
{
    struct engine_world *world = *state;
    struct snapshot *snapshot;

    crowd_begin(world, 1);
    fake_clock_jump(7);
    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    poke(world);
    fake_clock_jump(40);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 1, ENGINE_WORLD_ANSWER), 0);
    engine_world_take(world, VICTIM_MARK);
    fake_clock_jump(10);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, VICTIM, ENGINE_WORLD_ANSWER), 0);
    snapshot = survey(world, SNAPSHOT_CONNECTIONS);
    assert_int_equal(snapshot->count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct snapshot_connection *one = &snapshot->connections[i];
        bool victim = one->uid == VICTIM_UID;

        assert_int_equal(one->tally.commands, 1);
        assert_int_equal(one->tally.queue_ns, victim ? 40 * MS : 0);
        assert_int_equal(one->tally.chip_ns, victim ? 10 * MS : 47 * MS);
    }
    snapshot_free(snapshot);
    snapshot = survey(world, SNAPSHOT_STATISTICS);
    assert_int_equal(snapshot->statistics->engine.queue_ns, 40 * MS);
    assert_int_equal(snapshot->statistics->engine.chip_ns, 57 * MS);
    assert_int_equal(snapshot->statistics->engine.queue[0], 1);
    assert_int_equal(snapshot->statistics->engine.queue[16], 1);
    assert_int_equal(snapshot->statistics->engine.chip[14], 1);
    assert_int_equal(snapshot->statistics->engine.chip[16], 1);
    snapshot_free(snapshot);
}

#define CONNECTIONS 200 /* that are made for nothing: 4 ms at the least */

/* A user whose other connections come and go while its command runs waits for these too. */
static void test_R58_connections_are_paid_for(void **state)
{
    struct engine_world *world = *state;
    unsigned others = 0;

    crowd_begin(world, 1);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        engine_world_connect(world, 2, CROWD_UID);
        poke(world);
        engine_world_disconnect(world, 2);
    }
    /* Both always have one more ahead. */
    engine_world_put_random(world, 1, 1);
    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    poke(world);
    for (; running(world) == VICTIM || others == 0; others++) {
        int client = running(world);

        assert_in_range(others, 0, CONNECTIONS);
        fake_clock_jump(1);
        engine_chip_answer(&world->chip);
        assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
        engine_chip_take(&world->chip);
        engine_world_put_random(world, client, client == VICTIM ? VICTIM_MARK : 1);
        poke(world);
    }
    /* The crowd's first command is one of these. */
    assert_in_range(others, 1 + 4, 1 + 8);
    for (int client = VICTIM; client <= 1; client++)
        engine_world_disconnect(world, client);
    poke(world);
    engine_chip_answer(&world->chip);
}

/* GetCapability, the other command that the TPM has. */
static void put_capability(struct engine_world *world, int client, uint32_t capability)
{
    uint8_t command[HEADER_SIZE + 12] = {0};

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_GetCapability);
    store_be32(command + HEADER_SIZE, capability);
    store_be32(command + HEADER_SIZE + 8, 1);
    engine_world_put(world, client, command, sizeof(command));
}

/* Bytes of answers that wait for the clients from `first` to `last`. */
static unsigned answered(const struct engine_world *world, int first, int last)
{
    unsigned sum = 0;

    for (int i = first; i <= last; i++) {
        int bytes;

        assert_int_equal(ioctl(world->clients[i], FIONREAD, &bytes), 0);
        sum += (unsigned)bytes;
    }
    return sum;
}

/* Reads answers of these clients, `size` bytes or more in all, with the TPM answering all that
 * comes: a client that reads none gets no more of them. */
static void read_answers(struct engine_world *world, int first, int last, size_t size)
{
    size_t read = 0;

    for (unsigned k = 0; k < ENGINE_WORLD_MOMENTS && read < size; k++) {
        engine_world_pump(world);
        for (int i = first; i <= last; i++) {
            uint8_t bytes[4096];
            ssize_t count = recv(world->clients[i], bytes, sizeof(bytes), MSG_DONTWAIT);

            read += count > 0 ? (size_t)count : 0;
        }
    }
    assert_true(read >= size);
}

#define PIPELINED  60 /* commands, or pairs, that a client has sent ahead */
#define PIPELINERS 6
#define CONSTANT_SIZE \
    (HEADER_SIZE + 9) /* of the answer about algorithms, of which there are none */

/* A command of the victim, and of nobody else. */
static void victim_is_served(struct engine_world *world)
{
    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    engine_world_take(world, VICTIM_MARK);
    fake_clock_jump(1);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, VICTIM, ENGINE_WORLD_ANSWER), 0);
}

/* What the chip has said once, and what costs it nothing to say again, still costs the engine: such
 * answers go before another user's command for as long as that takes itself, and as long again for
 * its user's share of the time; not all of them. */
static void test_R50_answers_from_the_books_are_paid_for(void **state)
{
    struct engine_world *world = *state;
    size_t size;

    for (int i = 1; i <= PIPELINERS; i++)
        engine_world_connect_socket(world, i);
    put_capability(world, 1, TPM2_CAP_ALGS);
    engine_world_await_answer(world, 1);
    assert_int_equal(engine_world_get_any(world, 1, &size), TPM2_RC_SUCCESS);
    assert_int_equal(size, CONSTANT_SIZE);
    victim_is_served(world);
    for (unsigned round = 0; round < 3; round++) {
        engine_world_connect(world, PIPELINERS + 1, 3000);
        engine_world_put_random(world, PIPELINERS + 1, 1);
        engine_world_take(world, 1);
        for (int i = 1; i <= PIPELINERS; i++)
            for (unsigned k = 0; k < PIPELINED; k++)
                put_capability(world, i, TPM2_CAP_ALGS);
        engine_world_put_random(world, VICTIM, VICTIM_MARK);
        poke(world);
        engine_chip_answer(&world->chip);
        engine_world_take(world, VICTIM_MARK);
        assert_in_range(answered(world, 1, PIPELINERS) / CONSTANT_SIZE, 0, 120);
        fake_clock_jump(1);
        engine_chip_answer(&world->chip);
        assert_int_equal(engine_world_get(world, VICTIM, ENGINE_WORLD_ANSWER), 0);
        engine_world_disconnect(world, PIPELINERS + 1);
        read_answers(world, 1, PIPELINERS, PIPELINERS * PIPELINED * CONSTANT_SIZE);
    }
}

/* A command and its cancel at once: an answer and a reply. */
#define PAIR_SIZE (HEADER_SIZE + CONTROL_FRAME_REPLY_SIZE)

/* Commands that are canceled before they are run, with more of them behind, do not keep another
 * user's command from the TPM. */
static void test_R51_canceled_commands_are_bounded_and_paid_for(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, PIPELINERS + 1, 3000);
    for (int i = 1; i <= PIPELINERS; i++)
        engine_world_connect_socket(world, i);
    engine_world_expect_served(world, VICTIM);
    for (int i = 1; i <= PIPELINERS; i++) {
        engine_world_put_control(world, i, CONTROL_FRAME_HELLO, 0);
        assert_int_equal(engine_world_get_control(world, i, CONTROL_FRAME_HELLO), 0);
    }
    engine_world_put_random(world, PIPELINERS + 1, 1);
    engine_world_take(world, 1);
    /* The TPM blocks the engine, which sees all of this at once. */
    for (int i = 1; i <= PIPELINERS; i++) {
        for (unsigned k = 0; k < PIPELINED; k++) {
            engine_world_put_random(world, i, 1);
            engine_world_put_control(world, i, CONTROL_FRAME_CANCEL, 0);
        }
    }
    engine_world_put_random(world, VICTIM, VICTIM_MARK);
    engine_chip_answer(&world->chip);
    engine_world_take(world, VICTIM_MARK);
    assert_in_range(answered(world, 1, PIPELINERS) / PAIR_SIZE, 0, 100);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, VICTIM, ENGINE_WORLD_ANSWER), 0);
    /* They get all of their answers none the less. */
    read_answers(world, 1, PIPELINERS, PIPELINERS * PIPELINED * PAIR_SIZE);
}

/* A new connection for each cheap command, beside clients of the same user whose commands are
 * expensive: it waits for the one that runs, and for no other. */
static void test_R60_a_newcomer_is_judged_by_what_it_asks(void **state)
{
    struct engine_world *world = *state;
    size_t size;

    for (int i = 1; i <= 4; i++) {
        engine_world_connect(world, i, CROWD_UID);
        put_capability(world, i, TPM2_CAP_PCRS);
    }
    engine_chip_take(&world->chip);
    for (unsigned round = 0; round < 40; round++) {
        bool newcomer = round >= 8 && round % 2 == 0;

        if (newcomer) {
            engine_world_connect(world, 5, CROWD_UID);
            engine_world_put_random(world, 5, 7);
        }
        poke(world);
        fake_clock_jump(90);
        engine_chip_answer(&world->chip);
        engine_chip_take(&world->chip);
        assert_int_equal(engine_chip_mark(&world->chip), newcomer ? 7 : 0);
        if (newcomer) {
            fake_clock_jump(10);
            engine_chip_answer(&world->chip);
            assert_int_equal(engine_world_get(world, 5, ENGINE_WORLD_ANSWER), 0);
            engine_world_disconnect(world, 5);
            engine_chip_take(&world->chip);
        }
        for (int i = 1; i <= 4; i++) {
            if (!engine_world_has_answer(world, i, 0))
                continue;
            assert_int_equal(engine_world_get_any(world, i, &size), TPM2_RC_SUCCESS);
            put_capability(world, i, TPM2_CAP_PCRS);
        }
    }
    for (int i = 1; i <= 4; i++)
        engine_world_disconnect(world, i);
    engine_chip_answer(&world->chip);
}

static int setup_socket(void **state, bool polls)
{
    struct engine_world *world = engine_world_new(polls);

    engine_world_listen(world);
    engine_world_start(world);
    fake_clock_stop();
    engine_world_connect(world, VICTIM, VICTIM_UID);
    *state = world;
    return 0;
}

static int setup_polled_socket(void **state)
{
    return setup_socket(state, true);
}

static int setup_blocking_socket(void **state)
{
    return setup_socket(state, false);
}

#define TURNS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TURNS_TEST(test_R49_who_hangs_up_is_charged),
        TURNS_TEST(test_times_of_waiting_and_of_turns_are_counted),
        TURNS_TEST(test_R58_connections_are_paid_for),
        cmocka_unit_test_setup_teardown(test_R50_answers_from_the_books_are_paid_for,
                                        setup_polled_socket, teardown),
        cmocka_unit_test_setup_teardown(test_R51_canceled_commands_are_bounded_and_paid_for,
                                        setup_blocking_socket, teardown),
        TURNS_TEST(test_R60_a_newcomer_is_judged_by_what_it_asks),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
