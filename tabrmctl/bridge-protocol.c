/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge-protocol.h"

#include <string.h>

const struct bridge_protocol *bridge_protocol_find(const char *name)
{
    static const struct bridge_protocol *const all[] = {
        &bridge_raw_protocol, &bridge_mssim_protocol, &bridge_swtpm_protocol};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    }
    return NULL;
}
