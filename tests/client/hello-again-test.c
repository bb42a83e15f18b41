/* SPDX-License-Identifier: BSD-2-Clause */
/* A daemon that is killed before it has answered a hello. Another one listens at the same socket
 * soon, so the library connects again; what was answered is not asked again. */
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "children.h"
#include "deadline.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

static TSS2_RC connect_after(struct fake_deaths *deaths, uint32_t verdict, struct fake_link *link)
{
    return fake_daemon_connect_after(&daemon_, Tss2_Tcti_Tabrmd_Init, deaths, verdict, link);
}

static void test_a_daemon_that_dies_before_its_answer_is_asked_again(void **state)
{
    static const enum fake_death deaths[] = {FAKE_DEATH_DEAF, FAKE_DEATH_HEARD,
                                             FAKE_DEATH_IN_ITS_WORD};
    size_t fds = fake_count_fds(), i;
    struct fake_link link;
    unsigned count;

    (void)state;
    for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
        for (count = 1; count < DEADLINE_CONNECT_TRIES; count++) {
            struct fake_deaths dying = {.count = count, .death = deaths[i]};

            assert_int_equal(connect_after(&dying, TSS2_RC_SUCCESS, &link), TSS2_RC_SUCCESS);
            assert_int_equal(dying.accepted, count + 1);
            /* The connection's two ends, and nothing of those before. */
            assert_int_equal(fake_count_fds(), fds + 2);
            fake_link_exchange(&link, (uint8_t)count);
            fake_link_close(&link);
        }
    assert_int_equal(fake_count_fds(), fds);
}

static void test_R47_a_daemon_that_dies_at_each_hello_is_an_error(void **state)
{
    struct fake_deaths dying = {.count = 1000, .death = FAKE_DEATH_HEARD};
    size_t fds = fake_count_fds();
    struct fake_link link;

    (void)state;
    assert_int_equal(connect_after(&dying, TSS2_RC_SUCCESS, &link), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(dying.accepted, DEADLINE_CONNECT_TRIES);
    assert_int_equal(fake_count_fds(), fds);
}

static void test_R47_a_daemon_that_nobody_comes_after_is_an_error(void **state)
{
    struct fake_deaths dying = {.count = 1, .death = FAKE_DEATH_FOR_GOOD};
    struct fake_link link;

    (void)state;
    assert_int_equal(connect_after(&dying, TSS2_RC_SUCCESS, &link), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(dying.accepted, 1);
    fake_daemon_stop(&daemon_);
    fake_daemon_start(&daemon_);
}

/* Also where the one who refuses comes after one who died. */
static void test_a_refusal_is_not_asked_again(void **state)
{
    struct fake_link link;
    unsigned count;

    (void)state;
    for (count = 0; count < 2; count++) {
        struct fake_deaths dying = {.count = count, .death = FAKE_DEATH_HEARD};

        assert_int_equal(connect_after(&dying, TSS2_TCTI_RC_NOT_PERMITTED, &link),
                         TSS2_TCTI_RC_NOT_PERMITTED);
        assert_int_equal(dying.accepted, count + 1);
    }
}

struct connecting {
    struct fake_link link;
    size_t size;
    TSS2_RC rc;
    pthread_t thread;
};

static void *connect_run(void *data)
{
    struct connecting *connecting = data;

    connecting->rc = Tss2_Tcti_Tabrmd_Init(connecting->link.tcti, &connecting->size, daemon_.conf);
    return NULL;
}

static void start_connecting(struct connecting *connecting)
{
    *connecting = (struct connecting){.link = {NULL, -1}};
    Tss2_Tcti_Tabrmd_Init(NULL, &connecting->size, NULL);
    connecting->link.tcti = calloc(1, connecting->size);
    assert_int_equal(pthread_create(&connecting->thread, NULL, connect_run, connecting), 0);
    connecting->link.server = accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(connecting->link.server >= 0);
}

/* Waits until the client has read all that it was sent. */
static void await_read(const struct fake_link *link)
{
    struct pollfd never = {.fd = -1};
    int unread = 1, tries;

    for (tries = 0; tries < FAKE_WAIT_MS && unread > 0; tries++) {
        assert_int_equal(ioctl(link->server, SIOCOUTQ, &unread), 0);
        poll(&never, 1, unread > 0);
    }
    assert_int_equal(unread, 0);
}

/* The other end of the connection stays, and the next daemon says the rest. */
static void test_an_answer_of_two_daemons_is_one(void **state)
{
    uint8_t hello[HEADER_SIZE], reply[CONTROL_FRAME_REPLY_SIZE];
    struct connecting connecting;
    size_t part;

    (void)state;
    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, TSS2_RC_SUCCESS);
    for (part = 0; part <= sizeof(reply); part++) {
        start_connecting(&connecting);
        fake_link_read(&connecting.link, hello, sizeof(hello));
        fake_link_write(&connecting.link, reply, part);
        await_read(&connecting.link);
        fake_link_write(&connecting.link, reply + part, sizeof(reply) - part);
        pthread_join(connecting.thread, NULL);
        assert_int_equal(connecting.rc, TSS2_RC_SUCCESS);
        fake_link_exchange(&connecting.link, 1);
        fake_link_close(&connecting.link);
    }
}

/* Nobody need read of what has gone well in the end. */
static void test_R67_a_hello_that_was_said_again_is_silent(void **state)
{
    struct fake_deaths dying = {.count = 1, .death = FAKE_DEATH_HEARD};
    struct fake_link link;
    int said;
    pid_t child;

    (void)state;
    unsetenv("TSS2_LOG");
    child = children_start_heard(&said);
    if (child == 0)
        _exit(connect_after(&dying, TSS2_RC_SUCCESS, &link) == TSS2_RC_SUCCESS ? 0 : 1);
    children_expect_said(child, said, "tcti", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_daemon_that_dies_before_its_answer_is_asked_again),
        cmocka_unit_test(test_R47_a_daemon_that_dies_at_each_hello_is_an_error),
        cmocka_unit_test(test_R47_a_daemon_that_nobody_comes_after_is_an_error),
        cmocka_unit_test(test_a_refusal_is_not_asked_again),
        cmocka_unit_test(test_an_answer_of_two_daemons_is_one),
        cmocka_unit_test(test_R67_a_hello_that_was_said_again_is_silent),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client hello again", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
