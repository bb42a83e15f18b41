/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge-protocol.h"
#include "wire/frame.h"

#include <string.h>

void bridge_raw_look(const uint8_t *bytes, size_t have, struct bridge_request *request)
{
    *request = (struct bridge_request){.command = bytes};
    switch (frame_look(bytes, have, BRIDGE_TPM_MAX, &request->command_size)) {
    case FRAME_PARTIAL:
        request->action = BRIDGE_WAIT;
        break;
    case FRAME_WHOLE:
        request->action = BRIDGE_COMMAND;
        request->size = request->command_size;
        break;
    case FRAME_BAD:
        request->action = BRIDGE_BAD;
        break;
    }
}

size_t bridge_raw_wrap(const uint8_t *response, size_t size, uint8_t *reply)
{
    memcpy(reply, response, size);
    return size;
}

const struct bridge_protocol bridge_raw_protocol = {
    .name = "raw", .commands = bridge_raw_look, .ibm = "raw", .wrap = bridge_raw_wrap};
