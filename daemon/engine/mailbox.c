/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox)
{
    int error;

    mailbox->waiting = mailbox->flags = 0;
    list_init(&mailbox->messages);
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->fd < 0)
        return -errno;
    error = pthread_mutex_init(&mailbox->lock, NULL);
    if (error) {
        close(mailbox->fd);
        mailbox->fd = -1;
    }
    return -error;
}

void mailbox_clear(struct mailbox *mailbox)
{
    if (mailbox->fd < 0)
        return;
    assert(list_empty(&mailbox->messages));
    pthread_mutex_destroy(&mailbox->lock);
    close(mailbox->fd);
    mailbox->fd = -1;
}

/* The descriptor is set when the mailbox stops being empty and cleared when it becomes so, both
 * under the lock: one write and one read for any number of messages between. */
static void mailbox_signal(const struct mailbox *mailbox, bool filled)
{
    uint64_t count = 1;
    ssize_t done;

    do {
        done = filled ? write(mailbox->fd, &count, sizeof(count))
                      : read(mailbox->fd, &count, sizeof(count));
    } while (done < 0 && errno == EINTR);
}

static bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return mailbox->waiting == 0 && mailbox->flags == 0;
}

int mailbox_put(struct mailbox *mailbox, struct mailbox_message *message, bool urgent)
{
    int error = 0;

    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->waiting >= MAILBOX_MAX_WAITING && !urgent) {
        error = -EAGAIN;
    } else {
        if (mailbox_is_empty(mailbox))
            mailbox_signal(mailbox, true);
        list_insert_before(&mailbox->messages, &message->link);
        mailbox->waiting++;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return error;
}

bool mailbox_raise(struct mailbox *mailbox, enum mailbox_flag flag)
{
    bool raised;

    pthread_mutex_lock(&mailbox->lock);
    raised = !(mailbox->flags & flag);
    if (mailbox_is_empty(mailbox))
        mailbox_signal(mailbox, true);
    if (flag == MAILBOX_SLEEP || flag == MAILBOX_WAKE)
        mailbox->flags &= ~(unsigned)(MAILBOX_SLEEP | MAILBOX_WAKE);
    mailbox->flags |= flag;
    pthread_mutex_unlock(&mailbox->lock);
    return raised;
}

struct mailbox_message *mailbox_take(struct mailbox *mailbox)
{
    struct mailbox_message *message = NULL;

    pthread_mutex_lock(&mailbox->lock);
    if (!list_empty(&mailbox->messages)) {
        message = list_entry(mailbox->messages.next, struct mailbox_message, link);
        list_remove(&message->link);
        mailbox->waiting--;
        if (mailbox_is_empty(mailbox))
            mailbox_signal(mailbox, false);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return message;
}

unsigned mailbox_take_flags(struct mailbox *mailbox)
{
    unsigned flags;

    pthread_mutex_lock(&mailbox->lock);
    flags = mailbox->flags;
    mailbox->flags = 0;
    if (flags && mailbox->waiting == 0)
        mailbox_signal(mailbox, false);
    pthread_mutex_unlock(&mailbox->lock);
    return flags;
}
