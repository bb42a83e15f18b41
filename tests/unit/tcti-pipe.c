/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI whose TPM is the test: its configuration is the number of a SOCK_SEQPACKET descriptor,
 * with "nopoll," in front for one without poll handles. Commands go out and answers come in as one
 * packet each. Localities and cancels go out as packets of their own (see engine-chip.h).
 */
#include "engine-chip.h"

#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#define PIPE_MAGIC UINT64_C(0x5049504550495045)

struct pipe_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    int fd;
    bool polls;
};

static struct pipe_tcti *pipe_of(TSS2_TCTI_CONTEXT *context)
{
    return (struct pipe_tcti *)context;
}

static TSS2_RC pipe_send(int fd, const uint8_t *bytes, size_t size)
{
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size ? TSS2_RC_SUCCESS
                                                                : TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC pipe_transmit(TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
    return pipe_send(pipe_of(context)->fd, command, size);
}

static TSS2_RC pipe_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                            int32_t timeout)
{
    int wait = timeout == TSS2_TCTI_TIMEOUT_BLOCK ? 0 : MSG_DONTWAIT, fd = pipe_of(context)->fd;
    ssize_t count = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | wait);

    if (count < 0)
        return errno == EAGAIN ? TSS2_TCTI_RC_TRY_AGAIN : TSS2_TCTI_RC_IO_ERROR;
    if (count == 0)
        return TSS2_TCTI_RC_IO_ERROR;
    if ((size_t)count > *size) {
        *size = (size_t)count;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    *size = (size_t)recv(fd, response, *size, 0);
    return TSS2_RC_SUCCESS;
}

static void pipe_finalize(TSS2_TCTI_CONTEXT *context)
{
    close(pipe_of(context)->fd);
}

static TSS2_RC pipe_cancel(TSS2_TCTI_CONTEXT *context)
{
    uint8_t packet[HEADER_SIZE];

    header_store(packet, ENGINE_CHIP_CANCEL, HEADER_SIZE, 0);
    return pipe_send(pipe_of(context)->fd, packet, sizeof(packet));
}

static TSS2_RC pipe_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles,
                                 size_t *count)
{
    struct pipe_tcti *tcti = pipe_of(context);

    if (!tcti->polls)
        return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    *count = 1;
    if (handles)
        *handles = (TSS2_TCTI_POLL_HANDLE){.fd = tcti->fd, .events = POLLIN | POLLOUT};
    return TSS2_RC_SUCCESS;
}

static TSS2_RC pipe_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    uint8_t packet[HEADER_SIZE];

    header_store(packet, ENGINE_CHIP_LOCALITY, HEADER_SIZE, locality);
    return pipe_send(pipe_of(context)->fd, packet, sizeof(packet));
}

static TSS2_RC pipe_init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *conf)
{
    struct pipe_tcti *tcti = pipe_of(context);
    bool polls = strncmp(conf, "nopoll,", 7) != 0;

    if (!tcti) {
        *size = sizeof(*tcti);
        return TSS2_RC_SUCCESS;
    }
    *tcti = (struct pipe_tcti){
        .common.v1 = {PIPE_MAGIC, 2, pipe_transmit, pipe_receive, pipe_finalize, pipe_cancel,
                      pipe_poll_handles, pipe_set_locality},
        .fd = fcntl(atoi(polls ? conf : conf + 7), F_DUPFD_CLOEXEC, 3),
        .polls = polls,
    };
    return tcti->fd >= 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

static const TSS2_TCTI_INFO pipe_info = {2, "pipe", "the test is the TPM", "[nopoll,]FD",
                                         pipe_init};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    return &pipe_info;
}
