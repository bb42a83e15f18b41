/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client can do to others by a descriptor that it passes to the daemon over its socket, and
 * that takes an hour to be closed. Nobody waits for that.
 */
#include "lingerer.h"
#include "served.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* More commands than the daemon reads while their answers are unread. */
#define UNREAD 4000

/* How long the daemon may leave commands in the socket until it is taken not to read them at all:
 * tries, and the pause between them. */
#define READ_TRIES 50

/* Commands of another client meanwhile, and the pause between them. */
#define COMMANDS 50
#define PAUSE_MS 10

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

/* Whether the daemon reads: whether the socket comes to hold less than half of what it may. */
static bool is_read(const struct raw_client *raw)
{
    int room, queued;
    socklen_t size = sizeof(room);

    assert_int_equal(getsockopt(raw->fd, SOL_SOCKET, SO_SNDBUF, &room, &size), 0);
    for (unsigned i = 0; i < READ_TRIES; i++) {
        assert_int_equal(ioctl(raw->fd, SIOCOUTQ, &queued), 0);
        if (queued < room / 2)
            return true;
        poll(NULL, 0, PAUSE_MS);
    }
    return false;
}

/* The daemon does not come to what is sent next, until the client reads its answers. Returns how
 * many commands that took. */
static unsigned send_much(struct raw_client *raw)
{
    unsigned sent = 0;

    while (is_read(raw)) {
        assert_in_range(sent, 0, UNREAD);
        assert_true(raw_client_send(raw, get_random, sizeof(get_random)));
        sent++;
    }
    return sent;
}

/* Reads the answers. They need not all come, as the daemon may hang up. */
static void read_all(struct raw_client *raw, unsigned count)
{
    uint8_t response[64];

    for (unsigned i = 0; i < count; i++)
        if (raw_client_receive(raw, response, sizeof(response)) <= 0)
            return;
}

/* A client that has passed a descriptor behind `sent` commands; only the message has it then. */
static struct raw_client *pass(const struct world *world, int *peer, unsigned *sent)
{
    struct raw_client *raw = served_raw_client(world);
    int fd = lingerer_open(peer);

    assert_non_null(raw);
    if (fd < 0)
        skip();
    *sent = send_much(raw);
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
    unsigned sent;
    int peer;

    assert_non_null(other);
    raw = pass(*state, &peer, &sent);
    read_all(raw, sent);
    expect_served(other);
    raw_client_free(raw);
    raw_client_free(other);
    close(peer);
}

static void test_R51_a_descriptor_that_is_left_unread_holds_up_nobody(void **state)
{
    struct raw_client *other = served_raw_client(*state), *raw;
    unsigned sent;
    int peer;

    assert_non_null(other);
    raw = pass(*state, &peer, &sent);
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
