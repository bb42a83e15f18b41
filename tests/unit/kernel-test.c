/* SPDX-License-Identifier: BSD-2-Clause */
/* What sysfs tells of the TPM that a process has open. */
#include "tpm/kernel.h"

#include "fake-sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R63_open_tpm_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R63_what_the_kernel_keeps_is_told, setup, teardown),
        cmocka_unit_test(test_R63_other_devices_are_no_kernel_tpm),
        cmocka_unit_test_setup_teardown(test_R63_silent_sysfs_means_all_of_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
