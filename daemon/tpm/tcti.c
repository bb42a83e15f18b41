/* SPDX-License-Identifier: BSD-2-Clause */
#include "tpm/tcti.h"

#include "base/clock.h"
#include "rm/chip.h"
#include "rm/rc.h"
#include "tpm/fault.h"
#include "wire/header.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

/* More poll handles than any TCTI has. */
#define TCTI_MAX_HANDLES 8

/* Waits before a command is tried again, in milliseconds: the first, the longest, all together. */
#define TCTI_BACKOFF_FIRST  20
#define TCTI_BACKOFF_LONG   1000
#define TCTI_BACKOFF_BUDGET 15000

#define TCTI_LOCALITY_UNKNOWN (-1)

struct tcti {
    struct rm_tpm tpm;
    TSS2_TCTI_CONTEXT *context;
    struct tcti_waiter waiter;
    int epoll_fd;
    int locality; /* in force */
    bool polls;   /* while it is open: epoll_fd has the poll handles */
    _Atomic int64_t busy_since;
};

static struct tcti *tcti_of(struct rm_tpm *tpm)
{
    return (struct tcti *)(void *)((char *)tpm - offsetof(struct tcti, tpm));
}

/* 0: not busy. The time is all that other threads learn by it, so that no order is needed. */
static void tcti_set_busy(struct tcti *tcti, int64_t since)
{
    atomic_store_explicit(&tcti->busy_since, since, memory_order_relaxed);
}

/* The event data that stands for the waiter's descriptor and for a poll handle of the TPM. */
enum { TCTI_EVENT_WAITER, TCTI_EVENT_TPM };

/*
 * Serves the waiter for `pause` milliseconds, or with -1 until the TPM has an answer. 1 when the
 * TPM has an answer, 0 when the pause is over, or a negative errno. A clock that goes back ends the
 * pause.
 */
static int tcti_wait(struct tcti *tcti, int pause)
{
    struct epoll_event events[TCTI_MAX_HANDLES + 1];
    int64_t until = pause >= 0 ? clock_now() + pause : 0;

    for (;;) {
        int timeout = tcti->waiter.timeout ? tcti->waiter.timeout(tcti->waiter.data) : -1;
        bool serve = false, answer = false;
        int count;

        if (timeout == TCTI_GIVE_UP)
            return -ECANCELED;
        if (pause >= 0) {
            int64_t left = until - clock_now();

            if (left <= 0 || left > pause)
                return 0;
            if (timeout < 0 || left < timeout)
                timeout = (int)left;
        }
        count = epoll_wait(tcti->epoll_fd, events, TCTI_MAX_HANDLES + 1, timeout);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count; i++) {
            serve = serve || events[i].data.u32 == TCTI_EVENT_WAITER;
            answer = answer || events[i].data.u32 == TCTI_EVENT_TPM;
        }
        if (answer && pause < 0)
            return 1;
        if ((serve || count == 0) && tcti->waiter.serve)
            tcti->waiter.serve(tcti->waiter.data);
    }
}

/* Takes an answer that is too long for its buffer off the transport, so that the next command does
 * not get it for an answer. */
static int tcti_discard(struct tcti *tcti, size_t size)
{
    uint8_t *bytes;
    uint32_t rc;

    if (size > CHIP_MAX_BUFFER)
        return -EIO;
    bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    rc = Tss2_Tcti_Receive(tcti->context, &size, bytes, TSS2_TCTI_TIMEOUT_BLOCK);
    explicit_bzero(bytes, size);
    free(bytes);
    return rc == TSS2_RC_SUCCESS ? -EMSGSIZE : -EIO;
}

static int tcti_receive(struct tcti *tcti, uint8_t *response, size_t capacity, size_t *size)
{
    for (;;) {
        int32_t timeout = tcti->polls ? TSS2_TCTI_TIMEOUT_NONE : TSS2_TCTI_TIMEOUT_BLOCK;
        uint32_t rc;

        if (tcti->polls) {
            int error = tcti_wait(tcti, -1);

            if (error < 0)
                return error;
        }
        *size = capacity;
        rc = Tss2_Tcti_Receive(tcti->context, size, response, timeout);
        if (rc == TSS2_RC_SUCCESS)
            return *size <= capacity ? 0 : -EMSGSIZE;
        if (rc == TSS2_TCTI_RC_INSUFFICIENT_BUFFER && *size > capacity)
            return tcti_discard(tcti, *size);
        if (rc != TSS2_TCTI_RC_TRY_AGAIN)
            return -EIO;
    }
}

/* Puts a locality in force. A TCTI that cannot set localities has locality 0 alone. */
static bool tcti_set_locality(struct tcti *tcti, uint8_t locality)
{
    uint32_t rc;

    if (tcti->locality == locality)
        return true;
    rc = Tss2_Tcti_SetLocality(tcti->context, locality);
    if (rc != TSS2_RC_SUCCESS && (locality != 0 || tcti->locality > 0))
        return false;
    tcti->locality = locality;
    return true;
}

static int tcti_exchange(struct tcti *tcti, const uint8_t *command, size_t size, uint8_t *response,
                         size_t capacity, size_t *response_size)
{
    int error = -EIO;

    tcti_set_busy(tcti, clock_now());
    if (Tss2_Tcti_Transmit(tcti->context, size, command) == TSS2_RC_SUCCESS)
        error = tcti_receive(tcti, response, capacity, response_size);
    tcti_set_busy(tcti, 0);
    return error;
}

static int tcti_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                         uint8_t *response, size_t capacity, size_t *response_size)
{
    struct tcti *tcti = tcti_of(tpm);
    int error;

    if (!tcti->context)
        return -ENOTCONN;
    if (!tcti_set_locality(tcti, locality)) {
        if (capacity < HEADER_SIZE)
            return -EMSGSIZE;
        header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, RM_RC_LOCALITY);
        *response_size = HEADER_SIZE;
        return 0;
    }
    error = tcti_exchange(tcti, command, size, response, capacity, response_size);
    /* After any other error the answer may still be on its way: only a new transport is sure to be
     * at the start of an answer. */
    if (error && error != -EMSGSIZE)
        tcti_close(tcti);
    return error;
}

/* Milliseconds that the tries up to number `attempt` wait together; *last is the wait before try
 * `attempt`. */
static int tcti_backoff_total(unsigned attempt, int *last)
{
    int total = 0;

    *last = TCTI_BACKOFF_FIRST;
    for (unsigned i = 1; i <= attempt && total <= TCTI_BACKOFF_BUDGET; i++) {
        if (i > 1)
            *last *= 2;
        if (*last > TCTI_BACKOFF_LONG)
            *last = TCTI_BACKOFF_LONG;
        total += *last;
    }
    return total;
}

static bool tcti_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct tcti *tcti = tcti_of(tpm);
    int pause;

    if (tcti_backoff_total(attempt, &pause) > TCTI_BACKOFF_BUDGET)
        return false;
    return tcti->context && tcti_wait(tcti, pause) == 0;
}

/* Watches the poll handles: 1, 0 when there are none that can be watched, or -ENOMEM when the
 * kernel has no memory for that. The handles are watched for edges, for two reasons: a TCTI's
 * `events` may have POLLOUT, which is always ready, and to ask /dev/tpm0 for its level while a
 * command runs blocks until the command is done. */
static int tcti_watch(struct tcti *tcti)
{
    TSS2_TCTI_POLL_HANDLE handles[TCTI_MAX_HANDLES];
    size_t count = 0;

    if (Tss2_Tcti_GetPollHandles(tcti->context, NULL, &count) != TSS2_RC_SUCCESS || count == 0
        || count > TCTI_MAX_HANDLES)
        return 0;
    if (Tss2_Tcti_GetPollHandles(tcti->context, handles, &count) != TSS2_RC_SUCCESS)
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {EPOLLIN | EPOLLET, {.u32 = TCTI_EVENT_TPM}};

        if (epoll_ctl(tcti->epoll_fd, EPOLL_CTL_ADD, handles[i].fd, &event) < 0)
            return errno == ENOMEM || errno == ENOSPC ? -ENOMEM : 0;
    }
    return 1;
}

/* A fresh epoll set with the waiter's descriptor only: the device of a closed TCTI would stay in
 * the old set for as long as somebody else has it open. */
static int tcti_reset_epoll(struct tcti *tcti)
{
    struct epoll_event event = {EPOLLIN, {.u32 = TCTI_EVENT_WAITER}};

    if (tcti->epoll_fd >= 0)
        close(tcti->epoll_fd);
    tcti->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (tcti->epoll_fd < 0)
        return -errno;
    if (tcti->waiter.fd >= 0
        && epoll_ctl(tcti->epoll_fd, EPOLL_CTL_ADD, tcti->waiter.fd, &event) < 0)
        return -errno;
    return 0;
}

struct tcti *tcti_new(const struct tcti_waiter *waiter)
{
    struct tcti *tcti = calloc(1, sizeof(*tcti));

    if (!tcti)
        return NULL;
    tcti->tpm.transact = tcti_transact;
    tcti->tpm.backoff = tcti_backoff;
    tcti->waiter = *waiter;
    tcti->epoll_fd = -1;
    if (tcti_reset_epoll(tcti) < 0) {
        tcti_free(tcti);
        return NULL;
    }
    return tcti;
}

void tcti_free(struct tcti *tcti)
{
    if (!tcti)
        return;
    tcti_close(tcti);
    if (tcti->epoll_fd >= 0)
        close(tcti->epoll_fd);
    free(tcti);
}

uint32_t tcti_open(struct tcti *tcti, const char *conf)
{
    uint32_t rc;
    int watched;

    tcti_close(tcti);
    if (tcti_reset_epoll(tcti) < 0)
        return TSS2_TCTI_RC_MEMORY;
    if (!tpm_fault_may_open(conf))
        return TSS2_TCTI_RC_BAD_VALUE;
    tcti_set_busy(tcti, clock_now());
    rc = Tss2_TctiLdr_Initialize(conf, &tcti->context);
    tcti_set_busy(tcti, 0);
    if (rc != TSS2_RC_SUCCESS) {
        tcti->context = NULL;
        return rc;
    }
    tcti->locality = TCTI_LOCALITY_UNKNOWN;
    watched = tcti_watch(tcti);
    if (watched < 0) {
        tcti_close(tcti);
        return TSS2_TCTI_RC_MEMORY;
    }
    tcti->polls = watched;
    return TSS2_RC_SUCCESS;
}

void tcti_close(struct tcti *tcti)
{
    if (tcti->context)
        Tss2_TctiLdr_Finalize(&tcti->context);
}

bool tcti_is_open(const struct tcti *tcti)
{
    return tcti->context != NULL;
}

bool tcti_blocks(const struct tcti *tcti)
{
    return tcti->context && !tcti->polls;
}

int64_t tcti_busy_since(const struct tcti *tcti)
{
    return atomic_load(&tcti->busy_since);
}

uint32_t tcti_cancel(struct tcti *tcti)
{
    return tcti->context ? Tss2_Tcti_Cancel(tcti->context) : TSS2_TCTI_RC_NO_CONNECTION;
}

struct rm_tpm *tcti_tpm(struct tcti *tcti)
{
    return &tcti->tpm;
}
