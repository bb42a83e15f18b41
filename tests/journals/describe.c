/* SPDX-License-Identifier: BSD-2-Clause */
#include "describe.h"

#include "engine/desk-remains.h"
#include "engine/seats.h"
#include "fuzz.h"
#include "rm/restore.h"
#include "rm/state.h"

#include <inttypes.h>
#include <string.h>

/* Books are made without a TPM. */
static int no_chip(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                   uint8_t *response, size_t capacity, size_t *response_size)
{
    (void)tpm;
    (void)locality;
    (void)command;
    (void)size;
    (void)response;
    (void)capacity;
    (void)response_size;
    fuzz_must(false, "the TPM is asked");
    return -1;
}

static bool no_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    (void)attempt;
    return false;
}

static void describe_bytes(FILE *out, const char *what, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return;
    fprintf(out, " %s ", what);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", bytes[i]);
}

static void describe_blob(FILE *out, const char *what, const struct blob *blob)
{
    describe_bytes(out, what, blob->bytes, blob->size);
}

static void describe_object(FILE *out, const struct object *object)
{
    fprintf(out, " object 0x%08x, %u handles%s%s", object->physical, object->references,
            object->immutable ? ", immutable" : "", object->sequence ? ", a sequence" : "");
    describe_bytes(out, "name", object->name, object->name_size);
    describe_blob(out, "saved", &object->saved);
    fprintf(out, "\n");
}

static void describe_session(FILE *out, const struct session *session)
{
    fprintf(out, "session 0x%08x of uid %u, account %" PRId64 ", client %" PRId64 ", state %d%s%s",
            session->handle, session->uid, session->user ? (int64_t)session->user->uid : -1,
            session->owner ? (int64_t)session->owner->number : -1, (int)session->state,
            session->loaded ? ", loaded" : "", session->context_used_up ? ", used up" : "");
    fprintf(out, ", held since %" PRIu64, session->held_since);
    describe_blob(out, "saved", &session->saved);
    describe_blob(out, "held", &session->held);
    fprintf(out, "\n");
}

static void describe_books(FILE *out, struct rm *rm)
{
    fprintf(out, "TPM: %u resets, slots for %u objects and %u sessions\n", rm->chip.reset_count,
            rm->chip.object_slots, rm->chip.session_slots);
    list_for_each (link, &rm->clients) {
        const struct rm_client *client = list_entry(link, struct rm_client, link);

        fprintf(out, "client %" PRIu64 ", cookie 0x%" PRIx64 ", uid %u, account %u, next %u\n",
                client->number, client->cookie, client->uid, client->user->uid,
                client->handles.next);
        for (uint32_t i = 0; i < client->handles.count; i++) {
            fprintf(out, "  handle 0x%08x:", client->handles.entries[i].handle);
            describe_object(out, client->handles.entries[i].object);
        }
    }
    list_for_each (link, &rm->slots) {
        const struct object *object = list_entry(link, struct object, slot_link);

        if (object->references == 0) {
            fprintf(out, "nobody's:");
            describe_object(out, object);
        }
    }
    list_for_each (link, &rm->sessions) {
        describe_session(out, list_entry(link, struct session, link));
    }
}

static void describe_stream(FILE *out, const struct desk_stream *stream)
{
    const struct record_connection *record = &stream->record;

    fprintf(out, "connection %" PRIu64 ", cookie 0x%" PRIx64 ", account %u, state %u%s",
            record->number, record->cookie, record->account, record->state,
            record->member ? ", of the group" : "");
    fprintf(out, ", locality %u", record->locality);
    for (unsigned i = 0; i < DESK_PIECES; i++)
        describe_bytes(out, "in", stream->in[i].bytes, stream->in[i].size);
    for (unsigned i = 0; i < DESK_PIECES; i++)
        describe_bytes(out, "out", stream->out[i].bytes, stream->out[i].size);
    describe_bytes(out, "lost", stream->lost.bytes, stream->lost.size);
    fprintf(out, "\n");
}

static void describe_seat(FILE *out, const struct seat_record *seat)
{
    fprintf(out,
            "seat of cookie 0x%" PRIx64 ", inode %" PRIu64 ", id 0x%" PRIx64 ", uid %u, pid %u%s",
            seat->cookie, seat->inode, seat->id, seat->uid, seat->pid,
            seat->from_socket ? ", from the socket" : "");
    fprintf(out, ", creator '%.*s', groups", SEAT_CREATOR, seat->creator);
    for (uint32_t i = 0; i < seat->group_count && i < SEAT_GROUPS; i++)
        fprintf(out, " %u", seat->groups[i]);
    fprintf(out, "\n");
}

static void describe_connections(FILE *out, const struct journal_image *image,
                                 const struct desk_remains *remains)
{
    struct desk_stream stream;
    struct seat_record seat;

    for (uint32_t cell = 1; cell <= image->cells; cell++) {
        if (desk_remains_stream(remains, cell, &stream))
            describe_stream(out, &stream);
    }
    for (uint32_t i = 0; i < image->seats; i++) {
        memcpy(&seat, image->bytes + image->seats_at + i * sizeof(seat), sizeof(seat));
        if (seat.cookie)
            describe_seat(out, &seat);
    }
}

static bool describe_image(FILE *out, const struct journal_image *image, struct rm *rm)
{
    struct desk_remains remains;

    fprintf(out, "version %u, generation %" PRIu64 ", bus %.*s\n", image->version,
            image->generation, (int)sizeof(image->facts->bus), image->facts->bus);
    if (!restore_books(rm, image) || !desk_remains_read(&remains, image)) {
        fprintf(out, "it is damaged\n");
        return false;
    }
    describe_books(out, rm);
    describe_connections(out, image, &remains);
    return true;
}

bool describe(FILE *out, const uint8_t *bytes, size_t size, uint64_t owner)
{
    static struct rm_tpm tpm = {no_chip, no_backoff};
    static const struct rm_limits limits = {.objects_per_client = 1};
    const struct chip facts = {.max_command = CHIP_MIN_BUFFER, .max_response = CHIP_MIN_BUFFER};
    struct journal_image image;
    enum journal_verdict verdict = journal_image_open(&image, bytes, size, owner);
    struct rm *rm;
    bool good;

    if (verdict != JOURNAL_GOOD) {
        fprintf(out, "%s\n", journal_image_text(verdict));
        return false;
    }
    rm = rm_new(&tpm, &facts, &limits);
    fuzz_must(rm, "no manager");
    good = describe_image(out, &image, rm);
    restore_undo(rm);
    rm_free(rm);
    return good;
}
