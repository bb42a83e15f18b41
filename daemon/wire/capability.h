/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answer to TPM2_GetCapability: moreData, the capability, and a list of equally large items
 * behind its count (TPM 2.0 Library Part 2, clause 10.10.2), read and written in place.
 */
#pragma once

#include "wire/header.h"

#include <stdbool.h>

/* Offsets in the whole response, without sessions. */
#define CAPABILITY_AT       (HEADER_SIZE + 1)
#define CAPABILITY_COUNT_AT (HEADER_SIZE + 5)
#define CAPABILITY_ITEMS_AT (HEADER_SIZE + 9)

struct capability_list {
    bool more;
    uint32_t count;
    uint8_t *items;
};

/* Reads the successful answer of `size` bytes that lists items of `item_size` bytes under
 * `capability`. False for anything else. */
static inline bool capability_list_parse(struct capability_list *list, uint8_t *response,
                                         size_t size, uint32_t capability, size_t item_size)
{
    if (size < CAPABILITY_ITEMS_AT || load_be32(response + CAPABILITY_AT) != capability)
        return false;
    list->more = response[HEADER_SIZE];
    list->count = load_be32(response + CAPABILITY_COUNT_AT);
    list->items = response + CAPABILITY_ITEMS_AT;
    return list->count == (size - CAPABILITY_ITEMS_AT) / item_size
           && (size - CAPABILITY_ITEMS_AT) % item_size == 0;
}
