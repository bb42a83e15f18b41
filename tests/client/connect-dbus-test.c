/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls over a bus in the middle of which something goes wrong: no answer, no memory, descriptors
 * that nobody asked for; and a daemon that dies, whose place another one takes. */
#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc-fault.h"
#include "canned-bus.h"
#include "connect-dbus.h"
#include "deadline.h"

#define DBUS_ERROR "org.freedesktop.DBus.Error."

static struct canned_bus bus;

/* A peer and its connection to the daemon, and the other end of both of its connections. */
struct opened {
    struct connect_dbus_peer *peer;
    int fd, bus, server;
};

static void *accept_run(void *data)
{
    struct opened *opened = data;

    opened->bus = canned_bus_accept(&bus, &opened->server);
    return NULL;
}

static TSS2_RC try_open(struct opened *opened, const char *name, char why[CONNECT_DBUS_WHY])
{
    pthread_t thread;
    TSS2_RC rc;

    *opened = (struct opened){NULL, -1, -1, -1};
    assert_int_equal(pthread_create(&thread, NULL, accept_run, opened), 0);
    rc = connect_dbus_open(&opened->peer, &opened->fd, CONF_BUS_SYSTEM, name, DEADLINE_NEVER, why);
    pthread_join(thread, NULL);
    return rc;
}

static void end(struct opened *opened)
{
    connect_dbus_close(opened->peer);
    if (opened->fd >= 0)
        close(opened->fd);
    if (opened->bus >= 0) {
        close(opened->bus);
        close(opened->server);
    }
}

static void start(struct opened *opened)
{
    char why[CONNECT_DBUS_WHY];

    assert_int_equal(try_open(opened, "a.b", why), TSS2_RC_SUCCESS);
    assert_true(opened->bus >= 0);
}

/* A call that fails, and what is said of it. */
static void expect_failure(const struct opened *opened, int64_t deadline, TSS2_RC rc,
                           const char *says)
{
    char why[CONNECT_DBUS_WHY] = "";
    uint32_t verdict = 9;

    assert_int_equal(connect_dbus_set_locality(opened->peer, 1, &verdict, deadline, why), rc);
    assert_int_equal(verdict, 9);
    assert_string_equal(why, says);
}

static void *agree_run(void *data)
{
    const struct opened *opened = data;

    return canned_bus_agree_and_give(opened->bus, bus.gift) ? data : NULL;
}

static void expect_success(struct opened *opened)
{
    char why[CONNECT_DBUS_WHY];
    uint32_t verdict = 9;
    void *agreed = NULL;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, agree_run, opened), 0);
    assert_int_equal(connect_dbus_set_locality(opened->peer, 1, &verdict, DEADLINE_NEVER, why),
                     TSS2_RC_SUCCESS);
    pthread_join(thread, &agreed);
    assert_non_null(agreed);
    assert_int_equal(verdict, 0);
}

#define NO_ANSWER "no answer in time; is the daemon stopped or overloaded?"

/* An answer that comes late is dropped, and calls go on. */
static void test_R47_a_silent_bus_is_not_lost(void **state)
{
    struct opened opened;

    (void)state;
    start(&opened);
    expect_failure(&opened, DEADLINE_NOW, TSS2_TCTI_RC_IO_ERROR, NO_ANSWER);
    assert_true(canned_bus_agree(opened.bus, NULL));
    expect_success(&opened);
    end(&opened);
}

/* What is there is not read to its end once the time is over. */
static void test_R47_a_bus_that_never_falls_silent(void **state)
{
    struct opened opened;
    int unread = 0, i;

    (void)state;
    start(&opened);
    for (i = 0; i < 2; i++)
        expect_failure(&opened, DEADLINE_NOW, TSS2_TCTI_RC_IO_ERROR, NO_ANSWER);
    for (i = 0; i < 2; i++)
        assert_true(canned_bus_agree(opened.bus, NULL));
    expect_failure(&opened, DEADLINE_NOW, TSS2_TCTI_RC_IO_ERROR, NO_ANSWER);
    assert_int_equal(ioctl(opened.bus, SIOCOUTQ, &unread), 0);
    assert_true(unread > 0);
    assert_true(canned_bus_agree(opened.bus, NULL));
    expect_success(&opened);
    end(&opened);
}

/* A message that was cut by the deadline leaves nothing that could be read on. */
static void test_R47_a_cut_message_loses_the_bus(void **state)
{
    struct opened opened;

    (void)state;
    start(&opened);
    assert_int_equal(send(opened.bus, "l", 1, MSG_NOSIGNAL), 1);
    expect_failure(&opened, DEADLINE_NOW, TSS2_TCTI_RC_IO_ERROR, NO_ANSWER);
    expect_failure(&opened, DEADLINE_NEVER, TSS2_TCTI_RC_NO_CONNECTION,
                   "the connection to the bus is lost");
    end(&opened);
}

static void test_a_name_that_fits_no_message(void **state)
{
    char name[CONF_BUS_NAME_MAX + 2], why[CONNECT_DBUS_WHY];
    struct opened opened;

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[1] = '.';
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(try_open(&opened, name, why), TSS2_TCTI_RC_GENERAL_FAILURE);
    assert_string_equal(why, "cannot build a D-Bus message: a name is too long");
    end(&opened);
}

/* With the answer to Hello, with a signal, and with the answer to a call. */
static void test_R45_descriptors_that_nobody_asked_for(void **state)
{
    size_t fds = fake_count_fds();
    struct opened opened;

    (void)state;
    bus.gift = STDERR_FILENO;
    start(&opened);
    assert_int_equal(fake_count_fds(), fds + 4);
    expect_success(&opened);
    assert_int_equal(fake_count_fds(), fds + 4);
    bus.gift = 0;
    end(&opened);
    assert_int_equal(fake_count_fds(), fds);
}

static void test_R45_a_nameless_daemon_leaves_no_descriptor(void **state)
{
    size_t fds = fake_count_fds();
    char why[CONNECT_DBUS_WHY];
    struct opened opened;

    (void)state;
    bus.nameless = true;
    assert_int_equal(try_open(&opened, "a.b", why), TSS2_TCTI_RC_MALFORMED_RESPONSE);
    bus.nameless = false;
    assert_string_equal(why, "CreateConnection was answered by nobody on the bus");
    assert_int_equal(opened.fd, -1);
    end(&opened);
    assert_int_equal(fake_count_fds(), fds);
}

/* Each block that connecting asks for is refused once. */
static void test_R45_no_memory_to_connect(void **state)
{
    size_t fds = fake_count_fds();
    char why[CONNECT_DBUS_WHY];
    struct opened opened;
    long held = alloc_fault_held();
    unsigned nth;
    TSS2_RC rc;

    (void)state;
    /* The peer, whose bus nobody would accept, and then a message each. */
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    assert_int_equal(
        connect_dbus_open(&opened.peer, &opened.fd, CONF_BUS_SYSTEM, "a.b", DEADLINE_NEVER, why),
        TSS2_TCTI_RC_MEMORY);
    assert_int_equal(alloc_fault_end(), 1);
    assert_string_equal(why, "no memory");
    for (nth = 2; nth < 6; nth++) {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, false);
        rc = try_open(&opened, "a.b", why);
        assert_int_equal(rc, alloc_fault_end() ? TSS2_TCTI_RC_MEMORY : TSS2_RC_SUCCESS);
        end(&opened);
        assert_int_equal(alloc_fault_held(), held);
        assert_int_equal(fake_count_fds(), fds);
    }
    assert_int_equal(rc, TSS2_RC_SUCCESS);
}

/* An answer that there was no memory for is lost, and with it the bus. */
static void test_R47_no_memory_for_an_answer(void **state)
{
    struct opened opened;

    (void)state;
    start(&opened);
    expect_failure(&opened, DEADLINE_NOW, TSS2_TCTI_RC_IO_ERROR, NO_ANSWER);
    assert_true(canned_bus_agree(opened.bus, NULL));
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, false);
    expect_failure(&opened, DEADLINE_NEVER, TSS2_TCTI_RC_MEMORY, "no memory");
    assert_int_equal(alloc_fault_end(), 1);
    expect_failure(&opened, DEADLINE_NEVER, TSS2_TCTI_RC_NO_CONNECTION,
                   "the connection to the bus is lost");
    end(&opened);
}

/* What the bus says from now on to the calls of a client, and whether it had an occasion. */
struct saying {
    const struct opened *opened;
    const char *owner; /* of the daemon's name; NULL where nobody is to be asked for it */
    uint32_t uid;      /* of the owner's user, */
    bool tells_uid;    /* if it is to be asked for that */
    bool good;
    pthread_t thread;
};

static void *say(void *data)
{
    struct saying *saying = data;
    int fd = saying->opened->bus;

    saying->good =
        canned_bus_refuse(fd, "SetLocality", DBUS_ERROR "NoReply")
        && (saying->owner == NULL
            || (canned_bus_refuse(fd, "GetNameOwner", DBUS_ERROR "NameHasNoOwner")
                && canned_bus_tell_name(fd, "GetNameOwner", saying->owner)))
        && (!saying->tells_uid || canned_bus_tell_number(fd, "GetConnectionUnixUser", saying->uid));
    return NULL;
}

/* A daemon dies in a call, and is looked for. Nothing but what the bus says is asked. */
static bool find(struct saying *saying, char why[CONNECT_DBUS_WHY])
{
    const struct opened *opened = saying->opened;
    uint32_t verdict;
    bool found;
    char byte;

    assert_int_equal(pthread_create(&saying->thread, NULL, say, saying), 0);
    assert_int_equal(connect_dbus_set_locality(opened->peer, 1, &verdict, DEADLINE_NEVER, why),
                     TSS2_TCTI_RC_NO_CONNECTION);
    found = connect_dbus_find(opened->peer, opened->fd, DEADLINE_NEVER, why);
    pthread_join(saying->thread, NULL);
    assert_true(saying->good);
    assert_int_equal(recv(opened->bus, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    return found;
}

static void test_the_next_daemon_of_the_same_user_is_found(void **state)
{
    char why[CONNECT_DBUS_WHY];
    struct opened opened;
    struct saying saying = {&opened, ":1.9", geteuid(), true, false, 0};

    (void)state;
    start(&opened);
    assert_true(find(&saying, why));
    expect_success(&opened);
    end(&opened);
}

/* It would see the id of the connection, which is a secret. */
static void test_another_users_program_with_the_daemons_name_is_told_nothing(void **state)
{
    char why[CONNECT_DBUS_WHY], expected[CONNECT_DBUS_WHY];
    struct opened opened;
    struct saying saying = {&opened, ":1.9", geteuid() + 1, true, false, 0};

    (void)state;
    start(&opened);
    assert_false(find(&saying, why));
    snprintf(expected, sizeof(expected),
             "user %u, who did not make the connection, has the name now", saying.uid);
    assert_string_equal(why, expected);
    end(&opened);
}

static void test_an_owner_without_a_name_is_told_nothing(void **state)
{
    char why[CONNECT_DBUS_WHY];
    struct opened opened;
    struct saying saying = {.opened = &opened, .owner = "a.b"};

    (void)state;
    start(&opened);
    assert_false(find(&saying, why));
    assert_string_equal(why, "the bus says that nobody has the name a.b");
    end(&opened);
}

/* A daemon that dies for good leaves nothing to be found. */
static void test_R47_nobody_is_looked_for_when_the_connection_is_closed(void **state)
{
    char why[CONNECT_DBUS_WHY];
    struct opened opened;
    struct saying saying = {.opened = &opened};

    (void)state;
    start(&opened);
    close(opened.server);
    opened.server = dup(STDERR_FILENO);
    assert_false(find(&saying, why));
    assert_string_equal(why, "tabrmd has closed the connection");
    end(&opened);
}

static void *say_nobody(void *data)
{
    struct saying *saying = data;

    while (canned_bus_refuse(saying->opened->bus, "GetNameOwner", DBUS_ERROR "NameHasNoOwner"))
        saying->good = true;
    return NULL;
}

static void test_R47_a_daemon_that_does_not_come_back_is_given_up(void **state)
{
    char why[CONNECT_DBUS_WHY];
    struct opened opened;
    struct saying saying = {.opened = &opened};

    (void)state;
    start(&opened);
    assert_int_equal(pthread_create(&saying.thread, NULL, say, &saying), 0);
    expect_failure(&opened, DEADLINE_NEVER, TSS2_TCTI_RC_NO_CONNECTION, DBUS_ERROR "NoReply: ");
    pthread_join(saying.thread, NULL);
    assert_int_equal(pthread_create(&saying.thread, NULL, say_nobody, &saying), 0);
    assert_false(connect_dbus_find(opened.peer, opened.fd, deadline_in(100), why));
    shutdown(opened.bus, SHUT_RDWR);
    pthread_join(saying.thread, NULL);
    assert_true(saying.good);
    end(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R47_a_silent_bus_is_not_lost),
        cmocka_unit_test(test_R47_a_bus_that_never_falls_silent),
        cmocka_unit_test(test_R47_a_cut_message_loses_the_bus),
        cmocka_unit_test(test_a_name_that_fits_no_message),
        cmocka_unit_test(test_R45_descriptors_that_nobody_asked_for),
        cmocka_unit_test(test_R45_a_nameless_daemon_leaves_no_descriptor),
        cmocka_unit_test(test_R45_no_memory_to_connect),
        cmocka_unit_test(test_R47_no_memory_for_an_answer),
        cmocka_unit_test(test_the_next_daemon_of_the_same_user_is_found),
        cmocka_unit_test(test_another_users_program_with_the_daemons_name_is_told_nothing),
        cmocka_unit_test(test_an_owner_without_a_name_is_told_nothing),
        cmocka_unit_test(test_R47_nobody_is_looked_for_when_the_connection_is_closed),
        cmocka_unit_test(test_R47_a_daemon_that_does_not_come_back_is_given_up),
    };
    int failed;

    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client calls over D-Bus", tests, NULL, NULL);
    canned_bus_stop(&bus);
    return failed;
}
