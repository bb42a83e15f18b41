/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that was opened before a fork, in the parent and in its children: one of them dies,
 * and costs the others nothing.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "emulator.h"
#include "fake-daemon.h"
#include "journal-recover.h"
#include "tss2-tcti-tabrmd.h"

#define LARGE 12000 /* bytes of a command that does not fit a socket's small buffer */

#define CARRIED 5 /* bytes of a control reply that came off the socket too early */

static struct fake_daemon daemon_;

static void open_link(struct fake_link *link)
{
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, link),
                     TSS2_RC_SUCCESS);
}

enum death { BEFORE, SENT, IN_HEADER, IN_RESPONSE, SIZED, IN_COMMAND, DEATHS };

#define RESPONSE 90

/* How much of the response is there when the process dies. */
static const size_t there[DEATHS] = {[IN_HEADER] = 4, [IN_RESPONSE] = 70, [SIZED] = RESPONSE};

/* A process that connects to a daemon's end in the test, and its child. One of them dies, and the
 * other one goes on. */
struct family {
    struct fake_link link; /* the daemon's end only, outside of the family */
    enum death death;
    bool maker_dies;
    bool early; /* the command is from before the fork, the maker's first one */
    pid_t maker, dying;
    int ready[2], go[2], result[2];
};

/* Brings the connection to where its user is to die. */
static bool begin_command(struct family *family)
{
    uint8_t command[LARGE], buffer[2 * RESPONSE];
    size_t size = family->death == IN_COMMAND ? LARGE : 30, room = sizeof(buffer);
    int small = 1;
    pid_t self = getpid();
    bool good = true;

    if (family->death == IN_COMMAND) {
        setsockopt(children_fd(&family->link), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        good = write(family->ready[1], &self, sizeof(self)) == sizeof(self);
    }
    fake_frame(command, size, 7);
    if (family->death != BEFORE)
        good = good && Tss2_Tcti_Transmit(family->link.tcti, size, command) == TSS2_RC_SUCCESS;
    if (family->death == SIZED)
        good = good && Tss2_Tcti_Receive(family->link.tcti, &room, NULL, -1) == TSS2_RC_SUCCESS
               && room == RESPONSE;
    else if (there[family->death] > 0)
        good = good
               && Tss2_Tcti_Receive(family->link.tcti, &room, buffer, 0) == TSS2_TCTI_RC_TRY_AGAIN;
    return good;
}

static void run_dying(struct family *family)
{
    pid_t self = getpid();
    bool good = family->early || begin_command(family);

    if (!good || write(family->ready[1], &self, sizeof(self)) != sizeof(self))
        _exit(1);
    for (;;)
        pause();
}

static void run_survivor(struct family *family)
{
    char go;
    int good = read(family->go[0], &go, 1) == 1 && children_echo(&family->link, 5)
               && children_echo(&family->link, 6);

    _exit(write(family->result[1], &good, sizeof(good)) == sizeof(good) ? 0 : 1);
}

static void run_maker(struct family *family)
{
    size_t size = 0;
    pid_t child;

    Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL);
    family->link.tcti = calloc(1, size);
    if (Tss2_Tcti_Tabrmd_Init(family->link.tcti, &size, daemon_.conf) != TSS2_RC_SUCCESS)
        _exit(1);
    if (family->early && !begin_command(family))
        _exit(1);
    child = fork();
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, 0);
    if ((child == 0) != family->maker_dies)
        run_dying(family);
    run_survivor(family);
}

static void start_family(struct family *family)
{
    uint8_t hello[HEADER_SIZE], response[RESPONSE];

    assert_int_equal(pipe(family->ready), 0);
    assert_int_equal(pipe(family->go), 0);
    assert_int_equal(pipe(family->result), 0);
    family->maker = children_start();
    if (family->maker == 0)
        run_maker(family);
    close(family->ready[1]);
    close(family->result[1]);
    family->link = (struct fake_link){NULL, accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC)};
    assert_true(family->link.server >= 0);
    fake_link_read(&family->link, hello, sizeof(hello));
    fake_link_reply(&family->link, CONTROL_FRAME_HELLO, 0);
    fake_frame(response, sizeof(response), 99);
    fake_link_write(&family->link, response, there[family->death]);
}

/* Kills the one that is to die where it is to die. */
static void kill_in_family(struct family *family)
{
    assert_int_equal(read(family->ready[0], &family->dying, sizeof(pid_t)), sizeof(pid_t));
    children_await_sleep(family->dying, 1);
    assert_int_equal(kill(family->dying, SIGKILL), 0);
}

/* The dead one's command came whole, its response goes to nobody, and the survivor gets its own. */
static void expect_survivor(struct family *family)
{
    uint8_t seen[LARGE], expected[LARGE], response[RESPONSE];
    size_t size = family->death == IN_COMMAND ? LARGE : 30;
    int good = 0, i;

    assert_int_equal(write(family->go[1], "", 1), 1);
    if (family->death != BEFORE) {
        fake_frame(expected, size, 7);
        fake_link_read(&family->link, seen, size);
        assert_memory_equal(seen, expected, size);
        fake_frame(response, sizeof(response), 99);
        fake_link_write(&family->link, response + there[family->death],
                        sizeof(response) - there[family->death]);
    }
    for (i = 0; i < 2; i++) {
        fake_link_read(&family->link, seen, HEADER_SIZE);
        size = header_load(seen).size;
        assert_int_equal(size, 25 + i);
        fake_link_read(&family->link, seen + HEADER_SIZE, size - HEADER_SIZE);
        fake_link_write(&family->link, seen, size);
    }
    assert_int_equal(read(family->result[0], &good, sizeof(good)), sizeof(good));
    assert_true(good);
}

static void end_family(struct family *family)
{
    int status;

    assert_int_equal(waitpid(family->maker, &status, 0), family->maker);
    close(family->ready[0]);
    close(family->go[0]);
    close(family->go[1]);
    close(family->result[0]);
    fake_link_close(&family->link);
}

static void check_death_in(struct family family)
{
    start_family(&family);
    kill_in_family(&family);
    expect_survivor(&family);
    end_family(&family);
}

/* Of a child, of the maker, and of the maker with a command that it began before its first fork. In
 * the middle of a system call it cannot fork. */
static void check_death(enum death death)
{
    check_death_in((struct family){.death = death});
    check_death_in((struct family){.death = death, .maker_dies = true});
    if (death != IN_COMMAND)
        check_death_in((struct family){.death = death, .maker_dies = true, .early = true});
}

static void test_R46_death_without_a_command(void **state)
{
    (void)state;
    check_death(BEFORE);
}

static void test_R46_death_before_the_response(void **state)
{
    (void)state;
    check_death(SENT);
}

static void test_R46_death_in_the_responses_header(void **state)
{
    (void)state;
    check_death(IN_HEADER);
}

static void test_R46_death_in_the_response(void **state)
{
    (void)state;
    check_death(IN_RESPONSE);
}

static void test_R46_death_with_the_size_known(void **state)
{
    (void)state;
    check_death(SIZED);
}

static void test_R46_death_in_the_middle_of_a_command(void **state)
{
    (void)state;
    if (emulator_is_kernel())
        skip(); /* it tells a process that dies in a call nothing of what was sent */
    check_death(IN_COMMAND);
}

/* Children that are killed anywhere, and who is left goes on. */
static void test_R46_death_anywhere(void **state)
{
    struct fake_link link;
    pid_t server, children[2];
    unsigned round, i;

    (void)state;
    if (emulator_is_kernel())
        skip(); /* who dies right behind a call may not have been told what it moved */
    open_link(&link);
    server = children_serve(&link);
    for (round = 0; round < 100; round++) {
        for (i = 0; i < 2; i++) {
            children[i] = children_start();
            if (children[i] == 0)
                _exit(children_echo_often(&link, UINT_MAX) ? 0 : 1);
        }
        for (i = 0; i < 2; i++) {
            assert_true(children_echo_often(&link, 1 + (round * 7 + i) % 5));
            children_kill(children[i]);
        }
        assert_true(children_echo_often(&link, 2));
    }
    children_end_server(&link, server);
}

/* More than the journal keeps: nobody has the rest of the command, and everybody is told. */
static void test_R46_death_in_a_command_that_nobody_has(void **state)
{
    static uint8_t command[3 * LARGE];
    struct fake_link link;
    int small = 1, go[2], said;
    pid_t child, late;

    (void)state;
    if (emulator_is_kernel())
        skip(); /* nor here */
    open_link(&link);
    assert_int_equal(setsockopt(children_fd(&link), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
                     0);
    fake_frame(command, sizeof(command), 7);
    assert_int_equal(pipe(go), 0);
    late = children_start_late(&link, go[0], &said);
    child = children_start();
    if (child == 0) {
        Tss2_Tcti_Transmit(link.tcti, sizeof(command), command);
        _exit(1);
    }
    children_await_sleep(child, 1);
    children_kill(child);
    assert_int_equal(Tss2_Tcti_Transmit(link.tcti, 20, (fake_frame(command, 20, 1), command)),
                     TSS2_TCTI_RC_IO_ERROR);
    assert_int_equal(write(go[1], "", 1), 1);
    children_expect_said(late, said, "broke in another process", 1);
    close(go[0]);
    close(go[1]);
    fake_link_close(&link);
}

/* A request of set locality, whose reply comes when its sender is dead: it is not the next one's.
 */
static void test_R46_death_before_a_locality_reply(void **state)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE], seen[HEADER_SIZE + 1];
    struct fake_link link;
    size_t early;
    pid_t child;

    (void)state;
    control_frame_reply_store(reply, CONTROL_FRAME_SET_LOCALITY, 0);
    for (early = 0; early < sizeof(reply); early++) {
        open_link(&link);
        fake_link_write(&link, reply, early);
        child = children_start();
        if (child == 0) {
            Tss2_Tcti_SetLocality(link.tcti, 1);
            _exit(1);
        }
        fake_link_read(&link, seen, sizeof(seen));
        children_await_sleep(child, 1);
        children_kill(child);
        fake_link_write(&link, reply + early, sizeof(reply) - early);
        fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, TSS2_TCTI_RC_NOT_PERMITTED);
        assert_int_equal(Tss2_Tcti_SetLocality(link.tcti, 2), TSS2_TCTI_RC_BAD_VALUE);
        fake_link_read(&link, seen, sizeof(seen));
        fake_link_exchange(&link, 1);
        fake_link_close(&link);
    }
}

/* A journal that another process than its maker has used, too. */
static void open_joined(struct journal *journal)
{
    journal_open(journal);
    journal->page->joined = 1;
}

/* Death in the instant after the kernel has moved bytes, when it alone has counted them. */
static void test_R46_death_with_bytes_that_only_the_kernel_counted(void **state)
{
    uint8_t command[40], seen[40], buffer[64], carried[JOURNAL_CARRIED_MAX];
    uint8_t answer[CONTROL_FRAME_REPLY_SIZE + 60];
    struct journal journal;
    size_t sent, taken, more = sizeof(answer) - CARRIED;
    int ends[2];

    (void)state;
    fake_frame(command, sizeof(command), 1);
    control_frame_reply_store(answer, CONTROL_FRAME_CANCEL, 0);
    fake_frame(answer + CONTROL_FRAME_REPLY_SIZE, 60, 2);
    for (sent = 0; sent <= sizeof(command); sent++) {
        taken = sent < sizeof(command) ? 0 : more / 2;
        open_joined(&journal);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        /* A command before it, whose counts are of no matter any more. */
        journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
        assert_int_equal(journal_send(&journal, ends[0], command, sizeof(command)),
                         sizeof(command));
        assert_int_equal(recv(ends[1], seen, sizeof(seen), 0), sizeof(seen));
        journal_answer_due(&journal);
        journal_end(&journal, answer, CARRIED, 0);
        journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
        assert_int_equal(send(ends[0], command, sent, 0), sent);
        journal.page->moved = (uint32_t)sent;
        journal.page->sent.by = 1;
        assert_int_equal(journal_sent(&journal), sent);
        if (sent > 0)
            assert_int_equal(send(ends[1], answer + CARRIED, more, 0), more);
        if (taken > 0) {
            journal_answer_due(&journal);
            assert_int_equal(recv(ends[0], journal.page->seen + CARRIED, taken, 0), taken);
            journal.page->moved = (uint32_t)taken;
            journal.page->taken.by = 1;
        }
        assert_int_equal(journal_recover(&journal, ends[0], true), 0);
        assert_int_equal(journal_phase(&journal), JOURNAL_IDLE);
        assert_int_equal(journal_carried(&journal, carried), sent > 0 ? 0 : CARRIED);
        assert_memory_equal(carried, answer, journal_carried(&journal, carried));
        assert_int_equal(recv(ends[1], seen, sizeof(seen), MSG_DONTWAIT),
                         sent > 0 ? (ssize_t)sizeof(command) : -1);
        if (sent > 0)
            assert_memory_equal(seen, command, sizeof(command));
        assert_int_equal(recv(ends[0], buffer, sizeof(buffer), MSG_DONTWAIT), -1);
        close(ends[0]);
        close(ends[1]);
        journal_close(&journal);
    }
}

/* The dead process had taken a part of the reply to its cancel together with the response. */
static void test_R46_death_with_a_part_of_a_cancels_reply(void **state)
{
    uint8_t command[20], stream[60 + CONTROL_FRAME_REPLY_SIZE], left[sizeof(stream)];
    struct journal journal;
    size_t taken;
    int ends[2];

    (void)state;
    fake_frame(command, sizeof(command), 1);
    fake_frame(stream, 60, 2);
    control_frame_reply_store(stream + 60, CONTROL_FRAME_CANCEL, 0);
    for (taken = 60; taken <= sizeof(stream); taken++) {
        open_joined(&journal);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
        journal_answer_due(&journal);
        assert_int_equal(send(ends[1], stream, sizeof(stream), 0), sizeof(stream));
        assert_int_equal(recv(ends[0], journal.page->seen, taken, 0), taken);
        journal.page->moved = (uint32_t)taken;
        journal.page->taken.by = 1;
        assert_int_equal(journal_recover(&journal, ends[0], true), 0);
        assert_int_equal(journal_phase(&journal), JOURNAL_IDLE);
        assert_int_equal(journal_carried(&journal, left), 0);
        assert_int_equal(recv(ends[0], left, sizeof(left), MSG_DONTWAIT),
                         taken == 60 ? CONTROL_FRAME_REPLY_SIZE : -1);
        close(ends[0]);
        close(ends[1]);
        journal_close(&journal);
    }
}

/* The daemon is gone when a process takes over: that ends, and all are told. */
static void test_R46_death_of_the_daemon_too(void **state)
{
    struct journal journal;
    uint8_t command[20];
    int ends[2], sent;

    (void)state;
    fake_frame(command, sizeof(command), 1);
    for (sent = 0; sent < 2; sent++) {
        open_joined(&journal);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        journal_begin(&journal, JOURNAL_SENDING, command, sizeof(command));
        assert_int_equal(journal_send(&journal, ends[0], command, 5), 5);
        if (sent > 0)
            journal_answer_due(&journal);
        close(ends[1]);
        assert_int_not_equal(journal_recover(&journal, ends[0], true), 0);
        assert_int_equal(journal_phase(&journal), JOURNAL_BROKEN);
        close(ends[0]);
        journal_close(&journal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_death_without_a_command),
        cmocka_unit_test(test_R46_death_before_the_response),
        cmocka_unit_test(test_R46_death_in_the_responses_header),
        cmocka_unit_test(test_R46_death_in_the_response),
        cmocka_unit_test(test_R46_death_with_the_size_known),
        cmocka_unit_test(test_R46_death_in_the_middle_of_a_command),
        cmocka_unit_test(test_R46_death_anywhere),
        cmocka_unit_test(test_R46_death_in_a_command_that_nobody_has),
        cmocka_unit_test(test_R46_death_before_a_locality_reply),
        cmocka_unit_test(test_R46_death_with_bytes_that_only_the_kernel_counted),
        cmocka_unit_test(test_R46_death_with_a_part_of_a_cancels_reply),
        cmocka_unit_test(test_R46_death_of_the_daemon_too),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client deaths", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
