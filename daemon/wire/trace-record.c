/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/trace-record.h"

#include <string.h>

/* Where fields stand. */
enum {
    AT_SENT = 64,
    AT_WAY = 84,
    AT_MADE = 88,
    AT_HANDLES = 96,
    AT_SESSIONS = 152,
    AT_PROGRAM = 176,
    AT_BYTES = 240,
};

static void store_handle(uint8_t *bytes, const struct trace_record_handle *handle)
{
    store_be32(bytes, handle->virtual);
    store_be32(bytes + 4, handle->physical);
}

static struct trace_record_handle load_handle(const uint8_t *bytes)
{
    return (struct trace_record_handle){load_be32(bytes), load_be32(bytes + 4)};
}

static void store_numbers(uint8_t *bytes, const struct trace_record *record)
{
    store_be16(bytes, TRACE_RECORD_VERSION);
    store_be16(bytes + 2, TRACE_RECORD_SIZE);
    store_be32(bytes + 4, record->flags);
    store_be64(bytes + 8, record->lost);
    store_be64(bytes + 16, record->started);
    store_be64(bytes + 24, record->number);
    store_be64(bytes + 32, record->queue);
    store_be64(bytes + 40, record->chip);
    store_be32(bytes + 48, record->pid);
    store_be32(bytes + 52, record->uid);
    store_be32(bytes + 56, record->code);
    store_be32(bytes + 60, record->response_code);
}

void trace_record_store(uint8_t *bytes, const struct trace_record *record)
{
    memset(bytes, 0, TRACE_RECORD_SIZE);
    store_numbers(bytes, record);
    for (unsigned i = 0; i < TRACE_RECORD_SENT_KINDS; i++)
        store_be32(bytes + AT_SENT + 4 * i, record->sent[i]);
    bytes[AT_WAY] = record->way;
    bytes[AT_WAY + 1] = record->locality;
    bytes[AT_WAY + 2] = record->handle_count;
    bytes[AT_WAY + 3] = record->session_count;
    store_handle(bytes + AT_MADE, &record->made);
    for (unsigned i = 0; i < record->handle_count; i++)
        store_handle(bytes + AT_HANDLES + 8 * i, &record->handles[i]);
    for (unsigned i = 0; i < record->session_count; i++) {
        store_be32(bytes + AT_SESSIONS + 8 * i, record->sessions[i].handle);
        store_be32(bytes + AT_SESSIONS + 8 * i + 4, record->sessions[i].attributes);
    }
    memcpy(bytes + AT_PROGRAM, record->program, TRACE_RECORD_PROGRAM);
    store_be32(bytes + AT_BYTES, record->bytes.command);
    store_be32(bytes + AT_BYTES + 4, record->bytes.response);
}

static void load_numbers(struct trace_record *record, const uint8_t *bytes)
{
    record->flags = load_be32(bytes + 4);
    record->lost = load_be64(bytes + 8);
    record->started = load_be64(bytes + 16);
    record->number = load_be64(bytes + 24);
    record->queue = load_be64(bytes + 32);
    record->chip = load_be64(bytes + 40);
    record->pid = load_be32(bytes + 48);
    record->uid = load_be32(bytes + 52);
    record->code = load_be32(bytes + 56);
    record->response_code = load_be32(bytes + 60);
    record->way = bytes[AT_WAY];
    record->locality = bytes[AT_WAY + 1];
    record->handle_count = bytes[AT_WAY + 2];
    record->session_count = bytes[AT_WAY + 3];
    record->made = load_handle(bytes + AT_MADE);
    record->bytes.command = load_be32(bytes + AT_BYTES);
    record->bytes.response = load_be32(bytes + AT_BYTES + 4);
}

/* Whether the record stays within its own bounds, and the message's. */
static bool is_sound(const struct trace_record *record, size_t head, size_t size)
{
    return record->handle_count <= COMMAND_MAX_HANDLES
           && record->session_count <= COMMAND_MAX_SESSIONS
           && record->program[TRACE_RECORD_PROGRAM - 1] == '\0'
           && (uint64_t)head + record->bytes.command + record->bytes.response == size;
}

bool trace_record_load(struct trace_record *record, const uint8_t *message, size_t size, size_t *at)
{
    *record = (struct trace_record){0};
    if (size < TRACE_RECORD_SIZE || load_be16(message) != TRACE_RECORD_VERSION)
        return false;
    *at = load_be16(message + 2);
    load_numbers(record, message);
    memcpy(record->program, message + AT_PROGRAM, TRACE_RECORD_PROGRAM);
    if (*at < TRACE_RECORD_SIZE || !is_sound(record, *at, size))
        return false;
    for (unsigned i = 0; i < TRACE_RECORD_SENT_KINDS; i++)
        record->sent[i] = load_be32(message + AT_SENT + 4 * i);
    for (unsigned i = 0; i < record->handle_count; i++)
        record->handles[i] = load_handle(message + AT_HANDLES + 8 * i);
    for (unsigned i = 0; i < record->session_count; i++) {
        record->sessions[i].handle = load_be32(message + AT_SESSIONS + 8 * i);
        record->sessions[i].attributes = message[AT_SESSIONS + 8 * i + 7];
    }
    return true;
}
