/* SPDX-License-Identifier: BSD-2-Clause */
#include "journal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum journal_count_by {
    BY_AFTER, /* `after` */
    BY_MOVED, /* `before` and what the page's `moved` says */
};

/* What the page's status is made of: the phase, the size of what is carried, and above them the
 * number of late replies. */
#define STATUS_PHASE         UINT32_C(0x7F)
#define STATUS_BLIND         UINT32_C(0x80) /* JOURNAL_BLIND, whatever the phase */
#define STATUS_CARRIED_SHIFT 8
#define STATUS_LATE_SHIFT    16

/* Forks of this process since the first journal was opened. */
static atomic_uint journal_forks;
static bool journal_forks_told;

/* The kernel does what madvise() says, or refuses it. An emulator of the kernel, as QEMU's for user
 * programs, may take any advice, what is none too, and follow none. */
static bool journal_advice_counts;

/* The end of the private page. */
struct journal_call {
    volatile uintptr_t mark; /* 0 in a child */
    struct msghdr message;   /* with the `moved` behind it a struct mmsghdr */
};

_Static_assert(sizeof(struct msghdr) == offsetof(struct mmsghdr, msg_len), "mmsghdr has padding");
_Static_assert(offsetof(struct journal_page, moved) == 0, "moved is not behind the message");

static void journal_before_fork(void)
{
    atomic_fetch_add_explicit(&journal_forks, 1, memory_order_relaxed);
}

static void journal_first(void)
{
    journal_forks_told = pthread_atfork(journal_before_fork, NULL, NULL) == 0;
    journal_advice_counts = madvise(NULL, 0, -1) != 0;
}

/* The number of forks that a journal begins with; one that is never met again where forks are not
 * told. */
static unsigned journal_first_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, journal_first);
    return atomic_load_explicit(&journal_forks, memory_order_relaxed) - !journal_forks_told;
}

void journal_open(struct journal *journal)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = page + sizeof(struct journal_page);
    uint8_t *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *journal = (struct journal){.forks = journal_first_forks()};
    if (region != MAP_FAILED
        && mmap(region, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0)
               == MAP_FAILED) {
        munmap(region, size);
        region = MAP_FAILED;
    }
    if (region == MAP_FAILED || !journal_advice_counts
        || madvise(region, page, MADV_WIPEONFORK) != 0)
        journal->process = getpid();
    if (region == MAP_FAILED)
        return;
    journal->region = region;
    journal->region_size = size;
    journal->page = (struct journal_page *)(void *)(region + page);
    journal->call = (struct journal_call *)(void *)(region + page - sizeof(struct journal_call));
    journal->call->mark = 1;
}

void journal_close(struct journal *journal)
{
    if (journal->region != NULL)
        munmap(journal->region, journal->region_size);
    *journal = (struct journal){.region = NULL};
}

bool journal_forked(const struct journal *journal)
{
    if (journal->process != 0)
        return journal->process != getpid();
    return journal->call->mark == 0;
}

void journal_adopt(struct journal *journal)
{
    if (journal->process != 0)
        journal->process = getpid();
    else
        journal->call->mark = 1;
}

/* Earlier stores are in memory when later ones are: for a process that dies in between it is enough
 * that the compiler keeps the order. */
static void journal_in_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

bool journal_exact(const struct journal *journal)
{
    return atomic_load_explicit(&journal_forks, memory_order_relaxed) != journal->forks
           || atomic_load_explicit(&journal->page->joined, memory_order_relaxed) != 0;
}

/* `phase` may have STATUS_BLIND with it. */
static void journal_store(struct journal *journal, uint32_t phase, size_t carried, unsigned late)
{
    journal_in_order();
    journal->page->status =
        phase | (uint32_t)carried << STATUS_CARRIED_SHIFT | (uint32_t)late << STATUS_LATE_SHIFT;
    journal_in_order();
}

enum journal_phase journal_phase(const struct journal *journal)
{
    uint32_t status = journal->page->status;

    if ((status & STATUS_BLIND) != 0)
        return JOURNAL_BLIND;
    return (enum journal_phase)MIN(status & STATUS_PHASE, JOURNAL_BROKEN);
}

unsigned journal_late_replies(const struct journal *journal)
{
    return journal->page->status >> STATUS_LATE_SHIFT;
}

size_t journal_carried(const struct journal *journal, uint8_t carried[JOURNAL_CARRIED_MAX])
{
    uint32_t status = journal->page->status;
    size_t size = MIN(status >> STATUS_CARRIED_SHIFT & 0xFF, JOURNAL_CARRIED_MAX);

    if (size > 0)
        memcpy(carried, journal->page->carried, size);
    return size;
}

static uint32_t journal_total(const struct journal *journal, const struct journal_count *count)
{
    return count->by == BY_MOVED ? count->before + journal->page->moved : count->after;
}

size_t journal_sent(const struct journal *journal)
{
    return journal_total(journal, &journal->page->sent);
}

static void journal_count_set(struct journal_count *count, uint32_t value)
{
    count->after = value;
    count->by = BY_AFTER;
    count->before = value;
}

void journal_take_over(struct journal *journal)
{
    struct journal_page *page = journal->page;

    journal->takeovers = atomic_fetch_add(&page->takeovers, 1) + 1;
    journal_count_set(&page->sent, (uint32_t)journal_sent(journal));
    journal_count_set(&page->taken, journal_total(journal, &page->taken));
    journal->taken = page->taken.before;
    journal->exact = true;
}

/* Without a copy of the frame nobody else could send the rest of it. */
void journal_begin(struct journal *journal, enum journal_phase phase, const uint8_t *frame,
                   size_t size)
{
    struct journal_page *page = journal->page;
    size_t carried = journal_carried(journal, page->seen);

    journal->exact = journal_exact(journal);
    if (journal->exact && size <= JOURNAL_FRAME_MAX)
        memcpy(page->frame, frame, size);
    page->size = (uint32_t)size;
    journal_count_set(&page->sent, 0);
    journal_count_set(&page->taken, (uint32_t)carried);
    journal->taken = (uint32_t)carried;
    journal->takeovers = atomic_load(&page->takeovers);
    journal_store(journal, (uint32_t)phase | (journal->exact ? 0 : STATUS_BLIND), carried,
                  journal_late_replies(journal));
}

void journal_answer_due(struct journal *journal)
{
    struct journal_page *page = journal->page;
    bool command = (page->status & STATUS_PHASE) == JOURNAL_SENDING;
    uint32_t size = page->size;

    journal_store(journal, command ? JOURNAL_RECEIVING : JOURNAL_AWAITING,
                  page->status >> STATUS_CARRIED_SHIFT & 0xFF, journal_late_replies(journal));
    if (journal->exact)
        explicit_bzero(page->frame, MIN(size, JOURNAL_FRAME_MAX));
}

void journal_end(struct journal *journal, const uint8_t *carried, size_t size, unsigned late)
{
    size_t seen = MIN(journal->taken, JOURNAL_SEEN_MAX);

    if (size > JOURNAL_CARRIED_MAX || late > UINT16_MAX) {
        journal_break(journal);
        return;
    }
    if (size > 0)
        memcpy(journal->page->carried, carried, size);
    journal_store(journal, JOURNAL_IDLE, size, late);
    explicit_bzero(journal->page->seen, seen);
}

void journal_break(struct journal *journal)
{
    journal_store(journal, JOURNAL_BROKEN, 0, 0);
    explicit_bzero(journal->page->seen, sizeof(journal->page->seen));
    explicit_bzero(journal->page->frame, sizeof(journal->page->frame));
}

typedef int journal_mover(int fd, struct mmsghdr *message, int flags);

static int journal_mover_send(int fd, struct mmsghdr *message, int flags)
{
#ifdef __GLIBC__
    return sendmmsg(fd, message, 1, flags | MSG_NOSIGNAL);
#else
    /* musl's sendmmsg() calls sendmsg(), and stores the number itself afterwards. */
    return (int)syscall(SYS_sendmmsg, fd, message, 1, flags | MSG_NOSIGNAL);
#endif
}

/* A pending error of the socket comes before the bytes that can be read, unlike with recv(). The
 * error is given once, so the call is made again; with nothing left to read that gives the end of
 * the stream instead. */
static int journal_mover_receive(int fd, struct mmsghdr *message, int flags)
{
    int moved = recvmmsg(fd, message, 1, flags, NULL);

    return moved == -1 && errno == ECONNRESET ? recvmmsg(fd, message, 1, flags, NULL) : moved;
}

/* Moves bytes with one system call that counts them. Returns their number, `size` at the most, or
 * -1 with an errno. */
static ssize_t journal_move(struct journal *journal, struct journal_count *count,
                            journal_mover *mover, int fd, struct iovec parts[2], size_t size,
                            int flags)
{
    struct journal_page *page = journal->page;
    int done;
    uint32_t moved;

    page->moved = 0;
    count->by = BY_MOVED;
    journal_in_order();
    journal->call->message = (struct msghdr){.msg_iov = parts, .msg_iovlen = 2};
    done = mover(fd, (struct mmsghdr *)(void *)&journal->call->message, flags);
    journal_in_order();
    moved = page->moved;
    moved = done == 1 ? (uint32_t)MIN(moved, size) : 0;
    journal_count_set(count, count->before + moved);
    return done == 1 ? (ssize_t)moved : -1;
}

/* The result of a call that moved bytes, unless another process took over meanwhile. */
static ssize_t journal_moved(const struct journal *journal, int fd, ssize_t moved)
{
    if (atomic_load_explicit(&journal->page->takeovers, memory_order_relaxed) == journal->takeovers)
        return moved;
    shutdown(fd, SHUT_RDWR);
    errno = ESTALE;
    return -1;
}

ssize_t journal_send(struct journal *journal, int fd, const uint8_t *bytes, size_t size)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)bytes, size}, {NULL, 0}};

    if (!journal->exact)
        return journal_moved(journal, fd, send(fd, bytes, size, MSG_NOSIGNAL));
    return journal_moved(
        journal, fd,
        journal_move(journal, &journal->page->sent, journal_mover_send, fd, parts, size, 0));
}

static ssize_t journal_receive_exactly(struct journal *journal, int fd, uint8_t *bytes, size_t room,
                                       int flags)
{
    size_t seen = MIN(journal->taken, JOURNAL_SEEN_MAX);
    size_t first = MIN(room, JOURNAL_SEEN_MAX - seen);
    struct iovec parts[2] = {{journal->page->seen + seen, first}, {bytes + first, room - first}};
    ssize_t got =
        journal_move(journal, &journal->page->taken, journal_mover_receive, fd, parts, room, flags);

    if (got > 0)
        memcpy(bytes, journal->page->seen + seen, MIN((size_t)got, first));
    return got;
}

static ssize_t journal_receive_blindly(struct journal *journal, int fd, uint8_t *bytes, size_t room,
                                       int flags)
{
    struct journal_page *page = journal->page;
    size_t seen = MIN(journal->taken, JOURNAL_SEEN_MAX);
    uint32_t status = page->status;
    ssize_t got;

    page->status = status | STATUS_BLIND;
    journal_in_order();
    got = recv(fd, bytes, room, flags);
    journal_in_order();
    if (got > 0) {
        memcpy(page->seen + seen, bytes, MIN((size_t)got, JOURNAL_SEEN_MAX - seen));
        journal_count_set(&page->taken, journal->taken + (uint32_t)got);
        journal_in_order();
    }
    page->status = status;
    return got;
}

ssize_t journal_receive(struct journal *journal, int fd, uint8_t *bytes, size_t room, int flags)
{
    ssize_t got = journal_exact(journal) ? journal_receive_exactly(journal, fd, bytes, room, flags)
                                         : journal_receive_blindly(journal, fd, bytes, room, flags);

    got = journal_moved(journal, fd, got);
    if (got > 0)
        journal->taken += (uint32_t)got;
    return got;
}
