/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats-text.h"

#include "screen.h"
#include "table.h"
#include "words.h"

#include <limits.h>
#include <string.h>

/* Columns of the longest bar. */
#define STATS_BAR 30

static void stats_heading(struct screen *screen, const char *heading)
{
    if (screen->lines > 0)
        screen_end_line(screen);
    screen_put(screen, INK_BOLD, "%s", heading);
    screen_end_line(screen);
}

static void stats_bar(struct table *table, uint64_t part, uint64_t most)
{
    static const char bar[STATS_BAR + 1] = "##############################";
    double length = most > 0 ? (double)part / (double)most * STATS_BAR : 0;

    table_cell(table, "%.*s", (int)length, bar);
}

/* Writes the table, or that nothing was counted; frees it. */
static void stats_put(struct screen *screen, struct table *table)
{
    if (table_rows(table) > 0) {
        table_put(table, screen, 0, UINT_MAX);
    } else {
        screen_put(screen, INK_PLAIN, "none");
        screen_end_line(screen);
    }
    table_free(table);
}

static void stats_counts(struct screen *screen, const char *heading, const char *what,
                         const GArray *counts)
{
    const struct table_column columns[] = {
        {what, .least = 8},
        {"COUNT", .right = true},
        {"SHARE", .right = true},
        {"", .rank = 1},
    };
    struct table *table = table_new(columns, G_N_ELEMENTS(columns));
    uint64_t all = model_total(counts), most = 0;
    char text[WORDS_SIZE];

    for (guint i = 0; i < counts->len; i++)
        most = MAX(most, model_at(counts, model_count, i)->count);
    for (guint i = 0; i < counts->len; i++) {
        const struct model_count *one = model_at(counts, model_count, i);

        if (one->count == 0)
            continue;
        table_cell(table, "%s", one->name);
        table_cell(table, "%s", words_count(one->count, text));
        table_cell(table, "%s", words_share(one->count, all, text));
        stats_bar(table, one->count, most);
    }
    stats_heading(screen, heading);
    stats_put(screen, table);
}

/* The buckets from the first to the last that are not empty. */
static void stats_times(struct screen *screen, const char *heading,
                        const uint64_t buckets[MODEL_BUCKETS])
{
    static const struct table_column columns[] = {
        {"BELOW", .right = true},
        {"COMMANDS", .right = true},
        {"", .rank = 1},
    };
    struct table *table = table_new(columns, G_N_ELEMENTS(columns));
    unsigned first = 0, end = MODEL_BUCKETS;
    uint64_t most = 0;
    char text[WORDS_SIZE];

    while (first < end && buckets[first] == 0)
        first++;
    while (end > first && buckets[end - 1] == 0)
        end--;
    for (unsigned i = first; i < end; i++)
        most = MAX(most, buckets[i]);
    for (unsigned i = first; i < end; i++) {
        if (i < MODEL_BUCKETS - 1)
            table_cell(table, "%s", words_time(UINT64_C(1) << i, text));
        else
            table_cell(table, "-");
        table_cell(table, "%s", words_count(buckets[i], text));
        stats_bar(table, buckets[i], most);
    }
    stats_heading(screen, heading);
    stats_put(screen, table);
}

static void stats_answers(struct screen *screen, const struct model_statistics *statistics)
{
    char text[WORDS_SIZE];

    stats_heading(screen, "Answers without the TPM");
    screen_put(screen, INK_PLAIN, "out of the cache   %s",
               words_count(statistics->from_cache, text));
    screen_end_line(screen);
    screen_put(screen, INK_PLAIN, "by the manager     %s",
               words_count(statistics->from_manager, text));
    screen_end_line(screen);
    stats_heading(screen, "Of all commands");
    screen_put(screen, INK_PLAIN, "failed             %s", words_count(statistics->failures, text));
    screen_end_line(screen);
    screen_put(screen, INK_PLAIN, "canceled before    %s", words_count(statistics->canceled, text));
    screen_end_line(screen);
}

char *stats_text(const struct model *model, const struct view *view)
{
    const struct model_statistics *statistics = &model->statistics;
    struct screen screen;

    screen_init(&screen, view);
    stats_counts(&screen, "Commands of clients", "COMMAND", statistics->commands);
    stats_counts(&screen, "Commands to the TPM", "KIND", statistics->chip_commands);
    stats_counts(&screen, "Swaps", "REASON", statistics->swaps);
    stats_counts(&screen, "Refusals", "REASON", statistics->refusals);
    stats_answers(&screen, statistics);
    stats_times(&screen, "Time of waiting for a turn", statistics->queue);
    stats_times(&screen, "Time of a turn", statistics->chip);
    return screen_finish(&screen);
}
