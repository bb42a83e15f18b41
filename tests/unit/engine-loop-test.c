/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's loop: descriptors, deadlines, and what may run inside of a TPM command. */
#include "engine/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_MS 3600000

/* More than epoll tells of when it is asked once. */
#define MANY (LOOP_EVENTS + 44)

/* A descriptor, readable at first, and how often its owner was called. */
struct bell {
    struct watch watch;
    unsigned rung;
    uint32_t events;
};

static void bell_happened(struct watch *watch, uint32_t events)
{
    struct bell *bell = list_entry(watch, struct bell, watch);

    bell->rung++;
    bell->events = events;
}

static void bell_hang(struct bell *bell, struct loop *loop)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    assert_true(fd >= 0);
    *bell = (struct bell){.watch.happened = bell_happened};
    assert_int_equal(loop_watch(loop, &bell->watch, fd, EPOLLIN), 0);
}

struct alarm {
    struct timer timer;
    unsigned rung;
    struct loop *again;  /* it is armed again in its own call */
    struct timer *other; /* that it disarms */
};

static void alarm_due(struct timer *timer)
{
    struct alarm *alarm = list_entry(timer, struct alarm, timer);

    alarm->rung++;
    if (alarm->again)
        loop_arm(alarm->again, timer, 0);
    if (alarm->other)
        timer_disarm(alarm->other);
}

static void alarm_set(struct alarm *alarm, struct loop *loop, int pause)
{
    *alarm = (struct alarm){0};
    timer_init(&alarm->timer, alarm_due);
    assert_false(timer_is_armed(&alarm->timer));
    loop_arm(loop, &alarm->timer, pause);
}

static int setup(void **state)
{
    static struct loop loop;

    assert_int_equal(loop_init(&loop), 0);
    *state = &loop;
    return 0;
}

static int teardown(void **state)
{
    loop_clear(*state);
    return 0;
}

static void test_owner_is_called_with_what_happened(void **state)
{
    struct bell bell;

    bell_hang(&bell, *state);
    loop_run(*state, -1, 1);
    assert_int_equal(bell.rung, 1);
    assert_int_equal(bell.events, EPOLLIN);
    close(bell.watch.fd);
    loop_run(*state, 0, 1);
    assert_int_equal(bell.rung, 1);
}

/* A change that is none does not even reach the kernel, which would refuse a closed descriptor. */
static void test_mask_is_remembered(void **state)
{
    struct loop *loop = *state;
    struct bell bell;

    bell_hang(&bell, loop);
    assert_int_equal(loop_change(loop, &bell.watch, 0), 0);
    loop_run(loop, 0, 1);
    assert_int_equal(bell.rung, 0);
    assert_int_equal(loop_change(loop, &bell.watch, EPOLLIN), 0);
    loop_run(loop, 0, 1);
    assert_int_equal(bell.rung, 1);
    close(bell.watch.fd);
    assert_int_equal(loop_change(loop, &bell.watch, EPOLLIN), 0);
    assert_int_equal(loop_change(loop, &bell.watch, EPOLLOUT), -EBADF);
}

static unsigned rung_in_all(const struct bell *bells)
{
    unsigned rung = 0;

    for (unsigned i = 0; i < MANY; i++)
        rung += bells[i].rung;
    return rung;
}

static void test_rounds_are_bounded(void **state)
{
    struct bell *bells = calloc(MANY, sizeof(*bells));

    assert_non_null(bells);
    for (unsigned i = 0; i < MANY; i++)
        bell_hang(&bells[i], *state);
    bells[0].watch.once = true;
    loop_run(*state, -1, 1);
    assert_int_equal(rung_in_all(bells), LOOP_EVENTS);
    loop_run(*state, -1, 3);
    for (unsigned i = 1; i < MANY; i++)
        assert_true(bells[i].rung >= 2);
    /* Epoll told of it more often than that. */
    assert_in_range(bells[0].rung, 1, 2);
    for (unsigned i = 0; i < MANY; i++)
        close(bells[i].watch.fd);
    free(bells);
}

static void test_deadline_ends_the_wait_once(void **state)
{
    struct alarm soon, late;

    alarm_set(&late, *state, HOUR_MS);
    alarm_set(&soon, *state, 1);
    loop_run(*state, -1, 1);
    assert_int_equal(soon.rung, 1);
    assert_false(timer_is_armed(&soon.timer));
    loop_run(*state, 0, 1);
    assert_int_equal(soon.rung, 1);
    assert_int_equal(late.rung, 0);
    timer_disarm(&late.timer);
    assert_false(timer_is_armed(&late.timer));
}

/* Something happens all the time; the deadline is looked at none the less, and after that. */
static void test_what_happens_does_not_hold_up_a_deadline(void **state)
{
    struct loop *loop = *state;
    struct alarm alarm;
    struct bell bell;

    bell_hang(&bell, loop);
    alarm_set(&alarm, loop, 0);
    loop_run(loop, -1, 1);
    assert_int_equal(bell.rung, 1);
    assert_int_equal(alarm.rung, 1);
    close(bell.watch.fd);
}

static void test_deadline_that_is_set_anew_counts_from_then(void **state)
{
    struct alarm alarm;

    alarm_set(&alarm, *state, 0);
    loop_arm(*state, &alarm.timer, HOUR_MS);
    loop_run(*state, 0, 1);
    assert_int_equal(alarm.rung, 0);
    timer_disarm(&alarm.timer);
}

/* Neither a deadline that is set in its own call nor one that another one takes back leads to a
 * call in the same turn of the loop. */
static void test_calls_may_arm_and_disarm(void **state)
{
    struct alarm again, first, second;

    alarm_set(&again, *state, 0);
    alarm_set(&first, *state, 0);
    alarm_set(&second, *state, 0);
    again.again = *state;
    first.other = &second.timer;
    loop_run(*state, 0, 1);
    assert_int_equal(again.rung, 1);
    assert_int_equal(first.rung, 1);
    assert_int_equal(second.rung, 0);
    loop_run(*state, 0, 1);
    assert_int_equal(again.rung, 2);
    timer_disarm(&again.timer);
}

static void test_deadline_without_a_function_ends_the_wait(void **state)
{
    struct timer timer;

    timer_init(&timer, NULL);
    loop_arm(*state, &timer, 1);
    loop_run(*state, -1, 1);
    assert_false(timer_is_armed(&timer));
}

static void test_inside_of_a_command_no_deadline_is_looked_at(void **state)
{
    struct loop *loop = *state;
    struct alarm alarm;
    struct bell bell;

    alarm_set(&alarm, loop, 0);
    bell_hang(&bell, loop);
    loop_begin_nested(loop);
    loop_run_nested(loop);
    loop_end_nested(loop);
    assert_int_equal(bell.rung, 1);
    assert_int_equal(alarm.rung, 0);
    loop_run(loop, 0, 1);
    assert_int_equal(alarm.rung, 1);
    close(bell.watch.fd);
}

static void run(struct loop *loop)
{
    loop_run(loop, 0, 1);
}

static void assert_flat(struct loop *loop)
{
    loop_assert_flat(loop);
}

/* Whether a process ends when it does this inside of a TPM command, or outside of one. */
static bool aborts(struct loop *loop, bool nested, void (*work)(struct loop *loop))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        if (nested)
            loop_begin_nested(loop);
        work(loop);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* By asserts. */
#ifdef NDEBUG
#define NOTICED false
#else
#define NOTICED true
#endif

static void test_what_must_not_nest_is_noticed(void **state)
{
    assert_false(aborts(*state, false, run));
    assert_false(aborts(*state, false, assert_flat));
    assert_int_equal(aborts(*state, true, run), NOTICED);
    assert_int_equal(aborts(*state, true, assert_flat), NOTICED);
    assert_int_equal(aborts(*state, true, loop_begin_nested), NOTICED);
    assert_int_equal(aborts(*state, false, loop_run_nested), NOTICED);
    assert_false(aborts(*state, true, loop_run_nested));
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_owner_is_called_with_what_happened),
        LOOP_TEST(test_mask_is_remembered),
        LOOP_TEST(test_rounds_are_bounded),
        LOOP_TEST(test_deadline_ends_the_wait_once),
        LOOP_TEST(test_what_happens_does_not_hold_up_a_deadline),
        LOOP_TEST(test_deadline_that_is_set_anew_counts_from_then),
        LOOP_TEST(test_calls_may_arm_and_disarm),
        LOOP_TEST(test_deadline_without_a_function_ends_the_wait),
        LOOP_TEST(test_inside_of_a_command_no_deadline_is_looked_at),
        LOOP_TEST(test_what_must_not_nest_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
