/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/control-channel.h"

#include "wire/control-frame.h"

#include <tss2/tss2_tcti.h>

/* Control frames of one client that are carried out in a row; the others wait for its turn. */
#define CONTROL_CHANNEL_BATCH 8

/* Control frames of all clients, and looks for them, between two commands, or between two looks for
 * the TPM's answer. */
#define CONTROL_CHANNEL_ROUND 64

/* TPM 2.0 Library Part 2, "TPMA_LOCALITY": 0 to 4, and 32 upward. */
static bool control_channel_is_locality(uint8_t locality)
{
    return locality <= 4 || locality >= 32;
}

static uint32_t control_channel_cancel(const struct control_channel *channel, struct client *client,
                                       enum client_io_place place)
{
    switch (client->command) {
    case CLIENT_COMMAND_NONE:
        return place == CLIENT_IO_BEHIND ? client_cancel_begin(client) : TSS2_TCTI_RC_BAD_SEQUENCE;
    case CLIENT_COMMAND_READ:
        client_cancel_read(client);
        break;
    case CLIENT_COMMAND_CANCELED:
        break;
    case CLIENT_COMMAND_SUBMITTED:
        return tpm_link_cancel(channel->link);
    }
    return TSS2_RC_SUCCESS;
}

static uint32_t control_channel_locality(struct client *client, enum client_io_place place,
                                         uint8_t locality)
{
    if (client->command != CLIENT_COMMAND_NONE || place == CLIENT_IO_BEHIND)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!control_channel_is_locality(locality))
        return TSS2_TCTI_RC_BAD_VALUE;
    return client_set_locality(client, locality) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_NOT_PERMITTED;
}

void control_channel_carry_out(const struct control_channel *channel, struct client *client,
                               enum client_io_place place, const uint8_t *frame, size_t size)
{
    struct desk *desk = client->set->desk;
    uint32_t operation = header_load(frame).code, rc = TSS2_TCTI_RC_NOT_IMPLEMENTED;

    if (control_frame_request_size(operation) == 0)
        rc = TSS2_TCTI_RC_NOT_IMPLEMENTED;
    else if (control_frame_request_size(operation) != size)
        rc = TSS2_TCTI_RC_BAD_VALUE;
    else if (operation == CONTROL_FRAME_HELLO)
        rc = TSS2_RC_SUCCESS;
    else if (operation == CONTROL_FRAME_CANCEL)
        rc = control_channel_cancel(channel, client, place);
    else if (operation == CONTROL_FRAME_SET_LOCALITY)
        rc = control_channel_locality(client, place, frame[HEADER_SIZE]);
    control_frame_reply_store(desk_reply(desk, CONTROL_FRAME_REPLY_SIZE), operation, rc);
    client_reply(client);
    if (place == CLIENT_IO_BEHIND)
        client_cancel_end(client);
}

/* Control frames of a client wait while it does not take its answers, or is about to be closed. */
static bool control_channel_listens(const struct client *client)
{
    return client->io.control && client->state == CLIENT_OPEN && !client_io_sending(&client->io);
}

unsigned control_channel_scan(const struct control_channel *channel, struct client *client,
                              unsigned most)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    enum client_io_place place;
    unsigned done;
    size_t size;
    int error;

    if (!control_channel_listens(client))
        return 0;
    client_bill(client);
    error = client_io_pull(&client->io);
    if (error) {
        client_close(client);
        desk_wipe(client->set->desk, DESK_SCRATCH);
        return 0;
    }
    most = most < CONTROL_CHANNEL_BATCH ? most : CONTROL_CHANNEL_BATCH;
    for (done = 0; done < most && control_channel_listens(client); done++) {
        place = client_io_take_control(&client->io, client->command == CLIENT_COMMAND_NONE, frame,
                                       &size);
        if (place == CLIENT_IO_NOWHERE)
            break;
        client_bill(client);
        control_channel_carry_out(channel, client, place, frame, size);
    }
    return done;
}

void control_channel_scan_all(const struct control_channel *channel)
{
    struct scheduler_client *turn;
    unsigned left = CONTROL_CHANNEL_ROUND;

    /* A client may come again meanwhile: carrying out a frame may show that there is more. */
    while (left > 0 && (turn = scheduler_scan_next(channel->clients->scheduler))) {
        left--;
        left -= control_channel_scan(channel, client_of_turn(turn), left);
    }
}
