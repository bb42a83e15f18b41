/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules that the D-Bus specification has for the bytes of a reply that are read, each kept and
 * broken; and what is not read, which can be anything of its size. */
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
        raw_field(raw, 3, "s");
        raw_string(raw, "Member");
    }
}

static void test_fields_in_every_order(void **state)
{
    struct bus_message message;
    unsigned order, i, digits, which, count[5];
    struct raw raw;
    unsigned good = 0;
    bool fine;

    (void)state;
    /* Numbers of five digits to the base of five, of which each is a field. */
    for (order = 0; order < 2 * 3125; order++) {
        raw_begin(&raw, order % 2 == 1, BUS_MESSAGE_ERROR);
        memset(count, 0, sizeof(count));
        for (i = 0, digits = order / 2; i < 5; i++, digits /= 5) {
            which = digits % 5;
            count[which]++;
            put_field(&raw, which);
        }
        raw_begin_body(&raw);
        raw_string(&raw, "why");
        raw_end(&raw);
        /* Of those that are read none comes twice, and an error has the first two. */
        fine = count[0] == 1 && count[1] == 1 && count[2] <= 1 && count[3] <= 1;
        assert_int_equal(bus_message_read(&message, raw.bytes, raw.size), fine ? 0 : -EBADMSG);
        if (!fine)
            continue;
        good++;
        assert_int_equal(message.type, BUS_MESSAGE_ERROR);
        assert_int_equal(message.reply_serial, 0x01020304);
        assert_string_equal(message.error_name, "org.example.Error");
        assert_string_equal(message.signature, count[3] ? "s" : "");
        if (count[2])
            assert_string_equal(message.sender, ":1.42");
        if (count[3])
            assert_string_equal(message.text, "why");
    }
    /* All five; one of the last but two left out, and the last twice; both, and the last three
     * times.
     */
    assert_int_equal(good, 2 * (120 + 2 * 60 + 20));
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

/* A message of which nothing but its sizes is as it should be. */
static bool reads_garbage(uint8_t type)
{
    struct raw raw;
    unsigned i;

    raw_begin(&raw, type % 2 == 0, type);
    for (i = 0; i < 100; i++)
        raw_bytes(&raw, "\xFE", 1);
    raw_store(&raw, 12, 100);
    raw_align(&raw, 8);
    raw_bytes(&raw, "\xFF\xFF\xFF\xFF\xFF", 5);
    raw_store(&raw, 4, 5);
    return reads(&raw);
}

static void test_what_is_no_reply_is_dropped_by_its_size(void **state)
{
    struct raw raw;

    (void)state;
    /* Nothing but the fixed part is a message, too. */
    raw_begin(&raw, false, BUS_MESSAGE_SIGNAL);
    assert_int_equal(raw.size, BUS_MESSAGE_FIXED_SIZE);
    assert_true(reads(&raw));
    assert_true(reads_garbage(BUS_MESSAGE_METHOD_CALL));
    assert_false(reads_garbage(BUS_MESSAGE_METHOD_RETURN));
    assert_false(reads_garbage(BUS_MESSAGE_ERROR));
    assert_true(reads_garbage(BUS_MESSAGE_SIGNAL));
    assert_true(reads_garbage(BUS_MESSAGE_SIGNAL + 1));
    assert_true(reads_garbage(255));
}

static void test_required_fields(void **state)
{
    unsigned with;
    struct raw raw;
    uint8_t type;

    (void)state;
    for (type = BUS_MESSAGE_METHOD_RETURN; type <= BUS_MESSAGE_ERROR; type++) {
        for (with = 0; with < 4; with++) {
            raw_begin(&raw, false, type);
            if (with & 1)
                put_field(&raw, 0);
            if (with & 2)
                put_field(&raw, 1);
            raw_begin_body(&raw);
            raw_end(&raw);
            assert_int_equal(reads(&raw), with == 3 || (with == 1 && type != BUS_MESSAGE_ERROR));
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

static void test_types_of_fields_that_are_read(void **state)
{
    static const struct {
        uint8_t code;
        const char *type;
    } fields[] = {{4, "s"}, {5, "u"}, {7, "s"}, {8, "g"}};
    static const char *const all[] = {"y", "b", "n", "q", "i",  "u",   "x",  "t", "d", "h",
                                      "s", "o", "g", "v", "as", "(s)", "ss", "",  "uu"};
    size_t field, i;

    (void)state;
    for (field = 0; field < COUNT(fields); field++)
        for (i = 0; i < COUNT(all); i++) {
            /* Four bytes that are good as "u", and in the place of a value of any other type. */
            if (strcmp(all[i], fields[field].type) != 0)
                assert_false(reads_with_field(fields[field].code, all[i], "\0\0\0\0", 4));
        }
    assert_true(reads_with_field(5, "u", "\1\0\0\0", 4));
    assert_false(reads_with_field(5, "u", "\0\0\0\0", 4));
    assert_false(reads_with_field(5, "u", "\1\0\0", 3));
    assert_true(reads_with_field(7, "s", "\0\0\0\0", 5));
}

#define VALUE(bytes) (bytes), sizeof(bytes) - 1

/* Types and values, in the place of a header field that is not known: at 4 bytes behind a multiple
 * of 8 for types of one letter. */
static void test_fields_that_are_not_read(void **state)
{
    static const struct {
        const char *type, *value;
        size_t size;
        bool good;
    } cases[] = {
        {"y", VALUE("\xFF"), true},
        {"y", VALUE(""), false},
        {"b", VALUE("\2\0\0\0"), true},
        {"n", VALUE("\1\0"), true},
        {"n", VALUE("\1"), false},
        {"q", VALUE("\1\0"), true},
        {"i", VALUE("\1\0\0\0"), true},
        {"u", VALUE("\0\0\0\0"), true},
        {"h", VALUE("\1\0\0"), false},
        {"t", VALUE("\1\1\1\1\1\2\3\4\5\6\7\10"), true},
        {"t", VALUE("\0\0\0\0\1\2\3\4\5\6\7"), false},
        {"x", VALUE("\0\0\0\0\1\2\3\4\5\6\7\10"), true},
        {"d", VALUE("\0\0\0\0\1\2\3\4\5\6\7\10"), true},
        {"s", VALUE("\1\0\0\0a\0"), true},
        {"s", VALUE("\1\0\0\0ab"), false},
        {"s", VALUE("\1\0\0\0\0\0"), false},
        {"s", VALUE("\2\0\0\0a\0"), false},
        {"s", VALUE("\xFF\xFF\xFF\xFF\141\0"), false},
        {"s", VALUE("\0\0\0\0"), false},
        {"o", VALUE("\1\0\0\0a\0"), true},
        {"g", VALUE("\1z\0"), true},
        {"g", VALUE("\1z"), false},
        /* Of these it takes more to know the size. */
        {"v", VALUE("\1y\0\1"), false},
        {"ay", VALUE("\0\0\0\2\0\0\0\1\2"), false},
        {"(yy)", VALUE("\0\1\2"), false},
        {"yy", VALUE("\1\2"), false},
        {"", VALUE("\0"), false},
        {"z", VALUE("\0"), false},
        {"z", VALUE(""), false},
        {"v", VALUE(""), false},
        {")", VALUE("\0"), false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        if (reads_with_field(200, cases[i].type, cases[i].value, cases[i].size) != cases[i].good)
            fail_msg("case %zu, type %s", i, cases[i].type);
}

static void test_bodies(void **state)
{
    static const struct {
        const char *signature, *body;
        size_t size;
        bool good;
        const char *text;
        uint64_t number;
    } cases[] = {
        {"", VALUE(""), true, NULL, 0},
        {"", VALUE("\1"), true, NULL, 0},
        {"t", VALUE("\1\2\3\4\5\6\7\10"), true, NULL, 0x0807060504030201},
        {"t", VALUE("\1\2\3\4\5\6\7"), false, NULL, 0},
        {"t", VALUE("\1\2\3\4\5\6\7\10\11"), false, NULL, 0},
        {"u", VALUE("\1\2\3\4"), true, NULL, 0x04030201},
        {"u", VALUE("\1\2\3"), false, NULL, 0},
        {"u", VALUE("\1\2\3\4\5"), false, NULL, 0},
        {"s", VALUE("\1\0\0\0a\0"), true, "a", 0},
        {"s", VALUE("\0\0\0\0\0"), true, "", 0},
        {"s", VALUE("\1\0\0\0a\0\0"), false, NULL, 0},
        {"s", VALUE("\1\0\0\0ab"), false, NULL, 0},
        {"s", VALUE("\2\0\0\0a\0\0"), false, NULL, 0},
        {"s", VALUE("\2\0\0\0a\0"), false, NULL, 0},
        {"s", VALUE("\xFF\xFF\xFF\xFF\141\0"), false, NULL, 0},
        {"sv", VALUE("\1\0\0\0a\0\xFF"), true, "a", 0},
        {"sv", VALUE("\1\0\0\0"), false, NULL, 0},
        {"tu", VALUE("\1\2\3\4\5\6\7\10"), true, NULL, 0},
        {"a(", VALUE("\xFF\xFF\xFF\xFF"), true, NULL, 0},
    };
    struct bus_message message;
    struct raw raw;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        begin_return(&raw, false, cases[i].signature);
        raw_bytes(&raw, cases[i].body, cases[i].size);
        raw_end(&raw);
        if (reads(&raw) != cases[i].good)
            fail_msg("case %zu, body of (%s)", i, cases[i].signature);
        if (!cases[i].good)
            continue;
        assert_int_equal(bus_message_read(&message, raw.bytes, raw.size), 0);
        assert_string_equal(message.signature, cases[i].signature);
        assert_true(message.number == cases[i].number);
        if (cases[i].text == NULL)
            assert_null(message.text);
        else
            assert_string_equal(message.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_in_every_order),
        cmocka_unit_test(test_fixed_part),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_is_no_reply_is_dropped_by_its_size),
        cmocka_unit_test(test_required_fields),
        cmocka_unit_test(test_types_of_fields_that_are_read),
        cmocka_unit_test(test_fields_that_are_not_read),
        cmocka_unit_test(test_bodies),
    };

    return cmocka_run_group_tests_name("client bus rules", tests, NULL, NULL);
}
