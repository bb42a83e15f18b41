/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcti-bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static void serve(void *data)
{
    struct bench *bench = data;
    uint64_t count;

    assert_true(read(bench->wake, &count, sizeof(count)) == sizeof(count) || errno == EAGAIN);
    bench->served++;
    if (bench->on_serve)
        bench->on_serve(bench);
}

static int timeout(void *data)
{
    struct bench *bench = data;

    bench->asked++;
    if (bench->on_ask)
        bench->on_ask(bench);
    return bench->timeout;
}

void bench_wake(struct bench *bench)
{
    uint64_t one = 1;

    assert_int_equal(write(bench->wake, &one, sizeof(one)), sizeof(one));
}

static int setup_as(void **state, bool polls)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct tcti_waiter waiter = {.serve = serve, .timeout = timeout, .data = bench};

    assert_non_null(bench);
    bench->timeout = -1;
    bench->wake = waiter.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    engine_chip_init(&bench->chip, polls);
    bench->tcti = tcti_new(&waiter);
    assert_non_null(bench->tcti);
    bench->tpm = tcti_tpm(bench->tcti);
    engine_chip_random(bench->command, 7);
    assert_int_equal(tcti_open(bench->tcti, bench->chip.conf), 0);
    assert_int_equal(tcti_blocks(bench->tcti), !polls);
    *state = bench;
    return 0;
}

int bench_setup(void **state)
{
    return setup_as(state, true);
}

int bench_setup_blocking(void **state)
{
    return setup_as(state, false);
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;

    tcti_free(bench->tcti);
    engine_chip_clear(&bench->chip);
    close(bench->wake);
    free(bench);
    return 0;
}

void bench_open_as(struct bench *bench, const char *words)
{
    tcti_close(bench->tcti);
    engine_chip_clear(&bench->chip);
    engine_chip_init_as(&bench->chip, words);
    assert_int_equal(tcti_open(bench->tcti, bench->chip.conf), 0);
}

int bench_transact(struct bench *bench, uint8_t locality)
{
    return bench->tpm->transact(bench->tpm, locality, bench->command, sizeof(bench->command),
                                bench->response, sizeof(bench->response), &bench->size);
}
