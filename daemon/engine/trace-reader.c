/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/trace-reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct trace_reader *trace_reader_new(uint32_t account, const struct trace_filter *filter, int fd)
{
    struct trace_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return NULL;
    list_init(&reader->link);
    reader->watch.fd = fd;
    reader->account = account;
    reader->filter = *filter;
    return reader;
}

void trace_reader_free(struct trace_reader *reader)
{
    if (!reader)
        return;
    close(reader->watch.fd);
    free(reader);
}

/* Sends the record, which the reader is to have as it is. The same result. */
static bool trace_reader_send(struct trace_reader *reader, const struct trace_record *record,
                              uint8_t *command, uint8_t *response)
{
    uint8_t head[TRACE_RECORD_SIZE];
    struct iovec parts[] = {
        {head, sizeof(head)},
        {command, record->bytes.command},
        {response, record->bytes.response},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

    trace_record_store(head, record);
    if (sendmsg(reader->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        reader->lost = 0;
        return true;
    }
    reader->lost++;
    return errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN;
}

bool trace_reader_tell(struct trace_reader *reader, const struct trace_record *record,
                       uint8_t *command, uint8_t *response)
{
    struct trace_record own;

    if (!trace_filter_passes(&reader->filter, record))
        return true;
    own = *record;
    own.lost = reader->lost;
    if (!reader->filter.with_bytes)
        own.bytes.command = own.bytes.response = 0;
    return trace_reader_send(reader, &own, command, response);
}
