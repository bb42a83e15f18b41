/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel and the thread library give, and refuse during a shortage; see alloc-fault.h. */
#pragma once

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

void *alloc_fault_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int alloc_fault_epoll_ctl(int epoll_fd, int how, int fd, struct epoll_event *event);
int alloc_fault_epoll_create1(int flags);
int alloc_fault_eventfd(unsigned value, int flags);
int alloc_fault_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int alloc_fault_openat(int directory, const char *path, int flags, ...);
int alloc_fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                               void *(*start)(void *), void *data);
