/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI whose TPM is the test: its configuration is the number of a SOCK_SEQPACKET descriptor.
 * Words in front of it, each with a comma, make it an odd one:
 *
 *   nopoll      it has no poll handles
 *   polls=N     it has N poll handles, of which the last is the descriptor; the others are ready
 *               once, for nothing
 *   nolocality  it knows of no localities
 *   wait        opening it takes until one byte came in
 *
 * Commands go out and answers come in as one packet each. Localities and cancels go out as packets
 * of their own; a packet that claims a size comes in (see engine-chip.h).
 */
#include "engine-chip.h"

#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#define PIPE_MAGIC UINT64_C(0x5049504550495045)

#define PIPE_MOST_POLLS 16

struct pipe_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    int fd;
    bool polls, has_localities, claimed;
    size_t poll_count;
    int mute_fds[PIPE_MOST_POLLS]; /* before the last */
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

/* The packet that is next claims a size: said at first, and then there is an answer like that. */
static TSS2_RC pipe_claim(struct pipe_tcti *tcti, const struct header *claim, size_t *size,
                          uint8_t *response)
{
    if (!tcti->claimed) {
        tcti->claimed = true;
        *size = claim->code;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    tcti->claimed = false;
    recv(tcti->fd, NULL, 0, 0);
    if (claim->size == 0)
        return TSS2_TCTI_RC_IO_ERROR;
    memset(response, 0, *size);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC pipe_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                            int32_t timeout)
{
    uint8_t head[HEADER_SIZE];
    struct header header;
    int wait = timeout == TSS2_TCTI_TIMEOUT_BLOCK ? 0 : MSG_DONTWAIT, fd = pipe_of(context)->fd;
    ssize_t count = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | wait);

    if (count < 0)
        return errno == EAGAIN ? TSS2_TCTI_RC_TRY_AGAIN : TSS2_TCTI_RC_IO_ERROR;
    if (count == 0)
        return TSS2_TCTI_RC_IO_ERROR;
    if (recv(fd, head, sizeof(head), MSG_PEEK) == sizeof(head)) {
        header = header_load(head);
        if (header.tag == ENGINE_CHIP_CLAIM)
            return pipe_claim(pipe_of(context), &header, size, response);
    }
    if ((size_t)count > *size) {
        *size = (size_t)count;
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    *size = (size_t)recv(fd, response, *size, 0);
    return TSS2_RC_SUCCESS;
}

static void pipe_finalize(TSS2_TCTI_CONTEXT *context)
{
    struct pipe_tcti *tcti = pipe_of(context);

    close(tcti->fd);
    for (size_t i = 0; i + 1 < tcti->poll_count; i++)
        close(tcti->mute_fds[i]);
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
    for (size_t i = 0; handles && i < tcti->poll_count; i++)
        handles[i] =
            (TSS2_TCTI_POLL_HANDLE){.fd = i + 1 < tcti->poll_count ? tcti->mute_fds[i] : tcti->fd,
                                    .events = POLLIN | POLLOUT};
    *count = tcti->poll_count;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC pipe_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    uint8_t packet[HEADER_SIZE];

    if (!pipe_of(context)->has_localities)
        return TSS2_TCTI_RC_NOT_IMPLEMENTED;
    header_store(packet, ENGINE_CHIP_LOCALITY, HEADER_SIZE, locality);
    return pipe_send(pipe_of(context)->fd, packet, sizeof(packet));
}

/* Takes the word off the configuration, if it stands there next. */
static bool pipe_word(const char **conf, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*conf, word, length) != 0)
        return false;
    *conf += length;
    return true;
}

static void pipe_read_conf(struct pipe_tcti *tcti, const char *conf, bool *wait)
{
    while (*conf != '\0') {
        if (pipe_word(&conf, "nopoll,")) {
            tcti->polls = false;
        } else if (pipe_word(&conf, "polls=")) {
            tcti->poll_count = strtoul(conf, NULL, 10);
            conf = strchr(conf, ',') + 1;
        } else if (pipe_word(&conf, "nolocality,")) {
            tcti->has_localities = false;
        } else if (pipe_word(&conf, "wait,")) {
            *wait = true;
        } else {
            tcti->fd = fcntl(atoi(conf), F_DUPFD_CLOEXEC, 3);
            return;
        }
    }
}

static TSS2_RC pipe_init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *conf)
{
    struct pipe_tcti *tcti = pipe_of(context);
    bool wait = false;
    char byte;

    if (!tcti) {
        *size = sizeof(*tcti);
        return TSS2_RC_SUCCESS;
    }
    *tcti = (struct pipe_tcti){
        .common.v1 = {PIPE_MAGIC, 2, pipe_transmit, pipe_receive, pipe_finalize, pipe_cancel,
                      pipe_poll_handles, pipe_set_locality},
        .fd = -1,
        .polls = true,
        .has_localities = true,
        .poll_count = 1,
    };
    pipe_read_conf(tcti, conf, &wait);
    if (tcti->fd < 0)
        return TSS2_TCTI_RC_IO_ERROR;
    if (wait && recv(tcti->fd, &byte, 1, 0) != 1) {
        close(tcti->fd);
        return TSS2_TCTI_RC_IO_ERROR;
    }
    for (size_t i = 0; i + 1 < tcti->poll_count; i++)
        tcti->mute_fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    return TSS2_RC_SUCCESS;
}

static const TSS2_TCTI_INFO pipe_info = {2, "pipe", "the test is the TPM", "[WORD,]...FD",
                                         pipe_init};

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    return &pipe_info;
}
