/* SPDX-License-Identifier: BSD-2-Clause */
/* As seams-heap.h, with descriptors, threads and the clock too. */
#pragma once

#include "alloc-fault-kernel.h"
#include "fake-clock.h"
#include "seams-heap.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define mmap(at, size, protection, flags, fd, from) \
    alloc_fault_mmap(at, size, protection, flags, fd, from)
#define epoll_ctl(epoll, how, fd, event)  alloc_fault_epoll_ctl(epoll, how, fd, event)
#define epoll_create1(flags)              alloc_fault_epoll_create1(flags)
#define eventfd(value, flags)             alloc_fault_eventfd(value, flags)
#define accept4(fd, address, size, flags) alloc_fault_accept4(fd, address, size, flags)
#define open(...)                         alloc_fault_openat(AT_FDCWD, __VA_ARGS__)
#define openat(...)                       alloc_fault_openat(__VA_ARGS__)
#define pthread_create(thread, how, start, data) \
    alloc_fault_pthread_create(thread, how, start, data)
#define clock_gettime(clock, now) fake_clock_gettime(clock, now)
