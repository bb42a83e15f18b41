/* SPDX-License-Identifier: BSD-2-Clause */
#include "journal-recover.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>

#include "deadline.h"
#include "logger.h"
#include "stream.h"

/* Waits where a call on the socket says that it would block. Returns 0 to try again, or a negative
 * errno. */
static int recover_again(int fd, short events)
{
    if (errno == EINTR)
        return 0;
    return errno == EAGAIN ? deadline_poll(fd, events, DEADLINE_NEVER) : -errno;
}

/* Sends the rest of the frame, which the journal holds if it is not too large. */
static int recover_send(struct journal *journal, int fd)
{
    size_t size = journal->page->size, sent;
    ssize_t done;
    int failed = size <= JOURNAL_FRAME_MAX ? 0 : -EPIPE;

    while (failed == 0 && (sent = journal_sent(journal)) < size) {
        done = journal_send(journal, fd, journal->page->frame + sent, size - sent);
        if (done < 0)
            failed = recover_again(fd, POLLOUT);
    }
    return failed;
}

/* Takes bytes off the socket until `total` of them are taken. */
static int recover_take(struct journal *journal, int fd, size_t total)
{
    uint8_t dropped[1024];
    size_t missing;
    ssize_t got;
    int failed = 0;

    while (failed == 0 && journal->taken < total) {
        missing = total - journal->taken;
        got = journal_receive(journal, fd, dropped, MIN(missing, sizeof(dropped)), 0);
        if (got < 0)
            failed = recover_again(fd, POLLIN);
        else if (got == 0)
            failed = -ECONNRESET;
    }
    explicit_bzero(dropped, sizeof(dropped));
    return failed;
}

/* The header of the frame that begins at byte `at` of what was taken, or is to be taken. */
static int recover_header(struct journal *journal, int fd, size_t at, struct header *header)
{
    int failed;

    if (at + HEADER_SIZE > JOURNAL_SEEN_MAX)
        return -EPIPE; /* more control replies than the journal remembers */
    failed = recover_take(journal, fd, at + HEADER_SIZE);
    if (failed == 0)
        *header = header_load(journal->page->seen + at);
    return failed;
}

/* Takes the control replies from byte `*at` on, as long as there are any, or `all` that were begun.
 */
static int recover_replies(struct journal *journal, int fd, size_t *at, bool all, unsigned *late)
{
    struct header header;
    int failed;

    while (!all || *at < journal->taken) {
        failed = recover_header(journal, fd, *at, &header);
        if (failed != 0)
            return failed;
        if (header.tag != CONTROL_FRAME_TAG)
            return all ? -EBADMSG : 0;
        if (header.size != CONTROL_FRAME_REPLY_SIZE
            || (header.code == CONTROL_FRAME_SET_LOCALITY && *late == 0))
            return -EBADMSG;
        failed = recover_take(journal, fd, *at + CONTROL_FRAME_REPLY_SIZE);
        if (failed != 0)
            return failed;
        *late -= header.code == CONTROL_FRAME_SET_LOCALITY;
        *at += CONTROL_FRAME_REPLY_SIZE;
    }
    return 0;
}

/* Takes a response, and what was begun of replies to cancels behind it. */
static int recover_response(struct journal *journal, int fd, bool control, unsigned *late)
{
    struct header header;
    size_t at = 0, behind;
    int failed = control ? recover_replies(journal, fd, &at, false, late) : 0;

    if (failed == 0)
        failed = recover_header(journal, fd, at, &header);
    if (failed != 0)
        return failed;
    if (header.size < HEADER_SIZE || header.size > STREAM_MAX_RESPONSE)
        return -EBADMSG;
    failed = recover_take(journal, fd, at + header.size);
    if (failed != 0)
        return failed;
    behind = (journal->taken - at - header.size) % CONTROL_FRAME_REPLY_SIZE;
    if (behind == 0)
        return 0;
    return control ? recover_take(journal, fd, journal->taken + CONTROL_FRAME_REPLY_SIZE - behind)
                   : -EBADMSG;
}

/* The phases follow one another: what was sent has an answer. */
static int recover_phases(struct journal *journal, int fd, bool control, unsigned *late)
{
    enum journal_phase phase = journal_phase(journal);
    size_t at = 0;
    int failed = 0;

    if (phase == JOURNAL_SENDING || phase == JOURNAL_REQUESTING) {
        if (journal_sent(journal) == 0)
            return 0;
        failed = recover_send(journal, fd);
        if (failed != 0)
            return failed;
        journal_answer_due(journal);
        phase = journal_phase(journal);
    }
    if (phase == JOURNAL_RECEIVING)
        return recover_response(journal, fd, control, late);
    if (phase != JOURNAL_AWAITING)
        return -EPIPE;
    *late += 1;
    return recover_replies(journal, fd, &at, true, late);
}

int journal_recover(struct journal *journal, int fd, bool control)
{
    unsigned late = journal_late_replies(journal);
    uint8_t carried[JOURNAL_CARRIED_MAX];
    size_t size = 0;
    int failed;

    if (journal_phase(journal) == JOURNAL_IDLE)
        return 0;
    journal_take_over(journal);
    if ((journal_phase(journal) == JOURNAL_SENDING || journal_phase(journal) == JOURNAL_REQUESTING)
        && journal_sent(journal) == 0)
        size = journal_carried(journal, carried);
    failed = recover_phases(journal, fd, control, &late);
    if (failed != 0) {
        journal_break(journal);
        return failed;
    }
    logger_debug("what a process that ended left undone is finished");
    journal_end(journal, carried, size, late);
    return 0;
}
