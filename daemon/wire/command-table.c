/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/command-table.h"

#include <string.h>

/* The position of the first command whose code is `code` or greater. */
static uint32_t lower_bound(const struct command_table *table, uint32_t code)
{
    uint32_t low = 0, high = table->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (command_attributes_code(table->attributes[middle]) < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool command_table_add(struct command_table *table, uint32_t tpma_cc)
{
    uint32_t code = command_attributes_code(tpma_cc);
    uint32_t at = lower_bound(table, code);

    if (at < table->count && command_attributes_code(table->attributes[at]) == code)
        return true;
    if (table->count == COMMAND_TABLE_MAX)
        return false;
    memmove(table->attributes + at + 1, table->attributes + at,
            (table->count - at) * sizeof(table->attributes[0]));
    table->attributes[at] = tpma_cc;
    table->count++;
    return true;
}

int command_table_find(const struct command_table *table, uint32_t code)
{
    uint32_t at = lower_bound(table, code);

    if (at < table->count && command_attributes_code(table->attributes[at]) == code)
        return (int)at;
    return -1;
}
