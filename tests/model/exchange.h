/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's command on its way to both TPMs, the comparison of what they say, and what the model
 * learns from that.
 */
#pragma once

#include "call.h"

/* Has both TPMs run it for the client. True when it succeeded and the client saw the answer, which
 * is in model->response then. */
bool exchange_run(struct model *model, unsigned client, struct call *call);

/* Sends bytes to the manager alone, for which the answer is known. The response code. */
uint32_t exchange_raw(struct model *model, unsigned client, const uint8_t *command, size_t size);
