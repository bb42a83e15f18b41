/* SPDX-License-Identifier: BSD-2-Clause */
#include "raw-message.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void raw_align(struct raw *raw, size_t boundary)
{
    while (raw->size % boundary != 0)
        raw->bytes[raw->size++] = 0;
}

void raw_store(struct raw *raw, size_t at, uint32_t value)
{
    value = raw->big ? htobe32(value) : htole32(value);
    memcpy(raw->bytes + at, &value, sizeof(value));
}

void raw_u32(struct raw *raw, uint32_t value)
{
    raw_align(raw, 4);
    raw_store(raw, raw->size, value);
    raw->size += 4;
}

void raw_bytes(struct raw *raw, const void *bytes, size_t size)
{
    assert_true(raw->size + size <= RAW_MESSAGE_ROOM);
    memcpy(raw->bytes + raw->size, bytes, size);
    raw->size += size;
}

void raw_string(struct raw *raw, const char *text)
{
    raw_u32(raw, (uint32_t)strlen(text));
    raw_bytes(raw, text, strlen(text) + 1);
}

void raw_signature(struct raw *raw, const char *text)
{
    uint8_t length = (uint8_t)strlen(text);

    raw_bytes(raw, &length, 1);
    raw_bytes(raw, text, strlen(text) + 1);
}

void raw_begin(struct raw *raw, bool big, uint8_t type)
{
    const uint8_t fixed[12] = {big ? 'B' : 'l', type, 0, 1};

    *raw = (struct raw){.big = big};
    raw_bytes(raw, fixed, sizeof(fixed));
    raw_store(raw, 8, 77);
    raw_u32(raw, 0);
}

void raw_field(struct raw *raw, uint8_t code, const char *type)
{
    raw_align(raw, 8);
    raw_bytes(raw, &code, 1);
    raw_signature(raw, type);
}

void raw_begin_body(struct raw *raw)
{
    raw_store(raw, 12, (uint32_t)raw->size - 16);
    raw_align(raw, 8);
    raw->body = raw->size;
}

void raw_end(struct raw *raw)
{
    raw_store(raw, 4, (uint32_t)(raw->size - raw->body));
}
