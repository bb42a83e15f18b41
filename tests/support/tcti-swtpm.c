/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcti-swtpm.h"

#include "swtpm-ctrl.h"
#include "wire/header.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TCTI_SWTPM_MAGIC UINT64_C(0x7377747069636874)

struct tcti_swtpm {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    char *ctrl;
    int fd;
    int cancel_fd; /* a cancel whose result was not read yet, or -1 */
    int locality;  /* the one in force */
    bool sent;     /* a command is out and its response not handed over */
    bool broken;
    size_t have; /* bytes of the response that are here */
    uint8_t response[TCTI_SWTPM_RESPONSE_MAX];
};

static struct tcti_swtpm *tcti_swtpm(TSS2_TCTI_CONTEXT *tcti)
{
    return (struct tcti_swtpm *)(void *)tcti;
}

/* Reads the result of an earlier cancel, so that swtpm's control channel is free again. */
static void finish_cancel(struct tcti_swtpm *self)
{
    uint8_t result[4];

    if (self->cancel_fd < 0)
        return;
    (void)!recv(self->cancel_fd, result, sizeof(result), MSG_WAITALL);
    close(self->cancel_fd);
    self->cancel_fd = -1;
}

static TSS2_RC swtpm_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
    struct tcti_swtpm *self = tcti_swtpm(tcti);

    if (!command || size < HEADER_SIZE)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (self->sent)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (self->broken)
        return TSS2_TCTI_RC_IO_ERROR;
    finish_cancel(self);
    for (size_t at = 0; at < size;) {
        ssize_t wrote = send(self->fd, command + at, size - at, MSG_NOSIGNAL);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            self->broken = true;
            return TSS2_TCTI_RC_IO_ERROR;
        }
        at += (size_t)wrote;
    }
    self->sent = true;
    self->have = 0;
    return TSS2_RC_SUCCESS;
}

/* How many bytes the response must have as far as is known, or 0 when its header makes no sense. */
static size_t response_wants(const struct tcti_swtpm *self)
{
    uint32_t size;

    if (self->have < HEADER_SIZE)
        return HEADER_SIZE;
    size = header_load(self->response).size;
    return size >= HEADER_SIZE && size <= sizeof(self->response) ? size : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for bytes until `deadline` (negative: for ever) and reads them. */
static TSS2_RC read_some(struct tcti_swtpm *self, size_t wanted, int64_t deadline)
{
    struct pollfd pollfd = {.fd = self->fd, .events = POLLIN};
    int64_t left = deadline < 0 ? -1 : deadline - now_ms();
    ssize_t got;
    int ready;

    if (deadline >= 0 && left < 0)
        left = 0;
    ready = poll(&pollfd, 1, (int)left);
    if (ready < 0)
        return errno == EINTR ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
    if (ready == 0)
        return TSS2_TCTI_RC_TRY_AGAIN;
    got = recv(self->fd, self->response + self->have, wanted - self->have, 0);
    if (got < 0 && errno == EINTR)
        return TSS2_RC_SUCCESS;
    if (got <= 0)
        return TSS2_TCTI_RC_IO_ERROR;
    self->have += (size_t)got;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC swtpm_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
                             int32_t timeout)
{
    struct tcti_swtpm *self = tcti_swtpm(tcti);
    int64_t deadline = timeout < 0 ? -1 : now_ms() + timeout;
    size_t wants;

    if (!size)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (!self->sent)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    while ((wants = response_wants(self)) != self->have) {
        TSS2_RC rc = wants > 0 ? read_some(self, wants, deadline) : TSS2_TCTI_RC_MALFORMED_RESPONSE;

        if (rc == TSS2_TCTI_RC_TRY_AGAIN)
            return rc;
        if (rc != TSS2_RC_SUCCESS) {
            self->broken = true;
            self->sent = false;
            return rc;
        }
    }
    if (response && *size < self->have) {
        *size = self->have;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    *size = self->have;
    if (response) {
        memcpy(response, self->response, self->have);
        explicit_bzero(self->response, self->have);
        self->sent = false;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC swtpm_cancel(TSS2_TCTI_CONTEXT *tcti)
{
    struct tcti_swtpm *self = tcti_swtpm(tcti);

    if (!self->ctrl)
        return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    if (!self->sent)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (self->cancel_fd >= 0)
        return TSS2_RC_SUCCESS;
    self->cancel_fd = swtpm_ctrl_send(self->ctrl, SWTPM_CTRL_CANCEL);
    return self->cancel_fd < 0 ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

static TSS2_RC swtpm_poll_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles,
                                  size_t *count)
{
    if (!count)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (handles && *count < 1)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    if (handles)
        handles[0] = (struct pollfd){.fd = tcti_swtpm(tcti)->fd, .events = POLLIN};
    *count = 1;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC swtpm_set_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
    struct tcti_swtpm *self = tcti_swtpm(tcti);
    int64_t result;

    if (!self->ctrl)
        return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    if (self->sent)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (locality > 4)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (self->locality == locality)
        return TSS2_RC_SUCCESS;
    finish_cancel(self);
    result = swtpm_ctrl(self->ctrl, SWTPM_CTRL_SET_LOCALITY, &locality, 1);
    if (result != 0)
        return result < 0 ? TSS2_TCTI_RC_IO_ERROR : TSS2_TCTI_RC_BAD_VALUE;
    self->locality = locality;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC swtpm_make_sticky(TSS2_TCTI_CONTEXT *tcti, TPM2_HANDLE *handle, uint8_t sticky)
{
    (void)tcti;
    (void)handle;
    (void)sticky;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static void swtpm_finalize(TSS2_TCTI_CONTEXT *tcti)
{
    struct tcti_swtpm *self = tcti_swtpm(tcti);

    if (self->fd >= 0)
        close(self->fd);
    if (self->cancel_fd >= 0)
        close(self->cancel_fd);
    self->fd = self->cancel_fd = -1;
    free(self->ctrl);
    self->ctrl = NULL;
    explicit_bzero(self->response, sizeof(self->response));
}

TSS2_TCTI_CONTEXT *tcti_swtpm_new(const char *server, const char *ctrl)
{
    struct tcti_swtpm *self = calloc(1, sizeof(*self));

    if (!self)
        return NULL;
    self->cancel_fd = -1;
    self->fd = swtpm_connect(server);
    if (self->fd < 0)
        errno = -self->fd;
    else if (ctrl)
        self->ctrl = strdup(ctrl);
    if (self->fd < 0 || (ctrl && !self->ctrl)) {
        int error = errno;

        tcti_swtpm_free((TSS2_TCTI_CONTEXT *)self);
        errno = error;
        return NULL;
    }
    self->common = (TSS2_TCTI_CONTEXT_COMMON_V2){
        .v1 = {.magic = TCTI_SWTPM_MAGIC,
               .version = 2,
               .transmit = swtpm_transmit,
               .receive = swtpm_receive,
               .finalize = swtpm_finalize,
               .cancel = swtpm_cancel,
               .getPollHandles = swtpm_poll_handles,
               .setLocality = swtpm_set_locality},
        .makeSticky = swtpm_make_sticky,
    };
    /* swtpm keeps the locality of the connection before this one. */
    self->locality = -1;
    if (ctrl && swtpm_set_locality((TSS2_TCTI_CONTEXT *)self, 0) != TSS2_RC_SUCCESS) {
        tcti_swtpm_free((TSS2_TCTI_CONTEXT *)self);
        errno = EIO;
        return NULL;
    }
    return (TSS2_TCTI_CONTEXT *)self;
}

void tcti_swtpm_free(TSS2_TCTI_CONTEXT *tcti)
{
    if (!tcti)
        return;
    swtpm_finalize(tcti);
    free(tcti);
}
