/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's link to the TPM, and the TPM under the resource manager. The TPM is libtpms, behind
 * a TCTI whose other end answers while the link waits for it.
 */
#include "base/log.h"
#include "engine-chip.h"
#include "engine/managed-tpm.h"
#include "fake-sys.h"
#include "libtpms-chip.h"
#include "log-capture.h"
#include "rm/state.h"
#include "wire/handle.h"
#include "wire/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include <cmocka.h>

struct cable {
    struct engine_chip chip;
    struct libtpms_chip *tpm;
    struct loop loop;
    struct fake_sys sys;
    struct managed_tpm managed;
    struct tcti_waiter waiter;
    unsigned commands; /* that went to the TPM */
};

static void cable_serve(void *data)
{
    struct cable *cable = data;

    loop_run_nested(&cable->loop);
    while (engine_chip_has_command(&cable->chip)) {
        engine_chip_take(&cable->chip);
        cable->commands++;
        engine_chip_answer(&cable->chip);
    }
}

/* The chip is looked after at once. */
static int cable_timeout(void *data)
{
    (void)data;
    return 0;
}

static struct managed_tpm_config cable_config(const struct cable *cable)
{
    return (struct managed_tpm_config){
        .link.conf = cable->chip.conf,
        .link.name = "test",
        .link.sys = cable->sys.path,
        .limits = {.objects_per_client = 8, .sessions_per_client = 8},
        .dev = cable->sys.path,
        .release_ms = IDLE_NEVER,
    };
}

static int setup(void **state)
{
    static struct cable cable;
    struct managed_tpm_config config;

    log_threshold = LOG_LEVEL_SILENT;
    cable = (struct cable){.tpm = libtpms_chip_new()};
    engine_chip_init(&cable.chip, true);
    cable.chip.tpm = &cable.tpm->tpm;
    fake_sys_init(&cable.sys, 7);
    assert_int_equal(loop_init(&cable.loop), 0);
    cable.waiter = (struct tcti_waiter){-1, cable_serve, cable_timeout, &cable};
    config = cable_config(&cable);
    assert_int_equal(managed_tpm_init(&cable.managed, &cable.loop, &config, &cable.waiter), 0);
    *state = &cable;
    return 0;
}

static int teardown(void **state)
{
    struct cable *cable = *state;

    managed_tpm_give_back(&cable->managed, true);
    managed_tpm_clear(&cable->managed);
    loop_clear(&cable->loop);
    fake_sys_clear(&cable->sys);
    engine_chip_clear(&cable->chip);
    libtpms_chip_free(cable->tpm);
    return 0;
}

static bool take_over(struct cable *cable, enum tpm_fault *fault, char text[TPM_FAULT_TEXT])
{
    bool restarted;

    return managed_tpm_open(&cable->managed, &restarted, fault, text)
           && managed_tpm_take(&cable->managed, false, fault, text);
}

static void take(struct cable *cable)
{
    char text[TPM_FAULT_TEXT];
    enum tpm_fault fault;

    assert_true(take_over(cable, &fault, text));
    assert_int_equal(cable->managed.link.state, TPM_LINK_PRESENT);
    assert_true(managed_tpm_serves(&cable->managed));
}

/* Has the manager run one command of a client that ends then; the code of the answer. */
static uint32_t run(struct cable *cable, const uint8_t *command, size_t size)
{
    struct rm *rm = cable->managed.rm;
    struct rm_client *client = rm_client_new(rm, rm_user_get(rm, 1000), 1000);
    uint8_t *bytes = malloc(rm_command_capacity(rm)), *answer = malloc(rm_response_capacity(rm));
    uint32_t code;

    assert_true(client && bytes && answer);
    memcpy(bytes, command, size);
    rm_execute(rm, client, bytes, size, answer);
    code = header_load(answer).code;
    free(bytes);
    free(answer);
    rm_client_free(client);
    return code;
}

static uint32_t run_random(struct cable *cable)
{
    uint8_t command[ENGINE_CHIP_RANDOM];

    engine_chip_random(command, 8);
    return run(cable, command, sizeof(command));
}

static void test_tpm_is_taken_over_and_given_back(void **state)
{
    struct cable *cable = *state;

    assert_int_equal(cable->managed.link.state, TPM_LINK_ABSENT);
    assert_false(managed_tpm_serves(&cable->managed));
    assert_false(managed_tpm_empty(&cable->managed));
    take(cable);
    assert_int_equal(run_random(cable), TPM2_RC_SUCCESS);
    assert_int_equal(cable->loop.nested, 0);
    managed_tpm_give_back(&cable->managed, true);
    assert_int_equal(cable->managed.link.state, TPM_LINK_ABSENT);
    assert_false(tpm_link_is_open(&cable->managed.link));
    assert_null(cable->managed.rm);
    assert_null(cable->managed.keeper.rm);
}

static void test_fault_of_a_tpm_that_is_not_there(void **state)
{
    struct cable *cable = *state;
    struct managed_tpm_config config = cable_config(cable);
    char text[TPM_FAULT_TEXT] = "";
    enum tpm_fault fault = TPM_FAULT_BUSY;

    config.link.conf = "device:/nonexistent";
    managed_tpm_clear(&cable->managed);
    assert_int_equal(managed_tpm_init(&cable->managed, &cable->loop, &config, &cable->waiter), 0);
    assert_false(take_over(cable, &fault, text));
    assert_int_equal(fault, TPM_FAULT_ABSENT);
    assert_non_null(strstr(text, "/nonexistent"));
    assert_int_equal(cable->managed.link.state, TPM_LINK_ABSENT);
}

static void test_fault_of_a_tpm_that_does_not_work(void **state)
{
    struct cable *cable = *state;
    char text[TPM_FAULT_TEXT] = "";
    enum tpm_fault fault = TPM_FAULT_BUSY;

    libtpms_chip_inject(cable->tpm, CHIP_FAULT_CODE, TPM2_CC_Startup, TPM2_RC_FAILURE, 1);
    assert_false(take_over(cable, &fault, text));
    assert_int_equal(fault, TPM_FAULT_REFUSED);
    assert_true(strlen(text) > 0);
}

/* Lost at once, told once, opened again after a pause, and back with the first answer. */
static void test_lost_tpm_comes_back(void **state)
{
    struct cable *cable = *state;
    struct tpm_link *link = &cable->managed.link;
    char text[TPM_FAULT_TEXT];

    take(cable);
    assert_int_equal(tpm_link_poll(link, true, true, text), TPM_LINK_AS_BEFORE);
    engine_chip_break(&cable->chip);
    assert_int_not_equal(run_random(cable), TPM2_RC_SUCCESS);
    assert_false(managed_tpm_serves(&cable->managed));
    assert_int_equal(tpm_link_poll(link, false, true, text), TPM_LINK_REOPENED);
    assert_int_equal(link->state, TPM_LINK_LOST);
    assert_int_equal(link->reopen.pause, 100);
    assert_int_not_equal(run_random(cable), TPM2_RC_SUCCESS);
    assert_false(tpm_link_is_open(link));
    /* The next attempt has its time. */
    assert_true(timer_is_armed(&link->reopen));
    assert_int_equal(tpm_link_poll(link, false, true, text), TPM_LINK_AS_BEFORE);
    assert_false(tpm_link_is_open(link));
    engine_chip_mend(&cable->chip);
    loop_run(&cable->loop, -1, 1);
    assert_false(timer_is_armed(&link->reopen));
    assert_true(managed_tpm_poll(&cable->managed, true, text));
    assert_true(tpm_link_is_open(link));
    assert_int_equal(link->state, TPM_LINK_LOST);
    assert_int_equal(run_random(cable), TPM2_RC_SUCCESS);
    assert_int_equal(link->reopen.pause, 200);
    assert_true(managed_tpm_poll(&cable->managed, true, text));
    assert_int_equal(link->state, TPM_LINK_PRESENT);
    assert_false(timer_is_armed(&link->reopen));
    assert_true(managed_tpm_serves(&cable->managed));
    /* When it is lost again it is as at first. */
    tcti_close(link->tcti);
    assert_int_equal(tpm_link_poll(link, true, true, text), TPM_LINK_REOPENED);
    assert_int_equal(link->reopen.pause, 100);
    managed_tpm_give_back(&cable->managed, true);
    assert_false(timer_is_armed(&link->reopen));
}

/* The kernel has taken the device out of use: that is said once each time that it is lost. */
static void test_R65_disabled_tpm_is_told_of_once(void **state)
{
    struct cable *cable = *state;
    struct tpm_link *link = &cable->managed.link;
    const char *conf = link->config.conf, *line;
    char text[TPM_FAULT_TEXT];
    struct log_capture *capture;
    unsigned lines = 0;

    take(cable);
    fake_sys_put_dead(&cable->sys, "class/tpm/tpm7/pcr-sha256/0");
    capture = log_capture_begin(LOG_LEVEL_ERROR);
    for (unsigned i = 0; i < 2; i++) {
        tcti_close(link->tcti);
        link->config.conf = "device:" FAKE_SYS_DEVICE;
        for (unsigned k = 0; k < 3; k++) {
            timer_disarm(&link->reopen);
            assert_int_equal(tpm_link_poll(link, false, true, text), TPM_LINK_AS_BEFORE);
        }
        link->config.conf = conf;
        timer_disarm(&link->reopen);
        assert_int_equal(tpm_link_poll(link, false, true, text), TPM_LINK_REOPENED);
        assert_int_equal(tpm_link_poll(link, true, true, text), TPM_LINK_AS_BEFORE);
        assert_int_equal(link->state, TPM_LINK_PRESENT);
    }
    log_capture_end(capture);
    for (line = log_capture_line(capture); *line; line = log_capture_line(capture)) {
        assert_non_null(strstr(line, "the kernel has disabled the TPM"));
        lines++;
    }
    log_capture_free(capture);
    assert_int_equal(lines, 2);
}

/* Another quiet time holds from then on, before the TPM is there and after. */
static void test_R74_the_quiet_time_changes(void **state)
{
    struct cable *cable = *state;

    managed_tpm_change(&cable->managed, 77);
    assert_int_equal(cable->managed.idle.release_ms, 77);
    take(cable);
    managed_tpm_change(&cable->managed, IDLE_NEVER);
    assert_int_equal(cable->managed.idle.release_ms, IDLE_NEVER);
}

static void count(void *data)
{
    ++*(unsigned *)data;
}

static void test_each_command_is_announced(void **state)
{
    struct cable *cable = *state;
    unsigned announced = 0;

    cable->managed.link.before = count;
    cable->managed.link.data = &announced;
    take(cable);
    assert_int_equal(run_random(cable), TPM2_RC_SUCCESS);
    assert_true(announced > 1);
    assert_int_equal(announced, cable->commands);
}

static unsigned sessions_in_chip(struct cable *cable)
{
    uint32_t handles[8];

    return libtpms_chip_handles(cable->tpm, HANDLE_LOADED_SESSIONS, handles, 8);
}

/* Starts a policy session without a key. */
static const uint8_t begin_session[] = {
    0x80, 0x01, 0, 0,   0,  43, 0,  0,  0x01, 0x76, 0x40, 0, 0,
    7,    0x40, 0, 0,   7,  0,  16, 1,  2,    3,    4,    5, 6,
    7,    8,    9, 10,  11, 12, 13, 14, 15,   16,   0,    0, TPM2_SE_POLICY,
    0,    0x10, 0, 0x0B};

/* What a former user left in the TPM is flushed when it is taken over: sessions where that is
 * ordered. */
static void test_leftovers_are_flushed(void **state)
{
    struct cable *cable = *state;
    struct rm_tpm *tpm = &cable->tpm->tpm;
    uint8_t answer[256];
    int64_t detail;
    size_t size;

    assert_int_equal(chip_startup(tpm, NULL, &detail), CHIP_OK);
    assert_int_equal(
        tpm->transact(tpm, 0, begin_session, sizeof(begin_session), answer, sizeof(answer), &size),
        0);
    take(cable);
    assert_int_equal(sessions_in_chip(cable), 1);
    managed_tpm_give_back(&cable->managed, true);
    cable->managed.link.config.flush_all = true;
    take(cable);
    assert_int_equal(sessions_in_chip(cable), 0);
}

/* A session that a client left is flushed, one command at a time. */
static void test_tpm_is_left_empty(void **state)
{
    struct cable *cable = *state;
    unsigned before, steps = 0;

    take(cable);
    assert_false(managed_tpm_settle(&cable->managed));
    assert_int_equal(run(cable, begin_session, sizeof(begin_session)), TPM2_RC_SUCCESS);
    assert_int_equal(sessions_in_chip(cable), 1);
    before = cable->commands;
    while (managed_tpm_empty(&cable->managed))
        assert_in_range(cable->commands - before, 0, ++steps);
    assert_true(steps > 0);
    assert_int_equal(managed_tpm_clean_up(&cable->managed, true), IDLE_CLEAN);
    assert_int_equal(sessions_in_chip(cable), 0);
}

#define LINK_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(test_tpm_is_taken_over_and_given_back),
        LINK_TEST(test_fault_of_a_tpm_that_is_not_there),
        LINK_TEST(test_fault_of_a_tpm_that_does_not_work),
        LINK_TEST(test_lost_tpm_comes_back),
        LINK_TEST(test_R65_disabled_tpm_is_told_of_once),
        LINK_TEST(test_R74_the_quiet_time_changes),
        LINK_TEST(test_each_command_is_announced),
        LINK_TEST(test_leftovers_are_flushed),
        LINK_TEST(test_tpm_is_left_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
