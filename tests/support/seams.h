/* SPDX-License-Identifier: BSD-2-Clause */
/* As seams-heap.h, with descriptors, threads and the clock too. */
#pragma once

#include "fake-clock.h"
#include "scarce-kernel.h"
#include "seams-heap.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define mmap(at, size, protection, flags, fd, from) \
    scarce_mmap(at, size, protection, flags, fd, from)
#define epoll_ctl(epoll, how, fd, event)         scarce_epoll_ctl(epoll, how, fd, event)
#define epoll_create1(flags)                     scarce_epoll_create1(flags)
#define eventfd(value, flags)                    scarce_eventfd(value, flags)
#define accept4(fd, address, size, flags)        scarce_accept4(fd, address, size, flags)
#define open(...)                                scarce_openat(AT_FDCWD, __VA_ARGS__)
#define openat(...)                              scarce_openat(__VA_ARGS__)
#define pthread_create(thread, how, start, data) scarce_pthread_create(thread, how, start, data)
#define clock_gettime(clock, now)                fake_clock_gettime(clock, now)
