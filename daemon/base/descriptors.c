/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/descriptors.h"

#include "base/list.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Of Linux 6.16; the number is that of most architectures. */
#if !defined(SO_PASSRIGHTS) && SO_PASSCRED == 16
#define SO_PASSRIGHTS 83
#endif

/* How long the thread that closes descriptors is kept by one of them: a signal ends the wait. */
#define DESCRIPTORS_CLOSE_NS 200000
#define DESCRIPTORS_SIGNAL   SIGURG

struct descriptor {
    struct list link;
    int fd;
};

/* Descriptors that are to be closed, and whether the thread that closes them runs. */
static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct list waiting;
    bool works;
} descriptors = {.lock = PTHREAD_MUTEX_INITIALIZER,
                 .once = PTHREAD_ONCE_INIT,
                 .waiting = {&descriptors.waiting, &descriptors.waiting}};

static int descriptors_option(int socket, int *value)
{
#ifdef SO_PASSRIGHTS
    socklen_t size = sizeof(*value);

    return getsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, value, &size);
#else
    (void)socket;
    *value = 1;
    return 0;
#endif
}

void descriptors_refuse(int socket)
{
#ifdef SO_PASSRIGHTS
    const int no = 0;

    (void)setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
#else
    (void)socket;
#endif
}

static bool descriptors_known_refused(int socket)
{
    int passes;

    return descriptors_option(socket, &passes) == 0 && !passes;
}

/* Bytes that were sent out of band stay in the stream, where a read would drop them otherwise. */
bool descriptors_are_refused(int socket)
{
    const int yes = 1;

    if (descriptors_known_refused(socket))
        return true;
    (void)setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes));
    return false;
}

/* A look (MSG_PEEK) tells of descriptors by MSG_CTRUNC, as it has no room for them, and closes
 * none. */
ssize_t descriptors_look(int socket, void *bytes, size_t size)
{
    struct iovec part = {bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);

    if (count > 0 && message.msg_flags & MSG_CTRUNC) {
        errno = EPROTO;
        return -1;
    }
    return count;
}

/* After shutdown() nobody can send more, and a socket without unread bytes has no descriptors. */
void descriptors_end(int socket)
{
    bool ended = shutdown(socket, SHUT_RDWR) == 0;
    int unread = 0;

    if (!descriptors_known_refused(socket)
        && (!ended || ioctl(socket, SIOCINQ, &unread) < 0 || unread > 0))
        descriptors_close(socket);
    else
        close(socket);
}

uint64_t descriptors_cookie(int socket)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    return getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static void descriptors_interrupt(int number)
{
    (void)number;
}

static void descriptors_prepare(void)
{
    struct sigaction action = {.sa_handler = descriptors_interrupt, .sa_flags = SA_RESTART};

    sigaction(DESCRIPTORS_SIGNAL, &action, NULL);
}

/* Interrupts this thread again and again, as one signal may come just before the wait. */
static bool descriptors_begin_interrupts(timer_t *timer)
{
    const struct timespec pause = {.tv_nsec = DESCRIPTORS_CLOSE_NS};
    const struct itimerspec times = {pause, pause};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = DESCRIPTORS_SIGNAL};

    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, timer) < 0)
        return false;
    timer_settime(*timer, 0, &times, NULL);
    return true;
}

/* The next descriptor to close; NULL when there is none, and the thread ends. */
static struct descriptor *descriptors_take(void)
{
    struct descriptor *next = NULL;

    pthread_mutex_lock(&descriptors.lock);
    descriptors.works = !list_empty(&descriptors.waiting);
    if (descriptors.works) {
        next = list_entry(descriptors.waiting.next, struct descriptor, link);
        list_remove(&next->link);
    }
    pthread_mutex_unlock(&descriptors.lock);
    return next;
}

static void *descriptors_run(void *data)
{
    struct descriptor *next;
    bool interrupts;
    timer_t timer;

    (void)data;
    pthread_setname_np(pthread_self(), "descriptors");
    interrupts = descriptors_begin_interrupts(&timer);
    while ((next = descriptors_take())) {
        close(next->fd);
        free(next);
    }
    if (interrupts)
        timer_delete(timer);
    return NULL;
}

/* Under the lock. */
static bool descriptors_start(void)
{
    sigset_t others, before;
    pthread_t thread;
    int error;

    sigfillset(&others);
    sigdelset(&others, DESCRIPTORS_SIGNAL);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    error = pthread_create(&thread, NULL, descriptors_run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return false;
    pthread_detach(thread);
    return true;
}

/* Without memory, or a thread, the descriptor is closed by the caller's. */
void descriptors_close(int fd)
{
    struct descriptor *descriptor = calloc(1, sizeof(*descriptor));
    bool works;

    if (!descriptor) {
        close(fd);
        return;
    }
    pthread_once(&descriptors.once, descriptors_prepare);
    descriptor->fd = fd;
    pthread_mutex_lock(&descriptors.lock);
    list_insert_before(&descriptors.waiting, &descriptor->link);
    works = descriptors.works || descriptors_start();
    descriptors.works = works;
    if (!works)
        list_remove(&descriptor->link);
    pthread_mutex_unlock(&descriptors.lock);
    if (!works) {
        close(fd);
        free(descriptor);
    }
}
