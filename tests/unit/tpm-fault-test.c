/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said when there is no TPM to work with: the kind of the fault, and the sentence. */
#include "tpm/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

/* Every path is a device that somebody else has open. */
static bool all_are_busy;

int stat(const char *restrict path, struct stat *restrict status)
{
    if (!all_are_busy)
        return fstatat(AT_FDCWD, path, status, 0);
    *status = (struct stat){.st_mode = S_IFCHR};
    return 0;
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (all_are_busy) {
        errno = EBUSY;
        return -1;
    }
    if (flags & O_CREAT) {
        va_list arguments;

        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(AT_FDCWD, path, flags, mode);
}

/* open() without a mode, as headers name it that check calls, for some compilers. */
int __open_2(const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

/* A message is one whole sentence. */
static void expect_text(const char *text, const char *said)
{
    assert_non_null(strstr(text, said));
    assert_null(strchr(text, '\n'));
    assert_true(strlen(text) < TPM_FAULT_TEXT - 1);
}

/* What is said of a device node at `path`, and whether it counts as gone. */
static void expect_device(const char *path, enum tpm_fault fault, bool gone, const char *said)
{
    char conf[128], text[TPM_FAULT_TEXT];

    snprintf(conf, sizeof(conf), "device:%s", path);
    /* Nobody is asked what the TCTI said. */
    assert_int_equal(tpm_fault_open(conf, TSS2_TCTI_RC_MEMORY, text), fault);
    expect_text(text, said);
    expect_text(text, path);
    assert_int_equal(tpm_fault_device_gone(conf, text), gone);
    if (gone) {
        expect_text(text, path);
        expect_text(text, "went away");
    }
}

static void test_R35_what_a_tcti_says(void **state)
{
    static const struct {
        uint32_t rc;
        enum tpm_fault fault;
        const char *said;
    } cases[] = {
        {TSS2_TCTI_RC_MEMORY, TPM_FAULT_RESOURCES, "no memory or no descriptor left"},
        {TSS2_TCTI_RC_BAD_VALUE, TPM_FAULT_CONF, "is not understood"},
        {TSS2_TCTI_RC_NOT_SUPPORTED, TPM_FAULT_CONF, "is not understood"},
        {TSS2_TCTI_RC_IO_ERROR, TPM_FAULT_ABSENT, "is its other end running"},
    };
    /* The second one opens, so that the TCTI's word stands. */
    static const char *const confs[] = {"swtpm:port=1", "device:/dev/null"};
    char text[TPM_FAULT_TEXT];

    (void)state;
    for (size_t c = 0; c < sizeof(confs) / sizeof(confs[0]); c++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            assert_int_equal(tpm_fault_open(confs[c], cases[i].rc, text), cases[i].fault);
            expect_text(text, cases[i].said);
            expect_text(text, confs[c]);
        }
    }
}

static void test_R35_what_the_chip_says(void **state)
{
    static const struct {
        enum chip_error error;
        int64_t detail;
        enum tpm_fault fault;
        const char *said;
    } cases[] = {
        {CHIP_ERROR_TRANSPORT, -EIO, TPM_FAULT_ABSENT, "does not answer (Input/output error)"},
        {CHIP_ERROR_CODE, TPM2_RC_FAILURE, TPM_FAULT_REFUSED, "is in failure mode"},
        {CHIP_ERROR_CODE, TPM2_RC_UPGRADE, TPM_FAULT_REFUSED, "refuses to start with 0x12d"},
        {CHIP_ERROR_MALFORMED, 0, TPM_FAULT_REFUSED, "does not talk like a TPM 2.0"},
        {CHIP_OK, 0, TPM_FAULT_REFUSED, "cannot be used"},
        {CHIP_ERROR_TPM12, 0, TPM_FAULT_VERSION12, "is a TPM 1.2"},
    };
    char text[TPM_FAULT_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tpm_fault_chip("swtpm:port=1", cases[i].error, cases[i].detail, text),
                         cases[i].fault);
        expect_text(text, cases[i].said);
        expect_text(text, "swtpm:port=1");
    }
}

static void test_R35_no_memory(void **state)
{
    char text[TPM_FAULT_TEXT] = "";

    (void)state;
    assert_int_equal(tpm_fault_memory(text), TPM_FAULT_RESOURCES);
    expect_text(text, "no memory to start with");
}

static void test_R35_a_device_that_is_not_there(void **state)
{
    static const char *const paths[] = {"/nonexistent/tpm0", "/dev/null/tpm0",
                                        "/proc/self/fd/9999"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        expect_device(paths[i], TPM_FAULT_ABSENT, true, "no TPM at ");
}

/* Another error of the system stands in the message. */
static void test_R35_a_device_that_cannot_be_looked_at(void **state)
{
    char directory[] = "/tmp/tpm-fault-test.XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/tpm0", directory);
    assert_int_equal(symlink(path, path), 0);
    expect_device(path, TPM_FAULT_ABSENT, false, strerror(ELOOP));
    unlink(path);
    rmdir(directory);
}

static void test_R35_a_device_without_the_right_to_it(void **state)
{
    char directory[] = "/tmp/tpm-fault-test.XXXXXX", path[64];
    bool is_root = geteuid() == 0;
    char user[32];

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0), 0);
    snprintf(path, sizeof(path), "%s/tpm0", directory);
    assert_int_equal(is_root ? seteuid(NOBODY) : 0, 0);
    snprintf(user, sizeof(user), "user %u may not open", (unsigned)geteuid());
    expect_device(path, TPM_FAULT_DENIED, false, user);
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    rmdir(directory);
}

/* A terminal that its user wants for itself alone is as busy as a TPM that is open. */
static void test_R35_a_device_that_is_in_use(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
    bool is_root = geteuid() == 0;
    char path[64];

    (void)state;
    if (master < 0)
        skip();
    assert_int_equal(grantpt(master) || unlockpt(master) || ptsname_r(master, path, sizeof(path)),
                     0);
    slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(fchmod(slave, 0666), 0);
    assert_int_equal(ioctl(slave, TIOCEXCL), 0);
    assert_int_equal(is_root ? seteuid(NOBODY) : 0, 0);
    expect_device(path, TPM_FAULT_BUSY, false, "in use by another program");
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    close(slave);
    close(master);
}

/* Which resource manager there is for a TPM that is in use depends on its number. */
static void test_R35_the_resource_manager_of_a_busy_tpm(void **state)
{
    static const struct {
        const char *path, *said;
    } cases[] = {
        {"/dev/tpm0", "use /dev/tpmrm0 with"},   {"/dev/tpm7", "use /dev/tpmrm7 with"},
        {"/dev/tpm12", "use /dev/tpmrm12 with"}, {"/dev/tpm", "use /dev/tpmrm0 with"},
        {"/dev/tpm7x", "use /dev/tpmrm0 with"},  {"/dev/abc9", "use /dev/tpmrm0 with"},
    };

    (void)state;
    all_are_busy = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_device(cases[i].path, TPM_FAULT_BUSY, false, cases[i].said);
    all_are_busy = false;
}

static void test_R35_no_descriptor_for_a_device(void **state)
{
    struct rlimit limit, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_device("/dev/null", TPM_FAULT_RESOURCES, false, strerror(EMFILE));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A device that opens is closed again, and 0 is a descriptor like others. */
static void test_R35_a_device_is_opened_for_a_moment(void **state)
{
    char text[TPM_FAULT_TEXT];
    int input = dup(0), next;

    (void)state;
    assert_true(input >= 0);
    assert_int_equal(close(0), 0);
    errno = ENOENT;
    assert_int_equal(tpm_fault_open("device:/dev/null", TSS2_TCTI_RC_BAD_VALUE, text),
                     TPM_FAULT_CONF);
    next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(next, 0);
    assert_int_equal(dup2(input, 0), 0);
    close(input);
}

static void put_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        _exit(77);
    close(fd);
}

static void expect_default(const char *path)
{
    char text[TPM_FAULT_TEXT];

    if (tpm_fault_open("device", TSS2_TCTI_RC_IO_ERROR, text) != TPM_FAULT_CONF
        || strncmp(text, path, strlen(path)) != 0 || text[strlen(path)] != ' ')
        _exit(1);
}

/* Without a path the TCTI opens the one of the two that is there. A /dev of the test's own has
 * files in their place, which are no devices. */
static void test_R35_the_device_that_is_there_is_named(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0
            || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
            || mount("none", "/dev", "tmpfs", 0, NULL) < 0)
            _exit(77);
        put_file("/dev/tpmrm0");
        expect_default("/dev/tpmrm0");
        put_file("/dev/tpm0");
        expect_default("/dev/tpm0");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Only the device TCTI opens paths, by whichever name. */
static void test_R35_names_of_the_device_tcti(void **state)
{
    char text[TPM_FAULT_TEXT];

    (void)state;
    assert_false(tpm_fault_may_open("device:/"));
    assert_false(tpm_fault_may_open("libtss2-tcti-device.so:/"));
    assert_false(tpm_fault_may_open("libtss2-tcti-device.so.0:/"));
    assert_true(tpm_fault_may_open("device:/dev/null"));
    assert_true(tpm_fault_may_open("device:/nonexistent/tpm0"));
    assert_true(tpm_fault_may_open("devices:/"));
    assert_true(tpm_fault_may_open("swtpm:/"));
    assert_false(tpm_fault_device_gone("devices:/nonexistent/tpm0", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R35_a_device_that_cannot_be_looked_at),
        cmocka_unit_test(test_R35_a_device_that_is_in_use),
        cmocka_unit_test(test_R35_a_device_that_is_not_there),
        cmocka_unit_test(test_R35_a_device_without_the_right_to_it),
        cmocka_unit_test(test_R35_a_device_is_opened_for_a_moment),
        cmocka_unit_test(test_R35_names_of_the_device_tcti),
        cmocka_unit_test(test_R35_no_descriptor_for_a_device),
        cmocka_unit_test(test_R35_no_memory),
        cmocka_unit_test(test_R35_the_device_that_is_there_is_named),
        cmocka_unit_test(test_R35_the_resource_manager_of_a_busy_tpm),
        cmocka_unit_test(test_R35_what_a_tcti_says),
        cmocka_unit_test(test_R35_what_the_chip_says),
    };

    return cmocka_run_group_tests_name("tpm-fault", tests, NULL, NULL);
}
