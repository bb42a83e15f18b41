/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Microsoft's reference code, TcpServer.c and TpmTcpProtocol.h: a request is a number of four
 * bytes, for some with more behind it; what is done is answered with four bytes of zero, behind
 * what was asked for. Some clients send signals to the command port that belong to the platform
 * port, so either takes all of them.
 */
#include "bridge-protocol.h"
#include "wire/bytes.h"

#include <string.h>

/* TpmTcpProtocol.h, "TPM Commands" and "Platform commands". */
enum mssim_code {
    MSSIM_POWER_ON = 1,
    MSSIM_POWER_OFF = 2,
    MSSIM_PHYSICAL_PRESENCE_ON = 3,
    MSSIM_PHYSICAL_PRESENCE_OFF = 4,
    MSSIM_HASH_START = 5,
    MSSIM_HASH_DATA = 6,
    MSSIM_HASH_END = 7,
    MSSIM_SEND_COMMAND = 8,
    MSSIM_CANCEL_ON = 9,
    MSSIM_CANCEL_OFF = 10,
    MSSIM_NV_ON = 11,
    MSSIM_NV_OFF = 12,
    MSSIM_KEY_CACHE_ON = 13,
    MSSIM_KEY_CACHE_OFF = 14,
    MSSIM_REMOTE_HANDSHAKE = 15,
    MSSIM_SET_ALTERNATIVE_RESULT = 16,
    MSSIM_RESET = 17,
    MSSIM_RESTART = 18,
    MSSIM_SESSION_END = 20,
    MSSIM_STOP = 21,
    MSSIM_ACT_GET_SIGNALED = 26,
    MSSIM_TEST_FAILURE_MODE = 30,
};

/* The version of the protocol, and what the handshake says of the end point: it has a platform
 * channel, and a resource manager stands before the TPM. */
#define MSSIM_VERSION  1
#define MSSIM_PLATFORM 1
#define MSSIM_MANAGED  2

/* Of SEND_COMMAND: the code, the locality and the size. */
#define MSSIM_COMMAND_HEAD 9

/* The request takes `size` bytes, if they are there. */
static bool mssim_whole(struct bridge_request *request, size_t have, size_t size)
{
    request->size = size;
    request->action = have < size ? BRIDGE_WAIT : BRIDGE_ANSWER;
    return have >= size;
}

static void mssim_reply(struct bridge_request *request, uint32_t value)
{
    store_be32(request->reply + request->reply_size, value);
    request->reply_size += 4;
}

static void mssim_command(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    if (!mssim_whole(request, have, MSSIM_COMMAND_HEAD))
        return;
    request->has_locality = true;
    request->locality = bytes[4];
    request->command = bytes + MSSIM_COMMAND_HEAD;
    request->command_size = load_be32(bytes + 5);
    if (request->command_size > BRIDGE_TPM_MAX)
        request->action = BRIDGE_BAD;
    else if (mssim_whole(request, have, MSSIM_COMMAND_HEAD + request->command_size))
        request->action = BRIDGE_COMMAND;
}

/* A sized buffer, of which nothing is made. */
static void mssim_hash_data(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    if (!mssim_whole(request, have, 8))
        return;
    if (load_be32(bytes + 4) > BRIDGE_TPM_MAX)
        request->action = BRIDGE_BAD;
    else if (mssim_whole(request, have, 8 + load_be32(bytes + 4)))
        mssim_reply(request, 0);
}

/* Four bytes behind the code, and `count` numbers in the reply. */
static void mssim_question(size_t have, struct bridge_request *request, unsigned count,
                           const uint32_t *numbers)
{
    if (!mssim_whole(request, have, 8))
        return;
    for (unsigned i = 0; i < count; i++)
        mssim_reply(request, numbers[i]);
    mssim_reply(request, 0);
}

static void mssim_signal(struct bridge_request *request, enum bridge_action action)
{
    request->action = action;
    request->size = 4;
    if (action != BRIDGE_END)
        mssim_reply(request, 0);
}

/* What is said of the end point, and of a timer of the TPM. */
static const uint32_t mssim_handshake[] = {MSSIM_VERSION, MSSIM_PLATFORM | MSSIM_MANAGED};
static const uint32_t mssim_not_signaled[] = {0};

static void mssim_act(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    switch ((enum mssim_code)load_be32(bytes)) {
    case MSSIM_SEND_COMMAND:
        mssim_command(bytes, have, request);
        break;
    case MSSIM_HASH_DATA:
        mssim_hash_data(bytes, have, request);
        break;
    case MSSIM_REMOTE_HANDSHAKE:
        mssim_question(have, request, 2, mssim_handshake);
        break;
    case MSSIM_SET_ALTERNATIVE_RESULT:
        mssim_question(have, request, 0, NULL);
        break;
    case MSSIM_ACT_GET_SIGNALED:
        mssim_question(have, request, 1, mssim_not_signaled);
        break;
    case MSSIM_CANCEL_ON:
        mssim_signal(request, BRIDGE_CANCEL);
        break;
    case MSSIM_SESSION_END:
    case MSSIM_STOP:
        mssim_signal(request, BRIDGE_END);
        break;
    case MSSIM_POWER_ON:
    case MSSIM_POWER_OFF:
    case MSSIM_PHYSICAL_PRESENCE_ON:
    case MSSIM_PHYSICAL_PRESENCE_OFF:
    case MSSIM_HASH_START:
    case MSSIM_HASH_END:
    case MSSIM_CANCEL_OFF:
    case MSSIM_NV_ON:
    case MSSIM_NV_OFF:
    case MSSIM_KEY_CACHE_ON:
    case MSSIM_KEY_CACHE_OFF:
    case MSSIM_RESET:
    case MSSIM_RESTART:
    case MSSIM_TEST_FAILURE_MODE:
        mssim_signal(request, BRIDGE_ANSWER);
        break;
    }
}

static void mssim_look(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    *request = (struct bridge_request){.action = BRIDGE_WAIT};
    if (have < 4)
        return;
    request->action = BRIDGE_BAD;
    mssim_act(bytes, have, request);
}

/* Its size before a response, and four bytes of zero behind it. */
static size_t mssim_wrap(const uint8_t *response, size_t size, uint8_t *reply)
{
    store_be32(reply, (uint32_t)size);
    memcpy(reply + 4, response, size);
    store_be32(reply + 4 + size, 0);
    return 4 + size + 4;
}

const struct bridge_protocol bridge_mssim_protocol = {.name = "mssim",
                                                      .commands = mssim_look,
                                                      .control = mssim_look,
                                                      .ibm = "mssim",
                                                      .wrap = mssim_wrap};
