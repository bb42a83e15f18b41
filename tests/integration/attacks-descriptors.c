/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client can do to others by a descriptor that it passes to the daemon over its socket, and
 * that takes an hour to be closed. Nobody waits for that.
 */
#include "lingerer.h"
#include "served.h"

#include <errno.h>
#include <poll.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* Commands whose answers are more than a socket holds, and which are more than the daemon reads of
 * them until then. */
#define UNREAD 550

/* Commands of another client meanwhile, and the pause between them. */
#define COMMANDS 50
#define PAUSE_MS 10

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

/* The daemon does not come to what is sent next, until the client reads its answers. */
static void send_much(struct raw_client *raw)
{
    for (unsigned i = 0; i < UNREAD; i++)
        assert_true(raw_client_send(raw, get_random, sizeof(get_random)));
}

/* Reads the answers. They need not all come, as the daemon may hang up. */
static void read_all(struct raw_client *raw)
{
    uint8_t response[64];

    for (unsigned i = 0; i < UNREAD; i++)
        if (raw_client_receive(raw, response, sizeof(response)) <= 0)
            return;
}

/* A client that has passed a descriptor which only the message has then; NULL where it cannot. */
static struct raw_client *pass(const struct world *world, int *peer)
{
    struct raw_client *raw = served_raw_client(world);
    int fd = lingerer_open(peer);

    assert_non_null(raw);
    if (fd < 0)
        skip();
    send_much(raw);
    if (!lingerer_pass(raw->fd, get_random, 1, fd, 0))
        assert_int_equal(errno, EPERM);
    return raw;
}

/* Another client's commands are answered all the time. */
static void expect_served(struct raw_client *other)
{
    for (unsigned i = 0; i < COMMANDS; i++) {
        assert_int_equal(raw_client_transact(other, get_random, sizeof(get_random)),
                         TPM2_RC_SUCCESS);
        poll(NULL, 0, PAUSE_MS);
    }
}

static void test_R51_a_descriptor_that_is_read_holds_up_nobody(void **state)
{
    struct raw_client *other = served_raw_client(*state), *raw;
    int peer;

    assert_non_null(other);
    raw = pass(*state, &peer);
    read_all(raw);
    expect_served(other);
    raw_client_free(raw);
    raw_client_free(other);
    close(peer);
}

static void test_R51_a_descriptor_that_is_left_unread_holds_up_nobody(void **state)
{
    struct raw_client *other = served_raw_client(*state), *raw;
    int peer;

    assert_non_null(other);
    raw = pass(*state, &peer);
    raw_client_free(raw);
    expect_served(other);
    raw_client_free(other);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R51_a_descriptor_that_is_read_holds_up_nobody),
        served_test(test_R51_a_descriptor_that_is_left_unread_holds_up_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
