/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a connection to the message bus, taken apart; GDBus says what is in a message. */
#include "bus/framing.h"
#include "bus/message.h"

#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Of the framing under test; the long message does not fit. */
#define CAPACITY 256
#define LONG     700

struct stream {
    uint8_t bytes[4096];
    size_t size;
};

static GDBusMessage *a_call(const char *text)
{
    GDBusMessage *message = g_dbus_message_new_method_call("com.intel.tss2.Tabrmd", "/a/path",
                                                           "an.interface", "Member");

    g_dbus_message_set_sender(message, ":1.7");
    if (text)
        g_dbus_message_set_body(message, g_variant_new("(s)", text));
    return message;
}

/* The message's bytes, in *size; to be freed. The message is consumed. */
static uint8_t *to_blob(GDBusMessage *message, GDBusMessageByteOrder order, uint32_t serial,
                        size_t *size)
{
    uint8_t *blob;

    g_dbus_message_set_byte_order(message, order);
    g_dbus_message_set_serial(message, serial);
    blob = g_dbus_message_to_blob(message, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    assert_non_null(blob);
    g_object_unref(message);
    return blob;
}

static void add(struct stream *stream, const void *bytes, size_t size)
{
    assert_true(stream->size + size <= sizeof(stream->bytes));
    memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
}

static void add_message(struct stream *stream, GDBusMessage *message, uint32_t serial)
{
    size_t size;
    uint8_t *blob = to_blob(message, G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN, serial, &size);

    add(stream, blob, size);
    g_free(blob);
}

/* Two lines, a message, one that does not fit, and two more. */
static void fill(struct stream *stream)
{
    char text[LONG];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    stream->size = 0;
    add(stream, "OK 0123456789\r\nAGREE_UNIX_FD\r\n", 30);
    add_message(stream, a_call(NULL), 1);
    add_message(stream, a_call(text), 2);
    add_message(stream, a_call("short"), 3);
    add_message(stream, a_call(NULL), 4);
}

/* What came out, a letter for each event, and the serials of messages. */
struct outcome {
    char events[32];
    unsigned lines;
    uint32_t serials;
};

static void note(struct outcome *outcome, struct framing *framing, enum framing_event event)
{
    static const char letters[] = "-LMOB";
    struct message message;

    if (event == FRAMING_MORE)
        return;
    assert_true(strlen(outcome->events) < sizeof(outcome->events) - 1);
    outcome->events[strlen(outcome->events)] = letters[event];
    if (event == FRAMING_LINE && ++outcome->lines == 2)
        framing_begin_messages(framing);
    if (event == FRAMING_LINE || event == FRAMING_BROKEN)
        return;
    assert_true(message_read(&message, framing->buffer, framing->length));
    assert_string_equal(message.sender, ":1.7");
    outcome->serials = outcome->serials * 10 + message.serial;
}

/* Feeds `size` bytes, not more than `piece` at once. */
static void feed(struct framing *framing, const uint8_t *bytes, size_t size, size_t piece,
                 struct outcome *outcome)
{
    for (size_t at = 0; at < size;) {
        uint8_t *into;
        size_t want = framing_want(framing, &into), count = MIN(want, MIN(piece, size - at));

        assert_true(want > 0 && into >= framing->buffer
                    && into + want <= framing->buffer + framing->capacity);
        memcpy(into, bytes + at, count);
        at += count;
        note(outcome, framing, framing_got(framing, count));
    }
}

static void check(const struct outcome *outcome)
{
    assert_string_equal(outcome->events, "LLMOMM");
    assert_int_equal(outcome->serials, 1234);
}

static void test_R52_each_split_of_the_bytes_gives_the_same(void **state)
{
    struct stream stream;

    (void)state;
    fill(&stream);
    for (size_t split = 0; split <= stream.size; split++) {
        uint8_t buffer[CAPACITY];
        struct framing framing;
        struct outcome outcome = {0};

        framing_init(&framing, buffer, sizeof(buffer));
        feed(&framing, stream.bytes, split, split, &outcome);
        feed(&framing, stream.bytes + split, stream.size - split, stream.size, &outcome);
        check(&outcome);
    }
    for (size_t piece = 1; piece <= 40; piece++) {
        uint8_t buffer[CAPACITY];
        struct framing framing;
        struct outcome outcome = {0};

        framing_init(&framing, buffer, sizeof(buffer));
        feed(&framing, stream.bytes, stream.size, piece, &outcome);
        check(&outcome);
    }
}

static enum framing_event feed_one(const void *bytes, size_t size, bool messages)
{
    uint8_t buffer[CAPACITY], *into;
    struct framing framing;
    enum framing_event event = FRAMING_MORE;

    framing_init(&framing, buffer, sizeof(buffer));
    if (messages)
        framing_begin_messages(&framing);
    for (size_t at = 0; at < size && event == FRAMING_MORE; at++) {
        framing_want(&framing, &into);
        *into = ((const uint8_t *)bytes)[at];
        event = framing_got(&framing, 1);
    }
    return event;
}

static void test_R52_what_is_no_dbus_is_told(void **state)
{
    static const uint8_t order[16] = {'x', 1, 0, 1}, version[16] = {'l', 1, 0, 2},
                         type[16] = {'l', 0, 0, 1},
                         huge[16] = {'l', 1, 0, 1, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0, 0, 0},
                         wrap[16] = {'l',  1, 0, 1, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    uint8_t line[CAPACITY];

    (void)state;
    memset(line, 'x', sizeof(line));
    assert_int_equal(feed_one(line, sizeof(line), false), FRAMING_BROKEN);
    assert_int_equal(feed_one(line, sizeof(line) - 1, false), FRAMING_MORE);
    assert_int_equal(feed_one(order, sizeof(order), true), FRAMING_BROKEN);
    assert_int_equal(feed_one(version, sizeof(version), true), FRAMING_BROKEN);
    assert_int_equal(feed_one(type, sizeof(type), true), FRAMING_BROKEN);
    assert_int_equal(feed_one(huge, sizeof(huge), true), FRAMING_BROKEN);
    assert_int_equal(feed_one(wrap, sizeof(wrap), true), FRAMING_BROKEN);
}

static void same_header(GDBusMessage *message, GDBusMessageByteOrder order)
{
    GDBusMessage *theirs = g_object_ref(message);
    struct message ours;
    size_t size;
    uint8_t *blob = to_blob(message, order, 77, &size);

    assert_int_equal(message_size(blob), size);
    assert_true(message_read(&ours, blob, size));
    assert_int_equal(ours.type, g_dbus_message_get_message_type(theirs));
    assert_int_equal(ours.serial, 77);
    assert_int_equal(ours.reply_serial, g_dbus_message_get_reply_serial(theirs));
    assert_int_equal(ours.descriptors, g_dbus_message_get_num_unix_fds(theirs));
    assert_int_equal(g_strcmp0(ours.sender, g_dbus_message_get_sender(theirs)), 0);
    assert_int_equal(g_strcmp0(ours.destination, g_dbus_message_get_destination(theirs)), 0);
    assert_int_equal(g_strcmp0(ours.interface, g_dbus_message_get_interface(theirs)), 0);
    assert_int_equal(g_strcmp0(ours.member, g_dbus_message_get_member(theirs)), 0);
    assert_int_equal(g_strcmp0(ours.error, g_dbus_message_get_error_name(theirs)), 0);
    /* Of a beginning that ends anywhere, never more than the fields that are whole. */
    for (size_t have = MESSAGE_HEAD_SIZE; have < size; have++) {
        uint8_t *part = g_memdup2(blob, have);
        struct message begun;

        assert_true(message_read(&begun, part, have));
        assert_true(!begun.sender || strcmp(begun.sender, ours.sender) == 0);
        assert_null(begun.body);
        g_free(part);
    }
    g_free(blob);
    g_object_unref(theirs);
}

static void test_R52_headers_say_what_gdbus_says(void **state)
{
    static const GDBusMessageByteOrder orders[] = {G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN,
                                                   G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN};

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        GDBusMessage *call = a_call("text"), *reply, *error;
        GUnixFDList *list;

        g_dbus_message_set_serial(call, 5);
        reply = g_dbus_message_new_method_reply(call);
        list = g_unix_fd_list_new();
        assert_true(g_unix_fd_list_append(list, STDERR_FILENO, NULL) >= 0);
        g_dbus_message_set_unix_fd_list(reply, list);
        g_object_unref(list);
        error = g_dbus_message_new_method_error_literal(call, "an.Error", "text");
        same_header(reply, orders[i]);
        same_header(error, orders[i]);
        same_header(g_dbus_message_new_signal("/path", "an.interface", "Signal"), orders[i]);
        /* A field that nobody knows yet. */
        g_dbus_message_set_header(call, (GDBusMessageHeaderField)77, g_variant_new_uint64(7));
        same_header(call, orders[i]);
    }
}

static void test_R52_silent_calls_are_known_by_their_head(void **state)
{
    GDBusMessage *call = a_call(NULL), *signal = g_dbus_message_new_signal("/p", "an.i", "Signal");
    struct message message;
    size_t size;
    uint8_t *blob;

    (void)state;
    g_dbus_message_set_flags(call, G_DBUS_MESSAGE_FLAGS_NO_AUTO_START);
    blob =
        to_blob(g_dbus_message_copy(call, NULL), G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN, 1, &size);
    assert_false(message_is_silent_call(blob));
    assert_true(message_read(&message, blob, size) && message.wants_reply);
    g_free(blob);
    g_dbus_message_set_flags(call, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    blob = to_blob(call, G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN, 1, &size);
    assert_true(message_is_silent_call(blob));
    assert_true(message_read(&message, blob, size) && !message.wants_reply);
    g_free(blob);
    g_dbus_message_set_flags(signal, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    blob = to_blob(signal, G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN, 1, &size);
    assert_false(message_is_silent_call(blob));
    g_free(blob);
}

static void test_R52_malformed_headers_are_refused(void **state)
{
    /* Each a call with 8 bytes of fields and a serial: a string whose length is beyond the fields,
     * one without its zero, a signature of two types, one of a container, a field with the code 0.
     */
    static const uint8_t fields[][8] = {
        {7, 1, 's', 0, 9, 0, 0, 0}, {8, 1, 'g', 0, 2, 's', 0, 1}, {7, 2, 's', 's', 0, 0, 0, 0},
        {7, 1, '(', 0, 0, 0, 0, 0}, {0, 1, 'u', 0, 1, 0, 0, 0},   {7, 1, 'u', 0, 1, 0, 0, 0},
        {7, 1, 's', 1, 0, 0, 0, 0}, {7, 0, 0, 0, 0, 0, 0, 0},
    };
    uint8_t bytes[24] = {'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8};
    struct message message;

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        memcpy(bytes + MESSAGE_HEAD_SIZE, fields[i], sizeof(fields[i]));
        assert_int_equal(message_size(bytes), sizeof(bytes));
        assert_false(message_read(&message, bytes, sizeof(bytes)));
    }
    memcpy(bytes + MESSAGE_HEAD_SIZE, (uint8_t[8]){9, 1, 'u', 0, 1, 0, 0, 0}, 8);
    assert_true(message_read(&message, bytes, sizeof(bytes)));
    bytes[8] = 0;
    assert_false(message_read(&message, bytes, sizeof(bytes)));
}

static GDBusMessage *read_back(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = g_memdup2(bytes, size);
    GDBusMessage *message =
        g_dbus_message_new_from_blob(copy, size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);

    assert_true(size > 0 && message_size(bytes) == size);
    assert_non_null(message);
    g_free(copy);
    return message;
}

static void test_R52_messages_that_are_built_are_messages(void **state)
{
    uint8_t bytes[MESSAGE_BUILD_MAX];
    char name[MESSAGE_NAME_MAX + 2], text[2000];
    GDBusMessage *message;
    size_t size;

    (void)state;
    memset(name, 'x', sizeof(name));
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(message_build_bus_call(bytes, 1, "GetConnectionUnixUser", name), 0);
    assert_int_equal(message_build_error(bytes, 1, 2, name, "an.Error", ""), 0);
    assert_int_equal(message_build_error(bytes, 1, 2, NULL, name, ""), 0);
    name[sizeof(name) - 2] = '\0';
    size = message_build_error(bytes, 0xfffffff0, 2, name, name, text);
    assert_true(size > 0 && size <= sizeof(bytes));
    size = message_build_error(bytes, 0xfffffff0, 2, ":1.7", "an.Error", text);
    message = read_back(bytes, size);
    assert_int_equal(g_dbus_message_get_reply_serial(message), 2);
    assert_string_equal(g_dbus_message_get_error_name(message), "an.Error");
    assert_string_equal(g_dbus_message_get_destination(message), ":1.7");
    assert_int_equal(strlen(g_dbus_message_get_arg0(message)), MESSAGE_NAME_MAX);
    g_object_unref(message);
    size = message_build_bus_call(bytes, 9, "GetConnectionUnixUser", ":1.7");
    message = read_back(bytes, size);
    assert_int_equal(g_dbus_message_get_serial(message), 9);
    assert_string_equal(g_dbus_message_get_member(message), "GetConnectionUnixUser");
    assert_string_equal(g_dbus_message_get_arg0(message), ":1.7");
    g_object_unref(message);
}

static void test_R52_a_number_is_read_where_one_is(void **state)
{
    GDBusMessage *reply = a_call(NULL), *other = a_call("text");
    struct message message;
    uint32_t number = 0;
    size_t size;
    uint8_t *blob;

    (void)state;
    g_dbus_message_set_body(reply, g_variant_new("(u)", 300007u));
    blob = to_blob(reply, G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN, 1, &size);
    assert_true(message_read(&message, blob, size) && message_read_number(&message, &number));
    assert_int_equal(number, 300007);
    assert_true(message_read(&message, blob, size - 1));
    assert_false(message_read_number(&message, &number));
    g_free(blob);
    blob = to_blob(other, G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN, 1, &size);
    assert_true(message_read(&message, blob, size));
    assert_false(message_read_number(&message, &number));
    g_free(blob);
}

/* What a signal of the bus's is read as, whole and cut; and no byte of its body has the reader go
 * beyond it. */
static void read_departure(const char *name, const char *owner, const char *expected)
{
    GDBusMessage *signal =
        g_dbus_message_new_signal("/a/path", "org.freedesktop.DBus", "NameOwnerChanged");
    struct message message;
    const char *found;
    size_t size;
    uint8_t *blob;

    g_dbus_message_set_sender(signal, "org.freedesktop.DBus");
    g_dbus_message_set_body(signal, g_variant_new("(sss)", name, ":1.7", owner));
    blob = to_blob(signal, G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN, 1, &size);
    assert_true(message_read(&message, blob, size));
    found = message_read_departure(&message);
    assert_int_equal(found != NULL, expected != NULL);
    if (expected)
        assert_string_equal(found, expected);
    for (uint8_t *byte = blob + (size - message.body_size); byte < blob + size; byte++) {
        uint8_t before = *byte;

        *byte = 0xff;
        message_read_departure(&message);
        *byte = before;
    }
    assert_true(message_read(&message, blob, size - 1));
    assert_null(message_read_departure(&message));
    g_free(blob);
}

static void test_R52_a_departure_is_read_where_one_is(void **state)
{
    (void)state;
    read_departure(":1.7", "", ":1.7");
    read_departure(":1.7", ":1.7", NULL);
    read_departure("a.name", "", NULL);
    read_departure("", "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R52_each_split_of_the_bytes_gives_the_same),
        cmocka_unit_test(test_R52_what_is_no_dbus_is_told),
        cmocka_unit_test(test_R52_headers_say_what_gdbus_says),
        cmocka_unit_test(test_R52_silent_calls_are_known_by_their_head),
        cmocka_unit_test(test_R52_malformed_headers_are_refused),
        cmocka_unit_test(test_R52_messages_that_are_built_are_messages),
        cmocka_unit_test(test_R52_a_number_is_read_where_one_is),
        cmocka_unit_test(test_R52_a_departure_is_read_where_one_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
