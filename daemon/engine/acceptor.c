/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/acceptor.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "engine/admission.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* How many are let in at a time: more than the kernel's queue holds, so that it is empty after. */
#define ACCEPTOR_BATCH (2 * LISTENER_BACKLOG)

/* More newcomers than this at a time are a flood: of those beyond, nothing is made for one that has
 * hung up again. */
#define ACCEPTOR_FEW 16

/* Newcomers stay in the kernel's queue during a pause. */
static void acceptor_pause(struct acceptor *acceptor, int error)
{
    if (!acceptor->warned)
        log_event(LOG_EVENT_ADMISSION_PAUSED, LOG_NOBODY, "nobody can be let in for a moment: %s",
                  admission_text(error));
    acceptor->warned = true;
    loop_change(acceptor->loop, &acceptor->watch, 0);
    loop_arm(acceptor->loop, &acceptor->pause, ACCEPTOR_PAUSE_MS);
}

static void acceptor_pause_over(struct timer *timer)
{
    struct acceptor *acceptor = list_entry(timer, struct acceptor, pause);

    loop_change(acceptor->loop, &acceptor->watch, EPOLLIN);
}

static void acceptor_let_in(struct acceptor *acceptor, uint32_t uid, int fd)
{
    if (acceptor->accepted(acceptor->data, uid, fd) < 0)
        listener_refuse(fd);
    else
        acceptor->warned = false;
}

/* Takes newcomer number `i` off the queue. False when there is no use in looking for the next. */
static bool acceptor_take(struct acceptor *acceptor, unsigned i)
{
    uint32_t uid;
    int fd = listener_accept(acceptor->listener, &uid);

    if (fd >= 0 && i >= ACCEPTOR_FEW && listener_is_gone(fd))
        descriptors_end(fd);
    else if (fd >= 0)
        acceptor_let_in(acceptor, uid, fd);
    else if (fd == -EAGAIN)
        return false;
    else if (fd == -EMFILE || fd == -ENFILE)
        log_event(LOG_EVENT_CONNECTION_REFUSED, LOG_NOBODY, "connection refused: %s",
                  admission_text(fd));
    else {
        acceptor_pause(acceptor, fd);
        return false;
    }
    return true;
}

static void acceptor_happened(struct watch *watch, uint32_t events)
{
    struct acceptor *acceptor = list_entry(watch, struct acceptor, watch);

    (void)events;
    /* An earlier event of the same round may have closed the listener. */
    for (unsigned i = 0; acceptor->listener && i < ACCEPTOR_BATCH; i++)
        if (!acceptor_take(acceptor, i))
            return;
}

void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct listener *listener,
                   int (*accepted)(void *data, uint32_t uid, int fd), void *data)
{
    *acceptor = (struct acceptor){
        .loop = loop,
        .listener = listener,
        .watch = {.happened = acceptor_happened, .fd = -1, .once = true},
        .accepted = accepted,
        .data = data,
    };
    timer_init(&acceptor->pause, acceptor_pause_over);
}

int acceptor_open(struct acceptor *acceptor)
{
    if (!acceptor->listener)
        return 0;
    return loop_watch(acceptor->loop, &acceptor->watch, listener_fd(acceptor->listener), EPOLLIN);
}

void acceptor_rest(struct acceptor *acceptor)
{
    timer_disarm(&acceptor->pause);
    if (acceptor->listener)
        loop_change(acceptor->loop, &acceptor->watch, 0);
}

void acceptor_close(struct acceptor *acceptor)
{
    if (acceptor->watch.fd >= 0)
        loop_unwatch(acceptor->loop, &acceptor->watch);
    acceptor->watch.fd = -1;
    listener_free(acceptor->listener);
    acceptor->listener = NULL;
    timer_disarm(&acceptor->pause);
}
