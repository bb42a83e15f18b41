/* SPDX-License-Identifier: BSD-2-Clause */
/* What sysfs tells of the TPM that a process has open. */
#include "tpm/kernel.h"

#include "descriptor-count.h"
#include "fake-sys.h"
#include "tpm/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct fake_sys fake;

    fake_sys_init(&fake, 7);
    *state = &fake;
    return 0;
}

static int teardown(void **state)
{
    fake_sys_clear(*state);
    return 0;
}

static void test_R63_open_tpm_is_found(void **state)
{
    struct fake_sys *fake = *state;
    struct kernel_tpm tpm;

    assert_true(kernel_find(&tpm, fake->path));
    assert_int_equal(tpm.number, 7);
    assert_true(tpm.has_manager);
    assert_false(tpm.keeps_sessions);
    assert_false(tpm.trusted_keys);
    close(fake->fd);
    fake->fd = -1;
    assert_false(kernel_find(&tpm, fake->path));
    assert_int_equal(tpm.number, -1);
    assert_false(tpm.has_manager || tpm.keeps_sessions || tpm.trusted_keys);
}

static void test_R63_what_the_kernel_keeps_is_told(void **state)
{
    struct fake_sys *fake = *state;
    struct kernel_tpm tpm;

    fake_sys_put(fake, "class/tpm/tpm8/null_name", "");
    assert_true(kernel_find(&tpm, fake->path));
    assert_false(tpm.keeps_sessions);
    fake_sys_put(fake, "class/tpm/tpm7/null_name", "");
    assert_true(kernel_find(&tpm, fake->path));
    assert_true(tpm.keeps_sessions);
    assert_false(tpm.trusted_keys);
    fake_sys_put(fake, "module/trusted", NULL);
    assert_true(kernel_find(&tpm, fake->path));
    assert_true(tpm.trusted_keys);
}

/* Another device of the kernel's resource manager, or one that is no TPM. */
static void test_R63_other_devices_are_no_kernel_tpm(void **state)
{
    static const char *const names[] = {"tpmrm0", "tpm", "tpm0x", "tpm1234567", "vtpm0", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fake_sys fake;
        struct kernel_tpm tpm;

        fake_sys_init_as(&fake, names[i]);
        assert_false(kernel_find(&tpm, fake.path));
        fake_sys_clear(&fake);
    }
}

/* Without the facts the worst is assumed. */
static void test_R63_silent_sysfs_means_all_of_it(void **state)
{
    struct fake_sys *fake = *state;
    struct kernel_tpm tpm;

    fake_sys_remove(fake, "class/tpm/tpm7");
    assert_true(kernel_find(&tpm, fake->path));
    assert_int_equal(tpm.number, 7);
    assert_true(tpm.has_manager && tpm.keeps_sessions && tpm.trusted_keys);
}

static void test_R65_disabled_tpm_is_told_from_a_dead_one(void **state)
{
    struct fake_sys *fake = *state;

    /* Nothing tells. */
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    fake_sys_put(fake, "class/tpm/tpm7/pcr-sha256/0", "0000");
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    fake_sys_remove(fake, "class/tpm/tpm7/pcr-sha256/0");
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    fake_sys_put_dead(fake, "class/tpm/tpm7/pcr-sha256/0");
    assert_true(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    /* Another device, no device, none at all. */
    assert_false(kernel_disabled(fake->path, "/dev/null"));
    assert_false(kernel_disabled(fake->path, fake->path));
    assert_false(kernel_disabled(fake->path, "/nonexistent/tpm7"));
}

/* The first TPM has number 0. */
static void test_R65_the_first_tpm_may_be_disabled(void **state)
{
    struct fake_sys first;

    (void)state;
    fake_sys_init(&first, 0);
    fake_sys_put_dead(&first, "class/tpm/tpm0/pcr-sha256/0");
    assert_true(kernel_disabled(first.path, FAKE_SYS_DEVICE));
    fake_sys_clear(&first);
}

static void test_R65_disabled_tpm_is_named_with_the_remedy(void **state)
{
    static const char *const words[] = {FAKE_SYS_DEVICE,        "kernel", "6.10 to 6.16",
                                        "CONFIG_TCG_TPM2_HMAC", "unbind", "reboot"};
    struct fake_sys *fake = *state;
    char text[TPM_FAULT_TEXT];

    fake_sys_put_dead(fake, "class/tpm/tpm7/pcr-sha256/0");
    assert_false(tpm_fault_disabled("swtpm:port=1", fake->path, text));
    assert_false(tpm_fault_disabled("device:/dev/null", fake->path, text));
    assert_true(tpm_fault_disabled("device:" FAKE_SYS_DEVICE, fake->path, text));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_non_null(strstr(text, words[i]));
    assert_true(strlen(text) < sizeof(text) - 1);
    assert_null(strchr(text, '\n'));
}

static void test_R63_numbers_of_tpms(void **state)
{
    static const struct {
        const char *device;
        int number;
    } cases[] = {{"tpm0", 0}, {"tpm1", 1}, {"tpm12345", 12345}, {"tpm123456", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_sys fake;
        struct kernel_tpm tpm;

        fake_sys_init_as(&fake, cases[i].device);
        assert_int_equal(kernel_find(&tpm, fake.path), cases[i].number >= 0);
        assert_int_equal(tpm.number, cases[i].number);
        assert_int_equal(tpm.keeps_sessions, cases[i].number >= 0);
        fake_sys_clear(&fake);
    }
}

/* sysfs knows the device by another name than a TPM's, or does not know it. */
static void test_R63_devices_that_sysfs_does_not_know(void **state)
{
    struct fake_sys *fake = *state;
    struct kernel_tpm tpm;

    fake_sys_link(fake, "tpm7");
    assert_false(kernel_find(&tpm, fake->path));
    /* The shorter name is read over the longer one. */
    fake_sys_link(fake, "x/tpm12345");
    assert_true(kernel_find(&tpm, fake->path));
    assert_int_equal(tpm.number, 12345);
    fake_sys_link(fake, "x/tpm7");
    assert_true(kernel_find(&tpm, fake->path));
    assert_int_equal(tpm.number, 7);
    fake_sys_link(fake, NULL);
    assert_false(kernel_find(&tpm, fake->path));
    fake_sys_put_dead(fake, "class/tpm/tpm7/pcr-sha256/0");
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
}

/* A file is no TPM, whatever its name, and another device is none of number -1. */
static void test_R63_names_make_no_tpm(void **state)
{
    struct fake_sys *fake = *state, other;
    struct kernel_tpm tpm;
    char path[64];
    int fd;

    fake_sys_link(fake, NULL);
    fake_sys_put(fake, "tpm7", "");
    snprintf(path, sizeof(path), "%s/tpm7", fake->path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(kernel_find(&tpm, fake->path));
    close(fd);

    fake_sys_init_as(&other, "vtpm0");
    fake_sys_put_dead(&other, "class/tpm/tpm-1/pcr-sha256/0");
    assert_false(kernel_disabled(other.path, FAKE_SYS_DEVICE));
    fake_sys_clear(&other);
}

/* Without an open standard input the number of a descriptor may be 0, which is none of an error. */
static void test_R65_descriptors_are_closed_whatever_their_number(void **state)
{
    struct fake_sys *fake = *state;
    struct kernel_tpm tpm;
    int input = dup(0);
    unsigned before = descriptor_count();

    assert_true(input >= 0);
    fake_sys_put(fake, "class/tpm/tpm7/pcr-sha256/0", "0000");
    assert_true(kernel_find(&tpm, fake->path));
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    assert_int_equal(descriptor_count(), before);
    assert_int_equal(close(0), 0);
    errno = ENXIO;
    assert_false(kernel_disabled(fake->path, FAKE_SYS_DEVICE));
    assert_int_equal(fcntl(0, F_GETFD), -1);
    assert_int_equal(dup2(input, 0), 0);
    close(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R63_open_tpm_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R63_what_the_kernel_keeps_is_told, setup, teardown),
        cmocka_unit_test(test_R63_other_devices_are_no_kernel_tpm),
        cmocka_unit_test_setup_teardown(test_R65_disabled_tpm_is_told_from_a_dead_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R65_disabled_tpm_is_named_with_the_remedy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R63_devices_that_sysfs_does_not_know, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R63_names_make_no_tpm, setup, teardown),
        cmocka_unit_test(test_R65_the_first_tpm_may_be_disabled),
        cmocka_unit_test(test_R63_numbers_of_tpms),
        cmocka_unit_test_setup_teardown(test_R65_descriptors_are_closed_whatever_their_number,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_R63_silent_sysfs_means_all_of_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
