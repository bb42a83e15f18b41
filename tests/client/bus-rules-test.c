/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules that the D-Bus specification has for the bytes of a message, each kept and broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus-message.h"
#include "raw-message.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Reads the bytes in a block of their very size, for the sanitizers; forgets the strings. */
static bool reads(const struct raw *raw)
{
    uint8_t *exact = malloc(raw->size);
    struct bus_message message;
    int answer;

    assert_non_null(exact);
    memcpy(exact, raw->bytes, raw->size);
    answer = bus_message_read(&message, exact, raw->size);
    free(exact);
    assert_true(answer == 0 || answer == -EBADMSG);
    return answer == 0;
}

/* A field of a reply, without its padding. */
static void put_field(struct raw *raw, unsigned which)
{
    static const char *const names[] = {"org.example.Error", ":1.42"};

    switch (which) {
    case 0:
        raw_field(raw, 5, "u");
        raw_u32(raw, 0x01020304);
        break;
    case 1:
        raw_field(raw, 4, "s");
        raw_string(raw, names[0]);
        break;
    case 2:
        raw_field(raw, 7, "s");
        raw_string(raw, names[1]);
        break;
    case 3:
        raw_field(raw, 8, "g");
        raw_signature(raw, "s");
        break;
    default:
        raw_field(raw, 9, "u");
        raw_u32(raw, 1);
    }
}

static void test_fields_in_every_order(void **state)
{
    struct bus_message message;
    unsigned order, i, digits, used, which;
    struct raw raw;
    unsigned good = 0;

    (void)state;
    /* Numbers of five digits to the base of five, of which those count that have each digit. */
    for (order = 0; order < 2 * 3125; order++) {
        raw_begin(&raw, order % 2 == 1, BUS_MESSAGE_ERROR);
        for (i = 0, digits = order / 2, used = 0; i < 5; i++, digits /= 5) {
            which = digits % 5;
            used |= 1u << which;
            put_field(&raw, which);
        }
        raw_begin_body(&raw);
        raw_string(&raw, "why");
        raw_end(&raw);
        /* A field that comes twice is in the place of one that is missing. */
        assert_int_equal(bus_message_read(&message, raw.bytes, raw.size),
                         used == 0x1F ? 0 : -EBADMSG);
        if (used != 0x1F)
            continue;
        good++;
        assert_int_equal(message.type, BUS_MESSAGE_ERROR);
        assert_int_equal(message.reply_serial, 0x01020304);
        assert_string_equal(message.error_name, "org.example.Error");
        assert_string_equal(message.sender, ":1.42");
        assert_string_equal(message.signature, "s");
        assert_string_equal(message.text, "why");
    }
    assert_int_equal(good, 2 * 120);
}

/* A method return with a body of `signature`, up to that body. */
static void begin_return(struct raw *raw, bool big, const char *signature)
{
    raw_begin(raw, big, BUS_MESSAGE_METHOD_RETURN);
    put_field(raw, 0);
    if (signature[0] != '\0') {
        raw_field(raw, 8, "g");
        raw_signature(raw, signature);
    }
    raw_begin_body(raw);
}

static void test_padding_is_zero(void **state)
{
    struct raw raw;
    size_t at, padding = 0;

    (void)state;
    /* Of the fixed part nothing; of the fields all that no field covers; of the body what is
     * between the byte and the number. */
    begin_return(&raw, false, "yt");
    raw_bytes(&raw, "\1", 1);
    raw_align(&raw, 8);
    raw_bytes(&raw, "\1\2\3\4\5\6\7\10", 8);
    raw_end(&raw);
    assert_true(reads(&raw));
    assert_int_equal(raw.size, 16 + 8 + 8 + 16);
    for (at = 16 + 8 + 4; at < raw.size - 8; at++) {
        if (raw.bytes[at] != 0 || at == 16 + 8 + 7)
            continue;
        raw.bytes[at] = 1;
        assert_false(reads(&raw));
        raw.bytes[at] = 0;
        padding++;
    }
    /* Signature "yt" and its zero leave none in the header. */
    assert_int_equal(padding, 7);

    begin_return(&raw, false, "y");
    raw_bytes(&raw, "\1", 1);
    raw_end(&raw);
    assert_true(reads(&raw));
    raw.bytes[raw.body - 1] = 1;
    assert_false(reads(&raw));
}

static void test_fixed_part(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        bool good;
    } cases[] = {
        {0, 'L', false}, {0, 0, false}, {1, 0, false}, {1, 5, true},  {1, 255, true},
        {2, 0xFF, true}, {3, 0, false}, {3, 2, false}, {8, 0, false},
    };
    struct raw raw;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        begin_return(&raw, false, "");
        raw_end(&raw);
        assert_true(reads(&raw));
        raw.bytes[cases[i].at] = cases[i].value;
        if (reads(&raw) != cases[i].good)
            fail_msg("byte %zu as %u", cases[i].at, cases[i].value);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        uint32_t fields, body;
        size_t size;
    } cases[] = {
        {0, 0, 16},
        {1, 0, 24},
        {8, 1, 25},
        {BUS_MESSAGE_MAX - 16, 0, BUS_MESSAGE_MAX},
        {BUS_MESSAGE_MAX - 17, 0, BUS_MESSAGE_MAX},
        {BUS_MESSAGE_MAX - 16, 1, 0},
        {0, BUS_MESSAGE_MAX - 16, BUS_MESSAGE_MAX},
        {0, BUS_MESSAGE_MAX - 15, 0},
        {0x4000001, 0, 0},
        {0, 0x8000001, 0},
        {UINT32_MAX, 0, 0},
        {UINT32_MAX - 6, 0, 0},
        {0, UINT32_MAX, 0},
        {UINT32_MAX, UINT32_MAX, 0},
        {UINT32_MAX - 15, 16, 0},
    };
    struct raw raw;
    size_t i;

    (void)state;
    for (i = 0; i < 2 * COUNT(cases); i++) {
        raw_begin(&raw, i % 2 == 1, BUS_MESSAGE_METHOD_RETURN);
        raw_store(&raw, 4, cases[i / 2].body);
        raw_store(&raw, 12, cases[i / 2].fields);
        assert_int_equal(bus_message_size(raw.bytes), cases[i / 2].size);
        assert_false(reads(&raw));
    }
}

static void test_required_fields(void **state)
{
    /* By type: bit n for the field of code n. */
    static const unsigned required[] = {
        0, 1u << 1 | 1u << 3, 1u << 5, 1u << 4 | 1u << 5, 1u << 1 | 1u << 2 | 1u << 3, 0};
    unsigned with, code;
    struct raw raw;
    uint8_t type;

    (void)state;
    for (type = BUS_MESSAGE_METHOD_CALL; type <= BUS_MESSAGE_SIGNAL + 1; type++) {
        for (with = 0; with < 1u << 6; with += 2) {
            raw_begin(&raw, false, type);
            for (code = 1; code <= 5; code++) {
                if ((with & 1u << code) == 0)
                    continue;
                raw_field(&raw, (uint8_t)code, code == 1 ? "o" : code == 5 ? "u" : "s");
                if (code == 5)
                    raw_u32(&raw, 1);
                else
                    raw_string(&raw, code == 1 ? "/a" : "a.b");
            }
            raw_begin_body(&raw);
            raw_end(&raw);
            assert_int_equal(reads(&raw), (with & required[type]) == required[type]);
        }
    }
}

/* A reply whose last header field is this one; its value begins behind its signature. */
static bool reads_with_field(uint8_t code, const char *type, const void *value, size_t size)
{
    struct raw raw;

    raw_begin(&raw, false, BUS_MESSAGE_METHOD_RETURN);
    if (code != 5)
        put_field(&raw, 0);
    raw_field(&raw, code, type);
    raw_bytes(&raw, value, size);
    raw_begin_body(&raw);
    raw_end(&raw);
    return reads(&raw);
}

static void test_types_of_known_fields(void **state)
{
    static const char *const types[] = {" ", "o", "s", "s", "s", "u", "s", "s", "g", "u"};
    static const char *const all[] = {"y", "b", "n", "q", "i",  "u",   "x",  "t", "d", "h",
                                      "s", "o", "g", "v", "as", "(s)", "ss", "",  "uu"};
    uint8_t code;
    size_t i;

    (void)state;
    for (code = 1; code < COUNT(types); code++)
        for (i = 0; i < COUNT(all); i++) {
            /* Four bytes that are good as "u", and in the place of a value of any other type. */
            if (strcmp(all[i], types[code]) != 0)
                assert_false(reads_with_field(code, all[i], "\0\0\0\0", 4));
        }
    assert_true(reads_with_field(9, "u", "\1\0\0\0", 4));
    assert_true(reads_with_field(5, "u", "\1\0\0\0", 4));
    assert_false(reads_with_field(5, "u", "\0\0\0\0", 4));
    assert_true(reads_with_field(1, "o", "\2\0\0\0/a", 7));
    assert_false(reads_with_field(1, "o", "\2\0\0\0/.", 7));
    assert_false(reads_with_field(1, "o", "\0\0\0\0", 5));
    assert_true(reads_with_field(7, "s", "\0\0\0\0", 5));
    assert_false(reads_with_field(0, "u", "\1\0\0\0", 4));
}

#define VALUE(bytes) (bytes), sizeof(bytes) - 1

/* Types and values, in the place of a header field that is not known: at 4 bytes behind a multiple
 * of 8 for types of one letter. */
static void test_values(void **state)
{
    static const struct {
        const char *type, *value;
        size_t size;
        bool good;
    } cases[] = {
        {"y", VALUE("\xFF"), true},
        {"y", VALUE(""), false},
        {"b", VALUE("\1\0\0\0"), true},
        {"b", VALUE("\2\0\0\0"), false},
        {"n", VALUE("\1\0"), true},
        {"n", VALUE("\1"), false},
        {"i", VALUE("\1\0\0\0"), true},
        {"h", VALUE("\1\0\0"), false},
        {"t", VALUE("\0\0\0\0\1\2\3\4\5\6\7\10"), true},
        {"t", VALUE("\0\0\1\0\1\2\3\4\5\6\7\10"), false},
        {"t", VALUE("\0\0\0\0\1\2\3\4\5\6\7"), false},
        {"s", VALUE("\1\0\0\0a\0"), true},
        {"s", VALUE("\1\0\0\0ab"), false},
        {"s", VALUE("\1\0\0\0\0\0"), false},
        {"s", VALUE("\2\0\0\0a\0"), false},
        {"s",
         VALUE("\xFF\xFF\xFF\xFF"
               "a\0"),
         false},
        {"s", VALUE("\0\0\0\0"), false},
        {"g", VALUE("\1y\0"), true},
        {"g", VALUE("\1z\0"), false},
        {"g", VALUE("\1a\0"), false},
        {"v", VALUE("\1y\0\1"), true},
        {"v", VALUE("\2yy\0\1\1"), false},
        {"v", VALUE("\0\0"), false},
        {"v", VALUE("\1v\0\1y\0\1"), true},
        {"ay", VALUE("\0\0\0\2\0\0\0\1\2"), true},
        {"ay", VALUE("\0\0\0\3\0\0\0\1\2"), false},
        {"ay", VALUE("\0\0\0\xFF\xFF\xFF\xFF\1\2"), false},
        {"at", VALUE("\0\0\0\0\0\0\0\0\0\0\0"), true},
        {"at", VALUE("\0\0\0\0\0\0\0"), false},
        {"at", VALUE("\0\0\0\10\0\0\0\0\0\0\0\1\2\3\4\5\6\7\10"), true},
        {"at", VALUE("\0\0\0\7\0\0\0\0\0\0\0\1\2\3\4\5\6\7\10"), false},
        {"at", VALUE("\0\0\0\20\0\0\0\0\0\0\0\1\2\3\4\5\6\7\10"), false},
        {"a{sv}", VALUE("\12\0\0\0\0\0\0\0\1\0\0\0a\0\1y\0\1"), true},
        {"a{sv}", VALUE("\13\0\0\0\0\0\0\0\1\0\0\0a\0\1y\0\1"), false},
        {"a{sv}", VALUE("\11\0\0\0\0\0\0\0\1\0\0\0a\0\1y\0\1"), false},
        {"(yy)", VALUE("\0\1\2"), true},
        {"()", VALUE("\0\0\0"), false},
        {"(y", VALUE("\0\0\0\1"), false},
        {"{sy}", VALUE("\0\0\1\0\0\0a\0\1"), false},
        {"a{vy}", VALUE("\0\0\0\0\0\0\0\0"), false},
        {"a{s}", VALUE("\0\0\0\0\0\0\0\0\0"), false},
        {"a{syy}", VALUE("\0\0\0\0\0\0\0"), false},
        {"", VALUE("\0"), false},
        {"z", VALUE("\0"), false},
        {")", VALUE("\0"), false},
        {"a", VALUE("\0\0\0\0"), false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        if (reads_with_field(200, cases[i].type, cases[i].value, cases[i].size) != cases[i].good)
            fail_msg("case %zu, type %s", i, cases[i].type);
}

/* A body of one variant, which is in `depth` variants in all. */
static bool reads_variants(unsigned depth)
{
    struct raw raw;
    unsigned i;

    begin_return(&raw, false, "v");
    for (i = 1; i < depth; i++)
        raw_signature(&raw, "v");
    raw_signature(&raw, "y");
    raw_bytes(&raw, "\1", 1);
    raw_end(&raw);
    return reads(&raw);
}

/* A body of one value of a type with so many arrays and structs around a byte. */
static bool reads_containers(unsigned arrays, unsigned structs)
{
    char type[256] = "";
    struct raw raw;

    memset(type, 'a', arrays);
    memset(type + arrays, '(', structs);
    strcat(type, "y");
    memset(type + strlen(type), ')', structs);
    begin_return(&raw, false, type);
    if (arrays > 0) {
        raw_u32(&raw, 0);
        if (arrays == 1 && structs > 0)
            raw_align(&raw, 8);
    } else {
        raw_bytes(&raw, "\1", 1);
    }
    raw_end(&raw);
    return reads(&raw);
}

static void test_depth(void **state)
{
    (void)state;
    assert_true(reads_variants(1));
    assert_true(reads_variants(64));
    assert_false(reads_variants(65));
    assert_false(reads_variants(1000));
    assert_true(reads_containers(32, 0));
    assert_false(reads_containers(33, 0));
    assert_true(reads_containers(0, 32));
    assert_false(reads_containers(0, 33));
    assert_true(reads_containers(1, 32));
    assert_false(reads_containers(200, 0));
}

/* An error text of these bytes, which hold no zero. */
static bool reads_text(const uint8_t *bytes, size_t size)
{
    struct raw raw;

    begin_return(&raw, false, "s");
    raw_u32(&raw, (uint32_t)size);
    raw_bytes(&raw, bytes, size);
    raw_bytes(&raw, "", 1);
    raw_end(&raw);
    return reads(&raw);
}

/* All that UTF-8 can be written with, and the texts next to them. */
static void test_utf8(void **state)
{
    uint32_t code, forms = 0;
    uint8_t text[4];

    (void)state;
    for (code = 1; code < 0x120000; code += code < 0x900 || code % 0x800 < 2 ? 1 : 61) {
        size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4, i;
        bool good = (code < 0xD800 || code > 0xDFFF) && code <= 0x10FFFF;

        for (i = 0; i < size; i++)
            text[size - 1 - i] = (uint8_t)(0x80 | (code >> 6 * i & 0x3F));
        text[0] = (uint8_t)(size == 1 ? code : (0xF00u >> size & 0xFF) | (code >> 6 * (size - 1)));
        if (reads_text(text, size) != good)
            fail_msg("character 0x%x", (unsigned)code);
        forms++;
        if (size > 1)
            assert_false(reads_text(text, size - 1));
        /* The same one byte longer than it need be. */
        if (size == 3 && code < 0x10000) {
            text[0] = 0xF0;
            text[1] = (uint8_t)(0x80 | code >> 12);
            text[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
            text[3] = (uint8_t)(0x80 | (code & 0x3F));
            assert_false(reads_text(text, 4));
        }
    }
    assert_true(forms > 10000);
    assert_false(reads_text((const uint8_t *)"\xC0\x80", 2));
    assert_false(reads_text((const uint8_t *)"\xC1\xBF", 2));
    assert_false(reads_text((const uint8_t *)"\xE0\x9F\xBF", 3));
    assert_false(reads_text((const uint8_t *)"\x80", 1));
    assert_false(reads_text((const uint8_t *)"\xF8\x88\x80\x80", 4));
    assert_true(reads_text((const uint8_t *)"", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_in_every_order),
        cmocka_unit_test(test_padding_is_zero),
        cmocka_unit_test(test_fixed_part),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_required_fields),
        cmocka_unit_test(test_types_of_known_fields),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests_name("client bus rules", tests, NULL, NULL);
}
