/* SPDX-License-Identifier: BSD-2-Clause */
/* One who reads a trace, behind a socket of type SOCK_SEQPACKET. Engine thread, where nothing else
 * is said. */
#pragma once

#include "engine/loop.h"
#include "engine/trace-filter.h"

struct trace_readers;

struct trace_reader {
    struct list link;
    struct watch watch;
    struct trace_readers *readers; /* NULL: it is not one of them yet */
    uint32_t account;              /* base/account.h */
    struct trace_filter filter;
    uint64_t lost; /* records since the last one that was sent */
};

/* One behind this socket, which it takes over on success; NULL without memory. Any thread. */
struct trace_reader *trace_reader_new(uint32_t account, const struct trace_filter *filter, int fd);

/* Closes its socket. One that no loop knows, or whose thread is the caller's. NULL is fine. */
void trace_reader_free(struct trace_reader *reader);

/*
 * Sends the reader a record, if its filter lets it through; with the bytes of the command and the
 * response, which the record has the sizes of, if the reader is to have them. Where the socket has
 * no room the record is lost. False when nobody reads any more.
 */
bool trace_reader_tell(struct trace_reader *reader, const struct trace_record *record,
                       uint8_t *command, uint8_t *response);
