/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of the engine, from its admission to its end. */
#include "descriptor-zero.h"
#include "engine-crowd.h"
#include "rm/rc.h"
#include "wire/header.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY_BYTES 200000 /* more than a socket takes */

static int setup(void **state)
{
    static struct crowd crowd;

    crowd_init(&crowd, CROWD_CAPACITY);
    *state = &crowd;
    return 0;
}

static int teardown(void **state)
{
    crowd_clear(*state);
    return 0;
}

static void test_admitted_client_waits_and_misses_nothing(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_admit(crowd, 0, 1000, CLIENT_FROM_BUS);

    crowd_put_random(crowd, 0);
    crowd_look(crowd);
    assert_int_equal(client->state, CLIENT_ADMITTED);
    assert_false(scheduler_waiting(&crowd->scheduler));
    assert_null(clients_find(&crowd->clients, 100));
    client_open(client);
    assert_int_equal(client->state, CLIENT_OPEN);
    crowd_look(crowd);
    assert_true(scheduler_waiting(&crowd->scheduler));
    assert_ptr_equal(clients_find(&crowd->clients, 100), client);
}

/* Clients whose ids share a bucket are told apart; those from the socket have none. */
static void test_clients_are_found_by_id(void **state)
{
    struct crowd *crowd = *state;
    struct client *a = crowd_admit(crowd, 0, 1000, CLIENT_FROM_BUS);
    struct client *b = crowd_admit(crowd, 1, 1000, CLIENT_FROM_BUS);

    crowd_join(crowd, 2, 1000, CLIENT_FROM_SOCKET);
    a->id = b->id + CLIENTS_BUCKETS;
    client_open(a);
    client_open(b);
    assert_ptr_equal(clients_find(&crowd->clients, b->id), b);
    assert_ptr_equal(clients_find(&crowd->clients, a->id), a);
    assert_null(clients_find(&crowd->clients, b->id + 2 * CLIENTS_BUCKETS));
    assert_null(clients_find(&crowd->clients, 102));
    assert_int_equal(crowd->clients.count, 3);
}

static void test_end_tells_what_the_client_was(void **state)
{
    struct crowd *crowd = *state;
    struct client_end end;

    assert_false(clients_reap(&crowd->clients, &end));
    crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    crowd_hang_up(crowd, 0);
    crowd_look(crowd);
    assert_int_equal(crowd->clients.count, 0);
    assert_true(clients_reap(&crowd->clients, &end));
    assert_int_equal(end.id, 100);
    assert_int_equal(end.origin, CLIENT_FROM_BUS);
    assert_true(end.opened);
    assert_false(end.heard);

    client_close(crowd_admit(crowd, 1, 1000, CLIENT_FROM_SOCKET));
    assert_true(clients_reap(&crowd->clients, &end));
    assert_int_equal(end.origin, CLIENT_FROM_SOCKET);
    assert_false(end.opened);
    assert_false(clients_reap(&crowd->clients, &end));
}

/* What happens to a client that is closed and not freed yet is of no consequence. */
static void test_closed_client_is_left_alone(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);

    client_close(client);
    client_close(client);
    crowd_put_random(crowd, 0);
    crowd_look(crowd);
    desk_reply(&crowd->desk, HEADER_SIZE);
    client_reply(client);
    client_dismiss(client, RM_RC_MEMORY);
    client->io.maybe_more = true;
    client_queue(client);
    assert_int_equal(client->state, CLIENT_CLOSED);
    assert_false(scheduler_waiting(&crowd->scheduler));
    assert_false(crowd_has_answer(crowd, 0));
}

/* Reads up to `size` bytes as the client. */
static size_t drain(struct crowd *crowd, unsigned index, size_t size)
{
    uint8_t *bytes = malloc(size);
    ssize_t count = recv(crowd->ends[index], bytes, size, MSG_DONTWAIT);

    free(bytes);
    return count > 0 ? (size_t)count : 0;
}

/* A command that waits behind an answer which is not taken gets no turn. */
static void test_answer_goes_on_as_it_is_taken(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    size_t taken = 0;

    client_answer(client, MANY_BYTES);
    desk_end_run(&crowd->desk);
    assert_true(client_io_sending(&client->io));
    crowd_put_random(crowd, 0);
    crowd_look(crowd);
    assert_false(scheduler_waiting(&crowd->scheduler));
    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
    for (unsigned i = 0; i < MANY_BYTES && taken < MANY_BYTES; i++) {
        taken += drain(crowd, 0, MANY_BYTES);
        crowd_look(crowd);
    }
    assert_int_equal(taken, MANY_BYTES);
    assert_false(client_io_sending(&client->io));
    assert_true(scheduler_waiting(&crowd->scheduler));
}

static void test_dismissed_client_goes_with_its_last_answer(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    struct client_end end;
    uint8_t bad[HEADER_SIZE];
    size_t size;

    header_store(bad, 0x8001, CROWD_CAPACITY + 1, 0x17b);
    crowd_put(crowd, 0, bad, sizeof(bad));
    crowd_look(crowd);
    assert_false(client_read(client, DESK_COMMAND, &size));
    assert_int_equal(client->state, CLIENT_DRAINING);
    /* What comes now is no command any more. */
    crowd_put_random(crowd, 0);
    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
    client_queue(client);
    assert_int_equal(client->state, CLIENT_CLOSED);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_COMMAND_SIZE);
    assert_true(clients_reap(&crowd->clients, &end));
}

/* Coming is paid for, and so is each cancel. */
static void test_R58_what_is_done_outside_of_turns_is_billed(void **state)
{
    struct client *client = crowd_join(*state, 0, 1000, CLIENT_FROM_BUS);

    assert_int_equal(client->turn.virtual_time, CLIENT_COST_MIN);
    client_cancel_waiting(client);
    assert_int_equal(client->turn.virtual_time, 2 * CLIENT_COST_MIN);
}

/* Whatever number its socket has, and whoever has it open too. */
static void test_freed_client_is_not_watched(void **state)
{
    struct crowd *crowd = *state;
    struct client_end end;
    struct client *client;
    int copy;

    descriptor_zero_give_up();
    client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    assert_int_equal(client->io.fd, 0);
    client->io.bytes_only = true;
    copy = fcntl(0, F_DUPFD_CLOEXEC, 3);
    client_close(client);
    assert_true(clients_reap(&crowd->clients, &end));
    descriptor_zero_take_back();
    crowd_hang_up(crowd, 0);
    crowd_look(crowd);
    close(copy);
}

static void test_waiting_command_is_canceled(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);

    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
    crowd_put_random(crowd, 0);
    crowd_look(crowd);
    assert_int_equal(client_cancel_waiting(client), TSS2_RC_SUCCESS);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_CANCELED);
    assert_false(scheduler_waiting(&crowd->scheduler));
    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
}

/* Of two commands the first is canceled, and the second has its turn. */
static void test_cancel_is_for_one_command(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);

    crowd_put_random(crowd, 0);
    crowd_put_random(crowd, 0);
    crowd_look(crowd);
    assert_int_equal(client_cancel_waiting(client), TSS2_RC_SUCCESS);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_CANCELED);
    assert_true(scheduler_waiting(&crowd->scheduler));
    assert_false(crowd_has_answer(crowd, 0));
}

/* What it shows of the stream behind it has its consequences at once. */
static void test_cancel_looks_at_what_comes_behind(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    uint8_t bad[HEADER_SIZE];

    crowd_put_random(crowd, 0);
    crowd_put_random(crowd, 0);
    /* The loop has not told of either yet. */
    assert_int_equal(client_cancel_waiting(client), TSS2_RC_SUCCESS);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_CANCELED);
    assert_true(scheduler_waiting(&crowd->scheduler));
    assert_int_equal(client_cancel_waiting(client), TSS2_RC_SUCCESS);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_CANCELED);
    header_store(bad, 0x8001, CROWD_CAPACITY + 1, 0x17b);
    crowd_put(crowd, 0, bad, sizeof(bad));
    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(client->state, CLIENT_CLOSED);
    assert_int_equal(crowd_get(crowd, 0), RM_RC_COMMAND_SIZE);
}

static void test_part_of_a_command_cannot_be_canceled(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);

    crowd_put(crowd, 0, "\x80\x01\0", 3);
    crowd_look(crowd);
    assert_int_equal(client_cancel_waiting(client), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(client->state, CLIENT_OPEN);
    assert_false(crowd_has_answer(crowd, 0));
}

static void test_locality_is_permitted_by_user(void **state)
{
    struct client *root = crowd_join(*state, 0, 0, CLIENT_FROM_BUS);
    struct client *user = crowd_join(*state, 1, 1000, CLIENT_FROM_BUS);

    assert_true(client_set_locality(root, 2));
    assert_int_equal(root->locality, 2);
    assert_false(client_set_locality(root, 3));
    assert_int_equal(root->locality, 2);
    assert_true(client_set_locality(user, 0));
    assert_false(client_set_locality(user, 1));
    assert_int_equal(user->locality, 0);
}

#define CLIENT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_admitted_client_waits_and_misses_nothing),
        CLIENT_TEST(test_clients_are_found_by_id),
        CLIENT_TEST(test_end_tells_what_the_client_was),
        CLIENT_TEST(test_closed_client_is_left_alone),
        CLIENT_TEST(test_answer_goes_on_as_it_is_taken),
        CLIENT_TEST(test_dismissed_client_goes_with_its_last_answer),
        CLIENT_TEST(test_R58_what_is_done_outside_of_turns_is_billed),
        CLIENT_TEST(test_freed_client_is_not_watched),
        CLIENT_TEST(test_waiting_command_is_canceled),
        CLIENT_TEST(test_cancel_is_for_one_command),
        CLIENT_TEST(test_cancel_looks_at_what_comes_behind),
        CLIENT_TEST(test_part_of_a_command_cannot_be_canceled),
        CLIENT_TEST(test_locality_is_permitted_by_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
