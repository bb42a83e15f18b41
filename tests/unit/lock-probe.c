/* SPDX-License-Identifier: BSD-2-Clause */
#include "lock-probe.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* How often is looked what the thread does; a millisecond each. */
#define MOMENTS 20000

struct lock_probe {
    void (*call)(void *data);
    void *data;
    atomic_int thread; /* its number, once it is about to call */
    atomic_bool done;
};

static void *lock_probe_run(void *data)
{
    struct lock_probe *probe = data;

    atomic_store(&probe->thread, gettid());
    probe->call(probe->data);
    atomic_store(&probe->done, true);
    return NULL;
}

/* Whether a thread of this process sleeps (proc(5), "stat"). */
static bool lock_probe_sleeps(int thread)
{
    char path[64], line[256] = "";
    const char *state;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    file = fopen(path, "r");
    if (!file)
        return false;
    state = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return state && state[1] == ' ' && state[2] == 'S';
}

bool lock_probe_waits(pthread_mutex_t *lock, void (*call)(void *data), void *data)
{
    struct lock_probe probe = {.call = call, .data = data};
    bool waits = false;
    pthread_t thread;

    assert_int_equal(pthread_mutex_lock(lock), 0);
    assert_int_equal(pthread_create(&thread, NULL, lock_probe_run, &probe), 0);
    for (unsigned i = 0; i < MOMENTS && !waits && !atomic_load(&probe.done); i++) {
        int number = atomic_load(&probe.thread);

        waits = number != 0 && lock_probe_sleeps(number) && !atomic_load(&probe.done);
        poll(NULL, 0, 1);
    }
    pthread_mutex_unlock(lock);
    pthread_join(thread, NULL);
    return waits;
}
