/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/trace-readers.h"

#include "base/account.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>

static_assert(TRACE_READERS_PER_ACCOUNT <= TRACE_READERS_MAX - TRACE_READERS_NOT_ROOTS,
              "root has places of its own");
static_assert((int)TRACE_RECORD_OWN == (int)TRACE_OWN && (int)TRACE_RECORD_SAVE == (int)TRACE_SAVE
                  && (int)TRACE_RECORD_LOAD == (int)TRACE_LOAD
                  && (int)TRACE_RECORD_FLUSH == (int)TRACE_FLUSH
                  && (int)TRACE_RECORD_ASK == (int)TRACE_ASK
                  && (int)TRACE_RECORD_SENT_KINDS == (int)TRACE_SENT_KINDS,
              "the record counts what the manager counts");
static_assert((int)TRACE_RECORD_REFUSED == (int)TRACE_WAY_REFUSED
                  && (int)TRACE_RECORD_BY_MANAGER == (int)TRACE_WAY_MANAGER
                  && (int)TRACE_RECORD_BY_CACHE == (int)TRACE_WAY_CACHE,
              "the record names the manager's ways");
static_assert(TRACE_RECORD_PROGRAM == PEER_PROGRAM, "names of programs fit");

void trace_readers_init(struct trace_readers *readers, struct loop *loop)
{
    *readers = (struct trace_readers){.loop = loop};
    list_init(&readers->list);
}

/* Takes one off the list, so that it is counted no more, and frees it. */
static void trace_readers_remove(struct trace_readers *readers, struct trace_reader *reader)
{
    if (reader->filter.with_bytes)
        readers->copiers--;
    list_remove(&reader->link);
    trace_reader_free(reader);
}

static void trace_readers_wipe(uint8_t **bytes, size_t size)
{
    if (*bytes)
        explicit_bzero(*bytes, size);
    free(*bytes);
    *bytes = NULL;
}

/* Ends the record of the turn. */
static void trace_readers_end_turn(struct trace_readers *readers)
{
    trace_readers_wipe(&readers->command, readers->record.bytes.command);
    trace_readers_wipe(&readers->response, readers->record.bytes.response);
    readers->turn = false;
}

void trace_readers_clear(struct trace_readers *readers)
{
    list_for_each (it, &readers->list)
        trace_readers_remove(readers, list_entry(it, struct trace_reader, link));
    trace_readers_end_turn(readers);
}

/* Whether there is a place for one more reader of this account. */
static bool trace_readers_have_place(const struct trace_readers *readers, uint32_t account)
{
    unsigned all = 0, own = 0, roots = 0;

    list_for_each (it, &readers->list) {
        uint32_t holder = list_entry(it, struct trace_reader, link)->account;

        all++;
        own += holder == account;
        roots += holder == ACCOUNT_ROOT;
    }
    if (account != ACCOUNT_ROOT && all - roots >= TRACE_READERS_NOT_ROOTS)
        return false;
    return all < TRACE_READERS_MAX && own < TRACE_READERS_PER_ACCOUNT;
}

/* Nobody reads any more, if that is what happened. Also inside of a TPM command. */
static void trace_readers_happened(struct watch *watch, uint32_t events)
{
    struct trace_reader *reader = list_entry(watch, struct trace_reader, watch);

    if (events & (EPOLLHUP | EPOLLERR))
        trace_readers_remove(reader->readers, reader);
}

uint32_t trace_readers_add(struct trace_readers *readers, struct trace_reader *reader)
{
    if (!trace_readers_have_place(readers, reader->account))
        return TSS2_TCTI_RC_TRY_AGAIN;
    reader->readers = readers;
    reader->watch.happened = trace_readers_happened;
    if (loop_watch(readers->loop, &reader->watch, reader->watch.fd, 0) < 0)
        return TSS2_TCTI_RC_MEMORY;
    if (reader->filter.with_bytes)
        readers->copiers++;
    list_insert_before(&readers->list, &reader->link);
    return TSS2_RC_SUCCESS;
}

/* A copy for readers with bytes; NULL when there are none, or no memory. */
static uint8_t *trace_readers_copy(const struct trace_readers *readers, const uint8_t *bytes,
                                   size_t size)
{
    uint8_t *copy = readers->copiers > 0 ? malloc(size) : NULL;

    if (copy)
        memcpy(copy, bytes, size);
    return copy;
}

void trace_readers_begin(struct trace_readers *readers, struct client *client,
                         const uint8_t *command, size_t size)
{
    struct trace_record *record = &readers->record;

    readers->turn = true;
    readers->report = (struct trace_report){0};
    *record = (struct trace_record){
        .number = client->record.number,
        .pid = client->record.peer.pid,
        .uid = client->uid,
        .code = header_load(command).code,
        .locality = client->locality,
    };
    if (client->command == CLIENT_COMMAND_CANCELED)
        record->flags = TRACE_RECORD_CANCELED;
    memcpy(record->program, peer_program(&client->record.peer), sizeof(record->program));
    readers->command = trace_readers_copy(readers, command, size);
    record->bytes.command = readers->command ? (uint32_t)size : 0;
}

void trace_readers_note(struct trace_readers *readers, const uint8_t *response, size_t size)
{
    struct trace_record *record = &readers->record;

    record->response_code = header_load(response).code;
    if (record->response_code == TPM2_RC_CANCELED)
        record->flags |= TRACE_RECORD_CANCELED;
    readers->response = readers->command ? trace_readers_copy(readers, response, size) : NULL;
    record->bytes.response = readers->response ? (uint32_t)size : 0;
}

/* Enters what the manager told. */
static void trace_readers_take_report(struct trace_record *record,
                                      const struct trace_report *report)
{
    memcpy(record->sent, report->cost.sent, sizeof(record->sent));
    record->way = (uint8_t)report->cost.way;
    if (record->sent[TRACE_RECORD_OWN] > 0)
        record->way = TRACE_RECORD_BY_TPM;
    if (report->denied)
        record->flags |= TRACE_RECORD_DENIED;
    record->made = (struct trace_record_handle){report->made, report->made_physical};
    record->handle_count = (uint8_t)report->handle_count;
    for (unsigned i = 0; i < report->handle_count; i++)
        record->handles[i] = (struct trace_record_handle){report->handles[i], report->physical[i]};
    record->session_count = (uint8_t)report->session_count;
    memcpy(record->sessions, report->sessions, sizeof(record->sessions));
}

void trace_readers_tell(struct trace_readers *readers, uint64_t started, uint64_t queue,
                        uint64_t chip)
{
    struct trace_record *record = &readers->record;

    loop_assert_flat(readers->loop);
    record->started = started;
    record->queue = queue;
    record->chip = chip;
    trace_readers_take_report(record, &readers->report);
    list_for_each (it, &readers->list) {
        struct trace_reader *reader = list_entry(it, struct trace_reader, link);

        if (!trace_reader_tell(reader, record, readers->command, readers->response))
            trace_readers_remove(readers, reader);
    }
    trace_readers_end_turn(readers);
}
