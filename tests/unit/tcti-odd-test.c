/* SPDX-License-Identifier: BSD-2-Clause */
/* TCTIs that do what they may do, and that few do; and what is seen of one from outside. */
#include "descriptor-count.h"
#include "rm/chip.h"
#include "rm/rc.h"
#include "tcti-bench.h"
#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

/* Of bounded polling. */
#define LOOKS 20000

static void answer_busy(struct bench *bench)
{
    bench->on_serve = bench->on_ask = NULL;
    engine_chip_answer_code(&bench->chip, 0x922);
}

static void test_poll_handles_that_can_be_watched(void **state)
{
    struct bench *bench = *state;

    /* More than any TCTI has are not watched, nor are none. */
    bench_open_as(bench, "polls=0,");
    assert_true(tcti_blocks(bench->tcti));
    bench_open_as(bench, "polls=9,");
    assert_true(tcti_blocks(bench->tcti));
    bench_open_as(bench, "polls=8,");
    assert_false(tcti_blocks(bench->tcti));
    /* All of them are ready, and the waiter's descriptor too. */
    bench_wake(bench);
    bench->on_ask = answer_busy;
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(header_load(bench->response).code, 0x922);

    bench_open_as(bench, "nopoll,");
    assert_true(tcti_blocks(bench->tcti));
    tcti_close(bench->tcti);
    assert_false(tcti_blocks(bench->tcti));
}

/* The answer comes by the last of several poll handles, when the others have no more to tell. */
static void test_each_poll_handle_is_watched(void **state)
{
    struct bench *bench = *state;

    for (unsigned i = 0; i < 2; i++) {
        bench_open_as(bench, i == 0 ? "polls=2," : "polls=8,");
        assert_false(tcti_blocks(bench->tcti));
        bench_wake(bench);
        bench->on_serve = answer_busy;
        assert_int_equal(bench_transact(bench, 0), 0);
        assert_null(bench->on_serve);
        assert_int_equal(header_load(bench->response).code, 0x922);
    }
}

/* Only what cannot be had is refused, and the TPM does not see the command. */
static void test_R40_a_tcti_with_one_locality(void **state)
{
    struct bench *bench = *state;

    bench_open_as(bench, "nolocality,");
    assert_int_equal(bench_transact(bench, 3), 0);
    assert_int_equal(bench->size, HEADER_SIZE);
    assert_int_equal(header_load(bench->response).size, HEADER_SIZE);
    assert_int_equal(header_load(bench->response).code, RM_RC_LOCALITY);
    assert_false(engine_chip_has_command(&bench->chip));
    assert_int_equal(bench->tpm->transact(bench->tpm, 3, bench->command, sizeof(bench->command),
                                          bench->response, HEADER_SIZE - 1, &bench->size),
                     -EMSGSIZE);
    assert_int_equal(bench->tpm->transact(bench->tpm, 3, bench->command, sizeof(bench->command),
                                          bench->response, HEADER_SIZE, &bench->size),
                     0);
    engine_chip_answer_code(&bench->chip, 0x922);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(header_load(bench->response).code, 0x922);
}

/* What was in force stays, and a command that asks for less must not get more. */
static void test_R40_a_locality_that_cannot_be_left(void **state)
{
    struct bench *bench = *state;

    engine_chip_answer_code(&bench->chip, 0);
    assert_int_equal(bench_transact(bench, 2), 0);
    engine_chip_take(&bench->chip);
    engine_chip_break(&bench->chip);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(header_load(bench->response).code, RM_RC_LOCALITY);
    assert_true(tcti_is_open(bench->tcti));
}

/* Sends a packet that says the next answer has `size` bytes. */
static void claim(struct bench *bench, uint32_t size, bool kept)
{
    uint8_t packet[HEADER_SIZE];

    header_store(packet, ENGINE_CHIP_CLAIM, kept ? HEADER_SIZE : 0, size);
    assert_int_equal(send(bench->chip.fd, packet, sizeof(packet), 0), sizeof(packet));
}

static void expect_claim(struct bench *bench, uint32_t size, bool kept, int error)
{
    if (!tcti_is_open(bench->tcti))
        bench_open_as(bench, "");
    claim(bench, size, kept);
    assert_int_equal(bench_transact(bench, 0), error);
    /* What is left where it was may yet come: then the transport is of no use any more. */
    assert_int_equal(tcti_is_open(bench->tcti), error == -EMSGSIZE);
}

static void test_answers_that_are_too_long_are_taken_off(void **state)
{
    struct bench *bench = *state;

    expect_claim(bench, sizeof(bench->response) + 1, true, -EMSGSIZE);
    expect_claim(bench, CHIP_MAX_BUFFER, true, -EMSGSIZE);
    expect_claim(bench, CHIP_MAX_BUFFER + 1, true, -EIO);
    expect_claim(bench, sizeof(bench->response) + 1, false, -EIO);
    /* It wants no more than it was given, and refuses. */
    expect_claim(bench, sizeof(bench->response), true, -EIO);
}

static void test_an_answer_that_just_fits(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[sizeof(bench->response)] = {0};

    bytes[sizeof(bytes) - 1] = 0x5A;
    assert_int_equal(send(bench->chip.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(bench->size, sizeof(bytes));
    assert_memory_equal(bench->response, bytes, sizeof(bytes));
}

static void answer_and_look(struct bench *bench)
{
    assert_true(tcti_busy_since(bench->tcti) > 0);
    engine_chip_take(&bench->chip);
    engine_chip_answer(&bench->chip);
}

static void test_a_tcti_is_busy_while_the_tpm_works(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(tcti_busy_since(bench->tcti), 0);
    bench->on_serve = answer_and_look;
    bench_wake(bench);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(bench->served, 1);
    assert_int_equal(tcti_busy_since(bench->tcti), 0);
}

static void *open_slowly(void *data)
{
    struct bench *bench = data;

    bench->size = tcti_open(bench->tcti, bench->chip.conf);
    return NULL;
}

static void test_a_tcti_is_busy_while_it_is_opened(void **state)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct bench *bench = *state;
    pthread_t opener;
    unsigned looks = 0;

    tcti_close(bench->tcti);
    engine_chip_clear(&bench->chip);
    engine_chip_init_as(&bench->chip, "wait,");
    assert_int_equal(pthread_create(&opener, NULL, open_slowly, bench), 0);
    while (tcti_busy_since(bench->tcti) == 0 && ++looks < LOOKS)
        nanosleep(&moment, NULL);
    assert_true(looks < LOOKS);
    assert_int_equal(send(bench->chip.fd, "", 1, 0), 1);
    assert_int_equal(pthread_join(opener, NULL), 0);
    assert_int_equal(bench->size, TSS2_RC_SUCCESS);
    assert_int_equal(tcti_busy_since(bench->tcti), 0);
}

static void test_a_cancel_needs_a_tpm(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(tcti_cancel(bench->tcti), TSS2_RC_SUCCESS);
    assert_false(engine_chip_has_command(&bench->chip));
    assert_int_equal(bench->chip.cancels, 1);
    tcti_close(bench->tcti);
    assert_int_equal(tcti_cancel(bench->tcti), TSS2_TCTI_RC_NO_CONNECTION);
}

/* The waits are 20, 40, 80 ms and so on, of a second at most, and of 15 seconds in all: of the
 * twenty, the last one is not begun any more. */
static void test_R31_the_last_wait_is_the_nineteenth(void **state)
{
    struct bench *bench = *state;

    bench->timeout = TCTI_GIVE_UP;
    assert_false(bench->tpm->backoff(bench->tpm, 19));
    assert_int_equal(bench->asked, 1);
    assert_false(bench->tpm->backoff(bench->tpm, 20));
    assert_int_equal(bench->asked, 1);
    assert_false(bench->tpm->backoff(bench->tpm, UINT32_MAX));
    assert_int_equal(bench->asked, 1);

    bench->timeout = -1;
    tcti_close(bench->tcti);
    assert_false(bench->tpm->backoff(bench->tpm, 1));
    assert_int_equal(bench->asked, 1);
}

static void give_up_at_the_third(struct bench *bench)
{
    if (bench->served == 3)
        bench->timeout = TCTI_GIVE_UP;
}

/* What the waiter wants to have done at once is done, though the pause is a second long. */
static void test_R31_the_waiter_is_served_in_a_pause(void **state)
{
    struct bench *bench = *state;

    bench->timeout = 0;
    bench->on_serve = give_up_at_the_third;
    assert_false(bench->tpm->backoff(bench->tpm, 10));
    assert_int_equal(bench->served, 3);
}

static struct bench *interrupted;

static void answer_at_signal(int number)
{
    (void)number;
    engine_chip_answer_code(&interrupted->chip, 0x922);
}

static void *send_signal(void *data)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    pthread_t target = *(pthread_t *)data;

    while (!engine_chip_has_command(&interrupted->chip))
        nanosleep(&moment, NULL);
    pthread_kill(target, SIGUSR1);
    return NULL;
}

static void test_a_signal_does_not_end_the_wait(void **state)
{
    struct sigaction action = {.sa_handler = answer_at_signal}, before;
    pthread_t self = pthread_self(), sender;

    interrupted = *state;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_signal, &self), 0);
    assert_int_equal(bench_transact(interrupted, 0), 0);
    assert_int_equal(header_load(interrupted->response).code, 0x922);
    assert_int_equal(pthread_join(sender, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

/* Nobody to be served, and no descriptor of theirs. */
static void test_a_waiter_may_want_nothing(void **state)
{
    static const struct tcti_waiter nothing = {.fd = -1};
    struct bench *bench = *state;
    struct tcti *tcti = tcti_new(&nothing);
    uint8_t response[64];
    size_t size;

    assert_non_null(tcti);
    assert_false(tcti_is_open(tcti));
    assert_int_equal(tcti_open(tcti, bench->chip.conf), TSS2_RC_SUCCESS);
    assert_true(tcti_tpm(tcti)->backoff(tcti_tpm(tcti), 1));
    engine_chip_answer_code(&bench->chip, 0x922);
    assert_int_equal(tcti_tpm(tcti)->transact(tcti_tpm(tcti), 0, bench->command,
                                              sizeof(bench->command), response, sizeof(response),
                                              &size),
                     0);
    assert_int_equal(header_load(response).code, 0x922);
    tcti_free(tcti);
    tcti_free(NULL);
}

static void drain_and_answer(void *data)
{
    struct bench *bench = data;
    uint64_t count;

    assert_int_equal(read(0, &count, sizeof(count)), sizeof(count));
    bench->served++;
    engine_chip_answer_code(&bench->chip, 0x922);
}

/* The waiter's descriptor may be 0. */
static void test_a_waiter_on_descriptor_0(void **state)
{
    struct bench *bench = *state;
    struct tcti_waiter waiter = {.fd = 0, .serve = drain_and_answer, .data = bench};
    int input = dup(0);
    struct tcti *tcti;
    uint8_t response[64];
    size_t size;

    assert_true(input >= 0);
    assert_int_equal(dup2(bench->wake, 0), 0);
    tcti = tcti_new(&waiter);
    assert_non_null(tcti);
    assert_int_equal(tcti_open(tcti, bench->chip.conf), TSS2_RC_SUCCESS);
    bench_wake(bench);
    assert_int_equal(tcti_tpm(tcti)->transact(tcti_tpm(tcti), 0, bench->command,
                                              sizeof(bench->command), response, sizeof(response),
                                              &size),
                     0);
    assert_int_equal(bench->served, 1);
    tcti_free(tcti);
    assert_int_equal(dup2(input, 0), 0);
    close(input);
}

static void test_no_descriptor_is_left_behind(void **state)
{
    static const struct tcti_waiter nothing = {.fd = -1};
    struct bench *bench = *state;
    int input = dup(0);
    unsigned before = descriptor_count() - 1, open;
    struct tcti *tcti;

    /* 0 is a descriptor like others. */
    assert_true(input >= 0);
    assert_int_equal(close(0), 0);
    tcti = tcti_new(&nothing);
    assert_non_null(tcti);
    assert_int_equal(tcti_open(tcti, bench->chip.conf), TSS2_RC_SUCCESS);
    open = descriptor_count();
    /* Once more, in the place of the first. */
    assert_int_equal(tcti_open(tcti, bench->chip.conf), TSS2_RC_SUCCESS);
    assert_int_equal(descriptor_count(), open);
    assert_int_not_equal(tcti_open(tcti, "nonsense:x"), TSS2_RC_SUCCESS);
    assert_false(tcti_is_open(tcti));
    assert_int_equal(descriptor_count(), open - 1);
    tcti_free(tcti);
    assert_int_equal(descriptor_count(), before);
    tcti = tcti_new(&nothing);
    assert_int_equal(fcntl(0, F_GETFD), FD_CLOEXEC);
    tcti_free(tcti);
    assert_int_equal(descriptor_count(), before);
    assert_int_equal(dup2(input, 0), 0);
    close(input);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R31_the_last_wait_is_the_nineteenth),
        TEST(test_R31_the_waiter_is_served_in_a_pause),
        TEST(test_a_cancel_needs_a_tpm),
        TEST(test_R40_a_locality_that_cannot_be_left),
        TEST(test_R40_a_tcti_with_one_locality),
        TEST(test_a_tcti_is_busy_while_it_is_opened),
        TEST(test_a_tcti_is_busy_while_the_tpm_works),
        TEST(test_a_signal_does_not_end_the_wait),
        TEST(test_a_waiter_may_want_nothing),
        TEST(test_a_waiter_on_descriptor_0),
        TEST(test_an_answer_that_just_fits),
        TEST(test_answers_that_are_too_long_are_taken_off),
        TEST(test_no_descriptor_is_left_behind),
        TEST(test_poll_handles_that_can_be_watched),
        TEST(test_each_poll_handle_is_watched),
    };

    return cmocka_run_group_tests_name("tcti-odd", tests, NULL, NULL);
}
