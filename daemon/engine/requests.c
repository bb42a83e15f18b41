/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "wire/control-frame.h"

#include <string.h>

/* Control frames of one client that are carried out in a row; the others wait for its turn. */
#define REQUESTS_ROW 8

/* Control frames of all clients, and looks for them, that are carried out between two commands, or
 * before the TPM's answer is looked for again. */
#define REQUESTS_ROUND 64

/* TPM 2.0 Library Part 2, "TPMA_LOCALITY": 0 to 4, and 32 upward. */
static bool requests_is_locality(uint8_t locality)
{
    return locality <= 4 || locality >= 32;
}

static uint32_t requests_cancel(struct engine *engine, struct client *client,
                                enum client_io_place place)
{
    switch (client->command) {
    case CLIENT_COMMAND_NONE:
        return place == CLIENT_IO_BEHIND ? client_cancel_waiting(client)
                                         : TSS2_TCTI_RC_BAD_SEQUENCE;
    case CLIENT_COMMAND_READ:
        client->command = CLIENT_COMMAND_CANCELED;
        break;
    case CLIENT_COMMAND_CANCELED:
        break;
    case CLIENT_COMMAND_SUBMITTED:
        return tcti_cancel(engine->tcti);
    }
    return TSS2_RC_SUCCESS;
}

static uint32_t requests_locality(struct client *client, enum client_io_place place,
                                  uint8_t locality)
{
    if (client->command != CLIENT_COMMAND_NONE || place == CLIENT_IO_BEHIND)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!requests_is_locality(locality))
        return TSS2_TCTI_RC_BAD_VALUE;
    return client_set_locality(client, locality) ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_NOT_PERMITTED;
}

void requests_carry_out(struct engine *engine, struct client *client, enum client_io_place place,
                        const uint8_t *frame, size_t size)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];
    uint32_t operation = header_load(frame).code, rc = TSS2_TCTI_RC_NOT_IMPLEMENTED;

    if (control_frame_request_size(operation) == 0)
        rc = TSS2_TCTI_RC_NOT_IMPLEMENTED;
    else if (control_frame_request_size(operation) != size)
        rc = TSS2_TCTI_RC_BAD_VALUE;
    else if (operation == CONTROL_FRAME_HELLO)
        rc = TSS2_RC_SUCCESS;
    else if (operation == CONTROL_FRAME_CANCEL)
        rc = requests_cancel(engine, client, place);
    else if (operation == CONTROL_FRAME_SET_LOCALITY)
        rc = requests_locality(client, place, frame[HEADER_SIZE]);
    if (client->state == CLIENT_CLOSED)
        return;
    control_frame_reply_store(reply, operation, rc);
    client_answer(client, reply, sizeof(reply));
}

/* Neither one that does not take its answers nor one that is about to go is listened to. */
static bool requests_listens(const struct client *client)
{
    return client->io.control && client->state == CLIENT_OPEN && !client_io_sending(&client->io);
}

unsigned requests_look(struct engine *engine, struct client *client, unsigned most)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    enum client_io_place place;
    unsigned done;
    size_t size;
    int error;

    if (!requests_listens(client))
        return 0;
    client_bill(client);
    error = client_io_pull(&client->io, engine->clients.scratch, engine->clients.capacity);
    if (error) {
        client_close(client);
        return 0;
    }
    most = most < REQUESTS_ROW ? most : REQUESTS_ROW;
    for (done = 0; done < most && requests_listens(client); done++) {
        place = client_io_take_control(&client->io, engine->clients.capacity,
                                       client->command == CLIENT_COMMAND_NONE, frame, &size);
        if (place == CLIENT_IO_NOWHERE)
            break;
        client_bill(client);
        requests_carry_out(engine, client, place, frame, size);
    }
    return done;
}

bool requests_look_all(struct engine *engine)
{
    struct scheduler_client *turn;
    unsigned left = REQUESTS_ROUND;

    /* A client may come again meanwhile: carrying out a frame may show that there is more. */
    while (left > 0 && (turn = scheduler_scan_next(&engine->scheduler))) {
        struct client *client = client_of_turn(turn);

        left--;
        left -= requests_look(engine, client, left);
    }
    return scheduler_scans(&engine->scheduler);
}
