/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon may be killed at any instant: around each system call, and between any two stores. No
 * byte of a client is lost then, and none is there twice.
 */
#include "desk-hall.h"
#include "emulator.h"
#include "store-trap.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define CALL_SEEDS  40
#define CALL_STEPS  250
#define STORE_SEEDS 12
#define STORE_STEPS 150

/* The kernel stores to the desk, which is no store of ours. */
static long call(long number, int fd, void *messages, unsigned count, int flags)
{
    long result;

    hall_ask();
    store_trap_pause(true);
    result = number == SYS_recvmsg ? syscall(number, fd, messages, flags)
                                   : syscall(number, fd, messages, count, flags, NULL);
    store_trap_pause(false);
    hall_ask();
    return result;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    (void)timeout;
    return (int)call(SYS_recvmmsg, fd, messages, count, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return (int)call(SYS_sendmmsg, fd, messages, count, flags);
}

/* A look at what comes (base/descriptors.h). */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return call(SYS_recvmsg, fd, message, 1, flags);
}

static uint32_t seed;

static uint32_t chance(uint32_t most)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % most;
}

static void write_something(unsigned index)
{
    static const uint32_t operations[] = {CONTROL_FRAME_HELLO, CONTROL_FRAME_CANCEL,
                                          CONTROL_FRAME_SET_LOCALITY};

    if (index == 2 || chance(3))
        hall_write_command(index, HEADER_SIZE + 8 + chance(chance(4) ? 60 : 600),
                           HEADER_SIZE + 4 + chance(chance(4) ? 60 : 2000));
    else
        hall_write_control(index, operations[chance(3)], (uint8_t)chance(6));
}

/* Some more is said than is whole, and not all that is whole. */
static void say_something(unsigned index)
{
    const struct hall_talk *talk = &hall.talks[index];

    while (talk->written_size - talk->said < 40)
        write_something(index);
    hall_say(index, chance(3) == 0 ? HALL_BYTES : 1 + chance(chance(2) ? 30 : 400));
}

/* What goes on while the TPM works. */
static void go_on(struct hall *unused)
{
    (void)unused;
    for (unsigned i = chance(3); i > 0; i--)
        say_something(chance(HALL_CLIENTS));
    hall_hear(chance(HALL_CLIENTS), chance(200));
    loop_run_nested(&hall.crowd.loop);
    control_channel_scan_all(&hall.channel);
    if (chance(4) == 0 && hall.talks[2].client->command == CLIENT_COMMAND_NONE)
        client_cancel_waiting(hall.talks[2].client);
    journal_commit(hall.plain.journal);
}

static void step(void)
{
    unsigned index = chance(HALL_CLIENTS);

    hall.busy = chance(8) == 0;
    switch (chance(6)) {
    case 0:
    case 1:
        say_something(index);
        crowd_look(&hall.crowd);
        break;
    case 2:
        hall_hear(index, 1 + chance(3000));
        crowd_look(&hall.crowd);
        break;
    case 3:
        control_channel_scan_all(&hall.channel);
        break;
    case 4:
        if (chance(3) == 0)
            client_cancel_waiting(hall.talks[2].client);
        break;
    default:
        hall_turn();
    }
}

/* All is said, heard and answered. */
static void finish(void)
{
    hall.meanwhile = NULL;
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < HALL_CLIENTS; i++) {
            hall_say(i, HALL_BYTES);
            hall_hear(i, HALL_BYTES);
        }
        crowd_look(&hall.crowd);
        hall_turn();
        control_channel_scan_all(&hall.channel);
    }
}

static void expect_all_answered(void)
{
    for (unsigned i = 0; i < HALL_CLIENTS; i++) {
        struct hall_talk *talk = &hall.talks[i];
        unsigned frames = 0;

        assert_int_equal(talk->client->state, CLIENT_OPEN);
        assert_int_equal(talk->said, talk->written_size);
        for (size_t at = 0; at < talk->heard_size; frames++)
            at += header_load(talk->heard + at).size;
        assert_int_equal(frames, talk->frame_count);
    }
}

static void talk(unsigned steps)
{
    hall.meanwhile = go_on;
    for (unsigned i = 0; i < steps && hall.wrong == 0; i++) {
        step();
        hall_ask();
    }
}

static void expect_all_met(void)
{
    const struct hall_met *met = &hall_met;

    assert_true(met->taken && met->kept_in && met->received);
    assert_true(met->kept_out && met->sending && met->answered);
    assert_true(met->lost && met->canceled);
}

static void expect_nothing_wrong(void)
{
    if (hall.reason)
        print_error("seed %u: %s\n", seed, hall.reason);
    assert_int_equal(hall.wrong, 0);
}

static void test_no_byte_is_lost_or_doubled_at_a_call(void **state)
{
    (void)state;
    hall_met = (struct hall_met){0};
    for (uint32_t first = 1; first <= CALL_SEEDS; first++) {
        seed = first;
        hall_open();
        talk(CALL_STEPS);
        expect_nothing_wrong();
        finish();
        expect_nothing_wrong();
        expect_all_answered();
        hall_close();
    }
    expect_all_met();
}

static void trap_or_skip(void)
{
    if (store_trap_begin(hall.plain.memory.bytes, HALL_CAPACITY, hall_ask))
        return;
    hall_close();
    skip();
}

static void test_no_byte_is_lost_or_doubled_at_a_store(void **state)
{
    (void)state;
    hall_met = (struct hall_met){0};
    for (uint32_t first = 1; first <= STORE_SEEDS; first++) {
        seed = 1000 + first;
        hall_open();
        trap_or_skip();
        talk(STORE_STEPS);
        store_trap_end();
        expect_nothing_wrong();
        assert_true(hall.instants > STORE_STEPS * 20);
        finish();
        expect_nothing_wrong();
        expect_all_answered();
        hall_close();
    }
    expect_all_met();
}

/* Who sends what is no command is told so before the bytes are forgotten: alone, behind a command,
 * and when only a part of it was there at first. */
static void test_bad_bytes_are_answered_before_they_go(void **state)
{
    struct client *client;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        hall_open();
        client = hall.talks[2].client;
        if (i == 1)
            hall_write_command(2, 40, 40);
        hall_write_bad(2);
        trap_or_skip();
        hall_say(2, i == 2 ? 3 : HALL_BYTES);
        for (unsigned turn = 0; turn < 3 && client->state == CLIENT_OPEN; turn++) {
            crowd_look(&hall.crowd);
            hall_turn();
            hall_say(2, HALL_BYTES);
        }
        hall_ask();
        store_trap_end();
        assert_int_not_equal(client->state, CLIENT_OPEN);
        assert_int_equal(hall.talks[2].said, hall.talks[2].written_size);
        expect_nothing_wrong();
        hall_close();
    }
}

/* The same where the journal has no room for what waits. */
static void test_R42_bytes_without_room_are_answered_before_they_go(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        hall_open();
        hall_write_command(2, 40, 40);
        hall_write_command(2, 40, 40);
        hall_take_room();
        trap_or_skip();
        hall_say(2, i ? 60 : 20);
        crowd_look(&hall.crowd);
        hall_turn();
        store_trap_end();
        assert_int_not_equal(hall.talks[2].client->state, CLIENT_OPEN);
        expect_nothing_wrong();
        hall_close();
    }
}

/* The control: bytes that are only at the desk are wiped before they have another place. */
static void test_bytes_that_are_wiped_too_early_are_missed(void **state)
{
    size_t size;

    (void)state;
    hall_open();
    hall_write_command(2, HEADER_SIZE + 8, HEADER_SIZE + 4);
    hall_say(2, HALL_BYTES);
    assert_true(client_read(hall.talks[2].client, DESK_COMMAND, &size));
    hall_ask();
    assert_int_equal(hall.wrong, 0);
    hall.crowd.desk.bytes[DESK_COMMAND][size - 1] = 1;
    hall_ask();
    assert_int_equal(hall.wrong, 1);
    hall_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_byte_is_lost_or_doubled_at_a_call),
        cmocka_unit_test(test_no_byte_is_lost_or_doubled_at_a_store),
        cmocka_unit_test(test_bad_bytes_are_answered_before_they_go),
        cmocka_unit_test(test_R42_bytes_without_room_are_answered_before_they_go),
        cmocka_unit_test(test_bytes_that_are_wiped_too_early_are_missed),
    };

    emulator_lacks("cookies of sockets (SO_COOKIE)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
