/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients' records in the journal, and clients that there is no room in it for. */
#include "desk-hall.h"
#include "emulator.h"
#include "engine/desk-remains.h"
#include "rm/rc.h"
#include "wire/control-frame.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int hall_setup(void **state)
{
    (void)state;
    hall_open();
    return 0;
}

static int hall_teardown(void **state)
{
    (void)state;
    hall_close();
    return 0;
}

/* A command that cannot be kept ends the connection with a last word, at each instant. */
static void test_R42_no_room_for_a_part_of_a_command(void **state)
{
    struct client *client = hall.talks[2].client;
    size_t size;

    (void)state;
    hall_write_command(2, 40, 40);
    hall_say(2, 20);
    hall_take_room();
    assert_false(client_read(client, DESK_COMMAND, &size));
    assert_int_equal(client->state, CLIENT_DRAINING);
    assert_int_equal(crowd_get(&hall.crowd, 2), RM_RC_MEMORY);
}

static void test_R42_no_room_to_pull_in(void **state)
{
    struct client *client = hall.talks[0].client;
    size_t have;

    (void)state;
    hall_write_command(0, 40, 40);
    hall_say(0, 40);
    hall_take_room();
    client->io.maybe_more = true;
    assert_null(client_io_ahead(&client->io, &have));
    assert_true(client->io.maybe_more);
    hall_ask();
    assert_int_equal(hall.wrong, 0);
    assert_int_equal(control_channel_scan(&hall.channel, client, 8), 0);
    assert_int_equal(client->state, CLIENT_CLOSED);
}

/* What is already kept goes on: no room is needed to forget. */
static void test_R42_kept_commands_are_read_without_room(void **state)
{
    struct client *client = hall.talks[0].client;
    size_t size;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        hall_write_command(0, 40, 40);
    hall_write_control(0, CONTROL_FRAME_CANCEL, 0);
    hall_say(0, HALL_BYTES);
    crowd_look(&hall.crowd);
    assert_int_equal(client_io_pull(&client->io), 0);
    hall_take_room();
    for (unsigned i = 0; i < 3; i++) {
        assert_true(client_read(client, DESK_COMMAND, &size));
        desk_take(&hall.crowd.desk, client->io.cookie, size);
        hall_ask();
        desk_answer(&hall.crowd.desk, 0);
        header_store(hall.crowd.desk.bytes[DESK_RESPONSE], TPM2_ST_NO_SESSIONS, HEADER_SIZE,
                     RM_RC_CANCELED);
        client_answer(client, HEADER_SIZE);
        desk_end_run(&hall.crowd.desk);
        hall_ask();
    }
    assert_int_equal(hall.wrong, 0);
    control_channel_scan(&hall.channel, client, 8);
    hall_ask();
    assert_int_equal(hall.wrong, 0);
}

/* Nor for a client: it is closed. */
static void test_R42_no_room_for_a_connection(void **state)
{
    (void)state;
    hall.plain.most = hall.plain.backed;
    while (journal_take_cell(hall.plain.journal))
        ;
    assert_int_equal(crowd_join(&hall.crowd, 3, 1000, CLIENT_FROM_BUS)->state, CLIENT_CLOSED);
}

/* Before the reply is sent, and before the answer over the bus. */
static void test_locality_is_noted(void **state)
{
    (void)state;
    hall_write_control(0, CONTROL_FRAME_SET_LOCALITY, 2);
    hall_say(0, HALL_BYTES);
    crowd_look(&hall.crowd);
    hall_turn();
    assert_int_equal(hall.talks[0].client->locality, 2);
    hall_ask();
    assert_int_equal(hall.wrong, 0);
    hall_hear(0, HALL_BYTES);
    assert_int_equal(hall.talks[0].heard_size, CONTROL_FRAME_REPLY_SIZE);
}

/* So that the next daemon but one finds it too, whatever was committed before. */
static void test_what_a_client_resumes_with_is_noted(void **state)
{
    struct client *client = hall.talks[1].client;
    struct desk_remains remains;
    struct desk_stream stream;
    struct journal_image image;

    (void)state;
    journal_commit(hall.plain.journal);
    assert_true(client_io_inherit(&client->io, true, (const uint8_t *)"owed", 4));
    journal_commit(hall.plain.journal);
    hall_hear(1, HALL_BYTES);
    client_resume(client, NULL, CLIENT_DRAINING, 2);
    journal_commit(hall.plain.journal);
    assert_int_equal(
        journal_image_open(&image, hall.plain.memory.bytes, HALL_CAPACITY, PLAIN_JOURNAL_OWNER),
        JOURNAL_GOOD);
    assert_true(desk_remains_read(&remains, &image));
    assert_true(desk_remains_stream(&remains, client->io.mark.cell.cell, &stream));
    assert_int_equal(stream.record.state, CLIENT_DRAINING);
    assert_int_equal(stream.record.locality, 2);
}

/* Its record goes with it; until then it says that it is closed. */
static void test_closed_client_is_noted(void **state)
{
    struct client_end ended;
    struct desk_remains remains;
    struct desk_stream stream;
    struct journal_image image;
    struct client *client = hall.talks[1].client;
    uint32_t cell = client->io.mark.cell.cell;

    (void)state;
    client_close(client);
    journal_commit(hall.plain.journal);
    assert_int_equal(
        journal_image_open(&image, hall.plain.memory.bytes, HALL_CAPACITY, PLAIN_JOURNAL_OWNER),
        JOURNAL_GOOD);
    assert_true(desk_remains_read(&remains, &image));
    assert_true(desk_remains_stream(&remains, cell, &stream));
    assert_int_equal(stream.record.state, CLIENT_CLOSED);
    assert_true(clients_reap(&hall.crowd.clients, &ended));
    journal_commit(hall.plain.journal);
    assert_int_equal(
        journal_image_open(&image, hall.plain.memory.bytes, HALL_CAPACITY, PLAIN_JOURNAL_OWNER),
        JOURNAL_GOOD);
    assert_false(desk_remains_stream(&remains, cell, &stream));
}

#define HALL_TEST(test) cmocka_unit_test_setup_teardown(test, hall_setup, hall_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HALL_TEST(test_R42_no_room_for_a_part_of_a_command),
        HALL_TEST(test_R42_no_room_to_pull_in),
        HALL_TEST(test_R42_kept_commands_are_read_without_room),
        HALL_TEST(test_R42_no_room_for_a_connection),
        HALL_TEST(test_locality_is_noted),
        HALL_TEST(test_what_a_client_resumes_with_is_noted),
        HALL_TEST(test_closed_client_is_noted),
    };

    emulator_lacks("cookies of sockets (SO_COOKIE)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
