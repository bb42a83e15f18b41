/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library in the life of a process: loaded and unloaded, forked, with a daemon that is gone,
 * stopped or unwilling. Loaded with dlopen(), as the TCTI loader does.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canned-bus.h"
#include "children.h"
#include "fake-daemon.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC false /* mallinfo2() knows nothing of the sanitizer's */
#else
#define OWN_MALLOC true
#endif

static struct fake_daemon daemon_;
static struct canned_bus bus;

struct library {
    void *handle;
    TSS2_TCTI_INIT_FUNC init;
};

static struct library load(void)
{
    struct library library = {.handle = dlopen(TEST_TCTI_LIBRARY, RTLD_NOW | RTLD_LOCAL)};
    TSS2_TCTI_INFO_FUNC info;

    if (library.handle == NULL)
        fail_msg("%s", dlerror());
    info = (TSS2_TCTI_INFO_FUNC)dlsym(library.handle, TSS2_TCTI_INFO_SYMBOL);
    assert_non_null(info);
    assert_int_equal(info()->version, 2);
    assert_non_null(info()->name);
    assert_non_null(info()->description);
    assert_non_null(info()->config_help);
    library.init = (TSS2_TCTI_INIT_FUNC)dlsym(library.handle, "Tss2_Tcti_Tabrmd_Init");
    assert_ptr_equal(library.init, info()->init);
    return library;
}

static bool loaded(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_NOLOAD);

    if (handle != NULL)
        dlclose(handle);
    return handle != NULL;
}

static size_t count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    size_t count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL)
        count += strchr(line, '\n') != NULL;
    fclose(maps);
    return count;
}

static void use_socket(const struct library *library)
{
    struct fake_link link;

    assert_int_equal(fake_daemon_connect(&daemon_, library->init, 0, &link), TSS2_RC_SUCCESS);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

static void use_bus(const struct library *library)
{
    struct canned_link opened;

    canned_bus_connect(&bus, library->init, &opened);
    fake_link_exchange(&opened.link, 1);
    fake_link_close(&opened.link);
    close(opened.bus);
}

static void miss_bus(const struct library *library)
{
    size_t size = 0;
    void *context;

    assert_int_equal(library->init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    context = calloc(1, size);
    assert_non_null(context);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
    assert_int_equal(library->init(context, &size, "bus_type=system"), TSS2_TCTI_RC_NO_CONNECTION);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    free(context);
}

static void load_use_unload(void (*use)(const struct library *library))
{
    struct library library = load();

    use(&library);
    assert_int_equal(dlclose(library.handle), 0);
}

/* Bytes of the heap. musl does not say how many there are, nor unload a library. */
#ifdef __GLIBC__
static const bool unloads = true;
static size_t heap_in_use(void)
{
    return mallinfo2().uordblks;
}
#else
static const bool unloads = false;
static size_t heap_in_use(void)
{
    return 1;
}
#endif

/* A thousand loads after some that fill what is filled once; nothing may have grown. */
static void check_growth(void (*use)(const struct library *library))
{
    size_t fds, threads, mappings, in_use;
    int i;

    for (i = 0; i < 20; i++)
        load_use_unload(use);
    fds = fake_count_fds();
    threads = fake_count_threads();
    mappings = count_mappings();
    in_use = heap_in_use();
    for (i = 0; i < 1000; i++)
        load_use_unload(use);
    assert_int_equal(fake_count_fds(), fds);
    assert_int_equal(fake_count_threads(), threads);
    if (OWN_MALLOC) {
        assert_in_range(count_mappings(), 1, mappings + 4);
        assert_in_range(heap_in_use(), 1, in_use + 4096);
    }
    assert_int_equal(loaded(TEST_TCTI_LIBRARY), !unloads);
}

static void test_R45_a_thousand_loads_leave_nothing(void **state)
{
    (void)state;
    check_growth(use_socket);
}

static void test_R45_a_thousand_loads_with_dbus_leave_nothing(void **state)
{
    (void)state;
    check_growth(use_bus);
}

static void test_R45_a_thousand_loads_without_a_bus_leave_nothing(void **state)
{
    (void)state;
    /* A thousand lines about it are of no use. */
    setenv("TSS2_LOG", "tcti+none", 1);
    check_growth(miss_bus);
    unsetenv("TSS2_LOG");
}

/* The shared objects of this process. */
static size_t count_objects(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], path[256], last[256] = "";
    size_t count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%*s %*s %*s %*s %*s %255s", path) != 1 || strstr(path, ".so") == NULL
            || strcmp(path, last) == 0)
            continue;
        strcpy(last, path);
        count++;
    }
    fclose(maps);
    return count;
}

static void test_R45_no_way_in_loads_another_library(void **state)
{
    size_t objects = count_objects();
    struct library library = load();
    struct canned_link opened;

    (void)state;
    use_socket(&library);
    assert_int_equal(count_objects(), objects + 1);
    canned_bus_connect(&bus, library.init, &opened);
    assert_int_equal(count_objects(), objects + 1);
    assert_false(loaded("libglib-2.0.so.0"));
    fake_link_close(&opened.link);
    close(opened.bus);
    assert_int_equal(dlclose(library.handle), 0);
}

static void test_R45_descriptors_close_on_exec(void **state)
{
    struct library library = load();
    TSS2_TCTI_POLL_HANDLE handle;
    struct fake_link link;
    size_t handles = 1;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, library.init, 0, &link), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_GetPollHandles(link.tcti, &handle, &handles), TSS2_RC_SUCCESS);
    assert_true(fcntl(handle.fd, F_GETFD) & FD_CLOEXEC);
    fake_link_close(&link);
    dlclose(library.handle);
}

/* Long commands: nothing on the descriptor ends a receive that blocks. */
static void test_R47_receiving_has_no_time_limit(void **state)
{
    struct library library = load();
    struct timeval limit = {1, 1};
    socklen_t size = sizeof(limit);
    TSS2_TCTI_POLL_HANDLE handle;
    struct fake_link link;
    size_t handles = 1;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, library.init, 0, &link), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_GetPollHandles(link.tcti, &handle, &handles), TSS2_RC_SUCCESS);
    assert_false(fcntl(handle.fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(handle.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size), 0);
    assert_true(limit.tv_sec == 0 && limit.tv_usec == 0);
    fake_link_close(&link);
    dlclose(library.handle);
}

/* A child dies in the middle of a call over the bus: what it had read of the answer nobody knows.
 * Commands go on. */
static void test_R46_death_over_dbus(void **state)
{
    struct library library = load();
    struct canned_link opened;
    pid_t child;

    (void)state;
    canned_bus_connect(&bus, library.init, &opened);
    child = children_start();
    if (child == 0) {
        Tss2_Tcti_SetLocality(opened.link.tcti, 1);
        _exit(1);
    }
    children_await_sleep(child, 1);
    children_kill(child);
    assert_int_equal(Tss2_Tcti_SetLocality(opened.link.tcti, 1), TSS2_TCTI_RC_NO_CONNECTION);
    fake_link_exchange(&opened.link, 1);
    child = children_start();
    if (child == 0)
        _exit(Tss2_Tcti_SetLocality(opened.link.tcti, 1) == TSS2_TCTI_RC_NO_CONNECTION ? 0 : 1);
    children_expect_end(child);
    fake_link_close(&opened.link);
    close(opened.bus);
    assert_int_equal(dlclose(library.handle), 0);
}

static void test_R46_child_connects_on_its_own(void **state)
{
    struct library library = load();
    struct fake_link link, own;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, library.init, 0, &link), TSS2_RC_SUCCESS);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Tss2_Tcti_Finalize(link.tcti);
        if (fake_daemon_connect(&daemon_, library.init, 0, &own) != TSS2_RC_SUCCESS)
            _exit(1);
        fake_link_exchange(&own, 3);
        fake_link_close(&own);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
    dlclose(library.handle);
}

static void test_R47_daemon_refuses_in_words(void **state)
{
    static const struct {
        uint32_t verdict;
        TSS2_RC rc;
    } cases[] = {
        {TSS2_TCTI_RC_NO_CONNECTION, TSS2_TCTI_RC_NO_CONNECTION},
        {TSS2_TCTI_RC_NOT_PERMITTED, TSS2_TCTI_RC_NOT_PERMITTED},
        {TSS2_TCTI_RC_NOT_IMPLEMENTED, TSS2_RC_SUCCESS},
        {1, TSS2_TCTI_RC_GENERAL_FAILURE},
    };
    struct library library = load();
    size_t i, fds = fake_count_fds();
    struct fake_link link;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fake_daemon_connect(&daemon_, library.init, cases[i].verdict, &link),
                         cases[i].rc);
        fake_link_close(&link);
    }
    assert_int_equal(fake_count_fds(), fds);
    dlclose(library.handle);
}

/* The kernel connects to the socket of a daemon that is stopped. That Init ends at all is what is
 * tested; the suite's time limit is the bound. */
static void test_R47_stopped_daemon(void **state)
{
    struct library library = load();
    size_t size = 0, fds = fake_count_fds();
    void *context;

    (void)state;
    assert_int_equal(library.init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    context = calloc(1, size);
    assert_non_null(context);
    assert_int_equal(library.init(context, &size, daemon_.conf), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(fake_count_fds(), fds);
    free(context);
    /* The connection that waits in the queue would be the next test's. */
    close(accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC));
    dlclose(library.handle);
}

/* Ways of calling Init in a process of their own. True when the code is what it should be. */
static bool init_fails(const struct library *library, const char *conf)
{
    size_t size = 0;
    void *context;

    library->init(NULL, &size, NULL);
    context = calloc(1, size);
    return library->init(context, &size, conf) == TSS2_TCTI_RC_NO_CONNECTION;
}

static bool init_elsewhere(const struct library *library)
{
    return init_fails(library, "socket=/nowhere/tcti.sock");
}

/* As the TCTI loader calls those that it tries. Who lives on this machine is of no matter. */
static bool init_by_trial(const struct library *library)
{
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
    init_fails(library, NULL);
    return true;
}

static bool init_after_trial(const struct library *library)
{
    return init_by_trial(library) && init_elsewhere(library);
}

static bool init_succeeds(const struct library *library)
{
    use_socket(library);
    return true;
}

/* What `use` says on standard error with TSS2_LOG as given, or nothing. */
static void noise(bool (*use)(const struct library *library), const char *level, char out[1024])
{
    int ends[2], status;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct library library = load();

        unsetenv("TSS2_LOG");
        if (level != NULL)
            setenv("TSS2_LOG", level, 1);
        dup2(ends[1], STDERR_FILENO);
        _exit(use(&library) ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    got = read(ends[0], out, 1023);
    close(ends[0]);
    assert_true(got >= 0);
    out[got] = '\0';
}

static void expect_one_line(const char *text)
{
    assert_memory_equal(text, "ERROR:tcti:connection.c:", 24);
    assert_non_null(strstr(text, "() cannot connect to tabrmd at /nowhere/tcti.sock: "));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_R67_a_failure_is_one_line(void **state)
{
    static const char *const loud[] = {NULL,        "",           "esys+trace",
                                       "esys+none", "tcti+error", "all+warning"};
    static const char *const mute[] = {"tcti+none", "all+none", "all+trace,tcti+NONE"};
    char text[1024];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(loud) / sizeof(loud[0]); i++) {
        noise(init_elsewhere, loud[i], text);
        expect_one_line(text);
    }
    for (i = 0; i < sizeof(mute) / sizeof(mute[0]); i++) {
        noise(init_elsewhere, mute[i], text);
        assert_string_equal(text, "");
    }
}

static void test_R67_success_and_a_trial_are_silent(void **state)
{
    char text[1024];

    (void)state;
    noise(init_succeeds, NULL, text);
    assert_string_equal(text, "");
    noise(init_succeeds, "tcti+warning", text);
    assert_string_equal(text, "");
    noise(init_by_trial, NULL, text);
    assert_string_equal(text, "");
    noise(init_after_trial, NULL, text);
    expect_one_line(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R45_no_way_in_loads_another_library),
        cmocka_unit_test(test_R45_a_thousand_loads_leave_nothing),
        cmocka_unit_test(test_R45_a_thousand_loads_with_dbus_leave_nothing),
        cmocka_unit_test(test_R45_a_thousand_loads_without_a_bus_leave_nothing),
        cmocka_unit_test(test_R45_descriptors_close_on_exec),
        cmocka_unit_test(test_R47_receiving_has_no_time_limit),
        cmocka_unit_test(test_R46_death_over_dbus),
        cmocka_unit_test(test_R46_child_connects_on_its_own),
        cmocka_unit_test(test_R47_daemon_refuses_in_words),
        cmocka_unit_test(test_R47_stopped_daemon),
        cmocka_unit_test(test_R67_a_failure_is_one_line),
        cmocka_unit_test(test_R67_success_and_a_trial_are_silent),
    };
    int failed;

    fake_daemon_start(&daemon_);
    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client lifecycle", tests, NULL, NULL);
    canned_bus_stop(&bus);
    fake_daemon_stop(&daemon_);
    return failed;
}
