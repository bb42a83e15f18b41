/* SPDX-License-Identifier: BSD-2-Clause */
#include "connection.h"

#include <string.h>
#include <sys/ioctl.h>

#include "connect-socket.h"
#include "deadline.h"
#include "journal-recover.h"
#include "logger.h"

/* The daemon's verdicts, and what each means to the caller of a TCTI. Verdicts of the resource
 * manager's layer are TPM codes in that layer. Any other verdict is a plain refusal. */
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

/* Why a daemon says no to a hello, for the person who has to do something about it. */
static const char *connection_refusal(uint32_t verdict)
{
    switch (verdict) {
    case TSS2_TCTI_RC_NO_CONNECTION:
        return "it has as many connections as --max-connections and --max-connections-per-user "
               "allow, or is starting or ending; close some, or try again later";
    case TSS2_TCTI_RC_NOT_PERMITTED:
        return "this user may not use it";
    default:
        return "it does not say why; see its log";
    }
}

/* The daemon says whether it takes this connection; a daemon that is stopped does not answer,
 * though the kernel has connected to its socket. IO_ERROR, of which nothing is logged, when the
 * connection ended before the answer. */
static TSS2_RC connection_hello(struct connection *connection, const char *path, int64_t deadline)
{
    uint32_t verdict = TSS2_RC_SUCCESS;
    TSS2_RC rc = stream_request(&connection->stream, CONTROL_FRAME_HELLO, 0, &verdict, deadline);

    if (rc == TSS2_TCTI_RC_TRY_AGAIN) {
        logger_error("tabrmd does not answer at %s; is it stopped?", path);
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    if (rc == TSS2_TCTI_RC_IO_ERROR)
        return rc;
    if (rc != TSS2_RC_SUCCESS) {
        logger_error("what listens at %s does not answer as tabrmd does (0x%x)", path,
                     (unsigned)rc);
        return rc;
    }
    if (verdict == TSS2_RC_SUCCESS || verdict == TSS2_TCTI_RC_NOT_IMPLEMENTED)
        return TSS2_RC_SUCCESS;
    logger_error("tabrmd at %s refuses the connection: %s (0x%x)", path,
                 connection_refusal(verdict), (unsigned)verdict);
    return connection_verdict(verdict);
}

static TSS2_RC connection_open_socket(struct connection *connection, int fd, const char *path,
                                      int64_t deadline)
{
    TSS2_RC rc;

    stream_init(&connection->stream, fd, true);
    connection->stream.quiet = true;
    rc = connection_hello(connection, path, deadline);
    connection->stream.quiet = false;
    if (rc != TSS2_RC_SUCCESS)
        stream_close(&connection->stream);
    return rc;
}

static TSS2_RC connection_open_dbus(struct connection *connection, const struct conf *conf,
                                    int64_t deadline)
{
    char why[CONNECT_DBUS_WHY] = "";
    int fd = -1, off = 0;
    TSS2_RC rc;

    rc = connect_dbus_open(&connection->peer, &fd, conf->bus, conf->bus_name, deadline, why);
    if (rc != TSS2_RC_SUCCESS) {
        logger_error("no connection to tabrmd as %s on the %s bus: %s", conf->bus_name,
                     conf->bus == CONF_BUS_SESSION ? "session" : "system", why);
        return rc;
    }
    stream_init(&connection->stream, fd, false);
    /* Waits without end are blocking reads. */
    ioctl(fd, FIONBIO, &off);
    return rc;
}

/* What a person can do about a socket that cannot be connected to. */
static const char *connection_remedy(int failed)
{
    switch (failed) {
    case -ENOENT:
    case -ENOTDIR:
    case -ECONNREFUSED:
        return "is it running?";
    case -EACCES:
    case -EPERM:
        return "is this user in the group of that socket?";
    case -ETIMEDOUT:
        return "is it stopped?";
    case -EMFILE:
    case -ENFILE:
        return "close some descriptors, or raise the limit of open files";
    default:
        return "see its log";
    }
}

/* Whether nobody listens at the socket, so that the daemon may still be found, or started, over
 * D-Bus. */
static bool connection_nobody(int failed)
{
    return failed == -ENOENT || failed == -ENOTDIR || failed == -ECONNREFUSED;
}

/* A socket that cannot be connected to. */
static TSS2_RC connection_unreached(struct connection *connection, const struct conf *conf,
                                    int failed, int64_t deadline)
{
    if (conf->transport == CONF_DEFAULT && connection_nobody(failed))
        return connection_open_dbus(connection, conf, deadline);
    logger_error("cannot connect to tabrmd at %s: %s; %s", conf->socket, strerror(-failed),
                 connection_remedy(failed));
    return failed == -EACCES || failed == -EPERM ? TSS2_TCTI_RC_NOT_PERMITTED
                                                 : TSS2_TCTI_RC_NO_CONNECTION;
}

/* Whoever listens for the daemon lets connections wait for the next one, so there is no pause
 * between two tries. */
static TSS2_RC connection_open_any(struct connection *connection, const struct conf *conf)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    unsigned tries;
    TSS2_RC rc;
    int fd;

    if (conf->transport == CONF_DBUS)
        return connection_open_dbus(connection, conf, deadline);
    for (tries = 0; tries < DEADLINE_CONNECT_TRIES; tries++) {
        fd = connect_socket(conf->socket, strlen(conf->socket), deadline);
        if (fd < 0)
            return connection_unreached(connection, conf, fd, deadline);
        rc = connection_open_socket(connection, fd, conf->socket, deadline);
        if (rc != TSS2_TCTI_RC_IO_ERROR)
            return rc;
        logger_debug("tabrmd at %s went away without an answer", conf->socket);
    }
    logger_error("tabrmd at %s went away without an answer; has it ended?", conf->socket);
    return TSS2_TCTI_RC_NO_CONNECTION;
}

TSS2_RC connection_open(struct connection *connection, const struct conf *conf)
{
    TSS2_RC rc;

    *connection = (struct connection){.stream = {.fd = -1}};
    rc = connection_open_any(connection, conf);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    journal_open(&connection->journal);
    turn_init(&connection->turn, connection->stream.fd, connection->journal.page);
    if (connection->turn.page != NULL)
        connection->stream.journal = &connection->journal;
    return rc;
}

bool connection_forked(const struct connection *connection)
{
    return journal_forked(&connection->journal);
}

bool connection_adopt(struct connection *connection)
{
    stream_forked(&connection->stream);
    turn_forked(&connection->turn);
    if (connection->turn.page == NULL)
        return false;
    journal_adopt(&connection->journal);
    return true;
}

TSS2_RC connection_take(struct connection *connection)
{
    struct stream *stream = &connection->stream;
    bool first;
    int failed = turn_take(&connection->turn, &first);

    if (failed != 0) {
        logger_error("cannot lock the connection that this process shares: %s", strerror(-failed));
        return TSS2_TCTI_RC_IO_ERROR;
    }
    if (!first || journal_phase(stream->journal) == JOURNAL_IDLE)
        return TSS2_RC_SUCCESS;
    if (journal_phase(stream->journal) == JOURNAL_BROKEN) {
        logger_error("the connection broke in another process that shares it");
        turn_give(&connection->turn);
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    failed = journal_recover(stream->journal, stream->fd, stream->control);
    if (failed == 0)
        return TSS2_RC_SUCCESS;
    logger_error("a process that shared the connection ended, and what it left undone cannot be "
                 "finished: %s",
                 strerror(-failed));
    turn_give(&connection->turn);
    return TSS2_TCTI_RC_IO_ERROR;
}

void connection_give(struct connection *connection)
{
    turn_give(&connection->turn);
}

void connection_break(struct connection *connection)
{
    if (connection->stream.journal != NULL)
        journal_break(connection->stream.journal);
    turn_give(&connection->turn);
}

/* A call over the bus that another process left in the middle makes its bytes unreadable. */
static void connection_bus_begin(struct connection *connection)
{
    struct journal_page *page = connection->turn.page;

    if (page == NULL)
        return;
    connect_dbus_share(connection->peer, atomic_load(&page->bus_serial),
                       atomic_exchange(&page->bus_busy, 1) == 0);
}

static void connection_bus_end(struct connection *connection)
{
    struct journal_page *page = connection->turn.page;
    uint32_t serial;

    if (page == NULL || !connect_dbus_shared(connection->peer, &serial))
        return;
    atomic_store(&page->bus_serial, serial);
    atomic_store(&page->bus_busy, 0);
}

/* Asks over the bus for a locality; with NULL, for the command to be canceled. To ask for the same
 * once more is harmless, but for a cancel when another command was sent meanwhile. */
static TSS2_RC connection_ask_bus(struct connection *connection, const uint8_t *locality,
                                  uint32_t *verdict, int64_t deadline, char *why)
{
    unsigned command = stream_command(&connection->stream), tries = 0;
    struct connect_dbus_peer *peer = connection->peer;
    TSS2_RC rc;

    connection_bus_begin(connection);
    do {
        rc = locality != NULL ? connect_dbus_set_locality(peer, *locality, verdict, deadline, why)
                              : connect_dbus_cancel(peer, verdict, deadline, why);
        if (rc == TSS2_RC_SUCCESS || ++tries == DEADLINE_CONNECT_TRIES
            || !connect_dbus_find(peer, connection->stream.fd, deadline, why))
            break;
        if (locality == NULL && stream_command(&connection->stream) != command)
            rc = TSS2_RC_SUCCESS;
    } while (rc != TSS2_RC_SUCCESS);
    connection_bus_end(connection);
    return rc;
}

static TSS2_RC connection_cancel_dbus(struct connection *connection)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    uint32_t verdict = TSS2_RC_SUCCESS;
    char why[CONNECT_DBUS_WHY] = "";
    TSS2_RC rc = connection_ask_bus(connection, NULL, &verdict, deadline, why);

    if (rc != TSS2_RC_SUCCESS) {
        logger_warning("tabrmd did not cancel: %s", why);
        return rc;
    }
    return verdict == TSS2_TCTI_RC_BAD_SEQUENCE ? TSS2_RC_SUCCESS : connection_verdict(verdict);
}

TSS2_RC connection_cancel(struct connection *connection)
{
    TSS2_RC rc;

    if (!turn_join(&connection->turn))
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    rc = connection->peer != NULL ? connection_cancel_dbus(connection)
                                  : stream_cancel(&connection->stream);
    turn_give(&connection->turn);
    return rc;
}

TSS2_RC connection_set_locality(struct connection *connection, uint8_t locality)
{
    int64_t deadline = deadline_in(DEADLINE_CONNECT_MS);
    uint32_t verdict = TSS2_RC_SUCCESS;
    char why[CONNECT_DBUS_WHY] = "the connection broke";
    TSS2_RC rc;

    if (connection->peer != NULL)
        rc = connection_ask_bus(connection, &locality, &verdict, deadline, why);
    else
        rc = stream_request(&connection->stream, CONTROL_FRAME_SET_LOCALITY, locality, &verdict,
                            deadline);
    if (rc != TSS2_RC_SUCCESS) {
        logger_warning("tabrmd did not set locality %u: %s", locality,
                       rc == TSS2_TCTI_RC_TRY_AGAIN ? "no answer in time" : why);
        return rc;
    }
    if (verdict == TSS2_RC_SUCCESS)
        return TSS2_RC_SUCCESS;
    logger_warning("tabrmd refuses locality %u to this user, or has none: 0x%x", locality,
                   (unsigned)verdict);
    /* Over the socket the daemon tells a locality that the user may not have from one that does not
     * exist; the caller gets BAD_VALUE for both, as over D-Bus. */
    return verdict == TSS2_TCTI_RC_NOT_PERMITTED ? TSS2_TCTI_RC_BAD_VALUE
                                                 : connection_verdict(verdict);
}

void connection_close(struct connection *connection)
{
    stream_close(&connection->stream);
    connect_dbus_close(connection->peer);
    journal_close(&connection->journal);
}
