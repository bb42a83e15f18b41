/* SPDX-License-Identifier: BSD-2-Clause */
/* What tabrmctl makes of a daemon's answers: it believes no type, no size and no text, and its
 * numbers are right. */
#include "model.h"

#include "fixture.h"
#include "health.h"
#include "model-json.h"
#include "pace.h"
#include "prometheus.h"
#include "top-keys.h"
#include "words.h"

#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef const char *(*reader)(struct model *model, GVariant *value);

/* Reads `text`, in which `bad` is not what it must be. */
static void expect_bad(reader read, const char *text, const char *bad)
{
    struct model *model = model_new();
    g_autoptr(GVariant) value = fixture_value(text);
    const char *said = read(model, value);

    if (g_strcmp0(said, bad) != 0)
        fail_msg("\"%s\" and not \"%s\" of %s", said ? said : "all is well", bad, text);
    assert_int_equal(model->parts, 0);
    model_free(model);
}

static void test_R99_what_is_of_another_type_is_not_believed(void **state)
{
    (void)state;
    expect_bad(model_read_chip, "@a{sv} {}", "Version");
    expect_bad(model_read_chip, "{'Version': <'1'>, 'ObjectSlots': <'3'>}", "ObjectSlots");
    expect_bad(model_read_chip, "'1.0'", "a{sv}");
    expect_bad(model_read_status, "{'Connections': <'3'>, 'ChipTime': <'4'>}", "Connections");
    expect_bad(model_read_status, "{'TpmPresent': <uint32 1>}", "TpmPresent");
    expect_bad(model_read_connections, "['a']", "aa{sv}");
    expect_bad(model_read_connections, "[{'Number': <uint64 1>}]", "Uid");
    expect_bad(model_read_connections, "[{'Number': <uint32 1>, 'Uid': <uint32 1>}]", "Number");
    expect_bad(model_read_connections,
               "[{'Number': <uint64 1>, 'Uid': <uint32 1>, 'Locality': <uint32 0>}]", "Locality");
    expect_bad(model_read_users, "[{'Uid': <uint32 1>}]", "Account");
    expect_bad(model_read_slots, "[{'Handle': <uint32 1>}]", "Kind");
    expect_bad(model_read_statistics, "{'QueueTimes': <[uint64 1, 2]>}", "QueueTimes");
    expect_bad(model_read_statistics, "{'Swaps': <{'room': uint32 1}>}", "Swaps");
    expect_bad(model_read_lockout, "@a{sv} {}", "MaxTries");
}

static void test_a_list_of_too_many_is_not_believed(void **state)
{
    GVariantBuilder builder;
    struct model *model = model_new();
    g_autoptr(GVariant) value = NULL;

    (void)state;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i <= MODEL_READ_MOST; i++)
        g_variant_builder_add_parsed(&builder, "@a{sv} {}");
    value = g_variant_ref_sink(g_variant_builder_end(&builder));
    assert_string_equal(model_read_slots(model, value), "too many");
    model_free(model);
}

static void test_counts_with_one_name_are_one(void **state)
{
    struct model *model = model_new();
    g_autoptr(GVariant) value = fixture_value(
        "{'Swaps': <[{'room', uint64 1}, {'gap', 2}, {'room', 3}]>, 'ClientCommands': "
        "<{uint32 0x17b: uint64 5, 0: 9, 0x20000000: 1}>}");

    (void)state;
    assert_null(model_read_statistics(model, value));
    assert_int_equal(model->statistics.swaps->len, 2);
    assert_int_equal(model_count_of(model->statistics.swaps, "room"), 4);
    assert_int_equal(model_total(model->statistics.commands), 15);
    assert_string_equal(model_at(model->statistics.commands, model_count, 0)->name, "none");
    assert_int_equal(model_count_of(model->statistics.commands, "GetRandom"), 5);
    assert_int_equal(model_count_of(model->statistics.commands, "0x20000000"), 1);
    model_free(model);
}

static void test_R99_texts_are_escaped_and_cut(void **state)
{
    g_autofree char *escaped = words_escape("a\033[31m\xc3\xbc\n\x7f", 40);
    g_autofree char *cut = words_escape("0123456789", 8), *whole = words_escape("01234567", 8);

    (void)state;
    assert_string_equal(escaped, "a\\x1b[31m\\xc3\\xbc\\x0a\\x7f");
    assert_string_equal(cut, "012345..");
    assert_string_equal(whole, "01234567");
}

static void test_numbers_are_short(void **state)
{
    char text[WORDS_SIZE];

    (void)state;
    assert_string_equal(words_count(0, text), "0");
    assert_string_equal(words_count(99999, text), "99999");
    assert_string_equal(words_count(100000, text), "100k");
    assert_string_equal(words_count(999499, text), "999k");
    assert_string_equal(words_count(999500, text), "1.0M");
    assert_string_equal(words_count(UINT64_MAX, text), "18E");
    assert_string_equal(words_time(999, text), "999 us");
    assert_string_equal(words_time(1000, text), "1.0 ms");
    assert_string_equal(words_time(123456, text), "123 ms");
    assert_string_equal(words_time(1500000, text), "1.5 s");
    assert_string_equal(words_time(UINT64_C(720000000), text), "12 min");
    assert_string_equal(words_time(UINT64_C(12000000000), text), "3 h 20 min");
    assert_string_equal(words_time(UINT64_C(86400000000), text), "1 d");
    assert_string_equal(words_time(UINT64_C(97200000000), text), "1 d 3 h");
    assert_string_equal(words_span(UINT64_C(12000000000), text), "3h20m");
    assert_string_equal(words_span(123456, text), "123ms");
    assert_string_equal(words_share(1, 3, text), "33 %");
    assert_string_equal(words_share(1, 300, text), "<1 %");
    assert_string_equal(words_share(299, 300, text), ">99 %");
    assert_string_equal(words_share(300, 300, text), "100 %");
    assert_string_equal(words_share(1, 0, text), "-");
    assert_string_equal(words_ratio(1, 4, text), "0.25");
    assert_string_equal(words_ratio(1, 0, text), "-");
}

static void test_quantiles_are_the_ends_of_buckets(void **state)
{
    uint64_t buckets[MODEL_BUCKETS] = {0};

    (void)state;
    assert_int_equal(model_quantile(buckets, 50), 0);
    buckets[3] = 50;
    buckets[10] = 50;
    assert_int_equal(model_quantile(buckets, 50), 8);
    assert_int_equal(model_quantile(buckets, 51), 1024);
    buckets[31] = UINT64_MAX;
    assert_int_equal(model_quantile(buckets, 99), UINT64_C(1) << 31);
}

static void test_health_is_a_word(void **state)
{
    struct model *model = fixture_model(0);

    (void)state;
    assert_true(health_of(model).good);
    model->lockout.in_lockout = true;
    assert_string_equal(health_of(model).word, "locked out");
    model->parts &= ~(unsigned)MODEL_LOCKOUT;
    assert_true(health_of(model).good);
    assert_string_equal(health_of(model).word, "serving");
    model->status.tpm_present = false;
    assert_string_equal(health_of(model).word, "no TPM");
    strcpy(model->chip.state, "failed");
    assert_string_equal(health_of(model).word, "TPM failed");
    assert_false(health_of(model).good);
    model_free(model);
}

/* The numbers of the connections in order. */
static char *order_of(const struct model *before, const struct model *now, enum pace_key key,
                      bool reverse)
{
    g_autoptr(GArray) paces = pace_of(before, now, key, reverse);
    GString *order = g_string_new(NULL);

    for (guint i = 0; i < paces->len; i++)
        g_string_append_printf(order, "%u ",
                               (unsigned)g_array_index(paces, struct pace, i).connection->number);
    return g_string_free(order, FALSE);
}

static void test_connections_are_sorted_by_each_key(void **state)
{
    static const char *const orders[PACE_KEYS] = {
        [PACE_BUSY] = "3 1 2 ",     [PACE_COMMANDS] = "3 2 1 ", [PACE_OBJECTS] = "3 2 1 ",
        [PACE_SESSIONS] = "3 2 1 ", [PACE_AGE] = "1 2 3 ",      [PACE_USER] = "2 3 1 ",
        [PACE_PID] = "1 2 3 ",      [PACE_NUMBER] = "1 2 3 ",
    };
    struct model *before = fixture_model(3), *now = fixture_model(3);

    (void)state;
    before->moment -= 1000000;
    g_free(model_at(now->connections, model_connection, 0)->user);
    model_at(now->connections, model_connection, 0)->user = g_strdup("zoe");
    for (guint i = 0; i < 3; i++) {
        model_at(now->connections, model_connection, i)->chip_time += 10 * (i + 1) % 30;
        model_at(now->connections, model_connection, i)->commands += i;
    }
    model_at(now->connections, model_connection, 2)->chip_time += 500;
    model_at(now->connections, model_connection, 1)->chip_time -= 15;
    for (enum pace_key key = 0; key < PACE_KEYS; key++) {
        g_autofree char *order = order_of(before, now, key, false);

        assert_string_equal(order, orders[key]);
        assert_int_equal(pace_key_find(pace_key_name(key)), key);
        assert_int_equal(pace_key_letter(*pace_key_name(key)), key);
    }
    assert_int_equal(pace_key_find("nothing"), PACE_KEYS);
    model_free(before);
    model_free(now);
}

/* A daemon that was started anew counts from 0 again. */
static void test_counts_that_fell_are_no_pace(void **state)
{
    struct model *before = fixture_model(1), *now = fixture_model(1);
    g_autoptr(GArray) paces = NULL;

    (void)state;
    before->moment -= 1000000;
    model_at(now->connections, model_connection, 0)->commands = 0;
    paces = pace_of(before, now, PACE_BUSY, false);
    assert_true(g_array_index(paces, struct pace, 0).commands == 0);
    model_free(before);
    model_free(now);
}

static enum top_keys_effect type(struct top_keys *keys, const char *bytes)
{
    return top_keys_take(keys, bytes, strlen(bytes));
}

static void test_keys_scroll_sort_and_quit(void **state)
{
    struct top_keys keys = {.there = true};

    (void)state;
    top_keys_bound(&keys, 100, 17);
    assert_int_equal(type(&keys, "\033[B\033OBj"), TOP_KEYS_DRAW);
    assert_int_equal(keys.first, 3);
    type(&keys, "k\033[6~");
    assert_int_equal(keys.first, 19);
    type(&keys, "\033[F");
    assert_int_equal(keys.first, 83);
    type(&keys, " j");
    assert_int_equal(keys.first, 83);
    type(&keys, "\033[5~");
    assert_int_equal(keys.first, 66);
    top_keys_bound(&keys, 20, 17);
    assert_int_equal(keys.first, 3);
    type(&keys, "\033[H\033[A");
    assert_int_equal(keys.first, 0);
    type(&keys, "Cr");
    assert_int_equal(keys.key, PACE_COMMANDS);
    assert_true(keys.reverse);
    assert_int_equal(type(&keys, "\033x\033Z"), TOP_KEYS_DRAW);
    assert_int_equal(type(&keys, "oq"), TOP_KEYS_QUIT);
    assert_int_equal(keys.key, PACE_OBJECTS);
    assert_int_equal(type(&keys, "\032"), TOP_KEYS_STOP);
}

static void expect_line(const char *text, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);

    if (!strstr(text, whole))
        fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void test_prometheus_gets_seconds_and_whole_histograms(void **state)
{
    static const char *const lines[] = {
        "tabrmd_healthy{tpm=\"tpm1\"} 1",
        "tabrmd_client_commands_total{tpm=\"tpm1\",command=\"Quote\"} 600",
        "tabrmd_refusals_total{tpm=\"tpm1\",reason=\"say \\\"no\\\"\\\\\"} 1",
        "tabrmd_queue_seconds_bucket{tpm=\"tpm1\",le=\"0.000001\"} 900",
        "tabrmd_queue_seconds_bucket{tpm=\"tpm1\",le=\"0.000002\"} 900",
        "tabrmd_queue_seconds_bucket{tpm=\"tpm1\",le=\"0.000004\"} 950",
        "tabrmd_queue_seconds_bucket{tpm=\"tpm1\",le=\"0.001024\"} 1000",
        "tabrmd_queue_seconds_bucket{tpm=\"tpm1\",le=\"+Inf\"} 1000",
        "tabrmd_queue_seconds_sum{tpm=\"tpm1\"} 1.500000",
        "tabrmd_queue_seconds_count{tpm=\"tpm1\"} 1000",
        "tabrmd_turn_seconds_bucket{tpm=\"tpm1\",le=\"1073.741824\"} 999",
        "tabrmd_turn_seconds_bucket{tpm=\"tpm1\",le=\"+Inf\"} 1000",
        "tabrmd_turn_seconds_sum{tpm=\"tpm1\"} 25.000001",
        ("tabrmd_user_queue_seconds_total{tpm=\"tpm1\",user=\"user-1000\",account=\"1000\"} "
         "123.456789"),
        "tabrmd_loaded_objects{tpm=\"tpm1\"} 2",
        "tabrmd_lockout_tries{tpm=\"tpm1\"} 2",
        "tabrmd_trouble_time_seconds{tpm=\"tpm1\"} 41.000000",
    };
    struct model *model = fixture_model(1);
    g_autofree char *text = prometheus_text(model), *usual = NULL;

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        expect_line(text, lines[i]);
    *model->chip.tpm = '\0';
    usual = prometheus_text(model);
    expect_line(usual, "tabrmd_connections 7");
    model_free(model);
}

static void test_json_is_json(void **state)
{
    struct model *model = fixture_model(2);
    char *const texts[] = {model_json_status(model), model_json_connections(model),
                           model_json_users(model), model_json_statistics(model)};

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(JsonParser) parser = json_parser_new();

        assert_true(json_parser_load_from_data(parser, texts[i], -1, NULL));
        g_free(texts[i]);
    }
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R99_what_is_of_another_type_is_not_believed),
        cmocka_unit_test(test_a_list_of_too_many_is_not_believed),
        cmocka_unit_test(test_counts_with_one_name_are_one),
        cmocka_unit_test(test_R99_texts_are_escaped_and_cut),
        cmocka_unit_test(test_numbers_are_short),
        cmocka_unit_test(test_quantiles_are_the_ends_of_buckets),
        cmocka_unit_test(test_health_is_a_word),
        cmocka_unit_test(test_connections_are_sorted_by_each_key),
        cmocka_unit_test(test_counts_that_fell_are_no_pace),
        cmocka_unit_test(test_keys_scroll_sort_and_quit),
        cmocka_unit_test(test_prometheus_gets_seconds_and_whole_histograms),
        cmocka_unit_test(test_json_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
