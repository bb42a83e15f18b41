/* SPDX-License-Identifier: BSD-2-Clause */
#include "vendor-command.h"

#include "wire/capability.h"

#include <stdlib.h>
#include <tss2/tss2_tpm2_types.h>

struct vendor_command vendor_command_read(const char *text)
{
    unsigned long code = strtoul(text, NULL, 16);

    return (struct vendor_command){.code = code & TPMA_CC_V ? (uint32_t)code : 0};
}

bool vendor_command_is(struct vendor_command *vendor, const uint8_t *command, size_t size)
{
    const struct header header = header_load(command);

    vendor->listed = header.code == TPM2_CC_GetCapability && size >= HEADER_SIZE + 4
                     && load_be32(command + HEADER_SIZE) == TPM2_CAP_COMMANDS;
    return vendor->code && header.code == vendor->code;
}

size_t vendor_command_add(const struct vendor_command *vendor, uint8_t *answer, size_t size,
                          size_t capacity)
{
    struct capability_list list;

    if (!vendor->code || !vendor->listed || size + 4 > capacity
        || !capability_list_parse(&list, answer, size, TPM2_CAP_COMMANDS, 4) || list.more)
        return size;
    store_be32(answer + size, vendor->code);
    store_be32(answer + CAPABILITY_COUNT_AT, list.count + 1);
    header_store(answer, TPM2_ST_NO_SESSIONS, (uint32_t)size + 4, TPM2_RC_SUCCESS);
    return size + 4;
}
