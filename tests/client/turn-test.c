/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns of processes, by the locks that they hold and the counts in their page. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "turn.h"

/* The bytes of the lock. */
enum { TURN, QUEUE, MAKER };

/* A connection that this process made. */
struct shared {
    struct journal journal;
    struct turn turn;
    int ends[2];
};

static void start(struct shared *shared)
{
    journal_open(&shared->journal);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shared->ends), 0);
    turn_init(&shared->turn, shared->ends[0], shared->journal.page);
    assert_non_null(shared->turn.page);
}

static void end(struct shared *shared)
{
    assert_int_equal(shared->turn.page->waiting, 0);
    close(shared->ends[0]);
    close(shared->ends[1]);
    journal_close(&shared->journal);
}

/* Takes a turn that this process did not have. */
static bool take(struct shared *shared)
{
    bool first = false;

    return turn_take(&shared->turn, &first) == 0 && first;
}

/* A child that does `act` after the fork. */
static pid_t start_child(struct shared *shared, bool (*act)(struct shared *shared))
{
    pid_t child = children_start();

    if (child > 0)
        return child;
    turn_forked(&shared->turn);
    _exit(act(shared) ? 0 : 1);
}

static bool take_and_give(struct shared *shared)
{
    if (!take(shared))
        return false;
    turn_give(&shared->turn);
    return shared->turn.holders == 0;
}

/* Who holds a byte of the lock, other than this process; 0: nobody. */
static pid_t holder(const struct shared *shared, short byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    assert_int_equal(fcntl(shared->ends[0], F_GETLK, &lock), 0);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static void await_holder(const struct shared *shared, short byte, pid_t process)
{
    unsigned tries = 0;

    while (holder(shared, byte) != process) {
        assert_true(++tries < FAKE_WAIT_MS);
        poll(NULL, 0, 1);
    }
}

static void await_waiting(const struct shared *shared, unsigned count)
{
    unsigned tries = 0;

    while (shared->turn.page->waiting != count) {
        assert_true(++tries < FAKE_WAIT_MS);
        poll(NULL, 0, 1);
    }
}

static void test_R46_a_turn_without_a_page_is_nothing(void **state)
{
    struct turn turn;
    bool first = true;

    (void)state;
    turn_init(&turn, -1, NULL);
    assert_false(turn.maker);
    assert_int_equal(turn_take(&turn, &first), 0);
    assert_false(first);
    assert_true(turn_join(&turn));
    turn_give(&turn);
    assert_int_equal(turn.holders, 0);
}

static void test_R46_a_turn_is_counted(void **state)
{
    struct shared shared;
    bool first = true;

    (void)state;
    start(&shared);
    assert_false(turn_join(&shared.turn));
    turn_give(&shared.turn);
    assert_int_equal(shared.turn.holders, 0);
    assert_true(take(&shared));
    assert_int_equal(shared.turn.page->maker_busy, 1);
    assert_true(turn_join(&shared.turn));
    assert_int_equal(turn_take(&shared.turn, &first), 0);
    assert_false(first);
    assert_int_equal(shared.turn.page->maker_busy, 3);
    turn_give(&shared.turn);
    turn_give(&shared.turn);
    assert_int_equal(shared.turn.page->maker_busy, 1);
    turn_give(&shared.turn);
    assert_int_equal(shared.turn.page->maker_busy, 0);
    assert_false(turn_join(&shared.turn));
    turn_give(&shared.turn);
    assert_int_equal(shared.turn.page->maker_busy, 0);
    assert_int_equal(shared.turn.page->joined, 0);
    assert_true(shared.turn.maker);
    end(&shared);
}

/* Between saying that it is at work and knowing that it may be, the maker has no turn. */
static void test_R46_a_turn_that_is_asked_for_is_not_joined(void **state)
{
    struct shared shared;

    (void)state;
    start(&shared);
    shared.turn.page->maker_busy = UINT_MAX;
    assert_false(turn_join(&shared.turn));
    turn_give(&shared.turn);
    assert_int_equal(shared.turn.page->maker_busy, UINT_MAX);
    end(&shared);
}

static bool expect_makers_locks(struct shared *shared)
{
    if (holder(shared, MAKER) != getppid() || holder(shared, TURN) != 0 || shared->turn.maker
        || shared->turn.holders != 0)
        return false;
    return take_and_give(shared) && shared->turn.page->joined == 1;
}

/* What is locked while the maker is alone, and once it is not. */
static void test_R46_the_maker_before_and_after_others(void **state)
{
    struct shared shared;
    pid_t child;

    (void)state;
    start(&shared);
    children_expect_end(start_child(&shared, expect_makers_locks));
    assert_true(shared.turn.maker);
    /* It sees that another one has joined, and takes its turn as that one did. */
    assert_true(take(&shared));
    assert_false(shared.turn.maker);
    assert_int_equal(shared.turn.page->maker_busy, 0);
    child = start_child(&shared, take_and_give);
    await_waiting(&shared, 1);
    await_holder(&shared, QUEUE, child);
    turn_give(&shared.turn);
    children_expect_end(child);
    assert_int_equal(holder(&shared, TURN), 0);
    assert_int_equal(holder(&shared, QUEUE), 0);
    end(&shared);
}

/* Who joins while the maker's command is outstanding has the turn when that is over. */
static void test_R46_the_makers_command_is_waited_for(void **state)
{
    struct shared shared;
    pid_t child;

    (void)state;
    start(&shared);
    assert_true(take(&shared));
    child = start_child(&shared, take_and_give);
    await_holder(&shared, TURN, child);
    children_await_sleep(child, 1);
    assert_int_equal(shared.turn.page->maker_busy, 1);
    turn_give(&shared.turn);
    assert_false(shared.turn.maker);
    children_expect_end(child);
    assert_int_equal(shared.turn.page->maker_busy, 0);
    end(&shared);
}

static bool make_and_die(struct shared *shared)
{
    turn_init(&shared->turn, shared->ends[0], shared->journal.page);
    return shared->turn.maker && take(shared);
}

/* A maker that died in the middle of a command is none to wait for, and that is found out once. */
static void test_R46_a_dead_maker_is_not_waited_for(void **state)
{
    struct shared shared;
    pid_t child;

    (void)state;
    journal_open(&shared.journal);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shared.ends), 0);
    child = start_child(&shared, make_and_die);
    children_expect_end(child);
    shared.turn = (struct turn){.fd = shared.ends[0], .page = shared.journal.page};
    turn_forked(&shared.turn);
    assert_int_equal(shared.turn.page->maker_busy, 1);
    assert_true(take(&shared));
    assert_int_equal(shared.turn.page->maker_busy, 0);
    child = start_child(&shared, take_and_give);
    await_holder(&shared, QUEUE, child);
    /* No lock of the maker's is left with this process. */
    assert_int_equal(holder(&shared, MAKER), 0);
    turn_give(&shared.turn);
    children_expect_end(child);
    end(&shared);
}

static bool takes_makers_lock(struct shared *shared)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = MAKER, .l_len = 1};

    return fcntl(shared->ends[0], F_SETLK, &lock) == 0;
}

static void test_R46_the_makers_lock_is_given_back(void **state)
{
    struct shared shared;

    (void)state;
    start(&shared);
    shared.turn.page->joined = 1;
    assert_true(take(&shared));
    children_expect_end(start_child(&shared, takes_makers_lock));
    turn_give(&shared.turn);
    /* The same for one that was joined in the middle of its command. */
    shared.turn.page->joined = 0;
    turn_init(&shared.turn, shared.ends[0], shared.journal.page);
    assert_true(take(&shared));
    shared.turn.page->joined = 1;
    turn_give(&shared.turn);
    children_expect_end(start_child(&shared, takes_makers_lock));
    /* And for one that waited for a maker that is gone. */
    shared.turn.page->maker_busy = 1;
    assert_true(take(&shared));
    children_expect_end(start_child(&shared, takes_makers_lock));
    turn_give(&shared.turn);
    end(&shared);
}

/* Who has a turn and wants the next one, too, comes after those who wait; these come one by one. */
static void test_R46_who_waits_comes_first(void **state)
{
    struct shared shared;
    pid_t first, second, third;

    (void)state;
    start(&shared);
    shared.turn.page->joined = 1;
    assert_true(take(&shared));
    first = start_child(&shared, take_and_give);
    await_holder(&shared, QUEUE, first);
    second = start_child(&shared, take_and_give);
    await_waiting(&shared, 2);
    children_await_sleep(second, 1);
    assert_int_equal(holder(&shared, QUEUE), first);
    turn_give(&shared.turn);
    children_expect_end(first);
    children_expect_end(second);
    /* Nobody passes one who says that it waits. */
    shared.turn.page->waiting = 1;
    assert_true(take(&shared));
    third = start_child(&shared, take_and_give);
    await_holder(&shared, QUEUE, third);
    turn_give(&shared.turn);
    children_expect_end(third);
    shared.turn.page->waiting--;
    end(&shared);
}

/* Another thread of the parent may hold the turn's mutex when a child is made. */
static void test_R46_a_child_has_a_mutex_of_its_own(void **state)
{
    struct shared shared;
    pid_t child;

    (void)state;
    start(&shared);
    pthread_mutex_lock(&shared.turn.mutex);
    child = start_child(&shared, take_and_give);
    children_expect_end(child);
    pthread_mutex_unlock(&shared.turn.mutex);
    end(&shared);
}

struct calling {
    struct shared *shared;
    void (*call)(struct shared *shared);
    atomic_bool over;
};

static void *call_in_thread(void *data)
{
    struct calling *calling = data;

    calling->call(calling->shared);
    calling->over = true;
    return NULL;
}

/* A call waits for the thread that is in the middle of another one. */
static void expect_to_wait(struct shared *shared, void (*call)(struct shared *shared))
{
    struct calling calling = {shared, call, false};
    pthread_t thread;

    pthread_mutex_lock(&shared->turn.mutex);
    assert_int_equal(pthread_create(&thread, NULL, call_in_thread, &calling), 0);
    children_await_sleep(getpid(), 1);
    assert_false(calling.over);
    pthread_mutex_unlock(&shared->turn.mutex);
    pthread_join(thread, NULL);
}

static void call_take(struct shared *shared)
{
    bool first;

    turn_take(&shared->turn, &first);
}

static void call_join(struct shared *shared)
{
    turn_join(&shared->turn);
}

static void call_give(struct shared *shared)
{
    turn_give(&shared->turn);
}

static void test_R46_threads_of_a_process_come_one_by_one(void **state)
{
    struct shared shared;

    (void)state;
    start(&shared);
    shared.turn.page->joined = 1;
    assert_true(take(&shared));
    turn_give(&shared.turn);
    assert_false(shared.turn.maker);
    expect_to_wait(&shared, call_take);
    expect_to_wait(&shared, call_join);
    assert_int_equal(shared.turn.holders, 2);
    expect_to_wait(&shared, call_give);
    expect_to_wait(&shared, call_give);
    assert_int_equal(shared.turn.holders, 0);
    end(&shared);
}

static void ignore_signal(int number)
{
    (void)number;
}

static bool take_though_interrupted(struct shared *shared)
{
    struct sigaction action = {.sa_handler = ignore_signal};

    return sigaction(SIGUSR1, &action, NULL) == 0 && take_and_give(shared);
}

static void test_R46_signals_do_not_end_a_wait(void **state)
{
    struct shared shared;
    pid_t child;

    (void)state;
    start(&shared);
    shared.turn.page->joined = 1;
    assert_true(take(&shared));
    child = start_child(&shared, take_though_interrupted);
    await_holder(&shared, QUEUE, child);
    children_await_sleep(child, 1);
    assert_int_equal(kill(child, SIGUSR1), 0);
    children_await_sleep(child, 1);
    turn_give(&shared.turn);
    children_expect_end(child);
    end(&shared);
}

/* Whether a lock is left with this process: another one sees it. */
static bool holds(struct shared *shared, short byte)
{
    pid_t child = children_start();
    int status = -1;

    if (child == 0)
        _exit(holder(shared, byte) == getppid());
    return waitpid(child, &status, 0) != child || status != 0;
}

static bool fail_without_waiting(struct shared *shared)
{
    bool first;

    return children_forbid((struct children_call){CHILDREN_FCNTL, 1, F_SETLKW, ENOLCK, false})
           && turn_take(&shared->turn, &first) == -ENOLCK && shared->turn.holders == 0
           && shared->turn.page->waiting == 0 && !turn_join(&shared->turn) && !holds(shared, TURN)
           && !holds(shared, QUEUE);
}

/* A lock that cannot be had: no lock is left, and nobody seems to wait. */
static void test_R46_a_lock_that_fails(void **state)
{
    struct shared shared;

    (void)state;
    children_need_seccomp();
    start(&shared);
    /* In the queue behind another one, and behind the maker. */
    assert_true(take(&shared));
    children_expect_end(start_child(&shared, fail_without_waiting));
    turn_give(&shared.turn);
    assert_int_equal(holder(&shared, TURN), 0);
    assert_true(take(&shared));
    children_expect_end(start_child(&shared, fail_without_waiting));
    assert_int_equal(holder(&shared, QUEUE), 0);
    turn_give(&shared.turn);
    end(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_a_turn_without_a_page_is_nothing),
        cmocka_unit_test(test_R46_a_turn_is_counted),
        cmocka_unit_test(test_R46_a_turn_that_is_asked_for_is_not_joined),
        cmocka_unit_test(test_R46_the_maker_before_and_after_others),
        cmocka_unit_test(test_R46_the_makers_command_is_waited_for),
        cmocka_unit_test(test_R46_a_dead_maker_is_not_waited_for),
        cmocka_unit_test(test_R46_the_makers_lock_is_given_back),
        cmocka_unit_test(test_R46_who_waits_comes_first),
        cmocka_unit_test(test_R46_a_child_has_a_mutex_of_its_own),
        cmocka_unit_test(test_R46_threads_of_a_process_come_one_by_one),
        cmocka_unit_test(test_R46_signals_do_not_end_a_wait),
        cmocka_unit_test(test_R46_a_lock_that_fails),
    };

    return cmocka_run_group_tests_name("client turns", tests, NULL, NULL);
}
