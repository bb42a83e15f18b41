/* SPDX-License-Identifier: BSD-2-Clause */
/* The message queue between threads. */
#include "engine/control.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 20000

static bool readable(const struct control *control)
{
    struct pollfd handle = {control->fd, POLLIN, 0};

    return poll(&handle, 1, 0) == 1;
}

static void test_order_and_descriptor(void **state)
{
    struct control_message messages[3] = {{.kind = 0}, {.kind = 1}, {.kind = 2}};
    struct control control;

    (void)state;
    assert_int_equal(control_init(&control), 0);
    assert_false(readable(&control));
    assert_null(control_take(&control));
    for (int i = 0; i < 3; i++)
        assert_int_equal(control_put(&control, &messages[i], false), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(readable(&control));
        assert_ptr_equal(control_take(&control), &messages[i]);
    }
    assert_false(readable(&control));
    control_clear(&control);
}

static void test_bound_and_urgent(void **state)
{
    struct control_message *messages = calloc(CONTROL_MAX_WAITING + 2, sizeof(*messages));
    struct control control;

    (void)state;
    assert_non_null(messages);
    assert_int_equal(control_init(&control), 0);
    for (int i = 0; i < CONTROL_MAX_WAITING; i++)
        assert_int_equal(control_put(&control, &messages[i], false), 0);
    assert_int_equal(control_put(&control, &messages[CONTROL_MAX_WAITING], false), -EAGAIN);
    assert_int_equal(control_put(&control, &messages[CONTROL_MAX_WAITING + 1], true), 0);
    for (int i = 0; i < CONTROL_MAX_WAITING; i++)
        assert_ptr_equal(control_take(&control), &messages[i]);
    assert_ptr_equal(control_take(&control), &messages[CONTROL_MAX_WAITING + 1]);
    assert_null(control_take(&control));
    control_clear(&control);
    free(messages);
}

struct putter {
    struct control *control;
    struct control_message *messages;
};

static void *put_many(void *data)
{
    struct putter *putter = data;

    for (int i = 0; i < MANY; i++) {
        putter->messages[i].kind = i;
        control_put(putter->control, &putter->messages[i], true);
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    struct control_message *messages = calloc(MANY, sizeof(*messages)), *message;
    struct control control;
    struct putter putter = {&control, messages};
    pthread_t thread;

    (void)state;
    assert_non_null(messages);
    assert_int_equal(control_init(&control), 0);
    assert_int_equal(pthread_create(&thread, NULL, put_many, &putter), 0);
    for (int i = 0; i < MANY;) {
        struct pollfd handle = {control.fd, POLLIN, 0};

        assert_int_equal(poll(&handle, 1, 20000), 1);
        while ((message = control_take(&control)))
            assert_int_equal(message->kind, i++);
    }
    pthread_join(thread, NULL);
    assert_false(readable(&control));
    control_clear(&control);
    free(messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_descriptor),
        cmocka_unit_test(test_bound_and_urgent),
        cmocka_unit_test(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
