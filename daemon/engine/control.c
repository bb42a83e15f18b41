/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/control.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int control_init(struct control *control)
{
    int error;

    control->waiting = 0;
    list_init(&control->messages);
    control->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->fd < 0)
        return -errno;
    error = pthread_mutex_init(&control->lock, NULL);
    if (error) {
        close(control->fd);
        control->fd = -1;
    }
    return -error;
}

void control_clear(struct control *control)
{
    assert(list_empty(&control->messages));
    if (control->fd < 0)
        return;
    pthread_mutex_destroy(&control->lock);
    close(control->fd);
    control->fd = -1;
}

/* The descriptor is set when the queue stops being empty and cleared when it becomes so, both
 * under the lock: one write and one read for any number of messages between. */
static void control_signal(struct control *control, bool waiting)
{
    uint64_t count = 1;
    ssize_t done;

    do {
        done = waiting ? write(control->fd, &count, sizeof(count))
                       : read(control->fd, &count, sizeof(count));
    } while (done < 0 && errno == EINTR);
}

int control_put(struct control *control, struct control_message *message, bool urgent)
{
    int error = 0;

    pthread_mutex_lock(&control->lock);
    if (control->waiting >= CONTROL_MAX_WAITING && !urgent) {
        error = -EAGAIN;
    } else {
        list_insert_before(&control->messages, &message->link);
        if (control->waiting++ == 0)
            control_signal(control, true);
    }
    pthread_mutex_unlock(&control->lock);
    return error;
}

struct control_message *control_take(struct control *control)
{
    struct control_message *message = NULL;

    pthread_mutex_lock(&control->lock);
    if (!list_empty(&control->messages)) {
        message = list_entry(control->messages.next, struct control_message, link);
        list_remove(&message->link);
        if (--control->waiting == 0)
            control_signal(control, false);
    }
    pthread_mutex_unlock(&control->lock);
    return message;
}
