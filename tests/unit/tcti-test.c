/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCTI behind the resource manager's abstract TPM, with a TPM that the test plays. */
#include "tcti-bench.h"
#include "tpm/fault.h"
#include "wire/header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

/* The answer is on its way before the command is sent: the TCTI does not mind. */
static void test_transact(void **state)
{
    struct bench *bench = *state;

    engine_chip_answer_code(&bench->chip, 0x922);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(bench->size, HEADER_SIZE);
    assert_int_equal(header_load(bench->response).code, 0x922);
    engine_chip_take(&bench->chip);
    assert_int_equal(engine_chip_mark(&bench->chip), 7);
}

static void answer_when_woken_twice(struct bench *bench)
{
    if (bench->served < 3) {
        bench_wake(bench);
        return;
    }
    engine_chip_take(&bench->chip);
    engine_chip_answer(&bench->chip);
}

static void test_R39_the_waiter_is_served_while_the_tpm_works(void **state)
{
    struct bench *bench = *state;

    bench->on_serve = answer_when_woken_twice;
    bench_wake(bench);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(bench->served, 3);
    assert_int_equal(header_load(bench->response).code, 0);
}

static void give_up(struct bench *bench)
{
    bench->timeout = TCTI_GIVE_UP;
}

static void test_R37_a_wait_can_be_given_up(void **state)
{
    struct bench *bench = *state;

    bench->on_serve = give_up;
    bench_wake(bench);
    assert_int_equal(bench_transact(bench, 0), -ECANCELED);
    assert_false(tcti_is_open(bench->tcti));
    assert_int_equal(bench_transact(bench, 0), -ENOTCONN);
}

static void test_answer_that_does_not_fit(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[sizeof(bench->response) + 1] = {0};

    assert_int_equal(send(bench->chip.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(bench_transact(bench, 0), -EMSGSIZE);
    assert_true(tcti_is_open(bench->tcti));
    engine_chip_answer_code(&bench->chip, 0x101);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(header_load(bench->response).code, 0x101);
}

static void test_R34_a_broken_transport_can_be_opened_again(void **state)
{
    struct bench *bench = *state;

    engine_chip_break(&bench->chip);
    assert_int_equal(bench_transact(bench, 0), -EIO);
    assert_false(tcti_is_open(bench->tcti));
    engine_chip_mend(&bench->chip);
    assert_int_equal(tcti_open(bench->tcti, bench->chip.conf), 0);
    engine_chip_answer_code(&bench->chip, 5);
    assert_int_equal(bench_transact(bench, 0), 0);
    assert_int_equal(header_load(bench->response).code, 5);
}

static void test_R40_locality_is_set_when_it_changes(void **state)
{
    static const uint8_t localities[] = {0, 0, 2, 2, 0, 1};
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(localities); i++) {
        engine_chip_answer_code(&bench->chip, 0);
        assert_int_equal(bench_transact(bench, localities[i]), 0);
        engine_chip_take(&bench->chip);
        assert_int_equal(bench->chip.locality, localities[i]);
    }
    assert_int_equal(bench->chip.localities, 4);
}

static void test_R31_backoff_is_bounded(void **state)
{
    struct bench *bench = *state;

    /* The first wait is short enough to be waited for. */
    assert_true(bench->tpm->backoff(bench->tpm, 1));
    bench->timeout = TCTI_GIVE_UP;
    assert_false(bench->tpm->backoff(bench->tpm, 2));
    bench->timeout = -1;
    assert_false(bench->tpm->backoff(bench->tpm, 64));
}

static void test_R35_reasons(void **state)
{
    static const struct {
        const char *conf;
        enum tpm_fault fault;
        const char *said;
    } cases[] = {
        {"device:/nonexistent/tpm0", TPM_FAULT_ABSENT, "/nonexistent/tpm0"},
        {"device:/", TPM_FAULT_CONF, "not a device"},
        {"nonsense:x", TPM_FAULT_CONF, "nonsense:x"},
    };
    struct bench *bench = *state;
    char text[TPM_FAULT_TEXT];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t rc = tcti_open(bench->tcti, cases[i].conf);

        assert_int_not_equal(rc, 0);
        assert_false(tcti_is_open(bench->tcti));
        assert_int_equal(tpm_fault_open(cases[i].conf, rc, text), cases[i].fault);
        assert_non_null(strstr(text, cases[i].said));
        assert_null(strchr(text, '\n'));
    }
    assert_true(tpm_fault_device_gone("device:/nonexistent/tpm0", text));
    assert_false(tpm_fault_device_gone("device:/dev/null", text));
    assert_false(tpm_fault_device_gone("swtpm:port=1", text));
}

/* Without a path the message names the device all the same. A machine that has one is of no use
 * here: what there is to say depends on its state. */
static void test_R35_a_device_without_a_path_is_named(void **state)
{
    static const char *const confs[] = {"device", "device:", "libtss2-tcti-device.so.0"};
    char text[TPM_FAULT_TEXT];

    (void)state;
    if (access("/dev/tpm0", F_OK) == 0 || access("/dev/tpmrm0", F_OK) == 0)
        skip();
    for (size_t i = 0; i < sizeof(confs) / sizeof(confs[0]); i++) {
        assert_int_equal(tpm_fault_open(confs[i], TSS2_TCTI_RC_IO_ERROR, text), TPM_FAULT_ABSENT);
        assert_non_null(strstr(text, "no TPM at /dev/tpm0: "));
        assert_true(tpm_fault_device_gone(confs[i], text));
    }
    assert_int_equal(tpm_fault_open("devices", TSS2_TCTI_RC_BAD_VALUE, text), TPM_FAULT_CONF);
}

/* Run as root with a slip of the hand, it must not write TPM commands into a file. */
static void test_R35_a_file_is_not_opened_as_a_device(void **state)
{
    static const char content[] = "root:x:0:0:root:/root:/bin/bash";
    struct bench *bench = *state;
    char path[] = "/tmp/tcti-test.XXXXXX", conf[64], text[TPM_FAULT_TEXT], now[64];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, sizeof(content)), sizeof(content));
    snprintf(conf, sizeof(conf), "device:%s", path);
    assert_int_not_equal(tcti_open(bench->tcti, conf), TSS2_RC_SUCCESS);
    assert_int_equal(tpm_fault_open(conf, TSS2_TCTI_RC_BAD_VALUE, text), TPM_FAULT_CONF);
    assert_int_equal(pread(fd, now, sizeof(now), 0), sizeof(content));
    assert_memory_equal(now, content, sizeof(content));
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transact, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_transact, bench_setup_blocking, bench_teardown),
        cmocka_unit_test_setup_teardown(test_R39_the_waiter_is_served_while_the_tpm_works,
                                        bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_R37_a_wait_can_be_given_up, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(test_answer_that_does_not_fit, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_answer_that_does_not_fit, bench_setup_blocking,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(test_R34_a_broken_transport_can_be_opened_again,
                                        bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_R40_locality_is_set_when_it_changes, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(test_R31_backoff_is_bounded, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_R35_reasons, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_R35_a_device_without_a_path_is_named, bench_setup,
                                        bench_teardown),
        cmocka_unit_test_setup_teardown(test_R35_a_file_is_not_opened_as_a_device, bench_setup,
                                        bench_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
