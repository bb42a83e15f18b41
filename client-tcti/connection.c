/* SPDX-License-Identifier: BSD-2-Clause */
#include "connection.h"

#include <fcntl.h>
#include <string.h>

#include "connect-module.h"
#include "connect-socket.h"
#include "deadline.h"
#include "logger.h"

/* Verdicts that the daemon may give, and what each means to the caller of a TCTI. Those of the
 * resource manager's layer are TPM codes under that layer. Any other is no more than a refusal. */
static const struct {
    uint32_t verdict;
    TSS2_RC rc;
} connection_verdicts[] = {
    {TSS2_RC_SUCCESS, TSS2_RC_SUCCESS},
    {TSS2_TCTI_RC_BAD_SEQUENCE, TSS2_TCTI_RC_BAD_SEQUENCE},
    {TSS2_TCTI_RC_BAD_VALUE, TSS2_TCTI_RC_BAD_VALUE},
    {TSS2_TCTI_RC_NOT_IMPLEMENTED, TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {TSS2_TCTI_RC_NOT_PERMITTED, TSS2_TCTI_RC_NOT_PERMITTED},
    {TSS2_TCTI_RC_NO_CONNECTION, TSS2_TCTI_RC_NO_CONNECTION},
    {TSS2_RESMGR_RC_LAYER | TPM2_RC_LOCALITY, TSS2_TCTI_RC_BAD_VALUE},
    {TSS2_RESMGR_RC_LAYER | TPM2_RC_DISABLED, TSS2_TCTI_RC_NOT_PERMITTED},
};

static TSS2_RC connection_verdict(uint32_t verdict)
{
    size_t i;

    for (i = 0; i < sizeof(connection_verdicts) / sizeof(connection_verdicts[0]); i++)
        if (connection_verdicts[i].verdict == verdict)
            return connection_verdicts[i].rc;
    return TSS2_TCTI_RC_GENERAL_FAILURE;
}

/* The daemon says whether it takes this connection; a daemon that is stopped does not answer,
 * though the kernel has connected to its socket. */
static TSS2_RC connection_hello(struct connection *connection, int64_t deadline)
{
    uint8_t request[CONTROL_FRAME_MAX_REQUEST];
    uint32_t verdict = TSS2_RC_SUCCESS;
    size_t size = control_frame_request_store(request, CONTROL_FRAME_HELLO, 0);
    TSS2_RC rc = stream_send(&connection->stream, request, size);

    if (rc == TSS2_RC_SUCCESS)
        rc = stream_control_reply(&connection->stream, CONTROL_FRAME_HELLO, &verdict, deadline);
    if (rc == TSS2_TCTI_RC_TRY_AGAIN || rc == TSS2_TCTI_RC_IO_ERROR) {
        logger_error("tabrmd does not answer on its socket; is it stopped?");
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    if (rc != TSS2_RC_SUCCESS || verdict == TSS2_TCTI_RC_NOT_IMPLEMENTED)
        return rc;
    if (verdict != TSS2_RC_SUCCESS)
        logger_error("tabrmd refuses the connection: 0x%x", (unsigned)verdict);
    return connection_verdict(verdict);
}

static TSS2_RC connection_open_socket(struct connection *connection, int fd, int64_t deadline)
{
    TSS2_RC rc;

    stream_init(&connection->stream, fd, true);
    rc = connection_hello(connection, deadline);
    if (rc != TSS2_RC_SUCCESS)
        stream_close(&connection->stream);
    return rc;
}

static TSS2_RC connection_open_dbus(struct connection *connection, const struct conf *conf,
                                    int64_t deadline)
{
    char why[CONNECT_DBUS_WHY] = "";
    int fd = -1, flags;
    TSS2_RC rc;

    connection->dbus = connect_module_load(why);
    if (connection->dbus == NULL) {
        logger_error("%s", why);
        return TSS2_TCTI_RC_NOT_SUPPORTED;
    }
    rc = connection->dbus->open(&connection->peer, &fd, conf->bus, conf->bus_name, deadline, why);
    if (rc != TSS2_RC_SUCCESS) {
        logger_error("no connection to tabrmd as %s on the %s bus: %s", conf->bus_name,
                     conf->bus == CONF_BUS_SESSION ? "session" : "system", why);
        return rc;
    }
    stream_init(&connection->stream, fd, false);
    /* Waits without end are blocking reads. */
    flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return rc;
}

/* Whether nobody listens there, so that the daemon may still be found, or started, over D-Bus. */
static bool connection_nobody(int failed)
{
    return failed == ENOENT || failed == ENOTDIR || failed == ECONNREFUSED;
}

TSS2_RC connection_open(struct connection *connection, const struct conf *conf)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    int fd;

    *connection = (struct connection){.stream = {.fd = -1}};
    if (conf->transport == CONF_DBUS)
        return connection_open_dbus(connection, conf, deadline);
    fd = connect_socket(conf->socket, strlen(conf->socket), deadline);
    if (fd >= 0)
        return connection_open_socket(connection, fd, deadline);
    if (conf->transport == CONF_DEFAULT && connection_nobody(-fd))
        return connection_open_dbus(connection, conf, deadline);
    logger_error("cannot connect to tabrmd at %s: %s", conf->socket, strerror(-fd));
    return fd == -EACCES || fd == -EPERM ? TSS2_TCTI_RC_NOT_PERMITTED : TSS2_TCTI_RC_NO_CONNECTION;
}

TSS2_RC connection_cancel(struct connection *connection)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    uint32_t verdict = TSS2_RC_SUCCESS;
    uint8_t request[CONTROL_FRAME_MAX_REQUEST];
    char why[CONNECT_DBUS_WHY] = "";
    TSS2_RC rc;

    if (connection->dbus == NULL)
        return stream_send(&connection->stream, request,
                           control_frame_request_store(request, CONTROL_FRAME_CANCEL, 0));
    rc = connection->dbus->cancel(connection->peer, &verdict, deadline, why);
    if (rc != TSS2_RC_SUCCESS) {
        logger_warning("tabrmd did not cancel: %s", why);
        return rc;
    }
    return verdict == TSS2_TCTI_RC_BAD_SEQUENCE ? TSS2_RC_SUCCESS : connection_verdict(verdict);
}

TSS2_RC connection_set_locality(struct connection *connection, uint8_t locality)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    uint32_t verdict = TSS2_RC_SUCCESS;
    uint8_t request[CONTROL_FRAME_MAX_REQUEST];
    char why[CONNECT_DBUS_WHY] = "";
    TSS2_RC rc;

    if (connection->dbus != NULL) {
        rc = connection->dbus->set_locality(connection->peer, locality, &verdict, deadline, why);
    } else {
        rc =
            stream_send(&connection->stream, request,
                        control_frame_request_store(request, CONTROL_FRAME_SET_LOCALITY, locality));
        if (rc == TSS2_RC_SUCCESS)
            rc = stream_control_reply(&connection->stream, CONTROL_FRAME_SET_LOCALITY, &verdict,
                                      deadline);
    }
    if (rc != TSS2_RC_SUCCESS) {
        logger_warning("tabrmd did not set locality %u: %s", locality,
                       rc == TSS2_TCTI_RC_TRY_AGAIN ? "no answer in time" : why);
        return rc;
    }
    return connection_verdict(verdict);
}

void connection_close(struct connection *connection)
{
    stream_close(&connection->stream);
    if (connection->dbus != NULL)
        connection->dbus->close(connection->peer);
    connection->peer = NULL;
}
