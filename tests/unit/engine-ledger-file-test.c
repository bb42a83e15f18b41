/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of the record of sessions: its name, and what may stand or happen in its place. */
#include "base/log.h"
#include "descriptor-count.h"
#include "ledger-place.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* What is done to the record behind the back of who opens it: so often it is removed before it is
 * locked, and its disk is full. */
static char removed_path[512];
static unsigned removals;
static int disk_error;

int flock(int fd, int operation)
{
    if (removals > 0) {
        removals--;
        unlink(removed_path);
    }
    return (int)syscall(SYS_flock, fd, operation);
}

int posix_fallocate(int fd, off_t offset, off_t size)
{
    return disk_error != 0 ? disk_error : ftruncate(fd, offset + size) < 0 ? errno : 0;
}

static void test_R37_name_of_a_record(void **state)
{
    static const struct {
        const char *owner, *name;
    } cases[] = {
        {"", "sessions-cbf29ce484222325"},
        {"a", "sessions-af63dc4c8601ec8c"},
        {"foobar", "sessions-85944171f73967e8"},
    };
    struct ledger_place *place = *state;
    struct ledger_file *file;
    char path[512], *name;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ledger_place_open(place, cases[i].owner, &file);
        assert_true(ledger_place_file(place, path, sizeof(path)));
        name = strrchr(path, '/') + 1;
        assert_string_equal(name, cases[i].name);
        ledger_file_close(file);
    }
}

/* Another daemon that ends removes its record, maybe at a bad moment. */
static void test_R37_record_that_is_removed_meanwhile(void **state)
{
    struct ledger_place *place = *state;
    unsigned fds = descriptor_count();
    struct ledger_file *file;
    char path[512];

    for (unsigned often = 0; often <= 10; often++) {
        ledger_place_open(place, "here", &file);
        assert_true(ledger_place_file(place, removed_path, sizeof(removed_path)));
        ledger_file_close(file);
        removals = often;
        ledger_add(ledger_place_open(place, "here", &file), 0x02000000);
        assert_int_equal(removals, 0);
        /* In the end there is one that outlives the process, or it is given up. */
        assert_int_equal(ledger_place_file(place, path, sizeof(path)), often < 10);
        assert_int_equal(descriptor_count(), often < 10 ? fds + 2 : fds);
        ledger_clear(ledger_file_ledger(file));
        ledger_file_close(file);
        assert_int_equal(descriptor_count(), fds);
    }
}

/* What cannot be the record of this daemon is left as it is. */
static void test_R37_record_of_another_kind(void **state)
{
    struct ledger_place *place = *state;
    unsigned fds = descriptor_count();
    struct ledger_file *file;
    char path[512];
    struct stat status;

    ledger_place_open(place, "here", &file);
    assert_true(ledger_place_file(place, path, sizeof(path)));
    ledger_file_close(file);
    assert_int_equal(mkfifo(path, 0600), 0);
    ledger_add(ledger_place_open(place, "here", &file), 0x02000000);
    assert_int_equal(descriptor_count(), fds);
    ledger_file_close(file);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    unlink(path);
    if (geteuid() != 0)
        return;
    ledger_clear(ledger_place_open(place, "here", &file));
    ledger_add(ledger_file_ledger(file), 0x02000000);
    ledger_file_close(file);
    assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
    assert_false(ledger_is_valid(ledger_place_open(place, "here", &file)));
    assert_int_equal(descriptor_count(), fds);
    ledger_file_close(file);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_R37_record_on_a_full_disk(void **state)
{
    struct ledger_place *place = *state;
    unsigned fds = descriptor_count();
    struct ledger_file *file;

    disk_error = ENOSPC;
    ledger_clear(ledger_place_open(place, "here", &file));
    disk_error = 0;
    ledger_add(ledger_file_ledger(file), 0x02000000);
    assert_int_equal(ledger_file_ledger(file)->sessions[0], 0x02000000);
    assert_int_equal(descriptor_count(), fds);
    ledger_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R37_name_of_a_record, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_record_that_is_removed_meanwhile,
                                        ledger_place_setup, ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_record_of_another_kind, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_record_on_a_full_disk, ledger_place_setup,
                                        ledger_place_teardown),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
