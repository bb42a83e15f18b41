/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager says in the environment, and what it is told. */
#include "service.h"
#include "status-line.h"

#include "base/log.h"

#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const variables[] = {
    "NOTIFY_SOCKET", "WATCHDOG_USEC",     "WATCHDOG_PID",    "LISTEN_PID",
    "LISTEN_FDS",    "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "FDSTORE",
};

static int setup(void **state)
{
    char *dir = strdup("/tmp/tabrmd-service.XXXXXX");

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    assert_non_null(mkdtemp(dir));
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(rmdir(*state), 0);
    free(*state);
    return 0;
}

/* A bound socket of this type; a leading '@' stands for an abstract name. */
static int bound(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void expect_notice(const char *path)
{
    char text[32] = "";
    int fd = bound(path, SOCK_DGRAM);

    setenv("NOTIFY_SOCKET", path, 1);
    service_notify("READY=1");
    assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
}

static void test_notices(void **state)
{
    g_autofree char *path = g_strdup_printf("%s/notify", (char *)*state);
    g_autofree char *abstract = g_strdup_printf("@%s/notify", (char *)*state);

    service_notify("READY=1");
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    service_notify("READY=1");
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    service_notify("READY=1");
    expect_notice(path);
    expect_notice(abstract);
    unlink(path);
}

static void test_R74_a_reload_is_told_with_its_time(void **state)
{
    g_autofree char *path = g_strdup_printf("%s/notify", (char *)*state);
    int fd = bound(path, SOCK_DGRAM);
    long long before = g_get_monotonic_time(), told;
    char text[64] = "";

    setenv("NOTIFY_SOCKET", path, 1);
    service_notify_reloading();
    assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &told), 1);
    assert_in_range(told, before, g_get_monotonic_time());
    close(fd);
    unlink(path);
}

static void expect_status(int fd, const char *begins)
{
    char text[512] = "";

    assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_memory_equal(text, begins, strlen(begins));
}

/* What is not as it should be is told, and then that it is again. */
static void test_the_line_of_systemctl_status(void **state)
{
    g_autofree char *path = g_strdup_printf("%s/notify", (char *)*state);
    int fd = bound(path, SOCK_DGRAM);
    struct status_line line = {0};
    char byte;

    setenv("NOTIFY_SOCKET", path, 1);
    status_line_tell(&line, ENGINE_STARTING);
    status_line_tell(&line, ENGINE_SERVING);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    status_line_tell(&line, ENGINE_LOST);
    expect_status(fd, "STATUS=the TPM does not answer; tabrmd tries to open it again: ");
    status_line_tell(&line, ENGINE_SERVING);
    expect_status(fd, "STATUS=serving");
    status_line_tell(&line, ENGINE_SUSPENDED);
    expect_status(fd, "STATUS=commands wait");
    status_line_tell(&line, ENGINE_FAILED);
    expect_status(fd, "STATUS=there is no TPM");
    status_line_tell(&line, ENGINE_STOPPING);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    close(fd);
    unlink(path);
}

static void set_number(const char *name, long number)
{
    g_autofree char *text = g_strdup_printf("%ld", number);

    setenv(name, text, 1);
}

static void test_watchdog(void **state)
{
    (void)state;
    assert_int_equal(service_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(service_watchdog_ms(), 30000);
    set_number("WATCHDOG_PID", getpid());
    assert_int_equal(service_watchdog_ms(), 30000);
    set_number("WATCHDOG_PID", getpid() + 1);
    assert_int_equal(service_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(service_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "1", 1);
    assert_int_equal(service_watchdog_ms(), 1);
}

static void test_directories(void **state)
{
    g_autofree char *made = g_build_filename(*state, "tabrmd", NULL);
    struct stat status;
    char *dir;

    assert_null(service_directory());
    assert_null(service_runtime_dir());
    setenv("XDG_RUNTIME_DIR", *state, 1);
    assert_null(service_directory());
    for (int i = 0; i < 2; i++) {
        dir = service_runtime_dir();
        assert_string_equal(dir, made);
        g_free(dir);
    }
    assert_int_equal(stat(made, &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | 0700);
    rmdir(made);
    setenv("RUNTIME_DIRECTORY", "/run/first:/run/second", 1);
    dir = service_runtime_dir();
    assert_string_equal(dir, "/run/first");
    g_free(dir);
    setenv("RUNTIME_DIRECTORY", "relative", 1);
    assert_null(service_directory());
    unsetenv("RUNTIME_DIRECTORY");
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    assert_null(service_runtime_dir());
}

/* Has descriptors passed to this process, which can have those that it likes: numbers from 3 on. */
static void pass(const int *fds, unsigned count, const char *names, bool mine)
{
    int copies[16];

    for (unsigned i = 0; i < count; i++)
        copies[i] = fcntl(fds[i], F_DUPFD, 100);
    for (unsigned i = 0; i < count; i++)
        if (dup2(copies[i], 3 + (int)i) < 0 || close(copies[i]) < 0)
            _exit(1);
    set_number("LISTEN_PID", mine ? getpid() : getpid() + 1);
    set_number("LISTEN_FDS", count);
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
}

/* In a process of its own: a datagram socket as the first one and a listening one as the second.
 * Its exit status says what was wrong. */
static int passed_one(const char *path, bool listening, bool mine)
{
    const int fds[] = {bound("@unused", SOCK_DGRAM), bound(path, SOCK_STREAM)};
    struct passed passed;

    if (listening)
        listen(fds[1], 5);
    pass(fds, 2, NULL, mine);
    service_take_passed(&passed, NULL);
    if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
        return 2;
    if (passed.listening != (listening && mine ? 4 : -1))
        return 3;
    if (passed.listening >= 0 && fcntl(passed.listening, F_GETFD) != FD_CLOEXEC)
        return 4;
    /* Of no use, so it is closed; what is not for us is left alone. */
    if ((fcntl(3, F_GETFD) >= 0) == mine)
        return 5;
    service_take_passed(&passed, NULL);
    return passed.listening == -1 && !passed_has_clients(&passed) ? 0 : 6;
}

/* What a former daemon stored, beside what nobody knows. */
static int passed_kept(const char *path)
{
    char byte;
    int pair[2], odd[2], own = bound(path, SOCK_STREAM), units = bound("@units", SOCK_STREAM);
    struct keeper *keeper;
    struct passed passed;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0
        || socketpair(AF_UNIX, SOCK_STREAM, 0, odd) < 0 || listen(own, 5) < 0
        || listen(units, 5) < 0)
        return 1;
    /* Out of the way of the numbers that are passed; the last is the store's copy. */
    int first = fcntl(pair[0], F_DUPFD, 200), end = fcntl(odd[1], F_DUPFD, 200);
    int copy = fcntl(odd[0], F_DUPFD, 200), second = fcntl(pair[1], F_DUPFD, 200);
    const int fds[] = {units, pair[0], own, bound("@a", SOCK_DGRAM), odd[0], pair[1], own};
    const char *names = "tabrmd.socket:c:l:s1:what:c:c";

    pass(fds, 7, names, true);
    keeper = service_keeper();
    service_take_passed(&passed, keeper);
    if (passed.listening != 3 || passed.own != 5 || passed.journals[0] != -1
        || passed.journals[1] != 6)
        return 2;
    if (passed.count != 2 || passed.connections[0] != 4 || passed.connections[1] != 8)
        return 3;
    /* Nobody knows `what`; and a socket that listens is no client's. */
    if (fcntl(7, F_GETFD) >= 0 || fcntl(9, F_GETFD) >= 0 || recv(end, &byte, 1, MSG_DONTWAIT) != 0)
        return 4;
    if (!passed_has_clients(&passed) || close(copy) < 0)
        return 5;
    passed_clear(&passed);
    /* Nobody took them: they stay with who keeps them. */
    return fcntl(4, F_GETFD) < 0 && fcntl(8, F_GETFD) < 0
                   && recv(first, &byte, 1, MSG_DONTWAIT) == -1
                   && recv(second, &byte, 1, MSG_DONTWAIT) == -1
               ? 0
               : 6;
}

static void expect_good(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_passed_socket(void **state)
{
    g_autofree char *path = g_strdup_printf("%s/socket", (char *)*state);
    struct passed passed;

    service_take_passed(&passed, NULL);
    assert_int_equal(passed.listening, -1);
    assert_false(passed_has_clients(&passed));
    for (unsigned i = 0; i < 4; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(passed_one(path, i & 1, i & 2));
        expect_good(child);
        unlink(path);
    }
}

static void test_what_was_kept_is_passed_by_names(void **state)
{
    g_autofree char *path = g_strdup_printf("%s/socket", (char *)*state);
    g_autofree char *notify = g_strdup_printf("%s/notify", (char *)*state);
    int fd = bound(notify, SOCK_DGRAM);
    char text[128] = "";
    struct keeper *keeper;
    pid_t child;

    setenv("NOTIFY_SOCKET", notify, 1);
    assert_null(service_keeper());
    setenv("FDSTORE", "many", 1);
    assert_null(service_keeper());
    setenv("FDSTORE", "1152", 1);
    keeper = service_keeper();
    assert_non_null(keeper);
    child = fork();
    if (child == 0)
        _exit(passed_kept(path));
    expect_good(child);
    /* What is of no use is dropped where only that has its name. */
    assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=what");
    assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
    setenv("FDSTORE", "64", 1);
    assert_null(service_keeper());
    keeper_free(keeper);
    close(fd);
    unlink(notify);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_notices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R74_a_reload_is_told_with_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_line_of_systemctl_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directories, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_kept_is_passed_by_names, setup, teardown),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
