/* SPDX-License-Identifier: BSD-2-Clause */
/* What tabrmctl shows of a daemon: it fits the terminal, and says what it is to say. */
#include "fixture.h"
#include "list-table.h"
#include "stats-text.h"
#include "status-screen.h"
#include "top-screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct view views[] = {
    {80, 24, false}, {200, 50, false}, {0, 0, false}, {30, 10, false}};
static const unsigned crowds[] = {0, 1, 500};

static void expect_text(const char *text, const char *wanted)
{
    if (!strstr(text, wanted)) {
        fprintf(stderr, "no \"%s\" in:\n%s", wanted, text);
        fail();
    }
}

static void expect_none(const char *text, const char *unwanted)
{
    if (strstr(text, unwanted))
        fail_msg("\"%s\" in:\n%s", unwanted, text);
}

/* Whole lines of printable ASCII, none too long, none with a space at its end. Gives how many. */
static unsigned expect_lines(const char *text, unsigned columns)
{
    unsigned lines = 0;

    while (*text) {
        const char *end = strchr(text, '\n');

        assert_non_null(end);
        if (columns > 0 && (size_t)(end - text) > columns)
            fail_msg("a line of %u columns: %.*s", (unsigned)(end - text), (int)(end - text), text);
        for (const char *at = text; at < end; at++)
            assert_in_range(*at, ' ', '~');
        assert_true(end == text || end[-1] != ' ');
        text = end + 1;
        lines++;
    }
    return lines;
}

/* Takes the control sequences of colors out. */
static char *plain(const char *text)
{
    GString *without = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '\033')
            text += strcspn(text, "m");
        else
            g_string_append_c(without, *text);
    }
    return g_string_free(without, FALSE);
}

static char *top_text(const struct model *model, const struct view *view)
{
    const struct top_screen top = {.now = model, .keys = true};

    return top_screen_text(&top, view);
}

static char *(*const screens[])(const struct model *model, const struct view *view) = {
    status_screen, top_text, list_table_connections, list_table_users, stats_text};

/* The first two are one screen, whatever there is. */
#define SCREENS_OF_ONE 2

static void test_R99_each_screen_fits_the_terminal(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(views) * G_N_ELEMENTS(crowds); i++) {
        const struct view *view = &views[i / G_N_ELEMENTS(crowds)];
        struct model *model = fixture_model(crowds[i % G_N_ELEMENTS(crowds)]);

        for (size_t j = 0; j < G_N_ELEMENTS(screens); j++) {
            g_autofree char *text = screens[j](model, view);
            unsigned lines = expect_lines(text, view->columns);

            if (j < SCREENS_OF_ONE && view->rows >= 24)
                assert_in_range(lines, 1, view->rows);
        }
        model_free(model);
    }
}

static void test_colors_change_no_text(void **state)
{
    struct model *model = fixture_model(500);

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(views) * G_N_ELEMENTS(screens); i++) {
        struct view view = views[i / G_N_ELEMENTS(screens)];
        size_t screen = i % G_N_ELEMENTS(screens);
        g_autofree char *colored = NULL, *without = NULL, *text = screens[screen](model, &view);

        view.color = true;
        colored = screens[screen](model, &view);
        without = plain(colored);
        assert_string_not_equal(colored, text);
        assert_string_equal(without, text);
    }
    model_free(model);
}

static void test_status_is_one_screen_that_says_all(void **state)
{
    static const char *const wanted[] = {
        "tabrmd 1.0.0 of tpm1: healthy, 7 connections, running for 100.0 s\n",
        "TPM       IFX SLB9670, firmware 7.85, revision 1.38, 1420 bytes a command\n",
        "Objects   [user-1002 #12][user-1001 #1][ ]\n",
        "Sessions  [nobody][ ][ ][ ]\n",
        "Lockout   2 of 32 wrong passwords, one less every 10m; lockout password after 1d\n",
        "Commands  1000, 10.00 a second; the TPM is busy 25 % of the time; 3 failed\n",
        "Answers   10 % out of the cache, 5 % without the TPM, 3 refused\n",
        "Waiting   half of the commands below 1 us, 99 % below 1.0 ms\n",
        "Working   half of the commands below 16.4 ms, 99 % below 16.4 ms\n",
        "Swaps     0.05 for each command: 10 for gap, 40 for room\n",
        "USER ",
        "user-1009  20 % ## ",
        "Trouble   lockout 60.0 s ago\n          the TPM was locked out after 32 wrong",
        "Remedy    wait\n",
    };
    struct model *model = fixture_model(500);
    g_autofree char *text = status_screen(model, &views[0]);

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
        expect_text(text, wanted[i]);
    expect_text(text, " more: tabrmctl list --users\n");
    model_free(model);
}

static void test_status_leaves_out_what_it_is_not_told(void **state)
{
    struct model *model = fixture_model(1);
    g_autofree char *text = NULL;

    (void)state;
    model->parts = MODEL_CHIP | MODEL_STATUS;
    model->denied = MODEL_STATISTICS;
    text = status_screen(model, &views[0]);
    expect_text(text, "Commands  1000, 10.00 a second");
    expect_text(text, "Root is told more");
    expect_none(text, "Objects");
    expect_none(text, "Swaps");
    expect_none(text, "Lockout");
    expect_none(text, "USER");
    model_free(model);
}

static void test_nothing_counted_is_none(void **state)
{
    struct model *model = fixture_model(0);
    g_autofree char *text = NULL, *status = status_screen(model, &views[0]);

    (void)state;
    g_array_set_size(model->statistics.refusals, 0);
    text = stats_text(model, &views[0]);
    expect_text(text, "Refusals\nnone\n");
    expect_none(status, "USER");
    model_free(model);
}

static void test_many_slots_are_drawn_shorter(void **state)
{
    struct model *model = fixture_model(1);
    g_autofree char *text = NULL, *shorter = NULL;
    const struct view narrow = {34, 24, false};

    (void)state;
    model->chip.object_slots = 64;
    text = status_screen(model, &views[0]);
    expect_text(text, "Objects   ##....................");
    model->chip.object_slots = 4000000000;
    shorter = status_screen(model, &views[0]);
    expect_text(shorter, "Objects   ##....................");
    g_free(shorter);
    model->chip.object_slots = 3;
    shorter = status_screen(model, &narrow);
    expect_text(shorter, "Objects   [#12][#1][ ]\n");
    model_free(model);
}

static void test_the_list_has_a_line_for_each_connection(void **state)
{
    struct model *model = fixture_model(500);
    g_autofree char *text = list_table_connections(model, &views[0]);
    g_autofree char *wide = list_table_connections(model, &views[1]);

    (void)state;
    assert_int_equal(expect_lines(text, 80), 501);
    expect_text(text, "NUMBER     PID USER ");
    expect_text(text, " evil\\x1b");
    expect_text(text, " Quote");
    expect_none(text, "POLICY");
    expect_text(wide, "evil\\x1b]0;x\\x07 socket ");
    expect_text(wide, "     3 standard\n");
    model_free(model);
}

static void test_the_users_are_listed_with_their_limits(void **state)
{
    struct model *model = fixture_model(500);
    g_autofree char *text = list_table_users(model, &views[0]);

    (void)state;
    assert_int_equal(expect_lines(text, 80), 11);
    expect_text(text, "10 of 256 1024 of 1024");
    model_free(model);
}

static void test_top_has_rates_since_the_last_look(void **state)
{
    struct model *before = fixture_model(3), *now = fixture_model(3);
    const struct top_screen top = {.before = before, .now = now, .key = PACE_BUSY, .keys = true};
    g_autofree char *text = NULL;

    (void)state;
    before->moment -= 2000000;
    now->status.client_commands += 20;
    now->status.chip_time += 1000000;
    model_at(now->statistics.swaps, model_count, 0)->count += 10;
    model_at(now->connections, model_connection, 1)->commands += 20;
    model_at(now->connections, model_connection, 1)->chip_time += 1000000;
    text = top_screen_text(&top, &views[0]);
    assert_int_equal(expect_lines(text, 80), 24);
    expect_text(text, "healthy, 3 connections: 1 running, 2 waiting");
    expect_text(text,
                "Commands  10.0 a second; the TPM is busy 50 % of the time; 0.50 swaps for each");
    expect_text(text, "NOW\n     2 1000002 user-10");
    expect_text(text, " 10.0  50% waiting\n     1 1000001");
    model_free(before);
    model_free(now);
}

static void test_top_scrolls(void **state)
{
    struct model *model = fixture_model(500);
    struct top_screen top = {.now = model, .key = PACE_NUMBER, .keys = true, .first = 490};
    g_autofree char *text = top_screen_text(&top, &views[0]);

    (void)state;
    expect_text(text, "NOW\n   491 ");
    expect_text(text, "\n   500 ");
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R99_each_screen_fits_the_terminal),
        cmocka_unit_test(test_colors_change_no_text),
        cmocka_unit_test(test_status_is_one_screen_that_says_all),
        cmocka_unit_test(test_status_leaves_out_what_it_is_not_told),
        cmocka_unit_test(test_nothing_counted_is_none),
        cmocka_unit_test(test_many_slots_are_drawn_shorter),
        cmocka_unit_test(test_the_list_has_a_line_for_each_connection),
        cmocka_unit_test(test_the_users_are_listed_with_their_limits),
        cmocka_unit_test(test_top_has_rates_since_the_last_look),
        cmocka_unit_test(test_top_scrolls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
