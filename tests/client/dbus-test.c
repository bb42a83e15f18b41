/* SPDX-License-Identifier: BSD-2-Clause */
/* The way over D-Bus, against a daemon that the test plays on a private bus, in a process that has
 * GLib and D-Bus of its own. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-bus.h"
#include "fake-daemon.h"

#define CONF "bus_type=session,bus_name=" FAKE_BUS_NAME

static struct fake_bus bus;

static TSS2_RC try_connect(struct fake_link *link, const char *conf)
{
    size_t size = 0;
    TSS2_RC rc;

    *link = (struct fake_link){NULL, -1};
    assert_int_equal(bus.init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    link->tcti = calloc(1, size);
    assert_non_null(link->tcti);
    rc = bus.init(link->tcti, &size, conf);
    if (rc != TSS2_RC_SUCCESS) {
        free(link->tcti);
        link->tcti = NULL;
    }
    return rc;
}

static void open_link(struct fake_link *link)
{
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(try_connect(link, CONF), TSS2_RC_SUCCESS);
    link->server = fake_bus_take_server(&bus);
    assert_true(link->server >= 0);
}

/* Waits until no more than this many descriptors are open: GLib's thread gives back those of the
 * daemon's part some time after its messages went out. A count taken before may have one of those
 * in it too, so what must not leak is done many times. */
static void expect_fds(size_t expected)
{
    struct pollfd never = {.fd = -1};
    int tries;

    for (tries = 0; tries < FAKE_WAIT_MS && fake_count_fds() > expected; tries++)
        poll(&never, 1, 1);
    assert_in_range(fake_count_fds(), 1, expected);
}

static void test_R45_dbus_leaves_no_thread_and_no_descriptor(void **state)
{
    size_t fds = fake_count_fds(), threads;
    struct fake_link link;
    int i;

    (void)state;
    open_link(&link);
    fake_link_close(&link);
    expect_fds(fds);
    threads = fake_count_threads();
    for (i = 0; i < 100; i++) {
        open_link(&link);
        assert_int_equal(fake_count_threads(), threads);
        /* The connection's two ends, and the one to the bus. */
        expect_fds(fds + 3);
        fake_link_exchange(&link, (uint8_t)i);
        fake_link_close(&link);
        expect_fds(fds);
    }
}

static void test_descriptor_blocks_and_closes_on_exec(void **state)
{
    TSS2_TCTI_POLL_HANDLE handle;
    struct fake_link link;
    size_t handles = 1;

    (void)state;
    /* The daemon hands out a descriptor that does not block. */
    open_link(&link);
    assert_int_equal(Tss2_Tcti_GetPollHandles(link.tcti, &handle, &handles), TSS2_RC_SUCCESS);
    assert_false(fcntl(handle.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(handle.fd, F_GETFD) & FD_CLOEXEC);
    fake_link_close(&link);
}

static void expect_caller(int locality)
{
    g_mutex_lock(&bus.lock);
    assert_string_equal(bus.caller, bus.creator);
    assert_true(bus.id == FAKE_BUS_ID);
    assert_int_equal(bus.locality, locality);
    g_mutex_unlock(&bus.lock);
}

static void test_cancel_and_locality_come_from_the_creator(void **state)
{
    static const struct {
        uint32_t verdict;
        TSS2_RC cancel;
        TSS2_RC locality;
    } cases[] = {
        {0, TSS2_RC_SUCCESS, TSS2_RC_SUCCESS},
        {0xA0007, TSS2_RC_SUCCESS, TSS2_TCTI_RC_BAD_SEQUENCE},
        {0xA000B, TSS2_TCTI_RC_BAD_VALUE, TSS2_TCTI_RC_BAD_VALUE},
        {0xB0907, TSS2_TCTI_RC_BAD_VALUE, TSS2_TCTI_RC_BAD_VALUE},
        {0xA0002, TSS2_TCTI_RC_NOT_IMPLEMENTED, TSS2_TCTI_RC_NOT_IMPLEMENTED},
        {7, TSS2_TCTI_RC_GENERAL_FAILURE, TSS2_TCTI_RC_GENERAL_FAILURE},
    };
    uint8_t response[30], buffer[64];
    struct fake_link link;
    size_t i, size;

    (void)state;
    open_link(&link);
    fake_frame(response, sizeof(response), 4);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, cases[i].verdict);
        assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, (uint8_t)(i % 5)), cases[i].locality);
        expect_caller((int)i % 5);
        assert_int_equal(Tss2_Tcti_Cancel(link.tcti), TSS2_TCTI_RC_BAD_SEQUENCE);
        fake_link_command(&link, 20, 1);
        assert_int_equal(Tss2_Tcti_Cancel(link.tcti), cases[i].cancel);
        expect_caller(-1);
        fake_link_write(&link, response, sizeof(response));
        size = sizeof(buffer);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, -1), TSS2_RC_SUCCESS);
        assert_memory_equal(buffer, response, sizeof(response));
    }
    fake_link_close(&link);
}

#define TABRMD_ERROR "com.intel.tss2.Tabrmd.Error."
#define DBUS_ERROR   "org.freedesktop.DBus.Error."

static const struct {
    const char *name;
    TSS2_RC rc;
} errors[] = {
    {TABRMD_ERROR "General", TSS2_TCTI_RC_GENERAL_FAILURE},
    {TABRMD_ERROR "Internal", TSS2_TCTI_RC_GENERAL_FAILURE},
    {TABRMD_ERROR "Init", TSS2_TCTI_RC_NO_CONNECTION},
    {TABRMD_ERROR "NotImplemented", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {TABRMD_ERROR "NotPermitted", TSS2_TCTI_RC_NOT_PERMITTED},
    {DBUS_ERROR "AccessDenied", TSS2_TCTI_RC_NOT_PERMITTED},
    {DBUS_ERROR "NoReply", TSS2_TCTI_RC_NO_CONNECTION},
    {DBUS_ERROR "Spawn.ExecFailed", TSS2_TCTI_RC_NO_CONNECTION},
    {DBUS_ERROR "UnknownMethod", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {DBUS_ERROR "Spawner", TSS2_TCTI_RC_GENERAL_FAILURE},
    {"org.example.Error", TSS2_TCTI_RC_GENERAL_FAILURE},
};

static void test_dbus_errors(void **state)
{
    struct fake_link link, refused;
    size_t i;

    (void)state;
    open_link(&link);
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_bus_answer(&bus, FAKE_BUS_ERROR, errors[i].name, 0);
        assert_int_equal(try_connect(&refused, CONF), errors[i].rc);
        assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), errors[i].rc);
        /* A refusal costs the connection nothing. */
        fake_link_exchange(&link, (uint8_t)i);
    }
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), TSS2_RC_SUCCESS);
    fake_link_close(&link);
}

static void test_malformed_dbus_replies(void **state)
{
    static const enum fake_bus_reply replies[] = {FAKE_BUS_NO_FD, FAKE_BUS_TWO_FDS,
                                                  FAKE_BUS_WRONG_TYPE};
    size_t i, fds = fake_count_fds();
    struct fake_link link;

    (void)state;
    for (i = 0; i < 30; i++) {
        fake_bus_answer(&bus, replies[i % 3], NULL, 0);
        assert_int_equal(try_connect(&link, CONF), TSS2_TCTI_RC_MALFORMED_RESPONSE);
        close(fake_bus_take_server(&bus));
    }
    expect_fds(fds);
}

/* That Init ends is what is tested; the suite's time limit is the bound. */
static void test_R47_stopped_daemon_on_the_bus(void **state)
{
    size_t fds = fake_count_fds();
    struct fake_link link;

    (void)state;
    fake_bus_answer(&bus, FAKE_BUS_SILENT, NULL, 0);
    assert_int_equal(try_connect(&link, CONF), TSS2_TCTI_RC_NO_CONNECTION);
    expect_fds(fds);
}

static void test_R47_nobody_on_the_bus(void **state)
{
    struct fake_link link;

    (void)state;
    assert_int_equal(try_connect(&link, "bus_type=session,bus_name=org.example.Nobody"),
                     TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(try_connect(&link, "bus_type=session,bus_name=" FAKE_BUS_ACTIVATABLE),
                     TSS2_TCTI_RC_NO_CONNECTION);
}

static void test_bus_addresses(void **state)
{
    char list[300], *escaped = g_strdup_printf("unix:path=%s%%2Fbus,guid=00", bus.directory);
    static const char *const bad[] = {
        "unix:path=/nowhere/bus",
        "tcp:host=localhost,port=1",
        "unix:",
        "nonsense",
        ";",
        "unix:path=%00",
        "unix:path=/x%2",
        "unix:abstract=/nowhere/at/all",
    };
    struct fake_link link;
    size_t i;

    (void)state;
    snprintf(list, sizeof(list), "tcp:host=x;unix:path=/nowhere/bus;%s;unix:path=/x", escaped);
    setenv("DBUS_SESSION_BUS_ADDRESS", list, 1);
    open_link(&link);
    fake_link_close(&link);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("DBUS_SESSION_BUS_ADDRESS", bad[i], 1);
        assert_int_equal(try_connect(&link, CONF), TSS2_TCTI_RC_NO_CONNECTION);
    }
    /* Without the variable, the session's runtime directory has the bus. */
    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    setenv("XDG_RUNTIME_DIR", bus.directory, 1);
    open_link(&link);
    fake_link_close(&link);
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(try_connect(&link, CONF), TSS2_TCTI_RC_NO_CONNECTION);
    setenv("DBUS_SESSION_BUS_ADDRESS", bus.address, 1);
    g_free(escaped);
}

struct odd_bus {
    int listener;
    const char *says; /* to the lines of a client */
    const char *more; /* to its first message; then it closes */
    size_t more_size;
};

/* Reads up to the last of a client's lines. */
static bool odd_bus_hears_lines(int fd)
{
    char lines[256];
    size_t used = 0;
    ssize_t got;

    while (used < sizeof(lines)) {
        got = recv(fd, lines + used, sizeof(lines) - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        if (memmem(lines, used, "_FD\r\n", 5) != NULL)
            return true;
    }
    return false;
}

static void *odd_bus_run(void *data)
{
    struct odd_bus *odd = data;
    int fd = accept4(odd->listener, NULL, NULL, SOCK_CLOEXEC);
    char message[256];

    if (fd >= 0 && odd_bus_hears_lines(fd)
        && send(fd, odd->says, strlen(odd->says), MSG_NOSIGNAL) > 0 && odd->more_size > 0
        && recv(fd, message, sizeof(message), 0) > 0)
        send(fd, odd->more, odd->more_size, MSG_NOSIGNAL);
    if (fd >= 0)
        close(fd);
    return NULL;
}

#define MESSAGE(bytes) (bytes), sizeof(bytes) - 1, TSS2_TCTI_RC_NO_CONNECTION

/* Buses that do not do as the D-Bus specification says. */
static void test_R47_odd_buses(void **state)
{
    static const char hello[] = "DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n";
    static const struct {
        const char *says;
        const char *more;
        size_t more_size;
        TSS2_RC rc;
    } cases[] = {
        {"", "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {"REJECTED DBUS_COOKIE_SHA1\r\n", "", 0, TSS2_TCTI_RC_NOT_PERMITTED},
        {"DATA\r\nOK", "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {NULL, "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {"DATA\r\nREJECTED EXTERNAL\r\n", "", 0, TSS2_TCTI_RC_NOT_PERMITTED},
        {"DATA\r\nOK 0123\r\nERROR\r\n", "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {"DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\nAND MORE\r\n", "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {hello, "", 0, TSS2_TCTI_RC_NO_CONNECTION},
        {hello, MESSAGE("this is no message at all, whatever it may be")},
        {hello, MESSAGE("l\2\1\1\xff\xff\xff\xff\1\1\1\1\1\1\1\1")},
        /* Replies to no call, to another one, and to ours with what is no Hello's. */
        {hello, MESSAGE("l\2\1\1\0\0\0\0\1\0\0\0\10\0\0\0\5\1u\0\0\0\0\0")},
        {hello, MESSAGE("l\2\1\1\0\0\0\0\1\0\0\0\10\0\0\0\5\1u\0\2\0\0\0")},
        {hello, "l\2\1\1\0\0\0\0\1\0\0\0\10\0\0\0\5\1u\0\1\0\0\0", 24,
         TSS2_TCTI_RC_MALFORMED_RESPONSE},
    };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t i, fds = fake_count_fds();
    struct fake_link link;
    struct odd_bus odd;
    pthread_t thread;
    char name[128], endless[600];

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/odd", bus.directory);
        snprintf(name, sizeof(name), "unix:path=%s", address.sun_path);
        odd = (struct odd_bus){socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                               cases[i].says != NULL ? cases[i].says : endless, cases[i].more,
                               cases[i].more_size};
        assert_int_equal(bind(odd.listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(odd.listener, 4), 0);
        setenv("DBUS_SESSION_BUS_ADDRESS", name, 1);
        assert_int_equal(pthread_create(&thread, NULL, odd_bus_run, &odd), 0);
        assert_int_equal(try_connect(&link, CONF), cases[i].rc);
        pthread_join(thread, NULL);
        close(odd.listener);
        unlink(address.sun_path);
    }
    setenv("DBUS_SESSION_BUS_ADDRESS", bus.address, 1);
    expect_fds(fds);
}

/* True when no thread of the process but the calling one runs or could run. */
static bool others_sleep(void)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    DIR *tasks = opendir("/proc/self/task");
    bool asleep = tasks != NULL;
    struct dirent *entry;

    while (tasks && (entry = readdir(tasks))) {
        char path[300], line[64] = "";
        FILE *file;

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == self)
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/stat", entry->d_name);
        file = fopen(path, "r");
        if (!file)
            continue;
        if (fgets(line, sizeof(line), file) && !strstr(line, ") S"))
            asleep = false;
        fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return asleep;
}

/* The daemon of these tests lives in threads of this process, and GLib takes locks for it. A fork
 * in the middle of that would leave them taken in the child, for good. */
static void wait_until_others_sleep(void)
{
    unsigned tries = 0;

    while (!others_sleep()) {
        assert_true(++tries < 10000);
        poll(NULL, 0, 1);
    }
}

/* A child uses its parent's two connections, and one of its own: GLib's thread does not exist in a
 * child, which must not wait for it. */
static void test_R46_child_over_dbus(void **state)
{
    struct fake_link link, own;
    int status;
    pid_t child;

    (void)state;
    open_link(&link);
    wait_until_others_sleep();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (Tss2_Tcti_SetLocality(link.tcti, 0) != TSS2_RC_SUCCESS)
            _exit(1);
        Tss2_Tcti_Finalize(link.tcti);
        if (try_connect(&own, CONF) != TSS2_RC_SUCCESS)
            _exit(2);
        if (Tss2_Tcti_SetLocality(own.tcti, 1) != TSS2_RC_SUCCESS)
            _exit(3);
        Tss2_Tcti_Finalize(own.tcti);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fake_bus_take_server(&bus));
    /* The parent's two connections are what they were. */
    fake_link_exchange(&link, 1);
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), TSS2_RC_SUCCESS);
    fake_link_close(&link);
}

/* The last test: it ends the bus. */
static void test_R47_daemon_and_bus_go(void **state)
{
    struct fake_link link;

    (void)state;
    open_link(&link);
    fake_bus_leave(&bus);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), TSS2_TCTI_RC_NO_CONNECTION);
    /* Commands need the socket only. */
    fake_link_exchange(&link, 1);
    fake_bus_end_daemon(&bus);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), TSS2_TCTI_RC_IO_ERROR);
    assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 1), TSS2_TCTI_RC_NO_CONNECTION);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

static int start(void **state)
{
    (void)state;
    fake_bus_start(&bus);
    return 0;
}

static int stop_bus(void **state)
{
    (void)state;
    fake_bus_stop(&bus);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R45_dbus_leaves_no_thread_and_no_descriptor),
        cmocka_unit_test(test_descriptor_blocks_and_closes_on_exec),
        cmocka_unit_test(test_cancel_and_locality_come_from_the_creator),
        cmocka_unit_test(test_dbus_errors),
        cmocka_unit_test(test_malformed_dbus_replies),
        cmocka_unit_test(test_R47_stopped_daemon_on_the_bus),
        cmocka_unit_test(test_R47_nobody_on_the_bus),
        cmocka_unit_test(test_bus_addresses),
        cmocka_unit_test(test_R47_odd_buses),
        cmocka_unit_test(test_R46_child_over_dbus),
        cmocka_unit_test(test_R47_daemon_and_bus_go),
    };

    return cmocka_run_group_tests_name("client dbus", tests, start, stop_bus);
}
