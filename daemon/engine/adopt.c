/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/adopt.h"

#include "base/log.h"
#include "rm/rc.h"
#include "rm/restore.h"

#include <string.h>

/* The kept bytes of a client, in order. False without memory. */
static bool adopt_bytes(struct client *client, const struct desk_stream *stream)
{
    for (unsigned i = 0; i < DESK_PIECES; i++) {
        const struct desk_piece *in = &stream->in[i], *out = &stream->out[i];

        if (!client_io_inherit(&client->io, false, in->bytes, in->size)
            || !client_io_inherit(&client->io, true, out->bytes, out->size))
            return false;
    }
    return true;
}

/* Ends what a command named whose outcome is not known. Its bytes are the client's own. False when
 * it is longer than a command of this TPM. */
static bool adopt_lost(struct adopt *adopt, struct rm_client *client,
                       const struct desk_piece *command)
{
    struct desk *desk = adopt->desk;

    adopt->tally.unknown += command->size > 0;
    if (command->size == 0 || !client)
        return true;
    if (command->size > desk->capacity)
        return false;
    desk_store(desk, DESK_SCRATCH, command->bytes, command->size);
    restore_lost_answer(client, desk->bytes[DESK_SCRATCH], command->size);
    desk_wipe(desk, DESK_SCRATCH);
    return true;
}

static void adopt_tell_restored(const struct adopt *adopt, const struct client *client,
                                const struct seat_record *seat)
{
    char creator[SEAT_CREATOR], bus[sizeof(adopt->legacy->image.facts->bus)];
    const struct engine_restored restored = {
        .id = client->id,
        .uid = client->uid,
        .account =
            client->user ? client->user->account : newcomers_account(adopt->newcomers, client->uid),
        .creator = creator,
        .bus = bus,
        .heard = client->rm != NULL,
    };

    memcpy(creator, seat->creator, sizeof(creator));
    creator[sizeof(creator) - 1] = '\0';
    memcpy(bus, adopt->legacy->image.facts->bus, sizeof(bus));
    bus[sizeof(bus) - 1] = '\0';
    if (client->origin == CLIENT_FROM_BUS)
        adopt->events->restored(adopt->events->data, &restored);
}

/* Makes a client of the connection whose record was read. False without memory. */
static bool adopt_client(struct adopt *adopt, const struct desk_stream *stream)
{
    const struct record_connection *record = &stream->record;
    const struct seat_record *seat;
    struct legacy_socket *socket = legacy_find(adopt->legacy, record->cookie, &seat);
    struct rm_client *rm = rm_find_client(adopt->rm, record->cookie);
    bool suspected = record->cookie == legacy_suspect(adopt->legacy);
    struct client *client;

    adopt->tally.suspected |= suspected;
    if (!socket || socket->fd < 0 || suspected || record->state == CLIENT_CLOSED) {
        adopt->tally.ended++;
        return true;
    }
    client = newcomers_inherit(adopt->newcomers, seat, record->account, record->member,
                               record->number, socket->fd);
    if (!client)
        return false;
    socket->fd = -1;
    socket->client = client;
    adopt->tally.connections++;
    if (!adopt_lost(adopt, rm, &stream->lost))
        return false;
    if (!user_meet_manager(client->user, adopt->rm) || !adopt_bytes(client, stream))
        client_close(client);
    client_resume(client, rm, (enum client_state)record->state, record->locality);
    adopt_tell_restored(adopt, client, seat);
    return true;
}

/* Ends what the manager has of clients whose connections are gone, as their ends would. */
static void adopt_forget(struct adopt *adopt, uint32_t cell)
{
    const struct seat_record *seat;
    const struct legacy_socket *socket;
    struct record_holder record;
    enum journal_kind kind;
    uint32_t serial;
    const void *payload = journal_image_record(&adopt->legacy->image, cell, &kind, &serial);

    if (!payload || kind != JOURNAL_HOLDER)
        return;
    memcpy(&record, payload, sizeof(record));
    socket = legacy_find(adopt->legacy, record.cookie, &seat);
    if (!socket || !socket->client)
        rm_client_free(rm_find_client(adopt->rm, record.cookie));
}

bool adopt_all(struct adopt *adopt)
{
    const struct journal_image *image = &adopt->legacy->image;
    struct desk_stream stream;

    if (!restore_books(adopt->rm, image))
        return false;
    for (uint32_t cell = 1; cell <= image->cells; cell++) {
        enum journal_kind kind;
        uint32_t serial;

        if (!journal_image_record(image, cell, &kind, &serial) || kind != JOURNAL_CONNECTION)
            continue;
        if (!desk_remains_stream(&adopt->legacy->remains, cell, &stream)
            || !adopt_client(adopt, &stream))
            return false;
    }
    for (uint32_t cell = 1; cell <= image->cells; cell++)
        adopt_forget(adopt, cell);
    return true;
}

void adopt_newcomers(struct adopt *adopt)
{
    const struct seat_record *seats = legacy_seats(adopt->legacy), *seat;

    for (uint32_t i = 0; i < adopt->legacy->image.seats; i++) {
        struct legacy_socket *socket =
            seats[i].cookie ? legacy_find(adopt->legacy, seats[i].cookie, &seat) : NULL;
        struct client *client;

        if (!socket || socket->fd < 0 || seats[i].cookie == legacy_suspect(adopt->legacy))
            continue;
        client = newcomers_inherit_new(adopt->newcomers, seat, socket->fd);
        if (!client)
            continue;
        socket->fd = -1;
        adopt_tell_restored(adopt, client, seat);
        adopt->tally.newcomers++;
    }
}

void adopt_tell(const struct adopt *adopt, const struct rm_holdings *before,
                const struct rm_holdings *after)
{
    const struct adopt_tally *tally = &adopt->tally;

    log_event(LOG_EVENT_RESTORED, LOG_NOBODY,
              "%u connections of a former daemon are served on, with %u objects and %u sessions; "
              "ended: %u connections whose other end is gone%s, %u objects and %u sessions that "
              "the TPM has no more; %u commands whose outcome is not known are answered 0x%05X",
              tally->connections + tally->newcomers, after->objects, after->sessions, tally->ended,
              tally->suspected ? " or whose command the former daemon may have died of" : "",
              before->objects - after->objects, before->sessions - after->sessions, tally->unknown,
              (unsigned)RM_RC_FAILURE);
}
