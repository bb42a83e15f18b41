/* SPDX-License-Identifier: BSD-2-Clause */
#include "alloc-fault.h"

#include "alloc-fault-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* How often is looked whether blocks were freed; a millisecond each. */
#define MOMENTS 20000

static struct {
    pthread_mutex_t lock;
    bool set, lasting;
    enum alloc_fault_kind kind;
    unsigned left; /* requests until the refused one */
    unsigned refused;
} shortage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_long held;
static atomic_uint accepts;

void alloc_fault_begin(enum alloc_fault_kind kind, unsigned nth, bool lasting)
{
    pthread_mutex_lock(&shortage.lock);
    shortage.set = true;
    shortage.lasting = lasting;
    shortage.kind = kind;
    shortage.left = nth;
    shortage.refused = 0;
    pthread_mutex_unlock(&shortage.lock);
}

unsigned alloc_fault_refused(void)
{
    unsigned refused;

    pthread_mutex_lock(&shortage.lock);
    refused = shortage.refused;
    pthread_mutex_unlock(&shortage.lock);
    return refused;
}

unsigned alloc_fault_end(void)
{
    pthread_mutex_lock(&shortage.lock);
    shortage.set = false;
    pthread_mutex_unlock(&shortage.lock);
    return alloc_fault_refused();
}

long alloc_fault_held(void)
{
    return atomic_load(&held);
}

long alloc_fault_settled(long most)
{
    for (unsigned i = 0; i < MOMENTS && alloc_fault_held() > most; i++)
        poll(NULL, 0, 1);
    return alloc_fault_held();
}

unsigned alloc_fault_accepts(void)
{
    return atomic_load(&accepts);
}

/* Whether this request is refused; with errno then. */
static bool refuse(enum alloc_fault_kind kind)
{
    bool refused = false;

    pthread_mutex_lock(&shortage.lock);
    if (shortage.set && shortage.kind == kind) {
        if (shortage.left > 0)
            refused = --shortage.left == 0;
        else
            refused = shortage.lasting;
        shortage.refused += refused;
    }
    pthread_mutex_unlock(&shortage.lock);
    if (refused)
        errno = kind == ALLOC_FAULT_MEMORY ? ENOMEM : EMFILE;
    return refused;
}

static void *note(void *block)
{
    if (block)
        atomic_fetch_add(&held, 1);
    return block;
}

void *alloc_fault_malloc(size_t size)
{
    return refuse(ALLOC_FAULT_MEMORY) ? NULL : note(malloc(size));
}

void *alloc_fault_calloc(size_t count, size_t size)
{
    return refuse(ALLOC_FAULT_MEMORY) ? NULL : note(calloc(count, size));
}

void *alloc_fault_realloc(void *old, size_t size)
{
    void *block = refuse(ALLOC_FAULT_MEMORY) ? NULL : realloc(old, size);

    return old ? block : note(block);
}

void *alloc_fault_reallocarray(void *old, size_t count, size_t size)
{
    void *block = refuse(ALLOC_FAULT_MEMORY) ? NULL : reallocarray(old, count, size);

    return old ? block : note(block);
}

char *alloc_fault_strdup(const char *text)
{
    return refuse(ALLOC_FAULT_MEMORY) ? NULL : note(strdup(text));
}

/* What is looked for in blocks that are freed. */
static struct {
    pthread_mutex_t lock;
    const void *bytes;
    size_t size;
    unsigned found;
} watched = {.lock = PTHREAD_MUTEX_INITIALIZER};

unsigned alloc_fault_watch(const void *bytes, size_t size)
{
    unsigned found;

    pthread_mutex_lock(&watched.lock);
    found = watched.found;
    watched.bytes = bytes;
    watched.size = size;
    watched.found = 0;
    pthread_mutex_unlock(&watched.lock);
    return found;
}

static void look_into(void *block)
{
    pthread_mutex_lock(&watched.lock);
    if (watched.bytes && memmem(block, malloc_usable_size(block), watched.bytes, watched.size))
        watched.found++;
    pthread_mutex_unlock(&watched.lock);
}

void alloc_fault_free(void *block)
{
    if (block) {
        atomic_fetch_sub(&held, 1);
        look_into(block);
    }
    free(block);
}

void *alloc_fault_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return refuse(ALLOC_FAULT_MEMORY) ? MAP_FAILED : mmap(at, size, protection, flags, fd, offset);
}

/* Of the operations only adding takes memory. */
int alloc_fault_epoll_ctl(int epoll_fd, int how, int fd, struct epoll_event *event)
{
    return how == EPOLL_CTL_ADD && refuse(ALLOC_FAULT_MEMORY) ? -1
                                                              : epoll_ctl(epoll_fd, how, fd, event);
}

int alloc_fault_epoll_create1(int flags)
{
    return refuse(ALLOC_FAULT_DESCRIPTORS) ? -1 : epoll_create1(flags);
}

int alloc_fault_eventfd(unsigned value, int flags)
{
    return refuse(ALLOC_FAULT_DESCRIPTORS) ? -1 : eventfd(value, flags);
}

int alloc_fault_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    atomic_fetch_add(&accepts, 1);
    return refuse(ALLOC_FAULT_MEMORY) || refuse(ALLOC_FAULT_DESCRIPTORS)
               ? -1
               : accept4(fd, address, size, flags);
}

int alloc_fault_openat(int directory, const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list arguments;

        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return refuse(ALLOC_FAULT_DESCRIPTORS) ? -1 : openat(directory, path, flags, mode);
}

int alloc_fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                               void *(*start)(void *), void *data)
{
    return refuse(ALLOC_FAULT_MEMORY) ? EAGAIN : pthread_create(thread, attributes, start, data);
}
