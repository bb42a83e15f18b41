/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-tcti.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static int tcti_socket(const TSS2_TCTI_CONTEXT *context)
{
    const struct engine_tcti *tcti = (const struct engine_tcti *)context;

    return tcti->world->clients[tcti->client];
}

static TSS2_RC tcti_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    return send(tcti_socket(context), command, size, MSG_NOSIGNAL) == (ssize_t)size
               ? TSS2_RC_SUCCESS
               : TSS2_TCTI_RC_IO_ERROR;
}

/* Takes the response off the socket. */
static bool tcti_take(struct engine_tcti *tcti)
{
    int fd = tcti->world->clients[tcti->client];
    size_t rest;

    engine_world_await_answer(tcti->world, tcti->client);
    if (recv(fd, tcti->response, HEADER_SIZE, MSG_WAITALL) != HEADER_SIZE)
        return false;
    tcti->size = header_load(tcti->response).size;
    assert_in_range(tcti->size, HEADER_SIZE, sizeof(tcti->response));
    rest = tcti->size - HEADER_SIZE;
    return rest == 0 || recv(fd, tcti->response + HEADER_SIZE, rest, MSG_WAITALL) == (ssize_t)rest;
}

static TSS2_RC tcti_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                            int32_t timeout)
{
    struct engine_tcti *tcti = (struct engine_tcti *)context;

    (void)timeout;
    if (tcti->size == 0 && !tcti_take(tcti))
        return TSS2_TCTI_RC_IO_ERROR;
    if (response && *size < tcti->size)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    *size = tcti->size;
    if (!response)
        return TSS2_RC_SUCCESS;
    memcpy(response, tcti->response, tcti->size);
    tcti->size = 0;
    return TSS2_RC_SUCCESS;
}

static void tcti_finalize(TSS2_TCTI_CONTEXT *context)
{
    (void)context;
}

struct engine_tcti *engine_tcti_new(struct engine_world *world, int client)
{
    struct engine_tcti *tcti = calloc(1, sizeof(*tcti));

    assert_non_null(tcti);
    tcti->common.version = 1;
    tcti->common.transmit = tcti_transmit;
    tcti->common.receive = tcti_receive;
    tcti->common.finalize = tcti_finalize;
    tcti->world = world;
    tcti->client = client;
    assert_int_equal(Esys_Initialize(&tcti->esys, (TSS2_TCTI_CONTEXT *)tcti, NULL),
                     TSS2_RC_SUCCESS);
    return tcti;
}

void engine_tcti_free(struct engine_tcti *tcti)
{
    Esys_Finalize(&tcti->esys);
    free(tcti);
}
