/* SPDX-License-Identifier: BSD-2-Clause */
#include "user-database.h"

#include "engine-world.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open, silent; /* silent: it says nothing of use */
    bool stuck;        /* it never comes back from a question about a stranger */
    unsigned questions, answers;
} database = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

int user_database_ask(uint32_t uid, gid_t group)
{
    int answer;

    pthread_mutex_lock(&database.lock);
    database.questions++;
    while (!database.open || (database.stuck && uid >= USER_DATABASE_STRANGERS))
        pthread_cond_wait(&database.opened, &database.lock);
    answer = database.silent ? -EIO : uid % 2 == 0 && group == 7;
    database.answers++;
    pthread_mutex_unlock(&database.lock);
    return answer;
}

void user_database_set(bool open, bool silent)
{
    pthread_mutex_lock(&database.lock);
    database.open = open;
    database.silent = silent;
    pthread_cond_broadcast(&database.opened);
    pthread_mutex_unlock(&database.lock);
}

void user_database_set_stuck(bool stuck)
{
    pthread_mutex_lock(&database.lock);
    database.stuck = stuck;
    pthread_cond_broadcast(&database.opened);
    pthread_mutex_unlock(&database.lock);
}

static unsigned number(const unsigned *which)
{
    unsigned value;

    pthread_mutex_lock(&database.lock);
    value = *which;
    pthread_mutex_unlock(&database.lock);
    return value;
}

unsigned user_database_questions(void)
{
    return number(&database.questions);
}

unsigned user_database_answers(void)
{
    return number(&database.answers);
}

static void await_number(const unsigned *which, unsigned value)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && number(which) < value; i++)
        poll(NULL, 0, 5);
    assert_true(number(which) >= value);
}

void user_database_await_questions(unsigned count)
{
    await_number(&database.questions, count);
}

void user_database_await_answers(unsigned count)
{
    await_number(&database.answers, count);
}

void user_database_reset(bool open)
{
    user_database_set(open, false);
    pthread_mutex_lock(&database.lock);
    database.questions = database.answers = 0;
    database.stuck = false;
    pthread_mutex_unlock(&database.lock);
}

static unsigned threads_of_process(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void *wait_for(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* The threads that never ask. A sanitizer may have one from the first that is started on. */
static unsigned threads_of_nobody(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    unsigned count;

    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, wait_for, &lock), 0);
    count = threads_of_process() - 1;
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    return count;
}

void user_database_await_alone(void)
{
    static unsigned threads;

    if (threads == 0)
        threads = threads_of_nobody();
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && threads_of_process() > threads; i++)
        poll(NULL, 0, 1);
    assert_int_equal(threads_of_process(), threads);
}

void user_database_begin(bool open)
{
    user_database_reset(true);
    user_database_await_alone();
    user_database_reset(open);
}

const struct accounts_config user_database_config = {
    .lookup = user_database_ask, .group = 7, .timeout_ms = 60000};
