/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library in a program with raised privilege: the test runs a copy of itself that is
 * set-user-ID, and says by its environment what should be logged, and where.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulator.h"
#include "logger.h"

/* What the copy says of itself, by its exit status, which is nobody else's. */
enum verdict { VERDICT_SILENT = 40, VERDICT_LOGS, VERDICT_RAISED_SILENT, VERDICT_RAISED_LOGS };

struct place {
    char dir[32], program[64], log[64];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    strcpy(place->dir, "/tmp/tabrmd-logger.XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    assert_int_equal(chmod(place->dir, 0777), 0);
    snprintf(place->program, sizeof(place->program), "%s/program", place->dir);
    snprintf(place->log, sizeof(place->log), "%s/log", place->dir);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    unlink(place->program);
    unlink(place->log);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

/* A copy of this program that runs with the rights of `uid`, or of who starts it. */
static void copy_program(const char *path, uid_t uid, mode_t mode)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    struct stat status;

    assert_true(from >= 0 && to >= 0 && fstat(from, &status) == 0);
    for (off_t left = status.st_size; left > 0;) {
        ssize_t count = sendfile(to, from, NULL, (size_t)left);

        assert_true(count > 0);
        left -= count;
    }
    assert_int_equal(fchown(to, uid, (gid_t)-1), 0);
    assert_int_equal(fchmod(to, mode), 0);
    close(from);
    close(to);
}

static int run(const struct place *place)
{
    char file[96];
    const char *argv[] = {place->program, "--copy", NULL};
    const char *env[] = {"TSS2_LOG=all+trace", file, NULL};
    pid_t child;
    int status;

    snprintf(file, sizeof(file), "TSS2_LOGFILE=%s", place->log);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execve(place->program, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_R59_the_environment_is_not_believed_with_raised_privilege(void **state)
{
    const struct place *place = *state;
    const struct passwd *nobody = getpwnam("nobody");
    int verdict;

    if (geteuid() != 0 || !nobody)
        skip();
    copy_program(place->program, nobody->pw_uid, 04755);
    verdict = run(place);
    /* A file system that is mounted without set-user-ID. */
    if (verdict == VERDICT_LOGS)
        skip();
    assert_int_equal(verdict, VERDICT_RAISED_SILENT);
    assert_int_equal(access(place->log, F_OK), -1);
}

static void test_R59_the_environment_is_believed_without(void **state)
{
    const struct place *place = *state;

    copy_program(place->program, (uid_t)-1, 0755);
    assert_int_equal(run(place), VERDICT_LOGS);
    assert_int_equal(access(place->log, F_OK), 0);
}

static enum verdict judge(void)
{
    bool raised = getauxval(AT_SECURE), logs;

    logger_configure(LOGGER_NONE);
    logger_write(LOGGER_ERROR, "file", 1, "function", "a line");
    logs = logger_threshold() != LOGGER_NONE;
    if (raised)
        return logs ? VERDICT_RAISED_LOGS : VERDICT_RAISED_SILENT;
    return logs ? VERDICT_LOGS : VERDICT_SILENT;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_R59_the_environment_is_not_believed_with_raised_privilege, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_R59_the_environment_is_believed_without, set_up,
                                        tear_down),
    };

    if (argc > 1 && strcmp(argv[1], "--copy") == 0)
        _exit((int)judge());
    emulator_lacks("programs of the processor's that programs start");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
