/* SPDX-License-Identifier: BSD-2-Clause */
/* What other threads want of the engine. */
#include "engine/mailbox.h"
#include "lock-probe.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 20000

static bool readable(const struct mailbox *mailbox)
{
    struct pollfd handle = {mailbox->fd, POLLIN, 0};

    return poll(&handle, 1, 0) == 1;
}

static void test_order_and_descriptor(void **state)
{
    struct mailbox_message messages[3];
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    assert_false(readable(&mailbox));
    assert_null(mailbox_take(&mailbox));
    for (int i = 0; i < 3; i++)
        assert_int_equal(mailbox_put(&mailbox, &messages[i], false), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(readable(&mailbox));
        assert_ptr_equal(mailbox_take(&mailbox), &messages[i]);
    }
    assert_false(readable(&mailbox));
    mailbox_clear(&mailbox);
}

static void test_bound_and_urgent(void **state)
{
    struct mailbox_message *messages = calloc(MAILBOX_MAX_WAITING + 2, sizeof(*messages));
    struct mailbox mailbox;

    (void)state;
    assert_non_null(messages);
    assert_int_equal(mailbox_init(&mailbox), 0);
    for (int i = 0; i < MAILBOX_MAX_WAITING; i++)
        assert_int_equal(mailbox_put(&mailbox, &messages[i], false), 0);
    assert_int_equal(mailbox_put(&mailbox, &messages[MAILBOX_MAX_WAITING], false), -EAGAIN);
    assert_int_equal(mailbox_put(&mailbox, &messages[MAILBOX_MAX_WAITING + 1], true), 0);
    for (int i = 0; i < MAILBOX_MAX_WAITING; i++)
        assert_ptr_equal(mailbox_take(&mailbox), &messages[i]);
    assert_ptr_equal(mailbox_take(&mailbox), &messages[MAILBOX_MAX_WAITING + 1]);
    assert_null(mailbox_take(&mailbox));
    mailbox_clear(&mailbox);
    free(messages);
}

/* A descriptor that counts no further is readable all the same. */
static void test_full_descriptor(void **state)
{
    uint64_t most = UINT64_MAX - 1;
    struct mailbox_message message;
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    assert_int_equal(write(mailbox.fd, &most, sizeof(most)), sizeof(most));
    assert_int_equal(mailbox_put(&mailbox, &message, false), 0);
    assert_true(readable(&mailbox));
    assert_ptr_equal(mailbox_take(&mailbox), &message);
    assert_false(readable(&mailbox));
    mailbox_clear(&mailbox);
    assert_int_equal(mailbox.fd, -1);
}

struct putter {
    struct mailbox *mailbox;
    struct mailbox_message *messages;
};

static void *put_many(void *data)
{
    struct putter *putter = data;

    for (int i = 0; i < MANY; i++) {
        mailbox_put(putter->mailbox, &putter->messages[i], true);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    struct mailbox_message *messages = calloc(MANY, sizeof(*messages)), *message;
    struct mailbox mailbox;
    struct putter putter = {&mailbox, messages};
    pthread_t thread;

    (void)state;
    assert_non_null(messages);
    assert_int_equal(mailbox_init(&mailbox), 0);
    assert_int_equal(pthread_create(&thread, NULL, put_many, &putter), 0);
    for (int i = 0; i < MANY;) {
        struct pollfd handle = {mailbox.fd, POLLIN, 0};

        assert_int_equal(poll(&handle, 1, 20000), 1);
        while ((message = mailbox_take(&mailbox)))
            assert_ptr_equal(message, &messages[i++]);
    }
    pthread_join(thread, NULL);
    assert_false(readable(&mailbox));
    mailbox_clear(&mailbox);
    free(messages);
}

static struct mailbox_message shared_message;

static void call_put(void *data)
{
    mailbox_put(data, &shared_message, true);
}

static void call_raise(void *data)
{
    mailbox_raise(data, MAILBOX_PING);
}

static void call_take(void *data)
{
    mailbox_take(data);
}

static void call_take_flags(void *data)
{
    mailbox_take_flags(data);
}

static void test_one_thread_at_a_time(void **state)
{
    void (*const calls[])(void *data) = {call_put, call_raise, call_take, call_take_flags};
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_true(lock_probe_waits(&mailbox.lock, calls[i], &mailbox));
    mailbox_clear(&mailbox);
}

static void test_flags_need_no_memory_and_are_set_once(void **state)
{
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    assert_int_equal(mailbox_take_flags(&mailbox), 0);
    assert_true(mailbox_raise(&mailbox, MAILBOX_PING));
    assert_false(mailbox_raise(&mailbox, MAILBOX_PING));
    assert_true(mailbox_raise(&mailbox, MAILBOX_STOP));
    assert_true(readable(&mailbox));
    assert_int_equal(mailbox_take_flags(&mailbox), MAILBOX_PING | MAILBOX_STOP);
    assert_false(readable(&mailbox));
    assert_true(mailbox_raise(&mailbox, MAILBOX_PING));
    assert_true(readable(&mailbox));
    mailbox_clear(&mailbox);
}

static void test_of_sleep_and_wake_the_last_counts(void **state)
{
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    mailbox_raise(&mailbox, MAILBOX_SLEEP);
    mailbox_raise(&mailbox, MAILBOX_WAKE);
    assert_int_equal(mailbox_take_flags(&mailbox), MAILBOX_WAKE);
    mailbox_raise(&mailbox, MAILBOX_WAKE);
    mailbox_raise(&mailbox, MAILBOX_SLEEP);
    assert_int_equal(mailbox_take_flags(&mailbox), MAILBOX_SLEEP);
    mailbox_clear(&mailbox);
}

/* The descriptor stays readable until both messages and flags are taken, in either order. */
static void test_flags_and_messages_share_the_descriptor(void **state)
{
    struct mailbox_message message;
    struct mailbox mailbox;

    (void)state;
    assert_int_equal(mailbox_init(&mailbox), 0);
    for (int flags_first = 0; flags_first < 2; flags_first++) {
        assert_int_equal(mailbox_put(&mailbox, &message, false), 0);
        mailbox_raise(&mailbox, MAILBOX_STOP);
        if (flags_first)
            assert_int_equal(mailbox_take_flags(&mailbox), MAILBOX_STOP);
        else
            assert_ptr_equal(mailbox_take(&mailbox), &message);
        assert_true(readable(&mailbox));
        if (flags_first)
            assert_ptr_equal(mailbox_take(&mailbox), &message);
        else
            assert_int_equal(mailbox_take_flags(&mailbox), MAILBOX_STOP);
        assert_false(readable(&mailbox));
    }
    mailbox_clear(&mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_need_no_memory_and_are_set_once),
        cmocka_unit_test(test_of_sleep_and_wake_the_last_counts),
        cmocka_unit_test(test_flags_and_messages_share_the_descriptor),
        cmocka_unit_test(test_order_and_descriptor),
        cmocka_unit_test(test_bound_and_urgent),
        cmocka_unit_test(test_full_descriptor),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_one_thread_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
