/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes that the bus sends to the daemon, as its proxy takes them apart: the same comes out in
 * whatever pieces they come, nothing is held beyond the buffer, and of a header GDBus understands
 * the same. An input that begins as a message does is messages, another one lines first.
 */
#include "bus/framing.h"
#include "bus/message.h"
#include "fuzz.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

#define CAPACITY 256

/* The sizes of what comes out, and what it is, folded into a number. */
struct outcome {
    uint64_t sum;
    unsigned events;
};

static void check_text(const uint8_t *bytes, size_t size, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    fuzz_must(
        !text
            || (at >= bytes && at < bytes + size && memchr(at, '\0', (size_t)(bytes + size - at))),
        "a text does not end in the message");
}

static void check_same(const struct message *ours, GDBusMessage *theirs)
{
    fuzz_must(ours->type == (unsigned)g_dbus_message_get_message_type(theirs)
                  && ours->serial == g_dbus_message_get_serial(theirs)
                  && ours->reply_serial == g_dbus_message_get_reply_serial(theirs)
                  && ours->descriptors == g_dbus_message_get_num_unix_fds(theirs),
              "numbers of a header are others to GDBus");
    fuzz_must(g_strcmp0(ours->sender, g_dbus_message_get_sender(theirs)) == 0
                  && g_strcmp0(ours->destination, g_dbus_message_get_destination(theirs)) == 0
                  && g_strcmp0(ours->interface, g_dbus_message_get_interface(theirs)) == 0
                  && g_strcmp0(ours->member, g_dbus_message_get_member(theirs)) == 0
                  && g_strcmp0(ours->error, g_dbus_message_get_error_name(theirs)) == 0,
              "names of a header are others to GDBus");
}

/* The bytes are a message, or begin one. */
static void check_message(const uint8_t *bytes, size_t have, size_t size)
{
    uint8_t *copy = g_memdup2(bytes, have);
    struct message message;
    GDBusMessage *theirs = NULL;

    if (message_read(&message, copy, have)) {
        const char *texts[] = {message.sender, message.destination, message.interface,
                               message.member, message.error,       message.signature};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
            check_text(copy, have, texts[i]);
        check_text(copy, have, message_read_departure(&message));
        fuzz_must(!message.body
                      || (have == size && message.body + message.body_size == copy + have),
                  "a body does not end with its message");
        if (have == size)
            theirs = g_dbus_message_new_from_blob(copy, have,
                                                  G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
        if (theirs)
            check_same(&message, theirs);
        g_clear_object(&theirs);
    }
    g_free(copy);
}

static void note(struct outcome *outcome, struct framing *framing, enum framing_event event)
{
    static const char begin[] = "BEGIN\r\n";

    if (event == FRAMING_MORE)
        return;
    outcome->events++;
    outcome->sum = outcome->sum * 31 + framing->length * 7 + (uint64_t)event;
    if (event == FRAMING_LINE && framing->length == sizeof(begin) - 1
        && memcmp(framing->buffer, begin, sizeof(begin) - 1) == 0)
        framing_begin_messages(framing);
    if (event == FRAMING_MESSAGE || event == FRAMING_OVERSIZE)
        check_message(framing->buffer, framing->length, framing->size);
}

static struct outcome take_apart(const uint8_t *data, size_t size, size_t piece)
{
    uint8_t buffer[CAPACITY], *into;
    struct outcome outcome = {0};
    enum framing_event event = FRAMING_MORE;
    struct framing framing;

    framing_init(&framing, buffer, sizeof(buffer));
    if (size > 0 && (data[0] == 'l' || data[0] == 'B'))
        framing_begin_messages(&framing);
    for (size_t at = 0; at < size && event != FRAMING_BROKEN;) {
        size_t want = framing_want(&framing, &into), count = MIN(want, MIN(piece, size - at));

        fuzz_must(want > 0 && into >= buffer && want <= (size_t)(buffer + sizeof(buffer) - into),
                  "bytes would go beside the buffer");
        memcpy(into, data + at, count);
        at += count;
        event = framing_got(&framing, count);
        note(&outcome, &framing, event);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = take_apart(data, size, size);

    for (size_t piece = 1; piece <= 5; piece += 2) {
        struct outcome parts = take_apart(data, size, piece);

        fuzz_must(parts.events == whole.events && parts.sum == whole.sum,
                  "in pieces of %zu bytes something else comes out", piece);
    }
    return 0;
}
