/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * swtpm's control channel (its tpm_ioctl.h): a code of four bytes and what belongs to it; the
 * answer begins with a result. A client sends one request and waits for its answer. Some send the
 * whole union of which a request is a part, so a request is what came in one go, and what it does
 * not need is skipped, as by swtpm.
 *
 * The TCTI of tpm2-tss connects anew for each command. QEMU passes a descriptor that it keeps.
 */
#include "bridge-protocol.h"
#include "wire/bytes.h"

enum swtpm_code {
    SWTPM_GET_CAPABILITY = 1,
    SWTPM_INIT = 2,
    SWTPM_SHUTDOWN = 3,
    SWTPM_GET_TPMESTABLISHED = 4,
    SWTPM_SET_LOCALITY = 5,
    SWTPM_CANCEL_TPM_CMD = 9,
    SWTPM_STORE_VOLATILE = 10,
    SWTPM_RESET_TPMESTABLISHED = 11,
    SWTPM_STOP = 14,
    SWTPM_GET_CONFIG = 15,
    SWTPM_SET_DATAFD = 16,
    SWTPM_SET_BUFFERSIZE = 17,
};

enum swtpm_capability {
    SWTPM_CAP_INIT = 1 << 0,
    SWTPM_CAP_SHUTDOWN = 1 << 1,
    SWTPM_CAP_GET_TPMESTABLISHED = 1 << 2,
    SWTPM_CAP_SET_LOCALITY = 1 << 3,
    SWTPM_CAP_CANCEL_TPM_CMD = 1 << 5,
    SWTPM_CAP_STORE_VOLATILE = 1 << 6,
    SWTPM_CAP_RESET_TPMESTABLISHED = 1 << 7,
    SWTPM_CAP_STOP = 1 << 10,
    SWTPM_CAP_GET_CONFIG = 1 << 11,
    SWTPM_CAP_SET_DATAFD = 1 << 12,
    SWTPM_CAP_SET_BUFFERSIZE = 1 << 13,
};

/* What is answered and does not mislead: no hashes of a dynamic root of trust, no state to take. */
#define SWTPM_CAPABILITIES                                                                       \
    (SWTPM_CAP_INIT | SWTPM_CAP_SHUTDOWN | SWTPM_CAP_GET_TPMESTABLISHED | SWTPM_CAP_SET_LOCALITY \
     | SWTPM_CAP_CANCEL_TPM_CMD | SWTPM_CAP_STORE_VOLATILE | SWTPM_CAP_RESET_TPMESTABLISHED      \
     | SWTPM_CAP_STOP | SWTPM_CAP_GET_CONFIG | SWTPM_CAP_SET_DATAFD | SWTPM_CAP_SET_BUFFERSIZE)

/* Results, which are response codes of TPM 1.2. */
#define SWTPM_SUCCESS      0x00
#define SWTPM_BAD_ORDINAL  0x0a
#define SWTPM_BAD_LOCALITY 0x3d

static void swtpm_reply(struct bridge_request *request, uint32_t value)
{
    store_be32(request->reply + request->reply_size, value);
    request->reply_size += 4;
}

/* A reply of a result and one number. */
static void swtpm_number(struct bridge_request *request, uint32_t number)
{
    swtpm_reply(request, SWTPM_SUCCESS);
    swtpm_reply(request, number);
}

/* True when the `size` bytes that a request has at least are there. */
static bool swtpm_there(struct bridge_request *request, size_t have, size_t size)
{
    if (have < size)
        request->action = BRIDGE_WAIT;
    return have >= size;
}

static void swtpm_done(struct bridge_request *request, size_t have, size_t size,
                       enum bridge_action action)
{
    request->action = action;
    if (swtpm_there(request, have, size))
        swtpm_reply(request, SWTPM_SUCCESS);
}

static void swtpm_refusal(struct bridge_request *request, uint32_t result)
{
    store_be32(request->refusal, result);
    request->refusal_size = 4;
}

static void swtpm_locality(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    swtpm_done(request, have, 5, BRIDGE_LOCALITY);
    swtpm_refusal(request, SWTPM_BAD_LOCALITY);
    if (request->action == BRIDGE_LOCALITY)
        request->locality = bytes[4];
}

/* The wanted size, or 0 for the question; and then the size, the least and the greatest. */
static void swtpm_buffer(size_t have, struct bridge_request *request)
{
    if (!swtpm_there(request, have, 8))
        return;
    swtpm_number(request, BRIDGE_TPM_MAX);
    swtpm_reply(request, BRIDGE_TPM_MAX);
    swtpm_reply(request, BRIDGE_TPM_MAX);
}

/* True when the code is one of those that are known. */
static bool swtpm_act(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    switch ((enum swtpm_code)load_be32(bytes)) {
    case SWTPM_GET_CAPABILITY:
        swtpm_number(request, SWTPM_CAPABILITIES);
        return true;
    case SWTPM_GET_TPMESTABLISHED: /* a byte, and what aligns it */
    case SWTPM_GET_CONFIG:         /* no key encrypts its state */
        swtpm_number(request, 0);
        return true;
    case SWTPM_SET_LOCALITY:
        swtpm_locality(bytes, have, request);
        return true;
    case SWTPM_INIT:
        swtpm_done(request, have, 8, BRIDGE_ANSWER);
        return true;
    case SWTPM_RESET_TPMESTABLISHED:
        swtpm_done(request, have, 5, BRIDGE_ANSWER);
        return true;
    case SWTPM_SHUTDOWN:
    case SWTPM_STORE_VOLATILE:
    case SWTPM_STOP:
        swtpm_done(request, have, 4, BRIDGE_ANSWER);
        return true;
    case SWTPM_CANCEL_TPM_CMD:
        swtpm_done(request, have, 4, BRIDGE_CANCEL);
        return true;
    case SWTPM_SET_DATAFD:
        swtpm_done(request, have, 4, BRIDGE_DATA);
        swtpm_refusal(request, SWTPM_BAD_ORDINAL);
        return true;
    case SWTPM_SET_BUFFERSIZE:
        swtpm_buffer(have, request);
        return true;
    }
    return false;
}

static void swtpm_look(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    *request =
        (struct bridge_request){.action = have < 4 ? BRIDGE_WAIT : BRIDGE_ANSWER, .size = have};
    if (have >= 4 && !swtpm_act(bytes, have, request))
        swtpm_reply(request, SWTPM_BAD_ORDINAL);
}

const struct bridge_protocol bridge_swtpm_protocol = {.name = "swtpm",
                                                      .commands = bridge_raw_look,
                                                      .control = swtpm_look,
                                                      .shared = true,
                                                      .ibm = "raw",
                                                      .wrap = bridge_raw_wrap};
