/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCTI of TSS 2.0 (TCTI specification 1.0, version 2 of the context): checks of the caller's
 * arguments, and the order in which calls are allowed, which is the table below.
 *
 * A context is used by one thread at a time, with one exception: cancel may be called while
 * another thread waits in receive.
 */
#include "tss2-tcti-tabrmd.h"

#include <stdatomic.h>
#include <string.h>

#include "connection.h"
#include "deadline.h"
#include "logger.h"

#define TCTI_MAGIC   UINT64_C(0x7461627274637469) /* "tabrtcti" */
#define TCTI_VERSION 2

enum tcti_state {
    TCTI_IDLE,        /* a command may be sent */
    TCTI_OUTSTANDING, /* a command was sent, its response not yet received whole */
    TCTI_BROKEN,      /* the connection failed; nothing but finalize helps */
};

enum tcti_call {
    TCTI_TRANSMIT,
    TCTI_RECEIVE,
    TCTI_CANCEL,
    TCTI_POLL_HANDLES,
    TCTI_SET_LOCALITY,
};

/* The result of a call in a state before it does anything; 0 lets the call go on. finalize is
 * always allowed, and makeSticky never implemented. */
static const TSS2_RC tcti_allowed[][TCTI_SET_LOCALITY + 1] = {
    [TCTI_IDLE] =
        {
            [TCTI_RECEIVE] = TSS2_TCTI_RC_BAD_SEQUENCE,
            [TCTI_CANCEL] = TSS2_TCTI_RC_BAD_SEQUENCE,
        },
    [TCTI_OUTSTANDING] =
        {
            [TCTI_TRANSMIT] = TSS2_TCTI_RC_BAD_SEQUENCE,
            [TCTI_SET_LOCALITY] = TSS2_TCTI_RC_BAD_SEQUENCE,
        },
    [TCTI_BROKEN] =
        {
            [TCTI_TRANSMIT] = TSS2_TCTI_RC_NO_CONNECTION,
            [TCTI_RECEIVE] = TSS2_TCTI_RC_NO_CONNECTION,
            [TCTI_CANCEL] = TSS2_TCTI_RC_NO_CONNECTION,
            [TCTI_POLL_HANDLES] = TSS2_TCTI_RC_NO_CONNECTION,
            [TCTI_SET_LOCALITY] = TSS2_TCTI_RC_NO_CONNECTION,
        },
};

struct tcti {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    struct connection connection;
    atomic_int state; /* enum tcti_state; cancel reads it beside a receive */
};

/* The context as ours, or NULL for anything that Init did not make or finalize has ended. */
static struct tcti *tcti_cast(TSS2_TCTI_CONTEXT *context)
{
    struct tcti *tcti = (struct tcti *)(void *)context;

    if (tcti == NULL || tcti->common.v1.magic != TCTI_MAGIC
        || tcti->common.v1.version != TCTI_VERSION)
        return NULL;
    return tcti;
}

static void tcti_set_state(struct tcti *tcti, enum tcti_state state)
{
    atomic_store_explicit(&tcti->state, (int)state, memory_order_relaxed);
}

/* A child has the parent's connection, but not the parent's command. */
static TSS2_RC tcti_adopt(struct tcti *tcti)
{
    if (!connection_adopt(&tcti->connection)) {
        if (atomic_load_explicit(&tcti->state, memory_order_relaxed) != TCTI_BROKEN)
            logger_error("a forked child cannot use its parent's TPM connection; it needs its own");
        tcti_set_state(tcti, TCTI_BROKEN);
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    if (atomic_load_explicit(&tcti->state, memory_order_relaxed) == TCTI_OUTSTANDING)
        tcti_set_state(tcti, TCTI_IDLE);
    return TSS2_RC_SUCCESS;
}

/* The checks that every call begins with. */
static TSS2_RC tcti_check(TSS2_TCTI_CONTEXT *context, struct tcti **tcti)
{
    *tcti = tcti_cast(context);
    if (context == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    if (*tcti == NULL)
        return TSS2_TCTI_RC_BAD_CONTEXT;
    return connection_forked(&(*tcti)->connection) ? tcti_adopt(*tcti) : TSS2_RC_SUCCESS;
}

static TSS2_RC tcti_check_state(const struct tcti *tcti, enum tcti_call call)
{
    return tcti_allowed[atomic_load_explicit(&tcti->state, memory_order_relaxed)][call];
}

/* Takes the connection for a command or a request. */
static TSS2_RC tcti_take(struct tcti *tcti)
{
    TSS2_RC rc = connection_take(&tcti->connection);

    if (rc != TSS2_RC_SUCCESS)
        tcti_set_state(tcti, TCTI_BROKEN);
    return rc;
}

/* Notes what a result of the stream leaves of the connection. */
static TSS2_RC tcti_after(struct tcti *tcti, TSS2_RC rc)
{
    if (rc == TSS2_TCTI_RC_IO_ERROR || rc == TSS2_TCTI_RC_MALFORMED_RESPONSE
        || rc == TSS2_TCTI_RC_MEMORY) {
        tcti_set_state(tcti, TCTI_BROKEN);
        connection_break(&tcti->connection);
    }
    return rc;
}

static TSS2_RC tcti_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (command == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    rc = tcti_check_state(tcti, TCTI_TRANSMIT);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (size < HEADER_SIZE || header_load(command).size != size) {
        logger_error("a command of %zu bytes whose header says another size", size);
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    if (tcti->connection.stream.control && control_frame_is(command)) {
        logger_error("a command with the tag of a control frame");
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    rc = tcti_take(tcti);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = stream_send(&tcti->connection.stream, command, size);
    if (rc == TSS2_RC_SUCCESS)
        tcti_set_state(tcti, TCTI_OUTSTANDING);
    return tcti_after(tcti, rc);
}

/* Receives the whole response, or its size; an error when neither comes before the deadline. */
static TSS2_RC tcti_receive_until(struct stream *stream, size_t *size, uint8_t *response,
                                  int64_t deadline)
{
    size_t needed = 0;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (response != NULL)
        rc = stream_response_quick(stream, response, *size, &needed, deadline);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (needed != 0) {
        *size = needed;
        return rc;
    }
    rc = stream_response_size(stream, &needed, deadline);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (response != NULL && *size < needed)
        rc = TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    else if (response != NULL)
        rc = stream_response_take(stream, response, needed, deadline);
    if (rc == TSS2_RC_SUCCESS || rc == TSS2_TCTI_RC_INSUFFICIENT_BUFFER)
        *size = needed;
    return rc;
}

static TSS2_RC tcti_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                            int32_t timeout)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (size == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    rc = tcti_check_state(tcti, TCTI_RECEIVE);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (timeout < TSS2_TCTI_TIMEOUT_BLOCK)
        return TSS2_TCTI_RC_BAD_VALUE;
    rc = tcti_receive_until(&tcti->connection.stream, size, response,
                            timeout == TSS2_TCTI_TIMEOUT_BLOCK  ? DEADLINE_NEVER
                            : timeout == TSS2_TCTI_TIMEOUT_NONE ? DEADLINE_NOW
                                                                : deadline_in((unsigned)timeout));
    if (rc == TSS2_RC_SUCCESS && response != NULL) {
        tcti_set_state(tcti, TCTI_IDLE);
        connection_give(&tcti->connection);
    }
    return tcti_after(tcti, rc);
}

static TSS2_RC tcti_cancel(TSS2_TCTI_CONTEXT *context)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    if (rc == TSS2_RC_SUCCESS)
        rc = tcti_check_state(tcti, TCTI_CANCEL);
    /* A cancel that fails does not break the connection: if the connection is broken, receive finds
     * that. */
    return rc == TSS2_RC_SUCCESS ? connection_cancel(&tcti->connection) : rc;
}

static TSS2_RC tcti_get_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles,
                                     size_t *num_handles)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (num_handles == NULL)
        return TSS2_TCTI_RC_BAD_REFERENCE;
    rc = tcti_check_state(tcti, TCTI_POLL_HANDLES);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (handles != NULL && *num_handles < 1)
        rc = TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    else if (handles != NULL)
        handles[0] = (TSS2_TCTI_POLL_HANDLE){.fd = tcti->connection.stream.fd, .events = POLLIN};
    *num_handles = 1;
    return rc;
}

static TSS2_RC tcti_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    if (rc == TSS2_RC_SUCCESS)
        rc = tcti_check_state(tcti, TCTI_SET_LOCALITY);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    /* TPM 2.0 Library Part 2, "TPMA_LOCALITY": 5 to 31 do not exist. */
    if (locality > 4 && locality < 32)
        return TSS2_TCTI_RC_BAD_VALUE;
    rc = tcti_take(tcti);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = connection_set_locality(&tcti->connection, locality);
    /* Neither a daemon that is slow to answer nor a bus that broke harms the stream of commands. */
    if (tcti->connection.peer == NULL)
        tcti_after(tcti, rc);
    if (tcti_check_state(tcti, TCTI_SET_LOCALITY) == TSS2_RC_SUCCESS)
        connection_give(&tcti->connection);
    return rc == TSS2_TCTI_RC_TRY_AGAIN ? TSS2_TCTI_RC_IO_ERROR : rc;
}

static TSS2_RC tcti_make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
    struct tcti *tcti;
    TSS2_RC rc = tcti_check(context, &tcti);

    (void)handle;
    (void)sticky;
    return rc == TSS2_RC_SUCCESS ? TSS2_TCTI_RC_NOT_IMPLEMENTED : rc;
}

static void tcti_finalize(TSS2_TCTI_CONTEXT *context)
{
    struct tcti *tcti = tcti_cast(context);

    if (tcti == NULL)
        return;
    if (connection_forked(&tcti->connection))
        connection_adopt(&tcti->connection);
    connection_close(&tcti->connection);
    explicit_bzero(tcti, sizeof(*tcti));
}

static TSS2_RC tcti_open(struct tcti *tcti, const char *conf)
{
    struct conf parsed;
    const char *wrong = conf_parse(&parsed, conf);
    TSS2_RC rc;

    if (wrong != NULL) {
        logger_error("bad configuration \"%s\": %s", conf, wrong);
        return TSS2_TCTI_RC_BAD_VALUE;
    }
    memset(tcti, 0, sizeof(*tcti));
    rc = connection_open(&tcti->connection, &parsed);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    tcti->common.v1.magic = TCTI_MAGIC;
    tcti->common.v1.version = TCTI_VERSION;
    tcti->common.v1.transmit = tcti_transmit;
    tcti->common.v1.receive = tcti_receive;
    tcti->common.v1.finalize = tcti_finalize;
    tcti->common.v1.cancel = tcti_cancel;
    tcti->common.v1.getPollHandles = tcti_get_poll_handles;
    tcti->common.v1.setLocality = tcti_set_locality;
    tcti->common.makeSticky = tcti_make_sticky;
    return TSS2_RC_SUCCESS;
}

__attribute__((visibility("default"))) TSS2_RC Tss2_Tcti_Tabrmd_Init(TSS2_TCTI_CONTEXT *context,
                                                                     size_t *size, const char *conf)
{
    struct tcti *tcti = (struct tcti *)(void *)context;
    TSS2_RC rc;

    if (size == NULL)
        return TSS2_TCTI_RC_BAD_VALUE;
    if (context == NULL) {
        *size = sizeof(*tcti);
        return TSS2_RC_SUCCESS;
    }
    if (*size < sizeof(*tcti))
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    /* A caller that names no configuration only tries whether tabrmd is there. */
    logger_configure(conf != NULL ? LOGGER_ERROR : LOGGER_NONE);
    rc = tcti_open(tcti, conf);
    logger_configure(LOGGER_ERROR);
    return rc;
}

static const TSS2_TCTI_INFO tcti_info = {
    .version = TCTI_VERSION,
    .name = "tcti-tabrmd",
    .description = "TCTI for the TPM access broker and resource manager tabrmd",
    .config_help = "Comma separated items: bus_name=NAME and bus_type=system|session, or "
                   "socket=PATH, or tpm=NAME. Empty: the usual socket, else the system bus.",
    .init = Tss2_Tcti_Tabrmd_Init,
};

extern const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

__attribute__((visibility("default"))) const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    return &tcti_info;
}
