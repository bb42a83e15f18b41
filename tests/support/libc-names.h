/* SPDX-License-Identifier: BSD-2-Clause */
/* How a C library declares the functions that a test stands in for. */
#pragma once

#include <sys/socket.h>

#ifdef __GLIBC__
typedef __CONST_SOCKADDR_ARG libc_address; /* of connect() */
typedef int libc_flags;                    /* of sendmmsg() and recvmmsg() */
#else
typedef const struct sockaddr *libc_address;
typedef unsigned libc_flags;
#endif

static inline const void *libc_address_bytes(libc_address address)
{
#ifdef __GLIBC__
    return address.__sockaddr__;
#else
    return address;
#endif
}
