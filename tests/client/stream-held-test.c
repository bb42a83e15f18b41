/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes that a stream holds until their frame is whole, and that its journal keeps; and that
 * they are wiped. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc-fault.h"
#include "children.h"
#include "connection.h"
#include "deadline.h"
#include "fake-daemon.h"
#include "logger.h"
#include "stream.h"
#include "tss2-tcti-tabrmd.h"

static void open_pair(struct stream *stream, struct fake_link *link)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stream_init(stream, ends[0], true);
    *link = (struct fake_link){NULL, ends[1]};
}

/* Who forgets bytes wipes them first: where, and how many, is seen here. */
static const void *wiped;
static size_t wiped_size, wiped_least = SIZE_MAX;

void explicit_bzero(void *bytes, size_t size)
{
    wiped = bytes;
    wiped_size = size;
    wiped_least = size < wiped_least ? size : wiped_least;
    memset(bytes, 0, size);
    /* For the compiler somebody looks at them. */
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

/* The same, where the library was built with checks of sizes (_FORTIFY_SOURCE). */
void __explicit_bzero_chk(void *bytes, size_t size, size_t room);
void __explicit_bzero_chk(void *bytes, size_t size, size_t room)
{
    (void)room;
    explicit_bzero(bytes, size);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    return size == 0;
}

/* The beginning of a response is held, with the bytes of its header that came. */
static void hold(struct stream *stream, const struct fake_link *link, const uint8_t *bytes,
                 size_t size)
{
    uint8_t scratch[64];
    size_t got = 99;

    fake_link_write(link, bytes, size);
    assert_int_equal(stream_response_quick(stream, scratch, sizeof(scratch), &got, DEADLINE_NOW),
                     TSS2_RC_SUCCESS);
    assert_int_equal(got, 0);
    assert_int_equal(stream->held_size, size);
}

static void test_what_was_held_is_wiped(void **state)
{
    uint8_t response[20], buffer[20];
    struct stream stream;
    struct fake_link link;
    const uint8_t *held;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    open_pair(&stream, &link);
    hold(&stream, &link, response, 5);
    held = stream.held;
    /* More of it moves to another block. */
    fake_link_write(&link, response + 5, 6);
    assert_int_equal(stream_response_take(&stream, buffer, 20, DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    assert_ptr_equal(wiped, held);
    assert_int_equal(wiped_size, 5);
    held = stream.held;
    fake_link_write(&link, response + 11, 9);
    assert_int_equal(stream_response_take(&stream, buffer, 20, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_memory_equal(buffer, response, sizeof(response));
    assert_ptr_equal(wiped, held);
    assert_int_equal(wiped_size, 11);
    assert_null(stream.held);
    hold(&stream, &link, response, 7);
    held = stream.held;
    stream_close(&stream);
    assert_ptr_equal(wiped, held);
    assert_int_equal(wiped_size, 7);
    fake_link_close(&link);
}

/* A part of a control reply came with the response, and stays. */
static void test_what_moves_in_the_held_bytes_is_wiped(void **state)
{
    uint8_t bytes[15 + CONTROL_FRAME_REPLY_SIZE], buffer[64];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;

    (void)state;
    fake_frame(bytes, 15, 1);
    control_frame_reply_store(bytes + 15, CONTROL_FRAME_CANCEL, 0xFFFFFFFF);
    open_pair(&stream, &link);
    hold(&stream, &link, bytes, 15 + 6);
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_int_equal(size, 15);
    assert_int_equal(stream_response_take(&stream, buffer, size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_memory_equal(buffer, bytes, 15);
    assert_int_equal(stream.held_size, 6);
    assert_memory_equal(stream.held, bytes + 15, 6);
    assert_true(is_zero(stream.held + 6, 15));
    fake_link_close(&link);
    stream_close(&stream);
}

static void test_R46_a_child_forgets_what_its_parent_held(void **state)
{
    uint8_t response[20];
    struct stream stream;
    struct fake_link link;
    uint8_t *held;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    open_pair(&stream, &link);
    hold(&stream, &link, response, 5);
    held = stream.held;
    stream_forked(&stream);
    assert_null(stream.held);
    assert_int_equal(stream.held_size, 0);
    assert_memory_equal(held, response, 5);
    free(held);
    fake_link_close(&link);
    stream_close(&stream);
}

/* The child's memory is left alone: another thread of the parent may have been about to free it. */
static void test_R46_a_child_does_not_touch_what_its_parent_held(void **state)
{
    struct connection connection = {.peer = NULL};
    struct fake_link link, dead;
    struct fake_daemon daemon;
    uint8_t response[20], buffer[20], *held;
    size_t size = sizeof(buffer);
    pid_t child;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    open_pair(&connection.stream, &link);
    journal_open(&connection.journal);
    turn_init(&connection.turn, connection.stream.fd, connection.journal.page);
    hold(&connection.stream, &link, response, 5);
    held = connection.stream.held;
    assert_true(connection_adopt(&connection));
    assert_null(connection.stream.held);
    assert_memory_equal(held, response, 5);
    free(held);
    connection_close(&connection);
    fake_link_close(&link);
    /* Nor does a child that only finalizes. */
    fake_daemon_start(&daemon);
    assert_int_equal(fake_daemon_connect(&daemon, Tss2_Tcti_Tabrmd_Init, 0, &link),
                     TSS2_RC_SUCCESS);
    fake_link_command(&link, 20, 1);
    fake_link_write(&link, response, 5);
    assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0), TSS2_TCTI_RC_TRY_AGAIN);
    child = children_start();
    if (child == 0) {
        dead = link;
        wiped_least = SIZE_MAX;
        Tss2_Tcti_Finalize(dead.tcti);
        _exit(wiped_least > 5 ? 0 : 1);
    }
    children_expect_end(child);
    fake_link_close(&link);
    fake_daemon_stop(&daemon);
}

/* No memory for what came: the stream ends, and says so. */
static void test_what_cannot_be_held(void **state)
{
    uint8_t response[20], buffer[20];
    struct journal journal;
    struct stream stream;
    struct fake_link link;
    size_t size = 0;
    pid_t child;
    int said;

    (void)state;
    fake_frame(response, sizeof(response), 1);
    open_pair(&stream, &link);
    fake_link_write(&link, response, 5);
    child = children_start_heard(&said);
    if (child == 0) {
        logger_configure(LOGGER_ERROR);
        alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
        _exit(stream_response_quick(&stream, buffer, sizeof(buffer), &size, DEADLINE_NOW)
                          == TSS2_TCTI_RC_MEMORY
                      && alloc_fault_end() == 1
                  ? 0
                  : 1);
    }
    children_expect_said(child, said, "no memory for 5 bytes of a response", 1);
    /* The same for what another process had taken too early: nothing is sent then. */
    journal_open(&journal);
    stream.journal = &journal;
    journal_end(&journal, response, 5, 0);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    assert_int_equal(stream_send(&stream, response, sizeof(response)), TSS2_TCTI_RC_MEMORY);
    assert_int_equal(alloc_fault_end(), 1);
    assert_int_equal(recv(link.server, buffer, sizeof(buffer), MSG_DONTWAIT), -1);
    stream_close(&stream);
    journal_close(&journal);
    fake_link_close(&link);
}

/* Nothing is left in the page of what was sent, nor of its answer. */
static void test_R46_the_journal_keeps_no_bytes(void **state)
{
    static const size_t sizes[] = {12, JOURNAL_SEEN_MAX - 1, JOURNAL_SEEN_MAX, 1000};
    uint8_t command[1000], buffer[1000], seen[1000];
    struct journal journal;
    struct stream stream;
    struct fake_link link;
    uint32_t verdict = 9;
    size_t i, full, size;

    (void)state;
    journal_open(&journal);
    open_pair(&stream, &link);
    stream.journal = &journal;
    for (i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        /* Before and after another process has joined. */
        journal.page->joined = i % 2;
        full = sizes[i / 2];
        fake_frame(command, full, 1);
        assert_int_equal(stream_send(&stream, command, full), TSS2_RC_SUCCESS);
        assert_int_equal(journal_phase(&journal), JOURNAL_RECEIVING);
        assert_true(is_zero(journal.page->frame, sizeof(journal.page->frame)));
        fake_link_read(&link, seen, full);
        fake_link_write(&link, command, full);
        assert_int_equal(
            stream_response_quick(&stream, buffer, sizeof(buffer), &size, DEADLINE_NOW),
            TSS2_RC_SUCCESS);
        assert_int_equal(size, full);
        assert_memory_equal(buffer, command, size);
        assert_int_equal(journal_phase(&journal), JOURNAL_IDLE);
        assert_true(is_zero(journal.page->seen, sizeof(journal.page->seen)));
    }
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 3, &verdict, DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    assert_true(is_zero(journal.page->frame, sizeof(journal.page->frame)));
    /* The connection is as good as before, and that a reply will come is known to all. */
    assert_int_equal(journal_phase(&journal), JOURNAL_IDLE);
    assert_int_equal(journal_late_replies(&journal), 1);
    /* Not so when what comes is no reply. */
    fake_frame(command, 20, 1);
    fake_link_write(&link, command, 20);
    assert_int_equal(stream_request(&stream, CONTROL_FRAME_SET_LOCALITY, 3, &verdict, DEADLINE_NOW),
                     TSS2_TCTI_RC_MALFORMED_RESPONSE);
    assert_int_equal(journal_phase(&journal), JOURNAL_AWAITING);
    fake_link_close(&link);
    stream_close(&stream);
    journal_close(&journal);
}

static void test_R46_a_broken_journal_keeps_no_bytes(void **state)
{
    uint8_t command[JOURNAL_FRAME_MAX];
    struct journal journal;

    (void)state;
    fake_frame(command, sizeof(command), 1);
    journal_open(&journal);
    journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
    assert_true(is_zero(journal.page->frame, sizeof(journal.page->frame)));
    journal.page->joined = 1;
    journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
    assert_memory_equal(journal.page->frame, command, sizeof(command));
    memset(journal.page->seen, 1, sizeof(journal.page->seen));
    journal_break(&journal);
    assert_int_equal(journal_phase(&journal), JOURNAL_BROKEN);
    assert_true(is_zero(journal.page->frame, sizeof(journal.page->frame)));
    assert_true(is_zero(journal.page->seen, sizeof(journal.page->seen)));
    journal_close(&journal);
}

/* Nothing of a response but its header, in pieces, on a stream without control frames. */
static void test_the_smallest_response_in_pieces(void **state)
{
    uint8_t response[HEADER_SIZE], buffer[HEADER_SIZE];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;

    (void)state;
    open_pair(&stream, &link);
    stream.control = false;
    fake_frame(response, sizeof(response), 1);
    assert_int_equal(stream_response_take(&stream, buffer, sizeof(buffer), DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    fake_link_write(&link, response, 6);
    assert_int_equal(stream_response_take(&stream, buffer, sizeof(buffer), DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    fake_link_write(&link, response + 6, 3);
    assert_int_equal(stream_response_take(&stream, buffer, sizeof(buffer), DEADLINE_NOW),
                     TSS2_TCTI_RC_TRY_AGAIN);
    assert_int_equal(stream.held_size, 9);
    fake_link_write(&link, response + 9, 1);
    assert_int_equal(stream_response_size(&stream, &size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_int_equal(size, sizeof(response));
    assert_int_equal(stream_response_take(&stream, buffer, size, DEADLINE_NOW), TSS2_RC_SUCCESS);
    assert_memory_equal(buffer, response, sizeof(response));
    fake_link_close(&link);
    stream_close(&stream);
}

/* It is had at once, with no room for more. */
static void test_the_smallest_response_at_once(void **state)
{
    uint8_t response[HEADER_SIZE], buffer[HEADER_SIZE];
    struct stream stream;
    struct fake_link link;
    size_t size = 0;

    (void)state;
    open_pair(&stream, &link);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    assert_int_equal(stream_response_quick(&stream, buffer, sizeof(buffer), &size, DEADLINE_NOW),
                     TSS2_RC_SUCCESS);
    assert_int_equal(size, sizeof(response));
    assert_memory_equal(buffer, response, sizeof(response));
    fake_link_close(&link);
    stream_close(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_held_is_wiped),
        cmocka_unit_test(test_what_moves_in_the_held_bytes_is_wiped),
        cmocka_unit_test(test_R46_a_child_forgets_what_its_parent_held),
        cmocka_unit_test(test_R46_a_child_does_not_touch_what_its_parent_held),
        cmocka_unit_test(test_what_cannot_be_held),
        cmocka_unit_test(test_R46_the_journal_keeps_no_bytes),
        cmocka_unit_test(test_R46_a_broken_journal_keeps_no_bytes),
        cmocka_unit_test(test_the_smallest_response_in_pieces),
        cmocka_unit_test(test_the_smallest_response_at_once),
    };

    return cmocka_run_group_tests_name("client held bytes", tests, NULL, NULL);
}
