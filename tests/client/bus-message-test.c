/* SPDX-License-Identifier: BSD-2-Clause */
/* D-Bus messages as bytes, beside GDBus: it reads what is built here, and what it builds, whole or
 * with a byte changed, has one meaning to both where both read it. */
#include <errno.h>
#include <gio/gio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus-message.h"
#include "gdbus-oracle.h"

#define ROOM 4096

/* The bytes in a block of their very size, for the sanitizers. */
static enum gdbus_oracle ask(const uint8_t *bytes, size_t size, char *why)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    enum gdbus_oracle answer;

    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    answer = gdbus_oracle_ask(exact, size, why);
    free(exact);
    return answer;
}

static void expect_read(const uint8_t *bytes, size_t size)
{
    char why[GDBUS_ORACLE_WHY];
    enum gdbus_oracle answer = ask(bytes, size, why);

    if (answer != GDBUS_ORACLE_BOTH_READ)
        fail_msg("outcome %d: %s", (int)answer, why);
    assert_true(bus_message_size(bytes) == size);
}

/* Messages that a bus may bring, most of them for somebody else. */
static GDBusMessage *message_of_gdbus(unsigned which)
{
    static const char *const bodies[] = {
        "(uint64 0x8899aabbccddeeff,)",
        "(uint32 0xa000b,)",
        "('as the test wants',)",
        "()",
        ("('more', {'a': <1>, 'b': <('x', [byte 1, 2], objectpath '/a/b', signature 'a{sv}')>}, "
         "7.5)"),
        "(true, int16 -1, uint16 9, int64 -9, @ax [], @a(yv) [(1, <<<2>>>)], '')",
    };
    GDBusMessage *message = g_dbus_message_new();
    GVariant *body;

    if (which >= 4 * G_N_ELEMENTS(bodies)) {
        g_object_unref(message);
        return NULL;
    }
    g_dbus_message_set_message_type(message, (GDBusMessageType)(which % 4 + 1));
    g_dbus_message_set_serial(message, 1 + which);
    g_dbus_message_set_sender(message, ":1.42");
    if (which % 4 == 0 || which % 4 == 3) {
        g_dbus_message_set_path(message, "/org/freedesktop/DBus");
        g_dbus_message_set_interface(message, "org.freedesktop.DBus");
        g_dbus_message_set_member(message, "NameAcquired");
        g_dbus_message_set_destination(message, ":1.1");
    } else {
        g_dbus_message_set_reply_serial(message, 0x01020304 + which);
    }
    if (which % 4 == 2)
        g_dbus_message_set_error_name(message, "org.freedesktop.DBus.Error.NoReply");
    body = g_variant_new_parsed(bodies[which / 4]);
    g_dbus_message_set_body(message, body);
    return message;
}

static size_t blob_of(GDBusMessage *message, GDBusMessageByteOrder order, uint8_t out[ROOM])
{
    GError *error = NULL;
    guchar *blob;
    gsize size = 0;

    g_dbus_message_set_byte_order(message, order);
    blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    if (blob == NULL)
        fail_msg("%s", error->message);
    assert_true(size <= ROOM);
    memcpy(out, blob, size);
    g_free(blob);
    return size;
}

/* Calls `check` for each message of GDBus in both byte orders. */
static void for_all_messages(void (*check)(const uint8_t *bytes, size_t size))
{
    static const GDBusMessageByteOrder orders[] = {G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN,
                                                   G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN};
    GDBusMessage *message;
    uint8_t bytes[ROOM];
    unsigned which, order;

    for (which = 0; (message = message_of_gdbus(which)) != NULL; which++) {
        for (order = 0; order < 2; order++)
            check(bytes, blob_of(message, orders[order], bytes));
        g_object_unref(message);
    }
    assert_int_equal(which, 24);
}

static void test_messages_of_gdbus(void **state)
{
    (void)state;
    for_all_messages(expect_read);
}

static void expect_no_part(const uint8_t *bytes, size_t size)
{
    char why[GDBUS_ORACLE_WHY];
    uint8_t longer[ROOM];
    size_t cut;

    for (cut = 0; cut < size; cut++)
        assert_in_range(ask(bytes, cut, why), GDBUS_ORACLE_BOTH_REFUSE, GDBUS_ORACLE_WE_REFUSE);
    memcpy(longer, bytes, size);
    longer[size] = 0;
    assert_in_range(ask(longer, size + 1, why), GDBUS_ORACLE_BOTH_REFUSE, GDBUS_ORACLE_WE_REFUSE);
}

static void test_truncated_and_lengthened_messages(void **state)
{
    (void)state;
    for_all_messages(expect_no_part);
}

static bool is_big(const uint8_t *bytes)
{
    return bytes[0] == 'B';
}

static uint32_t body_size(const uint8_t *bytes)
{
    uint32_t size;

    memcpy(&size, bytes + 4, sizeof(size));
    return is_big(bytes) ? GUINT32_FROM_BE(size) : GUINT32_FROM_LE(size);
}

static void set_body_size(uint8_t *bytes, uint32_t size)
{
    size = is_big(bytes) ? GUINT32_TO_BE(size) : GUINT32_TO_LE(size);
    memcpy(bytes + 4, &size, sizeof(size));
}

/* A reply's body of one value that is cut short, or a byte longer, with a header that says so, is
 * not what its signature says. */
static void expect_no_other_body(const uint8_t *bytes, size_t size)
{
    uint32_t body = body_size(bytes), other;
    struct bus_message message;
    uint8_t changed[ROOM] = {0};

    assert_int_equal(bus_message_read(&message, bytes, size), 0);
    if (message.text == NULL && message.number == 0)
        return;
    memcpy(changed, bytes, size);
    for (other = 0; other <= body + 1; other++) {
        bool good = other == body || (message.signature[1] != '\0' && other == body + 1);

        set_body_size(changed, other);
        if (good || message.signature[1] == '\0')
            assert_int_equal(bus_message_read(&message, changed, size - body + other),
                             good ? 0 : -EBADMSG);
    }
}

static void test_bodies_of_another_size(void **state)
{
    (void)state;
    for_all_messages(expect_no_other_body);
}

static void expect_agreement(const uint8_t *bytes, size_t size, size_t at)
{
    char why[GDBUS_ORACLE_WHY];
    enum gdbus_oracle answer = ask(bytes, size, why);

    if (answer == GDBUS_ORACLE_DISAGREE)
        fail_msg("byte %zu set to %u: %s", at, bytes[at], why);
}

/* Refused by one of both, or of the meaning that GDBus finds in it. */
static void expect_bit_flips_to_agree(const uint8_t *bytes, size_t size)
{
    uint8_t changed[ROOM];
    size_t bit;

    memcpy(changed, bytes, size);
    for (bit = 0; bit < 8 * size; bit++) {
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_agreement(changed, size, bit / 8);
        changed[bit / 8] = bytes[bit / 8];
    }
}

static void test_every_bit_flip_in_all_messages(void **state)
{
    (void)state;
    for_all_messages(expect_bit_flips_to_agree);
}

static void test_every_byte_of_replies_set_to_everything(void **state)
{
    static const unsigned replies[] = {1, 5, 10}; /* t, u, and an error with s */
    GDBusMessage *message;
    uint8_t bytes[ROOM], changed[ROOM];
    size_t size, at, i;
    unsigned value;

    (void)state;
    for (i = 0; i < 2 * G_N_ELEMENTS(replies); i++) {
        message = message_of_gdbus(replies[i / 2]);
        size = blob_of(message,
                       i % 2 ? G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN
                             : G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN,
                       bytes);
        g_object_unref(message);
        memcpy(changed, bytes, size);
        for (at = 0; at < size; at++) {
            for (value = 0; value < 256; value++) {
                changed[at] = (uint8_t)value;
                expect_agreement(changed, size, at);
            }
            changed[at] = bytes[at];
        }
    }
}

/* What a call says to GDBus, whose peers read it. */
static void expect_call(const struct bus_message_call *call, const char *body)
{
    uint8_t bytes[BUS_MESSAGE_CALL_MAX];
    size_t size = bus_message_build(bytes, call);
    GDBusMessage *message;
    GError *error = NULL;
    GVariant *expected;

    assert_int_not_equal(size, 0);
    message =
        g_dbus_message_new_from_blob(bytes, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    if (message == NULL)
        fail_msg("%s", error->message);
    assert_int_equal(g_dbus_message_get_message_type(message), G_DBUS_MESSAGE_TYPE_METHOD_CALL);
    assert_int_equal(g_dbus_message_get_flags(message), 0);
    assert_int_equal(g_dbus_message_get_serial(message), call->serial);
    assert_int_equal(g_dbus_message_get_num_unix_fds(message), 0);
    assert_string_equal(g_dbus_message_get_destination(message), call->destination);
    assert_string_equal(g_dbus_message_get_path(message), call->path);
    assert_string_equal(g_dbus_message_get_interface(message), call->interface);
    assert_string_equal(g_dbus_message_get_member(message), call->member);
    assert_string_equal(g_dbus_message_get_signature(message), call->signature);
    assert_null(g_dbus_message_get_sender(message));
    if (body == NULL) {
        assert_null(g_dbus_message_get_body(message));
    } else {
        expected = g_variant_ref_sink(g_variant_new_parsed(body));
        assert_true(g_variant_equal(g_dbus_message_get_body(message), expected));
        g_variant_unref(expected);
    }
    g_object_unref(message);
    expect_read(bytes, size);
}

/* Holds until the next call. */
static const char *body_of(const char *name)
{
    static char body[BUS_MESSAGE_NAME_MAX + 8];

    snprintf(body, sizeof(body), "('%s',)", name);
    return body;
}

static void test_calls_as_gdbus_reads_them(void **state)
{
    char names[4][BUS_MESSAGE_NAME_MAX + 1];
    struct bus_message_call call = {.destination = "org.example.D",
                                    .path = "/a/b",
                                    .interface = "org.example.I",
                                    .member = "M",
                                    .signature = ""};
    size_t length, i;

    (void)state;
    call.id = UINT64_C(0x8899aabbccddeeff);
    call.locality = 4;
    for (i = 0; i < 4; i++) {
        memset(names[i], 'a', sizeof(names[i]));
        names[i][0] = i == 1 ? '/' : 'b';
        names[i][2] = i == 0 || i == 2 ? '.' : 'c';
    }
    /* Names of all lengths: fields end everywhere between two places of alignment. */
    for (length = 4; length <= BUS_MESSAGE_NAME_MAX; length++) {
        for (i = 0; i < 4; i++)
            names[i][length] = '\0';
        call.serial = (uint32_t)length << 23 | 1;
        call.signature = "";
        expect_call(&call, NULL);
        call.signature = "t";
        expect_call(&call, "(uint64 0x8899aabbccddeeff,)");
        call.signature = "ty";
        expect_call(&call, "(uint64 0x8899aabbccddeeff, byte 4)");
        call.signature = "s";
        call.name = names[0];
        expect_call(&call, body_of(names[0]));
        call.destination = names[0];
        call.path = names[1];
        call.interface = names[2];
        call.member = names[3];
        for (i = 0; i < 4; i++)
            names[i][length] = 'a';
    }
}

static void test_no_call_with_a_name_of_no_length(void **state)
{
    static const struct bus_message_call good = {1, "a.b", "/a", "a.c", "M", "s", "a.d", 0, 0};
    uint8_t bytes[BUS_MESSAGE_CALL_MAX];
    char much[BUS_MESSAGE_NAME_MAX + 2];
    const char *names[] = {"", much};
    struct bus_message_call call;
    unsigned bad;

    (void)state;
    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    assert_int_not_equal(bus_message_build(bytes, &good), 0);
    for (bad = 0; bad < 10; bad++) {
        call = good;
        *(bad / 2 == 0   ? &call.destination
          : bad / 2 == 1 ? &call.path
          : bad / 2 == 2 ? &call.interface
          : bad / 2 == 3 ? &call.member : &call.name) = names[bad % 2];
        assert_int_equal(bus_message_build(bytes, &call), 0);
    }
}

static void test_unique_names(void **state)
{
    static const struct {
        const char *name;
        bool unique;
    } cases[] = {
        {":1.2", true},   {":1.42", true},   {":a-b._c.9", true}, {":1", false},
        {"", false},      {":", false},      {":.", false},       {":1.", false},
        {":.1", false},   {":1..2", false},  {"1.2", false},      {"a.b", false},
        {":1.2 ", false}, {":1.2\n", false}, {":1/2.3", false},   {":1.\xC3\xA4", false},
        {"a  b", false},
    };
    char longest[BUS_MESSAGE_NAME_MAX + 2];
    size_t i;

    (void)state;
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].unique != bus_message_is_unique_name(cases[i].name))
            fail_msg("\"%s\"", cases[i].name);
        /* GDBus lets an element be empty. */
        assert_true(!cases[i].unique || g_dbus_is_unique_name(cases[i].name));
    }
    memset(longest, '1', sizeof(longest));
    memcpy(longest, ":1.", 3);
    longest[BUS_MESSAGE_NAME_MAX + 1] = '\0';
    assert_false(bus_message_is_unique_name(longest));
    longest[BUS_MESSAGE_NAME_MAX] = '\0';
    assert_true(bus_message_is_unique_name(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_of_gdbus),
        cmocka_unit_test(test_truncated_and_lengthened_messages),
        cmocka_unit_test(test_bodies_of_another_size),
        cmocka_unit_test(test_every_bit_flip_in_all_messages),
        cmocka_unit_test(test_every_byte_of_replies_set_to_everything),
        cmocka_unit_test(test_calls_as_gdbus_reads_them),
        cmocka_unit_test(test_no_call_with_a_name_of_no_length),
        cmocka_unit_test(test_unique_names),
    };

    return cmocka_run_group_tests_name("client bus messages", tests, NULL, NULL);
}
