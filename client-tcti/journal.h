/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is on its way over a connection, kept in a page that a process shares with the children that
 * it forks. The process that uses the connection notes what it is about to send, and how many bytes
 * of which frame were sent and received. When that process dies, another one reads what has to be
 * done before the connection can carry its own command (journal-recover.h).
 *
 * Once the process has forked the journal is true at each instant, so that it holds however its
 * writer dies. Numbers of bytes are stored by the kernel, within the system call that moves the
 * bytes: sendmmsg() and recvmmsg() write `msg_len` of their message header to memory. A step from
 * one state to the next is a single store. The message header lies at the end of a page that is
 * private, and its `msg_len` in the page behind, which is shared: a store of another process there
 * cannot make this process's kernel write to another address. Nothing in the shared page is used as
 * a size or an address before it was compared with its limits.
 *
 * A process that never forked has nobody to leave its work to, and does not pay for it: the bytes
 * move by send() and recv(), and are counted afterwards. Until then the phase is JOURNAL_BLIND. So
 * the journal is true between two calls of the library, which is when a thread that calls it can
 * fork. Only a system call that another thread was in at the first fork stays uncounted until it
 * returns. pthread_atfork() tells of forks; a child of a bare clone() tells by `joined`.
 *
 * A child gets the private page as zeros (MADV_WIPEONFORK). This tells a child from the journal's
 * maker, for every kind of fork and without a system call. Where the kernel has no such pages the
 * process number serves. One process at a time writes to a journal: turn.h sees to that.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/control-frame.h"

/* The part of a response, or of control replies before it, that is kept until all of it came. */
#define JOURNAL_SEEN_MAX 256

/* Commands up to this size are kept until they are sent. What is left of a larger one dies with the
 * process that was sending it, and the connection with it. */
#define JOURNAL_FRAME_MAX 16384

/* Less than a control reply: bytes that came behind a response. */
#define JOURNAL_CARRIED_MAX (CONTROL_FRAME_REPLY_SIZE - 1)

enum journal_phase {
    JOURNAL_IDLE,       /* nothing is on its way but late control replies */
    JOURNAL_SENDING,    /* a command is being sent */
    JOURNAL_RECEIVING,  /* a command was sent, its response not yet received whole */
    JOURNAL_REQUESTING, /* a request of set locality is being sent */
    JOURNAL_AWAITING,   /* it was sent, its reply not yet received whole */
    JOURNAL_BROKEN,     /* the connection is of no more use */
    JOURNAL_BLIND,      /* bytes are moved, and nobody will know how many if their mover dies */
};

/* A count of bytes. Which of the fields make up the count is said by `by`, an
 * enum journal_count_by. */
struct journal_count {
    volatile uint32_t by;
    volatile uint32_t before;
    volatile uint32_t after;
};

/* The shared page. What each command needs stands together at its start. */
struct journal_page {
    volatile uint32_t moved;  /* written by the kernel; must come first */
    volatile uint32_t status; /* phase, carried bytes and late replies (journal.c) */
    volatile uint32_t size;   /* of the frame that is sent */
    struct journal_count sent;
    struct journal_count taken; /* since the start of `seen` */
    atomic_uint takeovers;      /* how often the work of a dead process was taken over */

    /* Of turn.c. */
    atomic_uint joined;     /* another process than the connection's maker has used it */
    atomic_uint maker_busy; /* not 0: the maker uses it, unaware of others */
    atomic_uint waiting;    /* processes that wait for their turn, some of them maybe dead */

    uint8_t carried[JOURNAL_CARRIED_MAX];
    uint8_t seen[JOURNAL_SEEN_MAX]; /* the first of the taken bytes */

    /* Of connection.c. */
    atomic_uint bus_busy;   /* a call over the bus is not over */
    atomic_uint bus_serial; /* of the newest call over the bus */

    uint8_t frame[JOURNAL_FRAME_MAX]; /* what is sent, until it is sent */
};

struct journal {
    void *region; /* NULL: there is no journal, and the connection cannot be shared */
    size_t region_size;
    struct journal_call *call; /* in the private page */
    struct journal_page *page;
    pid_t process;      /* 0 where the private page tells a child */
    unsigned forks;     /* of this process, when the journal was opened */
    bool exact;         /* the frame that is sent is in the page, and its bytes are counted */
    unsigned takeovers; /* of the page, when this process began */
    uint32_t taken;     /* as in the page, which others could change */
};

/* Makes the journal of a connection; without memory the region is NULL. */
void journal_open(struct journal *journal);

/* May be called in a child, and for a journal of zero bytes. */
void journal_close(struct journal *journal);

/* Whether this process is a child, at any distance, of the process that called journal_open() or
 * journal_adopt(). */
bool journal_forked(const struct journal *journal);

/* Makes this process the one that journal_forked() knows. */
void journal_adopt(struct journal *journal);

/* The state of the stream. All need a region. */
enum journal_phase journal_phase(const struct journal *journal);
unsigned journal_late_replies(const struct journal *journal);
size_t journal_carried(const struct journal *journal, uint8_t carried[JOURNAL_CARRIED_MAX]);
size_t journal_sent(const struct journal *journal); /* bytes of the frame */

/* Makes this process the one that finishes what a process that died had begun. */
void journal_take_over(struct journal *journal);

/* Whether bytes are counted by the kernel: this process forked, or another one joined. */
bool journal_exact(const struct journal *journal);

/* A frame is about to be sent; `phase` is JOURNAL_SENDING or JOURNAL_REQUESTING, `size` what the
 * frame's header says. */
void journal_begin(struct journal *journal, enum journal_phase phase, const uint8_t *frame,
                   size_t size);

/* The frame was sent; an answer is awaited. */
void journal_answer_due(struct journal *journal);

/* Nothing is on its way but `late` control replies, of which `size` bytes are there. More than
 * JOURNAL_CARRIED_MAX cannot be kept, and break the connection for others. */
void journal_end(struct journal *journal, const uint8_t *carried, size_t size, unsigned late);

void journal_break(struct journal *journal);

/* As send() with MSG_NOSIGNAL and as recv() without MSG_PEEK, counted in the journal. ESTALE when
 * another process took over what this process had begun: the connection is shut down then. */
ssize_t journal_send(struct journal *journal, int fd, const uint8_t *bytes, size_t size);
ssize_t journal_receive(struct journal *journal, int fd, uint8_t *bytes, size_t room, int flags);
