/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of a bus: which sockets are tried, in what order, and what is said when none is good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus-socket.h"
#include "deadline.h"
#include "fake-daemon.h"
#include "libc-names.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The name of the last socket that this process tried, and whether it is kept from all of them. */
static struct sockaddr_un tried;
static size_t tried_length; /* of its path */
static bool secluded;

int connect(int fd, libc_address address, socklen_t size)
{
    tried = (struct sockaddr_un){0};
    memcpy(&tried, libc_address_bytes(address), size);
    tried_length = size - sizeof(sa_family_t);
    if (!secluded)
        return (int)syscall(SYS_connect, fd, libc_address_bytes(address), size);
    errno = ECONNREFUSED;
    return -1;
}

static int listen_at(const char *path, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, length);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + length)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void expect_connection(const char *addresses)
{
    int fd = bus_socket_connect(addresses, DEADLINE_NEVER);

    if (fd < 0)
        fail_msg("%s: %s", addresses, strerror(-fd));
    close(fd);
}

/* Each digit on either side of a byte, in small and in capital letters. */
static void test_escapes_of_an_address(void **state)
{
    static const char bytes[] = "\x0F\x1E\x2D\x3C\x4B\x5A\x69\x78\x87\x96\xA5\xB4\xC3\xD2\xE1\xF0";
    char small[128], capital[128], path[64], directory[] = "/tmp/tcti-bus.XXXXXX";
    size_t at = 0;
    int listener;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/%s", directory, bytes);
    listener = listen_at(path, strlen(path));
    snprintf(small, sizeof(small), "unix:path=%s/", directory);
    strcpy(capital, small);
    at = strlen(small);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++, at += 3) {
        snprintf(small + at, sizeof(small) - at, "%%%02x", (uint8_t)bytes[i]);
        snprintf(capital + at, sizeof(capital) - at, "%%%02X", (uint8_t)bytes[i]);
    }
    expect_connection(small);
    expect_connection(capital);
    close(listener);
    unlink(path);
    rmdir(directory);
}

static void test_what_is_no_escape(void **state)
{
    static const char neighbours[] = "/:@G`g"; /* of the digits */
    static const char *const bad[] = {"unix:path=/x%", "unix:path=/x%2", "unix:path=/x%00",
                                      "unix:abstract=x%", "unix:abstract=x%00"};
    char text[32];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(neighbours) - 1; i++) {
        snprintf(text, sizeof(text), "unix:path=/x%%%c1", neighbours[i]);
        assert_int_equal(bus_socket_connect(text, DEADLINE_NEVER), -EINVAL);
        snprintf(text, sizeof(text), "unix:path=/x%%1%c", neighbours[i]);
        assert_int_equal(bus_socket_connect(text, DEADLINE_NEVER), -EINVAL);
    }
    for (i = 0; i < COUNT(bad); i++)
        assert_int_equal(bus_socket_connect(bad[i], DEADLINE_NEVER), -EINVAL);
}

/* What is tried for a path, or an abstract name, of so many escaped bytes. */
static int try_length(const char *key, size_t length)
{
    char text[400];
    size_t at = (size_t)snprintf(text, sizeof(text), "unix:%s=", key);

    for (; length > 0; length--, at += 3)
        memcpy(text + at, "%78", 4);
    return bus_socket_connect(text, DEADLINE_NEVER);
}

static void test_the_longest_names(void **state)
{
    (void)state;
    secluded = true;
    assert_int_equal(try_length("path", 107), -ECONNREFUSED);
    assert_int_equal(tried_length, 108); /* with its zero */
    assert_int_equal(strspn(tried.sun_path, "x"), 107);
    assert_int_equal(try_length("path", 108), -EINVAL);
    assert_int_equal(try_length("abstract", 106), -ECONNREFUSED);
    assert_int_equal(tried_length, 107);
    assert_int_equal(tried.sun_path[0], '\0');
    assert_int_equal(strspn(tried.sun_path + 1, "x"), 106);
    assert_int_equal(try_length("abstract", 107), -ENAMETOOLONG);
    assert_int_equal(try_length("abstract", 108), -EINVAL);
    secluded = false;
}

static void test_lists_of_addresses(void **state)
{
    static const struct {
        const char *text, *more; /* between them is a socket that somebody listens on */
        int failed;
    } cases[] = {
        {"unix:path=", "", 0},
        {"unix:path=", ",guid=00", 0},
        {"unix:guid=00,path=", "", 0},
        {"unix:guid=00,,path=", ",", 0},
        {";;unix:path=", "", 0},
        {"unix:path=", ";", 0},
        {"unix:path=/nowhere/bus;unix:path=", "", 0},
        {"tcp:host=x,path=/y;unix:path=", ";unix:path=/nowhere/bus", 0},
        {"", NULL, -EINVAL},
        {";", NULL, -EINVAL},
        {";;", NULL, -EINVAL},
        {"unix", NULL, -EPROTONOSUPPORT},
        {"unix:", NULL, -EPROTONOSUPPORT},
        {"unix:path", NULL, -EPROTONOSUPPORT},
        {"unix:path=", NULL, -EPROTONOSUPPORT},
        {"unix:abstract=", NULL, -EPROTONOSUPPORT},
        {"unix:tmpdir=/tmp", NULL, -EPROTONOSUPPORT},
        {"unix:,", NULL, -EPROTONOSUPPORT},
        {"Unix:path=", "", -EPROTONOSUPPORT},
        {"tcp:path=", "", -EPROTONOSUPPORT},
        {"unix:path=p", NULL, -ENOENT},
        {"unix:path=/nowhere/bus", NULL, -ENOENT},
        {"unix:abstract=/", NULL, -ECONNREFUSED},
        /* What is said is what came of the first. */
        {"unix:path=/nowhere/bus;tcp:host=x", NULL, -ENOENT},
        {"tcp:host=x;unix:path=/nowhere/bus", NULL, -EPROTONOSUPPORT},
        {";unix:path=%;unix:path=/nowhere/bus", NULL, -EINVAL},
    };
    struct fake_daemon listener;
    char text[256];
    size_t i;
    int fd;

    (void)state;
    fake_daemon_start(&listener);
    for (i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text), "%s%s%s", cases[i].text,
                 cases[i].more != NULL ? listener.path : "",
                 cases[i].more != NULL ? cases[i].more : "");
        fd = bus_socket_connect(text, DEADLINE_NEVER);
        if (fd >= 0)
            close(fd);
        if ((fd >= 0 ? 0 : fd) != cases[i].failed)
            fail_msg("%s: %d", text, fd);
    }
    fake_daemon_stop(&listener);
}

static void test_an_abstract_address(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[64];

    (void)state;
    /* A name of the kernel's choice. */
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(text, sizeof(text), "unix:abstract=%.*s",
             (int)(size - offsetof(struct sockaddr_un, sun_path)) - 1, address.sun_path + 1);
    expect_connection(text);
    close(listener);
}

/* Sets or unsets a variable of the environment. */
static void put(const char *name, const char *value)
{
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void test_where_the_buses_are(void **state)
{
    static const struct {
        enum conf_bus bus;
        const char *variable, *runtime, *path;
    } cases[] = {
        {CONF_BUS_SYSTEM, "unix:path=/the/bus", "/run/user/1", "/the/bus"},
        {CONF_BUS_SYSTEM, NULL, "/run/user/1", "/run/dbus/system_bus_socket"},
        {CONF_BUS_SYSTEM, "", NULL, "/run/dbus/system_bus_socket"},
        {CONF_BUS_SESSION, "unix:path=/the/bus", "/run/user/1", "/the/bus"},
        {CONF_BUS_SESSION, NULL, "/run/user/1", "/run/user/1/bus"},
        {CONF_BUS_SESSION, "", "/run/user/1", "/run/user/1/bus"},
        {CONF_BUS_SESSION, NULL, "run/user/1", NULL},
        {CONF_BUS_SESSION, NULL, "", NULL},
        {CONF_BUS_SESSION, NULL, NULL, NULL},
    };
    char why[256], expected[256];
    size_t i;

    (void)state;
    secluded = true;
    for (i = 0; i < COUNT(cases); i++) {
        bool session = cases[i].bus == CONF_BUS_SESSION;
        int failed;

        put("DBUS_SESSION_BUS_ADDRESS", session ? cases[i].variable : "unix:path=/another");
        put("DBUS_SYSTEM_BUS_ADDRESS", session ? "unix:path=/another" : cases[i].variable);
        put("XDG_RUNTIME_DIR", cases[i].runtime);
        tried = (struct sockaddr_un){0};
        failed = bus_socket_open(cases[i].bus, DEADLINE_NEVER, why, sizeof(why));
        snprintf(expected, sizeof(expected),
                 "cannot connect to the %s bus at unix:path=%s: Connection refused",
                 session ? "session" : "system", cases[i].path != NULL ? cases[i].path : "");
        assert_int_equal(failed, cases[i].path != NULL ? -ECONNREFUSED : -EDESTADDRREQ);
        assert_string_equal(tried.sun_path, cases[i].path != NULL ? cases[i].path : "");
        assert_string_equal(why, cases[i].path != NULL
                                     ? expected
                                     : "no address of the session bus: set "
                                       "DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR");
    }
    secluded = false;
}

static void test_the_longest_list_of_addresses(void **state)
{
    char text[1025], why[256];

    (void)state;
    secluded = true;
    memset(text, ';', sizeof(text) - 1);
    memcpy(text + 1023 - 6, ",guid=", 7);
    memcpy(text, "unix:path=/a", 12);
    text[1023] = '\0';
    put("DBUS_SESSION_BUS_ADDRESS", text);
    assert_int_equal(bus_socket_open(CONF_BUS_SESSION, DEADLINE_NEVER, why, sizeof(why)),
                     -ECONNREFUSED);
    strcat(text, ";");
    put("DBUS_SESSION_BUS_ADDRESS", text);
    assert_int_equal(bus_socket_open(CONF_BUS_SESSION, DEADLINE_NEVER, why, sizeof(why)),
                     -EDESTADDRREQ);
    secluded = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes_of_an_address),
        cmocka_unit_test(test_what_is_no_escape),
        cmocka_unit_test(test_the_longest_names),
        cmocka_unit_test(test_lists_of_addresses),
        cmocka_unit_test(test_an_abstract_address),
        cmocka_unit_test(test_where_the_buses_are),
        cmocka_unit_test(test_the_longest_list_of_addresses),
    };

    return cmocka_run_group_tests_name("client bus addresses", tests, NULL, NULL);
}
