/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients of the engine need, while memory is out, and what is left of them in memory. The
 * engine is compiled once more for this, with seams.h. */
#include "alloc-fault-each.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "engine-crowd.h"
#include "engine/membership.h"
#include "engine/newcomers.h"
#include "rm/rc.h"
#include "wire/header.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char secret[] = "what one client sends and no other one may see";

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
    /* Sockets with something unread are closed by another thread. */
    assert_int_equal(alloc_fault_settled(0), 0);
    return 0;
}

/* A command with the secret at its end. */
static size_t put_secret(uint8_t *bytes)
{
    size_t size = HEADER_SIZE + sizeof(secret);

    header_store(bytes, 0x8001, (uint32_t)size, 0x17b);
    memcpy(bytes + HEADER_SIZE, secret, sizeof(secret));
    return size;
}

static void expect_wiped(const uint8_t *bytes, size_t size)
{
    assert_null(memmem(bytes, size, secret, sizeof(secret)));
}

/* In pieces, pulled in before its turn, and never read. */
static void test_nothing_of_a_command_stays_in_memory(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_SOCKET);
    uint8_t bytes[2 * (HEADER_SIZE + sizeof(secret))];
    size_t one = put_secret(bytes), size;

    put_secret(bytes + one);
    alloc_fault_watch(secret, sizeof(secret));
    crowd_put(crowd, 0, bytes, one - 1);
    assert_false(client_read(client, DESK_COMMAND, &size));
    expect_wiped(crowd->desk.bytes[DESK_COMMAND], CROWD_CAPACITY);
    crowd_put(crowd, 0, bytes + one - 1, one + 1);
    assert_true(client_read(client, DESK_COMMAND, &size));
    assert_int_equal(size, one);
    desk_wipe(&crowd->desk, DESK_COMMAND);
    expect_wiped(crowd->desk.bytes[DESK_COMMAND], CROWD_CAPACITY);
    assert_true(client_read(client, DESK_COMMAND, &size));
    desk_wipe(&crowd->desk, DESK_COMMAND);
    expect_wiped(crowd->desk.bytes[DESK_COMMAND], CROWD_CAPACITY);

    crowd_put(crowd, 0, bytes, 2 * one);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(client_read(client, DESK_COMMAND, &size));
        desk_wipe(&crowd->desk, DESK_COMMAND);
        expect_wiped(crowd->desk.bytes[DESK_COMMAND], CROWD_CAPACITY);
    }
    crowd_put(crowd, 0, bytes, 2 * one);
    client->io.maybe_more = true;
    assert_int_equal(client_io_pull(&client->io), 0);
    expect_wiped(crowd->desk.bytes[DESK_SCRATCH], CROWD_CAPACITY);
    assert_true(client_read(client, DESK_COMMAND, &size));
    desk_wipe(&crowd->desk, DESK_COMMAND);
    expect_wiped(client->io.in.bytes, client->io.in.start);
    client_close(client);
    crowd_clear(crowd);
    assert_int_equal(alloc_fault_watch(NULL, 0), 0);
    crowd_init(crowd, CROWD_CAPACITY);
}

static void test_nothing_of_an_unread_answer_stays_in_memory(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    uint8_t *answer = crowd->desk.bytes[DESK_RESPONSE];
    size_t size = CROWD_RESPONSE;

    memcpy(answer + size - sizeof(secret), secret, sizeof(secret));
    desk_use(&crowd->desk, DESK_RESPONSE, size);
    alloc_fault_watch(secret, sizeof(secret));
    client_answer(client, size);
    desk_end_run(&crowd->desk);
    assert_true(client_io_sending(&client->io));
    client_close(client);
    crowd_clear(crowd);
    assert_int_equal(alloc_fault_watch(NULL, 0), 0);
    crowd_init(crowd, CROWD_CAPACITY);
}

/* Commands that cannot be kept end the connection, with a last word. */
static void test_R42_no_memory_for_what_has_to_be_kept(void **state)
{
    struct crowd *crowd = *state;
    struct client *client;
    uint8_t bytes[2 * (HEADER_SIZE + sizeof(secret))];
    size_t one = put_secret(bytes), size;

    put_secret(bytes + one);
    /* The start of one; its rest; and the start of the next one behind it. */
    for (unsigned i = 0; i < 3; i++) {
        client = crowd_join(crowd, i, 1000, CLIENT_FROM_BUS);
        crowd_put(crowd, i, bytes, i == 2 ? one + 7 : 3);
        if (i == 1) {
            assert_false(client_read(client, DESK_COMMAND, &size));
            crowd_put(crowd, i, bytes + 3, one - 3);
        }
        alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, true);
        assert_false(client_read(client, DESK_COMMAND, &size));
        assert_true(alloc_fault_end() > 0);
        assert_int_equal(crowd_get(crowd, i), RM_RC_MEMORY);
        assert_int_equal(client->state, CLIENT_DRAINING);
        expect_wiped(crowd->desk.bytes[DESK_COMMAND], CROWD_CAPACITY);
    }
}

/* What only helps others is done without. */
static void test_R42_no_memory_to_look_ahead(void **state)
{
    struct crowd *crowd = *state;
    struct client *client = crowd_join(crowd, 0, 1000, CLIENT_FROM_BUS);
    size_t size;

    crowd_put_random(crowd, 0);
    client->io.maybe_more = true;
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, true);
    assert_null(client_io_ahead(&client->io, &size));
    assert_int_equal(alloc_fault_end(), 1);
    assert_int_equal(size, 0);
    assert_true(client->io.maybe_more);
    assert_true(client_read(client, DESK_COMMAND, &size));
    assert_int_equal(size, HEADER_SIZE + 2);
}

static void test_R42_no_memory_to_pull_in_or_to_answer(void **state)
{
    struct crowd *crowd = *state;
    struct client *puller = crowd_join(crowd, 0, 1000, CLIENT_FROM_SOCKET);
    struct client *idler = crowd_join(crowd, 1, 1000, CLIENT_FROM_BUS);

    crowd_put_random(crowd, 0);
    puller->io.maybe_more = true;
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, true);
    assert_int_equal(client_io_pull(&puller->io), -ENOMEM);
    desk_settle(&crowd->desk);
    client_answer(idler, CROWD_RESPONSE);
    assert_int_equal(alloc_fault_end(), 2);
    assert_int_equal(idler->state, CLIENT_CLOSED);
}

/* A client that could not be made leaves its socket to whoever asked for it, who gives its charge
 * back. */
static void make_client(void *data)
{
    struct crowd *crowd = data;
    struct client *client;
    struct user *user;
    int pair[2], error;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    error = admission_enter(&crowd->admission, 1000, 0, &user);
    if (error) {
        assert_int_equal(error, -ENOMEM);
        assert_null(user);
        close(pair[0]);
    } else {
        error = client_new(&crowd->clients, 1000, pair[0], &client);
        if (error) {
            assert_int_equal(error, -ENOMEM);
            assert_null(client);
            admission_leave(&crowd->admission, user);
            assert_int_equal(send(pair[0], "x", 1, MSG_NOSIGNAL), 1);
            close(pair[0]);
        } else {
            client->user = user;
            client_free(client);
        }
    }
    close(pair[1]);
    assert_int_equal(crowd->admission.known.others, 0);
}

static void test_R42_no_memory_for_a_client(void **state)
{
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, make_client, *state), 3);
}

static void told(void *data)
{
    (void)data;
}

/* Newcomers with a rule for a group; somebody of that group comes. */
static void receive_newcomer(void *data)
{
    static const struct rule rule = {.subject = RULE_FOR_GROUP,
                                     .id = 50,
                                     .said = {[RULE_PRIORITY] = true},
                                     .values = {[RULE_PRIORITY] = SCHEDULER_HIGH}};
    const struct newcomers_config config = {.rules = {.rules = &rule, .count = 1}};
    gid_t id = 50;
    const struct peer_groups groups = {true, 1, &id};
    struct crowd *crowd = data;
    struct newcomers newcomers;
    struct client *client;
    int pair[2], error;

    error = newcomers_init(&newcomers, &crowd->loop, &crowd->clients, &config, told, NULL);
    if (error) {
        assert_int_equal(error, -ENOMEM);
        return;
    }
    newcomers_open(&newcomers);
    crowd->clients.admission = &newcomers.admission;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    error = newcomers_admit(&newcomers, &(struct seat_holder){.uid = 1001, .groups = &groups},
                            pair[0], &client);
    if (error) {
        assert_int_equal(error, -ENOMEM);
        close(pair[0]);
    } else {
        assert_true(peer_groups_have(&client->groups, 50));
        client_free(client);
    }
    close(pair[1]);
    assert_int_equal(newcomers.admission.known.others, 0);
    newcomers_clear(&newcomers);
    crowd->clients.admission = &crowd->admission;
}

static void test_R42_no_memory_for_newcomers(void **state)
{
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, receive_newcomer, *state), 6);
}

/* Of whom nothing is known, in a block of which nobody is there. */
static void enter_unknown(void *data)
{
    struct crowd *crowd = data;
    struct admission_unknown *unknown;
    int error = admission_enter_unknown(&crowd->admission, 1000, &unknown);

    if (error) {
        assert_int_equal(error, -ENOMEM);
        assert_null(unknown);
    } else {
        admission_leave_unknown(&crowd->admission, unknown);
    }
    assert_true(list_empty(&crowd->admission.unknowns));
    assert_int_equal(crowd->admission.unknown.others, 0);
}

static void test_R42_no_memory_for_a_charge(void **state)
{
    assert_int_equal(alloc_fault_each(ALLOC_FAULT_MEMORY, enter_unknown, *state), 2);
}

static void ask_database(void *data)
{
    uint32_t uid;

    (void)data;
    membership_lookup(0, 4000000000);
    membership_list(0, &uid, 1);
}

static void test_R42_no_memory_to_ask_the_user_database(void **state)
{
    uint32_t uid;

    alloc_fault_each(ALLOC_FAULT_MEMORY, ask_database, *state);
    for (unsigned nth = 1; nth <= 2; nth++) {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, false);
        assert_int_equal(membership_lookup(0, 4000000000), -ENOMEM);
        assert_int_equal(alloc_fault_end(), 1);
    }
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    assert_int_equal(membership_list(0, &uid, 1), 0);
    assert_int_equal(alloc_fault_end(), 1);
}

static void expect_closed(void)
{
    struct pollfd reader = {.events = POLLIN};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    descriptors_close(ends[1]);
    reader.fd = ends[0];
    assert_int_equal(poll(&reader, 1, 20000), 1);
    assert_true(reader.revents & POLLHUP);
    close(ends[0]);
}

static void test_R42_no_thread_to_close_a_descriptor(void **state)
{
    unsigned refused = 0;

    (void)state;
    /* The thread that closed the one before may still be there, and take it. */
    for (unsigned i = 0; i < 1000 && refused == 0; i++) {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, 2, false);
        expect_closed();
        refused = alloc_fault_end();
    }
    assert_int_equal(refused, 1);
}

#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_nothing_of_a_command_stays_in_memory),
        FAULT_TEST(test_nothing_of_an_unread_answer_stays_in_memory),
        FAULT_TEST(test_R42_no_memory_for_what_has_to_be_kept),
        FAULT_TEST(test_R42_no_memory_to_look_ahead),
        FAULT_TEST(test_R42_no_memory_to_pull_in_or_to_answer),
        FAULT_TEST(test_R42_no_memory_for_a_client),
        FAULT_TEST(test_R42_no_memory_for_newcomers),
        FAULT_TEST(test_R42_no_memory_for_a_charge),
        FAULT_TEST(test_R42_no_memory_to_ask_the_user_database),
        FAULT_TEST(test_R42_no_thread_to_close_a_descriptor),
    };

    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
