/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control frames in the stream of a client from the listening socket (wire/control-frame.h):
 * cancel and locality.
 */
#pragma once

#include "engine/client.h"
#include "engine/tpm-link.h"

/* Both are borrowed. */
struct control_channel {
    struct clients *clients;
    const struct tpm_link *link; /* to the TPM that runs the submitted command */
};

/* Carries out control frames that stand before, or right behind, a client's next command: up to
 * `most`, and at most a batch. Gives how many. */
unsigned control_channel_scan(const struct control_channel *channel, struct client *client,
                              unsigned most);

/* The same for all clients whose input is to be scanned, users in turn. The number of looks and
 * frames is bounded; scheduler_scans() tells whether there are more. */
void control_channel_scan_all(const struct control_channel *channel);

/* Carries out one control frame, which was found at `place`, and answers it. */
void control_channel_carry_out(const struct control_channel *channel, struct client *client,
                               enum client_io_place place, const uint8_t *frame, size_t size);
