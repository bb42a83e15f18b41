/* SPDX-License-Identifier: BSD-2-Clause */
/* Control frames of clients, whose commands are at whatever the test says. */
#include "engine-crowd.h"
#include "engine/control-channel.h"
#include "rm/rc.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

/* What the next calls come to, before one is made: an errno, or END for the end of a stream, with
 * the errno of an earlier call. */
enum { END = -1 };
static const int *receives;

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    if (!receives || *receives == 0)
        return (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
    errno = *receives == END ? EINTR : *receives;
    return *receives++ == END ? 1 : -1;
}

/* The same, where the daemon was built with checks of sizes (_FORTIFY_SOURCE). */
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
    (void)room;
    return recv(fd, bytes, size, flags);
}

struct hall {
    struct crowd crowd;
    struct tpm_link link; /* without a TPM */
    struct control_channel channel;
};

static int setup(void **state)
{
    static struct hall hall;

    crowd_init(&hall.crowd, CROWD_CAPACITY);
    hall.channel = (struct control_channel){&hall.crowd.clients, &hall.link};
    hall.link.tcti = tcti_new(&(struct tcti_waiter){.fd = -1});
    assert_non_null(hall.link.tcti);
    *state = &hall;
    return 0;
}

static int teardown(void **state)
{
    struct hall *hall = *state;

    crowd_clear(&hall->crowd);
    tcti_free(hall->link.tcti);
    return 0;
}

/* Sends a control frame, has it carried out, and gives the rc of the reply. */
static uint32_t ask(struct hall *hall, unsigned index, uint32_t operation, uint8_t locality)
{
    crowd_put_control(&hall->crowd, index, operation, locality);
    crowd_look(&hall->crowd);
    control_channel_scan_all(&hall->channel);
    return crowd_get_control(&hall->crowd, index, operation);
}

static void test_hello_is_welcome(void **state)
{
    struct hall *hall = *state;

    crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_HELLO, 0), 0);
}

static void test_R12_frames_that_do_not_exist(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    uint8_t frame[HEADER_SIZE];

    header_store(frame, CONTROL_FRAME_TAG, HEADER_SIZE, 77);
    control_channel_carry_out(&hall->channel, client, CLIENT_IO_FRONT, frame, HEADER_SIZE);
    assert_int_equal(crowd_get_control(&hall->crowd, 0, 77), TSS2_TCTI_RC_NOT_IMPLEMENTED);
    header_store(frame, CONTROL_FRAME_TAG, HEADER_SIZE, CONTROL_FRAME_SET_LOCALITY);
    control_channel_carry_out(&hall->channel, client, CLIENT_IO_FRONT, frame, HEADER_SIZE);
    assert_int_equal(crowd_get_control(&hall->crowd, 0, CONTROL_FRAME_SET_LOCALITY),
                     TSS2_TCTI_RC_BAD_VALUE);
}

static void test_R40_locality_between_commands_only(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 0, CLIENT_FROM_SOCKET);

    assert_int_equal(ask(hall, 0, CONTROL_FRAME_SET_LOCALITY, 2), 0);
    assert_int_equal(client->locality, 2);
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_SET_LOCALITY, 3), TSS2_TCTI_RC_NOT_PERMITTED);
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_SET_LOCALITY, 5), TSS2_TCTI_RC_BAD_VALUE);
    client->command = CLIENT_COMMAND_SUBMITTED;
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_SET_LOCALITY, 1), TSS2_TCTI_RC_BAD_SEQUENCE);
    client->command = CLIENT_COMMAND_NONE;
    crowd_put_random(&hall->crowd, 0);
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_SET_LOCALITY, 1), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(client->locality, 2);
}

/* TPM 2.0 Library Part 2, "TPMA_LOCALITY". */
static void test_R40_localities_that_there_are(void **state)
{
    static const struct {
        uint8_t locality;
        bool exists;
    } cases[] = {{0, true},  {4, true},   {5, false}, {31, false},
                 {32, true}, {255, true}, {3, true},  {6, false}};
    struct hall *hall = *state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        crowd_join(&hall->crowd, i, 0, CLIENT_FROM_SOCKET);
        assert_int_equal(ask(hall, i, CONTROL_FRAME_SET_LOCALITY, cases[i].locality)
                             != TSS2_TCTI_RC_BAD_VALUE,
                         cases[i].exists);
    }
}

/* A look and each frame cost the user something. */
static void test_R51_frames_are_billed(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    uint64_t before = client->turn.virtual_time;

    control_channel_scan(&hall->channel, client, UINT_MAX);
    assert_int_equal(client->turn.virtual_time, before + CLIENT_COST_MIN);
    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    assert_int_equal(control_channel_scan(&hall->channel, client, UINT_MAX), 2);
    assert_int_equal(client->turn.virtual_time, before + 4 * CLIENT_COST_MIN);
}

static void test_R39_cancel_of_what_the_command_is_at(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);

    assert_int_equal(ask(hall, 0, CONTROL_FRAME_CANCEL, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    client->command = CLIENT_COMMAND_READ;
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_CANCEL, 0), 0);
    assert_int_equal(client->command, CLIENT_COMMAND_CANCELED);
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_CANCEL, 0), 0);
    assert_int_equal(client->command, CLIENT_COMMAND_CANCELED);
    /* What is at the TPM is the TCTI's to cancel; there is none. */
    client->command = CLIENT_COMMAND_SUBMITTED;
    assert_int_equal(ask(hall, 0, CONTROL_FRAME_CANCEL, 0), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(client->command, CLIENT_COMMAND_SUBMITTED);
    client->command = CLIENT_COMMAND_NONE;
}

static void test_R39_cancel_behind_its_command(void **state)
{
    struct hall *hall = *state;

    crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    crowd_put_random(&hall->crowd, 0);
    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_CANCEL, 0);
    crowd_look(&hall->crowd);
    control_channel_scan_all(&hall->channel);
    assert_int_equal(crowd_get(&hall->crowd, 0), RM_RC_CANCELED);
    /* Nothing is left of it. */
    for (unsigned i = 0; i < HEADER_SIZE + 2; i++)
        assert_int_equal(hall->crowd.desk.bytes[DESK_SCRATCH][i], 0);
    assert_int_equal(crowd_get_control(&hall->crowd, 0, CONTROL_FRAME_CANCEL), 0);
    assert_false(scheduler_waiting(&hall->crowd.scheduler));
}

static void test_bus_clients_have_no_control_channel(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_BUS);

    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    assert_int_equal(control_channel_scan(&hall->channel, client, UINT_MAX), 0);
    assert_false(crowd_has_answer(&hall->crowd, 0));
}

/* As many replies as frames were carried out. */
static void take_replies(struct hall *hall, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(crowd_get_control(&hall->crowd, 0, CONTROL_FRAME_HELLO), 0);
        /* The next one has room now. */
        crowd_look(&hall->crowd);
    }
}

static void test_R11_frames_in_a_row_are_bounded(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);
    unsigned done = 3;
    int room = 1 << 16; /* for all replies */

    setsockopt(client->io.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    for (unsigned i = 0; i < 20; i++)
        crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    assert_int_equal(control_channel_scan(&hall->channel, client, 3), 3);
    take_replies(hall, 3);
    while (done < 20) {
        unsigned last = control_channel_scan(&hall->channel, client, UINT_MAX);

        assert_in_range(last, 1, 8);
        take_replies(hall, last);
        done += last;
    }
    assert_int_equal(control_channel_scan(&hall->channel, client, UINT_MAX), 0);
}

/* So is all that is done for all clients before the TPM is looked after again: 64 frames and looks
 * for them. */
static void test_R11_frames_of_all_clients_are_bounded(void **state)
{
    struct hall *hall = *state;

    for (unsigned i = 0; i < CROWD_MEMBERS; i++) {
        crowd_join(&hall->crowd, i, 1000 + i, CLIENT_FROM_SOCKET);
        for (unsigned k = 0; k < 8; k++)
            crowd_put_control(&hall->crowd, i, CONTROL_FRAME_HELLO, 0);
    }
    crowd_look(&hall->crowd);
    control_channel_scan_all(&hall->channel);
    for (unsigned i = 0; i < CROWD_MEMBERS - 1; i++)
        for (unsigned k = 0; k < 8; k++)
            assert_int_equal(crowd_get_control(&hall->crowd, i, CONTROL_FRAME_HELLO), 0);
    assert_false(crowd_has_answer(&hall->crowd, CROWD_MEMBERS - 1));
    /* Its frames are taken in its turn. */
    assert_true(scheduler_waiting(&hall->crowd.scheduler));
}

static void test_client_that_hangs_up_is_closed(void **state)
{
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);

    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    crowd_hang_up(&hall->crowd, 0);
    control_channel_scan_all(&hall->channel);
    assert_int_equal(client->state, CLIENT_CLOSED);
    assert_false(scheduler_scans(&hall->crowd.scheduler));
}

static void test_signals_and_ends_of_a_socket(void **state)
{
    static const int interrupted[] = {EINTR, EINTR, 0}, ended[] = {END, 0};
    struct hall *hall = *state;
    struct client *client = crowd_join(&hall->crowd, 0, 1000, CLIENT_FROM_SOCKET);

    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    receives = interrupted;
    control_channel_scan_all(&hall->channel);
    assert_int_equal(*receives, 0);
    assert_int_equal(crowd_get_control(&hall->crowd, 0, CONTROL_FRAME_HELLO), 0);
    crowd_put_control(&hall->crowd, 0, CONTROL_FRAME_HELLO, 0);
    crowd_look(&hall->crowd);
    receives = ended;
    control_channel_scan_all(&hall->channel);
    assert_int_equal(*receives, 0);
    receives = NULL;
    assert_true(client->io.ended);
}

#define CHANNEL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHANNEL_TEST(test_hello_is_welcome),
        CHANNEL_TEST(test_R12_frames_that_do_not_exist),
        CHANNEL_TEST(test_R40_locality_between_commands_only),
        CHANNEL_TEST(test_R40_localities_that_there_are),
        CHANNEL_TEST(test_R51_frames_are_billed),
        CHANNEL_TEST(test_R39_cancel_of_what_the_command_is_at),
        CHANNEL_TEST(test_R39_cancel_behind_its_command),
        CHANNEL_TEST(test_bus_clients_have_no_control_channel),
        CHANNEL_TEST(test_R11_frames_in_a_row_are_bounded),
        CHANNEL_TEST(test_R11_frames_of_all_clients_are_bounded),
        CHANNEL_TEST(test_client_that_hangs_up_is_closed),
        CHANNEL_TEST(test_signals_and_ends_of_a_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
