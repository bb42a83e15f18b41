/* SPDX-License-Identifier: BSD-2-Clause */
#include "top-screen.h"

#include "health.h"
#include "json-text.h"
#include "list-table.h"
#include "model-json.h"
#include "status-screen.h"
#include "table.h"
#include "words.h"

#include <inttypes.h>
#include <limits.h>

/* Lines beside the connections: four of the daemon, an empty one, titles, and keys. */
#define TOP_LINES 7

/* The first letter of an order is its key. */
#define TOP_KEYS "q quit, r reverse; order: Busy Commands Objects Sessions Age User Pid Number"

static const struct table_column top_columns[] = {
    {"NUMBER", .right = true}, {"PID", .right = true},
    {"USER", .least = 8},      {"PROGRAM", .least = 12},
    {"AGE", .right = true},    {"OBJ", .right = true},
    {"SES", .right = true},    {"COMMANDS", .right = true, .rank = 1},
    {"CMD/S", .right = true},  {"BUSY", .right = true},
    {"NOW", .least = 8},
};

/* Where the column of a key is. */
static const unsigned top_marks[PACE_KEYS] = {
    [PACE_BUSY] = 9, [PACE_COMMANDS] = 8, [PACE_OBJECTS] = 5, [PACE_SESSIONS] = 6,
    [PACE_AGE] = 4,  [PACE_USER] = 2,     [PACE_PID] = 1,     [PACE_NUMBER] = 0,
};

static void top_head(struct screen *screen, const struct model *now)
{
    struct health health = health_of(now);
    unsigned running = 0, waiting = 0;
    char text[WORDS_SIZE];

    for (guint i = 0; i < now->connections->len; i++) {
        const struct model_connection *one = model_at(now->connections, model_connection, i);

        running += one->command != 0;
        waiting += g_str_equal(one->state, "waiting");
    }
    screen_put(screen, INK_BOLD, "tabrmd%s%s: ", *now->chip.tpm ? " of " : "", now->chip.tpm);
    screen_put(screen, health.ink, "%s", health.word);
    screen_put(screen, INK_PLAIN, ", %u connection%s: %u running, %u waiting",
               now->connections->len, now->connections->len == 1 ? "" : "s", running, waiting);
    if (model_uptime(now) > 0)
        screen_put(screen, INK_PLAIN, "; running for %s", words_time(model_uptime(now), text));
    screen_end_line(screen);
}

/* Swaps of the last interval, or of all the time. */
static uint64_t top_swaps(const struct model *before, const struct model *now)
{
    return pace_growth(before ? model_total(before->statistics.swaps) : 0,
                       model_total(now->statistics.swaps));
}

static void top_rates(struct screen *screen, const struct model *before, const struct model *now)
{
    double seconds = before ? pace_interval(before, now) : (double)model_uptime(now) / 1e6;
    uint64_t commands =
        pace_growth(before ? before->status.client_commands : 0, now->status.client_commands);
    uint64_t busy = pace_growth(before ? before->status.chip_time : 0, now->status.chip_time);
    char share[WORDS_SIZE], swaps[WORDS_SIZE];

    screen_label(screen, "Commands");
    if (seconds > 0)
        screen_put(screen, INK_PLAIN, "%.1f a second; the TPM is busy %s of the time",
                   (double)commands / seconds, words_share(busy, (uint64_t)(seconds * 1e6), share));
    if (seconds > 0 && model_has(now, MODEL_STATISTICS))
        screen_put(screen, INK_PLAIN, "; %s swaps for each",
                   words_ratio(top_swaps(before, now), commands, swaps));
    screen_end_line(screen);
}

static void top_slots(struct screen *screen, const struct model *now)
{
    screen_label(screen, "Objects");
    status_screen_slots(screen, now, false);
    screen_end_line(screen);
    screen_label(screen, "Sessions");
    status_screen_slots(screen, now, true);
    screen_end_line(screen);
}

static void top_row(struct table *table, const struct pace *pace)
{
    const struct model_connection *one = pace->connection;
    char text[WORDS_SIZE];

    table_ink(table, one->command != 0 ? INK_BOLD : INK_PLAIN);
    table_cell(table, "%" PRIu64, one->number);
    if (one->pid > 0)
        table_cell(table, "%u", one->pid);
    else
        table_cell(table, "-");
    table_cell(table, "%s", one->user);
    table_cell(table, "%s", *one->program ? one->program : "-");
    table_cell(table, "%s", words_span(one->age, text));
    table_cell(table, "%u", one->objects);
    table_cell(table, "%u", one->sessions);
    table_cell(table, "%s", words_count(one->commands, text));
    table_cell(table, "%.1f", pace->commands);
    table_cell(table, "%.0f%%", pace->busy * 100);
    table_cell(table, "%s", list_table_state(one));
}

unsigned top_screen_page(const struct view *view)
{
    if (view->rows == 0)
        return UINT_MAX;
    return view->rows > TOP_LINES ? view->rows - TOP_LINES : 1;
}

static void top_rows(struct screen *screen, const struct top_screen *top)
{
    g_autoptr(GArray) paces = pace_of(top->before, top->now, top->key, top->reverse);
    struct table *table = table_new(top_columns, G_N_ELEMENTS(top_columns));

    for (guint i = 0; i < paces->len; i++)
        top_row(table, &g_array_index(paces, struct pace, i));
    table_mark(table, top_marks[top->key]);
    table_put(table, screen, top->first, top_screen_page(&screen->view));
    table_free(table);
}

char *top_screen_text(const struct top_screen *top, const struct view *view)
{
    struct screen screen;

    screen_init(&screen, view);
    top_head(&screen, top->now);
    top_rates(&screen, top->before, top->now);
    top_slots(&screen, top->now);
    screen_end_line(&screen);
    top_rows(&screen, top);
    while (top->keys && screen_left(&screen) > 1 && screen_left(&screen) < UINT_MAX)
        screen_end_line(&screen);
    if (top->keys) {
        screen_put(&screen, INK_FAINT, "%s", TOP_KEYS);
        screen_end_line(&screen);
    }
    return screen_finish(&screen);
}

char *top_screen_json(const struct top_screen *top)
{
    g_autoptr(GArray) paces = pace_of(top->before, top->now, top->key, top->reverse);
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_object(builder);
    json_text_number(builder, "now_us", top->now->now);
    json_text_number(builder, "interval_us",
                     (uint64_t)(pace_interval(top->before, top->now) * 1e6));
    json_builder_set_member_name(builder, "connections");
    json_builder_begin_array(builder);
    for (guint i = 0; i < paces->len; i++) {
        const struct pace *pace = &g_array_index(paces, struct pace, i);

        json_builder_begin_object(builder);
        model_json_connection(builder, pace->connection);
        json_builder_set_member_name(builder, "commands_per_second");
        json_builder_add_double_value(builder, pace->commands);
        json_builder_set_member_name(builder, "busy");
        json_builder_add_double_value(builder, pace->busy);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return json_text_finish(builder, true);
}
