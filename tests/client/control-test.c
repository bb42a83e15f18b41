/* SPDX-License-Identifier: BSD-2-Clause */
/* Control frames on the stream of commands: cancels and their replies around a response, and the
 * daemon's word on localities. */
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

static void open_link(struct fake_link *link)
{
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, link),
                     TSS2_RC_SUCCESS);
}

/* Where replies to two cancels stand around the response, and how the stream is cut. */
static void test_R48_cancel_replies_are_told_from_the_response(void **state)
{
    uint8_t stream[2 * CONTROL_FRAME_REPLY_SIZE + 30], response[30], buffer[64], frame[HEADER_SIZE];
    size_t at, before, cut, size;
    struct fake_link link;
    TSS2_RC rc;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    for (before = 0; before <= 2; before++) {
        at = before * CONTROL_FRAME_REPLY_SIZE;
        memcpy(stream + at, response, sizeof(response));
        for (cut = 0; cut < before; cut++)
            control_frame_reply_store(stream + cut * CONTROL_FRAME_REPLY_SIZE, CONTROL_FRAME_CANCEL,
                                      0xA0007);
        for (; cut < 2; cut++)
            control_frame_reply_store(stream + sizeof(response) + cut * CONTROL_FRAME_REPLY_SIZE,
                                      CONTROL_FRAME_CANCEL, 0xA0007);
        for (cut = 0; cut <= sizeof(stream); cut++) {
            open_link(&link);
            fake_link_command(&link, 12, 1);
            assert_int_equal(Tss2_Tcti_Cancel(link.tcti), TSS2_RC_SUCCESS);
            assert_int_equal(Tss2_Tcti_Cancel(link.tcti), TSS2_RC_SUCCESS);
            fake_link_read(&link, frame, sizeof(frame));
            fake_link_read(&link, frame, sizeof(frame));
            fake_link_write(&link, stream, cut);
            size = sizeof(buffer);
            rc = Tss2_Tcti_Receive(link.tcti, &size, buffer, 0);
            fake_link_write(&link, stream + cut, sizeof(stream) - cut);
            if (cut < at + sizeof(response)) {
                assert_int_equal(rc, TSS2_TCTI_RC_TRY_AGAIN);
                fake_link_expect(&link, response, sizeof(response), -1);
            } else {
                assert_int_equal(rc, TSS2_RC_SUCCESS);
                assert_memory_equal(buffer, response, sizeof(response));
            }
            fake_link_exchange(&link, 5);
            fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 0);
            assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 3), TSS2_RC_SUCCESS);
            fake_link_close(&link);
        }
    }
}

static void test_locality_verdicts(void **state)
{
    static const struct {
        uint32_t verdict;
        TSS2_RC rc;
    } cases[] = {
        {0, TSS2_RC_SUCCESS},
        {0xA000B, TSS2_TCTI_RC_BAD_VALUE},
        {0xB0907, TSS2_TCTI_RC_BAD_VALUE},
        {0xA000C, TSS2_TCTI_RC_BAD_VALUE},
        {0xB0120, TSS2_TCTI_RC_NOT_PERMITTED},
        {0xA0002, TSS2_TCTI_RC_NOT_IMPLEMENTED},
        {0xA000A, TSS2_TCTI_RC_GENERAL_FAILURE},
        {0x12345678, TSS2_TCTI_RC_GENERAL_FAILURE},
    };
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    struct fake_link link;
    size_t i;

    (void)state;
    open_link(&link);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, cases[i].verdict);
        assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, (uint8_t)i % 5), cases[i].rc);
        fake_link_read(&link, frame, sizeof(frame));
        assert_int_equal(frame[HEADER_SIZE], i % 5);
        fake_link_exchange(&link, (uint8_t)i);
    }
    fake_link_close(&link);
}

/* Extended localities, which the daemon has a word on, too. */
static void test_localities_beyond_31(void **state)
{
    static const uint8_t localities[] = {32, 255};
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    struct fake_link link;
    size_t i;

    (void)state;
    open_link(&link);
    for (i = 0; i < sizeof(localities); i++) {
        fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 0);
        assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, localities[i]), TSS2_RC_SUCCESS);
        fake_link_read(&link, frame, sizeof(frame));
        assert_int_equal(frame[HEADER_SIZE], localities[i]);
    }
    fake_link_close(&link);
}

static void test_unexpected_control_replies_are_malformed(void **state)
{
    uint8_t buffer[64], bytes[CONTROL_FRAME_REPLY_SIZE];
    size_t i, size = sizeof(buffer);
    struct fake_link link;

    (void)state;
    for (i = 0; i < 3; i++) {
        open_link(&link);
        fake_link_command(&link, 12, 1);
        control_frame_reply_store(bytes,
                                  i == 0   ? CONTROL_FRAME_SET_LOCALITY
                                  : i == 1 ? 77
                                           : CONTROL_FRAME_CANCEL,
                                  0);
        if (i == 2)
            store_be32(bytes + 2, CONTROL_FRAME_REPLY_SIZE - 1);
        fake_link_write(&link, bytes, sizeof(bytes));
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, -1),
                         TSS2_TCTI_RC_MALFORMED_RESPONSE);
        fake_link_close(&link);
    }
    open_link(&link);
    fake_frame(buffer, 20, 1);
    fake_link_write(&link, buffer, 20);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 0), TSS2_TCTI_RC_MALFORMED_RESPONSE);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 0), TSS2_TCTI_RC_NO_CONNECTION);
    fake_link_close(&link);
}

struct cancelling {
    struct fake_link link;
    const uint8_t *response;
    size_t size;
    TSS2_RC rc;
};

static void *cancel_and_answer(void *data)
{
    struct cancelling *cancelling = data;
    uint8_t frame[HEADER_SIZE], reply[CONTROL_FRAME_REPLY_SIZE];

    cancelling->rc = Tss2_Tcti_Cancel(cancelling->link.tcti);
    control_frame_reply_store(reply, CONTROL_FRAME_CANCEL, 0);
    if (recv(cancelling->link.server, frame, sizeof(frame), MSG_WAITALL) != sizeof(frame)
        || send(cancelling->link.server, reply, sizeof(reply), MSG_NOSIGNAL) < 0
        || send(cancelling->link.server, cancelling->response, cancelling->size, MSG_NOSIGNAL) < 0)
        return NULL;
    return data;
}

static void test_R48_cancel_while_another_thread_waits(void **state)
{
    struct cancelling cancelling;
    uint8_t response[30];
    struct fake_link link;
    void *done = NULL;
    pthread_t thread;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 12, 1);
    fake_frame(response, sizeof(response), 1);
    cancelling = (struct cancelling){link, response, sizeof(response), 1};
    assert_int_equal(pthread_create(&thread, NULL, cancel_and_answer, &cancelling), 0);
    fake_link_expect(&link, response, sizeof(response), -1);
    pthread_join(thread, &done);
    assert_non_null(done);
    assert_int_equal(cancelling.rc, TSS2_RC_SUCCESS);
    fake_link_close(&link);
}

/* A cancel takes part in the turn of its command, and leaves it to the response to end it. */
static void test_R46_a_cancel_keeps_the_turn(void **state)
{
    uint8_t response[30], frame[HEADER_SIZE], seen[HEADER_SIZE + 10];
    struct fake_link link;
    pid_t child;
    int there = -1;

    (void)state;
    open_link(&link);
    /* From here on the connection is shared. */
    child = children_start();
    if (child == 0)
        _exit(Tss2_Tcti_SetLocality(link.tcti, 0) == TSS2_RC_SUCCESS ? 0 : 1);
    fake_link_read(&link, seen, HEADER_SIZE + 1);
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 0);
    children_expect_end(child);
    fake_link_command(&link, 12, 1);
    assert_int_equal(Tss2_Tcti_Cancel(link.tcti), TSS2_RC_SUCCESS);
    fake_link_read(&link, frame, sizeof(frame));
    child = children_start();
    if (child == 0)
        _exit(children_echo(&link, 0) ? 0 : 1);
    children_await_sleep(child, 1);
    assert_int_equal(ioctl(link.server, FIONREAD, &there), 0);
    assert_int_equal(there, 0);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    fake_link_expect(&link, response, sizeof(response), 0);
    fake_link_reply(&link, CONTROL_FRAME_CANCEL, 0);
    fake_link_read(&link, seen, sizeof(seen));
    fake_link_write(&link, seen, sizeof(seen));
    children_expect_end(child);
    fake_link_close(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R48_cancel_replies_are_told_from_the_response),
        cmocka_unit_test(test_locality_verdicts),
        cmocka_unit_test(test_localities_beyond_31),
        cmocka_unit_test(test_unexpected_control_replies_are_malformed),
        cmocka_unit_test(test_R48_cancel_while_another_thread_waits),
        cmocka_unit_test(test_R46_a_cancel_keeps_the_turn),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client control", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
