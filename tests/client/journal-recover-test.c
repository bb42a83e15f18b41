/* SPDX-License-Identifier: BSD-2-Clause */
/* What is found where a process died, of every kind, and what becomes of the connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "children.h"
#include "deadline.h"
#include "fake-daemon.h"
#include "journal-recover.h"
#include "libc-names.h"
#include "logger.h"
#include "stream.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Elsewhere the library makes the system call itself, and no test can stand in for that. */
#ifdef __GLIBC__
#define SENDS_BY_LIBC true
#else
#define SENDS_BY_LIBC false
#endif

/* Instead of an errno: a call that moves no byte, and is no failure. */
#define NOTHING (-1)

/* The errno with which the next call fails, once; and how many bytes the kernel says it moved. */
static int send_fails, receive_fails;
static unsigned receive_claims;

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, libc_flags flags)
{
    errno = send_fails;
    send_fails = 0;
    if (errno == NOTHING) {
        errno = EIO;
        return 1;
    }
    return errno != 0 ? -1 : (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, libc_flags flags,
             struct timespec *timeout)
{
    int done;

    errno = receive_fails;
    receive_fails = 0;
    done = errno != 0 ? -1 : (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
    if (receive_claims > 0)
        messages->msg_len = receive_claims;
    return done;
}

/* The most bytes that were wiped at once. */
static size_t wiped_most;

void explicit_bzero(void *bytes, size_t size)
{
    if (size > wiped_most)
        wiped_most = size;
    memset(bytes, 0, size);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

/* The same, where the library was built with checks of sizes (_FORTIFY_SOURCE). */
void __explicit_bzero_chk(void *bytes, size_t size, size_t room);
void __explicit_bzero_chk(void *bytes, size_t size, size_t room)
{
    (void)room;
    explicit_bzero(bytes, size);
}

/* A journal, its socket and the daemon's end of it. */
struct scene {
    struct journal journal;
    int ends[2];
    uint8_t bytes[1024]; /* what the daemon says */
    size_t size;
};

static void begin(struct scene *scene, enum journal_phase phase, size_t size)
{
    static uint8_t frame[JOURNAL_FRAME_MAX + 1];

    memset(scene, 0, sizeof(*scene));
    journal_open(&scene->journal);
    scene->journal.page->joined = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene->ends), 0);
    journal_begin(&scene->journal, phase, frame, size);
}

static void put_response(struct scene *scene, uint32_t claims, size_t size)
{
    header_store(scene->bytes + scene->size, 0x8001, claims, 0);
    scene->size += size;
}

static void put_reply(struct scene *scene, uint32_t operation)
{
    control_frame_reply_store(scene->bytes + scene->size, operation, 0);
    scene->size += CONTROL_FRAME_REPLY_SIZE;
}

/* The daemon says what was put, and leaves; `taken` of it are with who died. Returns what comes of
 * it, and how many bytes are left to others. */
static int recover(struct scene *scene, size_t taken, bool control, ssize_t *left)
{
    uint8_t rest[sizeof(scene->bytes)], dead[sizeof(scene->bytes)];
    int failed;

    if (scene->size > 0)
        assert_int_equal(send(scene->ends[1], scene->bytes, scene->size, 0), scene->size);
    shutdown(scene->ends[1], SHUT_WR);
    if (taken > 0)
        assert_int_equal(journal_receive(&scene->journal, scene->ends[0], dead, taken, 0), taken);
    failed = journal_recover(&scene->journal, scene->ends[0], control);
    *left = recv(scene->ends[0], rest, sizeof(rest), MSG_DONTWAIT);
    assert_int_equal(journal_phase(&scene->journal), failed ? JOURNAL_BROKEN : JOURNAL_IDLE);
    return failed;
}

static void end(struct scene *scene)
{
    close(scene->ends[0]);
    close(scene->ends[1]);
    journal_close(&scene->journal);
}

static void test_R46_sizes_of_a_response(void **state)
{
    static const struct {
        uint32_t claims;
        size_t size;
        int failed;
    } cases[] = {
        {0, 10, -EBADMSG},
        {HEADER_SIZE - 1, 10, -EBADMSG},
        {HEADER_SIZE, 10, 0},
        {JOURNAL_SEEN_MAX, JOURNAL_SEEN_MAX, 0},
        {JOURNAL_SEEN_MAX + 1, JOURNAL_SEEN_MAX + 1, 0},
        {1000, 1000, 0},
        {1000, 999, -ECONNRESET},
        {STREAM_MAX_RESPONSE, 10, -ECONNRESET},
        {STREAM_MAX_RESPONSE + 1, 10, -EBADMSG},
        {HEADER_SIZE, 9, -ECONNRESET},
        {HEADER_SIZE, 0, -ECONNRESET},
    };
    struct scene scene;
    size_t i, taken;
    ssize_t left;

    (void)state;
    for (i = 0; i < 2 * COUNT(cases); i++)
        for (taken = 0; taken <= cases[i / 2].size; taken += 5) {
            begin(&scene, JOURNAL_SENDING, 20);
            assert_int_equal(journal_send(&scene.journal, scene.ends[0], scene.bytes, 20), 20);
            journal_answer_due(&scene.journal);
            put_response(&scene, cases[i / 2].claims, cases[i / 2].size);
            assert_int_equal(recover(&scene, taken, i % 2, &left), cases[i / 2].failed);
            if (cases[i / 2].failed == 0)
                assert_int_equal(left, 0);
            assert_int_equal(journal_late_replies(&scene.journal), 0);
            end(&scene);
        }
}

/* Replies before the response: as many as the journal remembers. */
static void test_R46_replies_before_a_response(void **state)
{
    const size_t most = (JOURNAL_SEEN_MAX - HEADER_SIZE) / CONTROL_FRAME_REPLY_SIZE;
    struct scene scene;
    size_t count, i;
    ssize_t left;

    (void)state;
    for (count = 0; count <= most + 1; count++) {
        begin(&scene, JOURNAL_SENDING, 20);
        journal_answer_due(&scene.journal);
        for (i = 0; i < count; i++)
            put_reply(&scene, CONTROL_FRAME_CANCEL);
        put_response(&scene, 30, 30);
        assert_int_equal(recover(&scene, 0, true, &left), count <= most ? 0 : -EPIPE);
        end(&scene);
    }
}

static void test_R46_replies_that_nobody_asked_for(void **state)
{
    static const struct {
        uint32_t operation, size;
        unsigned late;
        int failed;
        unsigned late_after;
    } cases[] = {
        {CONTROL_FRAME_CANCEL, CONTROL_FRAME_REPLY_SIZE, 0, 0, 0},
        {CONTROL_FRAME_CANCEL, CONTROL_FRAME_REPLY_SIZE, 2, 0, 2},
        {CONTROL_FRAME_CANCEL, CONTROL_FRAME_REPLY_SIZE - 1, 0, -EBADMSG, 0},
        {CONTROL_FRAME_CANCEL, CONTROL_FRAME_REPLY_SIZE + 1, 0, -EBADMSG, 0},
        {CONTROL_FRAME_SET_LOCALITY, CONTROL_FRAME_REPLY_SIZE, 0, -EBADMSG, 0},
        {CONTROL_FRAME_SET_LOCALITY, CONTROL_FRAME_REPLY_SIZE, 1, 0, 0},
        {CONTROL_FRAME_SET_LOCALITY, CONTROL_FRAME_REPLY_SIZE, 3, 0, 2},
    };
    struct scene scene;
    ssize_t left;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        begin(&scene, JOURNAL_SENDING, 20);
        journal_end(&scene.journal, scene.bytes, 0, cases[i].late);
        journal_begin(&scene.journal, JOURNAL_SENDING, scene.bytes, 20);
        journal_answer_due(&scene.journal);
        put_reply(&scene, cases[i].operation);
        store_be32(scene.bytes + 2, cases[i].size);
        put_response(&scene, 30, 30);
        assert_int_equal(recover(&scene, 0, true, &left), cases[i].failed);
        assert_int_equal(journal_late_replies(&scene.journal), cases[i].late_after);
        end(&scene);
    }
}

/* Who died had begun to take what came behind the response. */
static void test_R46_bytes_behind_a_response(void **state)
{
    struct scene scene;
    size_t behind;
    ssize_t left;

    (void)state;
    for (behind = 0; behind <= 2 * CONTROL_FRAME_REPLY_SIZE; behind++) {
        size_t partial = behind % CONTROL_FRAME_REPLY_SIZE;
        size_t whole = behind + (partial > 0 ? CONTROL_FRAME_REPLY_SIZE - partial : 0);

        for (int control = 0; control < 2; control++) {
            begin(&scene, JOURNAL_SENDING, 20);
            journal_answer_due(&scene.journal);
            put_response(&scene, 30, 30);
            put_reply(&scene, CONTROL_FRAME_CANCEL);
            put_reply(&scene, CONTROL_FRAME_CANCEL);
            put_reply(&scene, CONTROL_FRAME_CANCEL);
            assert_int_equal(recover(&scene, 30 + behind, control, &left),
                             control || partial == 0 ? 0 : -EBADMSG);
            if (control)
                assert_int_equal(left, 3 * CONTROL_FRAME_REPLY_SIZE - whole);
            end(&scene);
        }
    }
}

/* Of the reply to a request for a locality only what was begun is waited for. */
static void test_R46_the_reply_to_a_request(void **state)
{
    struct scene scene;
    size_t taken;
    ssize_t left;

    (void)state;
    for (taken = 0; taken <= CONTROL_FRAME_REPLY_SIZE; taken++) {
        begin(&scene, JOURNAL_REQUESTING, HEADER_SIZE + 1);
        assert_int_equal(journal_send(&scene.journal, scene.ends[0], scene.bytes, HEADER_SIZE + 1),
                         HEADER_SIZE + 1);
        journal_answer_due(&scene.journal);
        put_reply(&scene, CONTROL_FRAME_SET_LOCALITY);
        assert_int_equal(recover(&scene, taken, true, &left), 0);
        assert_int_equal(left, taken == 0 ? CONTROL_FRAME_REPLY_SIZE : 0);
        assert_int_equal(journal_late_replies(&scene.journal), taken == 0);
        end(&scene);
    }
    begin(&scene, JOURNAL_REQUESTING, HEADER_SIZE + 1);
    journal_answer_due(&scene.journal);
    put_response(&scene, 30, 30);
    assert_int_equal(recover(&scene, 1, true, &left), -EBADMSG);
    end(&scene);
}

/* What nobody has the rest of, and what was not begun. */
static void test_R46_frames_that_were_not_sent(void **state)
{
    static const struct {
        size_t size, sent;
        int failed;
    } cases[] = {
        {20, 0, 0},
        {20, 1, -ECONNRESET},
        {JOURNAL_FRAME_MAX, 0, 0},
        {JOURNAL_FRAME_MAX, 1, -ECONNRESET},
        {JOURNAL_FRAME_MAX + 1, 0, 0},
        {JOURNAL_FRAME_MAX + 1, 1, -EPIPE},
    };
    enum journal_phase phases[] = {JOURNAL_SENDING, JOURNAL_REQUESTING};
    struct scene scene;
    ssize_t left;
    size_t i;

    (void)state;
    for (i = 0; i < 2 * COUNT(cases); i++) {
        enum journal_phase phase = phases[i % 2];
        int failed = cases[i / 2].failed;

        begin(&scene, phase, cases[i / 2].size);
        if (cases[i / 2].sent > 0)
            assert_int_equal(journal_send(&scene.journal, scene.ends[0], scene.bytes, 1), 1);
        /* A locality's reply may come late. */
        if (phase == JOURNAL_REQUESTING && failed == -ECONNRESET)
            failed = 0;
        assert_int_equal(recover(&scene, 0, true, &left), failed);
        assert_int_equal(journal_late_replies(&scene.journal),
                         phase == JOURNAL_REQUESTING && cases[i / 2].failed == -ECONNRESET);
        end(&scene);
    }
}

/* A signal, and a descriptor that does not block, only make it try again. */
static void test_R46_tries_again(void **state)
{
    static const struct {
        int send, receive, failed;
    } cases[] = {
        {0, 0, 0},       {EINTR, 0, 0},      {EAGAIN, 0, 0},
        {0, EINTR, 0},   {0, EAGAIN, 0},     {EIO, 0, -EIO},
        {0, EIO, -EIO},  {0, ECONNRESET, 0}, {ECONNRESET, 0, -ECONNRESET},
        {NOTHING, 0, 0},
    };
    struct scene scene;
    ssize_t left;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        if (cases[i].send != 0 && !SENDS_BY_LIBC)
            continue;
        begin(&scene, JOURNAL_SENDING, 20);
        assert_int_equal(journal_send(&scene.journal, scene.ends[0], scene.bytes, 1), 1);
        put_response(&scene, 100, 100);
        send_fails = cases[i].send;
        receive_fails = cases[i].receive;
        assert_int_equal(recover(&scene, 0, true, &left), cases[i].failed);
        send_fails = receive_fails = 0;
        end(&scene);
    }
}

/* A response of somebody who died may be a secret, also where it only passes through. */
static void test_R46_what_is_dropped_is_wiped(void **state)
{
    struct scene scene;
    ssize_t left;

    (void)state;
    begin(&scene, JOURNAL_SENDING, 20);
    journal_answer_due(&scene.journal);
    put_response(&scene, 1000, 1000);
    wiped_most = 0;
    assert_int_equal(recover(&scene, 0, true, &left), 0);
    assert_in_range(wiped_most, 1000 - HEADER_SIZE, SIZE_MAX);
    end(&scene);
}

/* The count of moved bytes lies where other processes can write. */
static void test_R46_a_count_is_no_size(void **state)
{
    static const unsigned claims[] = {21, UINT32_MAX};
    uint8_t buffer[40];
    struct scene scene;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(claims); i++) {
        begin(&scene, JOURNAL_SENDING, 20);
        memset(buffer, 0xEE, sizeof(buffer));
        assert_int_equal(send(scene.ends[1], scene.bytes, 20, 0), 20);
        receive_claims = claims[i];
        assert_int_equal(journal_receive(&scene.journal, scene.ends[0], buffer, 20, 0), 20);
        receive_claims = 0;
        assert_int_equal(scene.journal.taken, 20);
        assert_int_equal(buffer[20], 0xEE);
        end(&scene);
    }
}

/* Another process took over what this one is in the middle of: its bytes are nobody's. */
static void test_R46_what_was_taken_over_is_stale(void **state)
{
    struct journal other;
    uint8_t seen[40];
    struct scene scene;

    (void)state;
    begin(&scene, JOURNAL_SENDING, 20);
    other = scene.journal;
    journal_take_over(&other);
    errno = 0;
    assert_int_equal(journal_send(&scene.journal, scene.ends[0], scene.bytes, 20), -1);
    assert_int_equal(errno, ESTALE);
    assert_int_equal(recv(scene.ends[1], seen, sizeof(seen), MSG_DONTWAIT), 20);
    assert_int_equal(recv(scene.ends[1], seen, sizeof(seen), MSG_DONTWAIT), 0);
    end(&scene);
}

static void test_R46_what_was_left_undone_is_told(void **state)
{
    struct scene scene;
    pid_t child;
    int said;

    (void)state;
    begin(&scene, JOURNAL_SENDING, 20);
    child = children_start_heard(&said);
    if (child == 0) {
        setenv("TSS2_LOG", "tcti+debug", 1);
        logger_configure(LOGGER_ERROR);
        _exit(journal_recover(&scene.journal, scene.ends[0], true) == 0 ? 0 : 1);
    }
    children_expect_said(child, said, "left undone is finished", 1);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_sizes_of_a_response),
        cmocka_unit_test(test_R46_replies_before_a_response),
        cmocka_unit_test(test_R46_replies_that_nobody_asked_for),
        cmocka_unit_test(test_R46_bytes_behind_a_response),
        cmocka_unit_test(test_R46_the_reply_to_a_request),
        cmocka_unit_test(test_R46_frames_that_were_not_sent),
        cmocka_unit_test(test_R46_tries_again),
        cmocka_unit_test(test_R46_what_is_dropped_is_wiped),
        cmocka_unit_test(test_R46_a_count_is_no_size),
        cmocka_unit_test(test_R46_what_was_taken_over_is_stale),
        cmocka_unit_test(test_R46_what_was_left_undone_is_told),
    };

    return cmocka_run_group_tests_name("client journal recovery", tests, NULL, NULL);
}
