/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal is true at each instant: a process is made to use one step by step, an instruction at
 * a time, and after each of them another one compares what the page says with what the kernel has
 * moved. And a page of any content does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "journal-recover.h"
#include "stream.h"

#define COMMAND  40
#define RESPONSE 300
#define CARRIED  5 /* bytes of a reply that came before the command was sent */

/* The process that is watched, and the other end of its socket. */
struct watched {
    struct journal journal;
    int ends[2];
    pid_t pid;
    bool alone;               /* as if it had never forked */
    enum journal_phase phase; /* at the last look that was not blind */
    unsigned looks[JOURNAL_BLIND + 1];
};

static uint8_t command[COMMAND], response[RESPONSE];

static int queued(int fd)
{
    int count = -1;

    assert_int_equal(ioctl(fd, FIONREAD, &count), 0);
    return count;
}

/* Sends and receives in two pieces each. */
static bool use_journal(struct watched *watched)
{
    struct journal *journal = &watched->journal;
    uint8_t buffer[RESPONSE];
    int fd = watched->ends[0];

    journal_begin(journal, JOURNAL_SENDING, command, COMMAND);
    if (journal_send(journal, fd, command, 15) != 15
        || journal_send(journal, fd, command + 15, COMMAND - 15) != COMMAND - 15)
        return false;
    journal_answer_due(journal);
    if (journal_receive(journal, fd, buffer, 100, 0) != 100
        || journal_receive(journal, fd, buffer + 100, RESPONSE - 100, 0) != RESPONSE - 100
        || memcmp(buffer, response, RESPONSE) != 0)
        return false;
    journal_end(journal, response, 0, 3);
    return true;
}

/* What somebody who took over now would find, in a copy of the page. */
static void look(struct watched *watched)
{
    static union {
        struct journal_page page;
        uint8_t bytes[sizeof(struct journal_page)];
    } copy;
    struct journal journal = {.page = &copy.page};
    enum journal_phase phase;
    size_t taken;

    memcpy(copy.bytes, (const void *)watched->journal.page, sizeof(copy.bytes));
    phase = journal_phase(&journal);
    watched->looks[phase]++;
    if (phase == JOURNAL_BLIND)
        return;
    assert_true(phase == watched->phase
                || (phase == JOURNAL_RECEIVING && watched->phase == JOURNAL_IDLE && watched->alone)
                || (phase == JOURNAL_SENDING && watched->phase == JOURNAL_IDLE)
                || (phase == JOURNAL_RECEIVING && watched->phase == JOURNAL_SENDING)
                || (phase == JOURNAL_IDLE && watched->phase == JOURNAL_RECEIVING));
    watched->phase = phase;
    if (phase == JOURNAL_IDLE)
        return;
    if (phase == JOURNAL_SENDING) {
        assert_int_equal(journal_sent(&journal), queued(watched->ends[1]));
        assert_int_equal(copy.page.size, COMMAND);
        assert_memory_equal(copy.page.frame, command, COMMAND);
    }
    journal_take_over(&journal);
    taken = (size_t)(RESPONSE - queued(watched->ends[0]));
    assert_int_equal(journal.taken, CARRIED + taken);
    assert_memory_equal(copy.page.seen, "early", CARRIED);
    assert_memory_equal(copy.page.seen + CARRIED, response,
                        taken < JOURNAL_SEEN_MAX - CARRIED ? taken : JOURNAL_SEEN_MAX - CARRIED);
}

static void start_watched(struct watched *watched, bool alone)
{
    fake_frame(command, COMMAND, 1);
    fake_frame(response, RESPONSE, 2);
    *watched = (struct watched){.phase = JOURNAL_IDLE, .alone = alone};
    journal_open(&watched->journal);
    journal_begin(&watched->journal, JOURNAL_SENDING, command, COMMAND);
    journal_end(&watched->journal, (const uint8_t *)"early", CARRIED, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, watched->ends), 0);
    assert_int_equal(send(watched->ends[1], response, RESPONSE, 0), RESPONSE);
    watched->pid = children_start();
    if (watched->pid > 0)
        return;
    journal_adopt(&watched->journal);
    watched->journal.forks += alone;
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        _exit(2);
    raise(SIGSTOP);
    _exit(use_journal(watched) ? 0 : 1);
}

/* Returns false where tracing is not allowed. */
static bool watch(bool alone)
{
    struct watched watched;
    int status;

    start_watched(&watched, alone);
    while (waitpid(watched.pid, &status, 0) == watched.pid && WIFSTOPPED(status)) {
        look(&watched);
        ptrace(PTRACE_SINGLESTEP, watched.pid, 0, 0);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 2)
        assert_int_equal(status, 0);
    print_message("%u instants before and after, %u sending, %u receiving, %u blind\n",
                  watched.looks[JOURNAL_IDLE], watched.looks[JOURNAL_SENDING],
                  watched.looks[JOURNAL_RECEIVING], watched.looks[JOURNAL_BLIND]);
    if (status == 0) {
        assert_int_equal(watched.looks[JOURNAL_SENDING] > 10, !alone);
        assert_true(watched.looks[JOURNAL_RECEIVING] > 10);
        assert_int_equal(watched.looks[JOURNAL_BLIND] > 10, alone);
        assert_int_equal(journal_late_replies(&watched.journal), 3);
    }
    close(watched.ends[0]);
    close(watched.ends[1]);
    journal_close(&watched.journal);
    return status == 0;
}

static void test_R46_the_journal_is_true_at_each_instant(void **state)
{
    (void)state;
    if (!watch(false)) {
        print_message("tracing is not allowed here\n");
        skip();
    }
}

/* Of a process that never forked: true, or blind. */
static void test_R46_the_journal_of_one_alone_knows_when_it_is_blind(void **state)
{
    (void)state;
    if (!watch(true)) {
        print_message("tracing is not allowed here\n");
        skip();
    }
}

/* Another process could write anything to the page. */
static void test_R46_a_page_of_any_content(void **state)
{
    static const uint8_t bytes[JOURNAL_CARRIED_MAX] = {0};
    uint8_t carried[JOURNAL_CARRIED_MAX];
    struct journal journal;
    int ends[2], fill;

    (void)state;
    for (fill = 1; fill < 256; fill++) {
        journal_open(&journal);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        close(ends[1]);
        memset((void *)(uintptr_t)journal.page, fill, sizeof(*journal.page));
        assert_int_equal(journal_phase(&journal), fill >= 0x80            ? JOURNAL_BLIND
                                                  : fill < JOURNAL_BROKEN ? fill
                                                                          : JOURNAL_BROKEN);
        assert_int_equal(journal_carried(&journal, carried),
                         fill < JOURNAL_CARRIED_MAX ? fill : JOURNAL_CARRIED_MAX);
        assert_int_equal(journal_late_replies(&journal), fill * 0x101);
        assert_int_not_equal(journal_recover(&journal, ends[0], true), 0);
        assert_int_equal(journal_phase(&journal), JOURNAL_BROKEN);
        close(ends[0]);
        journal_close(&journal);
    }
    /* What cannot be kept breaks the connection for others. */
    journal_open(&journal);
    journal_end(&journal, bytes, JOURNAL_CARRIED_MAX, UINT16_MAX);
    assert_int_equal(journal_phase(&journal), JOURNAL_IDLE);
    assert_int_equal(journal_late_replies(&journal), UINT16_MAX);
    assert_int_equal(journal_carried(&journal, carried), JOURNAL_CARRIED_MAX);
    journal_end(&journal, bytes, 0, UINT16_MAX + 1);
    assert_int_equal(journal_phase(&journal), JOURNAL_BROKEN);
    journal_end(&journal, bytes, JOURNAL_CARRIED_MAX + 1, 0);
    assert_int_equal(journal_phase(&journal), JOURNAL_BROKEN);
    journal_close(&journal);
}

/* Without a call that might make a mapping. */
static size_t count_mappings(void)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char bytes[4096];
    size_t count = 0;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        while (got > 0)
            count += bytes[--got] == '\n';
    close(fd);
    return count;
}

static void test_R45_a_journal_leaves_no_mapping(void **state)
{
    size_t mappings = count_mappings();
    struct journal journal;

    (void)state;
    journal_open(&journal);
    assert_true(count_mappings() > mappings);
    journal_close(&journal);
    assert_int_equal(count_mappings(), mappings);
    assert_null(journal.region);
}

/* The shared page is had, but not the private one before it: then there is no journal. */
static int open_without_a_private_page(void)
{
    struct children_call call = {CHILDREN_MMAP, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ENOMEM,
                                 false};
    struct journal journal;
    size_t mappings;

    if (!children_forbid(call))
        return 1;
    mappings = count_mappings();
    journal_open(&journal);
    if (journal.region != NULL || journal.process != getpid() || journal_forked(&journal))
        return 2;
    return count_mappings() == mappings ? 0 : 3;
}

static void test_R46_without_a_private_page(void **state)
{
    pid_t child;

    (void)state;
    children_need_seccomp();
    child = children_start();
    if (child == 0)
        _exit(open_without_a_private_page());
    children_expect_end(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_the_journal_is_true_at_each_instant),
        cmocka_unit_test(test_R46_the_journal_of_one_alone_knows_when_it_is_blind),
        cmocka_unit_test(test_R46_a_page_of_any_content),
        cmocka_unit_test(test_R45_a_journal_leaves_no_mapping),
        cmocka_unit_test(test_R46_without_a_private_page),
    };

    return cmocka_run_group_tests_name("client journal", tests, NULL, NULL);
}
