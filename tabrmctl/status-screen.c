/* SPDX-License-Identifier: BSD-2-Clause */
#include "status-screen.h"

#include "health.h"
#include "table.h"
#include "words.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* Columns of the bar that draws a share. */
#define STATUS_BAR 10

/* Columns of ", 4096 bytes a command", which can be left out. */
#define STATUS_BYTES 23

/* Lines of a trouble, and of what mends it. */
#define STATUS_TROUBLE_LINES 2
#define STATUS_REMEDY_LINES  3

static void status_head(struct screen *screen, const struct model *model)
{
    const struct model_status *status = &model->status;
    struct health health = health_of(model);
    char text[WORDS_SIZE];

    screen_put(screen, INK_BOLD, "tabrmd %s", model->chip.version);
    if (*model->chip.tpm)
        screen_put(screen, INK_BOLD, " of %s", model->chip.tpm);
    screen_put(screen, INK_PLAIN, ": ");
    screen_put(screen, health.ink, "%s", health.word);
    screen_put(screen, INK_PLAIN, ", %u connection%s", status->connections,
               status->connections == 1 ? "" : "s");
    if (model_uptime(model) > 0)
        screen_put(screen, INK_PLAIN, ", running for %s", words_time(model_uptime(model), text));
    screen_end_line(screen);
    if (*health.why) {
        screen_indent(screen, SCREEN_LABEL);
        screen_wrap(screen, STATUS_REMEDY_LINES, health.why);
    }
}

static void status_chip(struct screen *screen, const struct model_chip *chip)
{
    if (!*chip->manufacturer)
        return;
    screen_label(screen, "TPM");
    screen_put(screen, INK_PLAIN, "%s%s%s, firmware %s, revision %s", chip->manufacturer,
               *chip->model ? " " : "", chip->model, chip->firmware, chip->revision);
    if (chip->max_command > 0 && screen_space(screen) >= STATUS_BYTES)
        screen_put(screen, INK_PLAIN, ", %u bytes a command", chip->max_command);
    screen_end_line(screen);
}

/* How a slot is drawn, from the longest on. */
enum status_slot { STATUS_SLOT_NAME, STATUS_SLOT_NUMBER, STATUS_SLOT_MARK, STATUS_SLOT_WAYS };

static void status_draw_slot(GString *text, const struct model_slot *slot, enum status_slot way)
{
    switch (way) {
    case STATUS_SLOT_NAME:
    case STATUS_SLOT_WAYS:
        if (slot->number > 0)
            g_string_append_printf(text, "[%s #%" PRIu64 "]", slot->user, slot->number);
        else
            g_string_append(text, "[nobody]");
        break;
    case STATUS_SLOT_NUMBER:
        g_string_append_printf(text, "[#%" PRIu64 "]", slot->number);
        break;
    case STATUS_SLOT_MARK:
        g_string_append_c(text, '#');
        break;
    }
}

/* All slots of a kind; the caller frees it with g_free(). */
static char *status_draw(const struct model *model, bool sessions, enum status_slot way)
{
    unsigned slots = sessions ? model->chip.session_slots : model->chip.object_slots, used = 0;
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < model->slots->len; i++) {
        const struct model_slot *slot = model_at(model->slots, model_slot, i);

        if (slot->session != sessions)
            continue;
        status_draw_slot(text, slot, way);
        used++;
    }
    /* A line is no longer than a screen is wide, whatever number of slots the daemon tells. */
    for (; used < slots && text->len < 1000; used++)
        g_string_append(text, way == STATUS_SLOT_MARK ? "." : "[ ]");
    return g_string_free(text, FALSE);
}

void status_screen_slots(struct screen *screen, const struct model *model, bool sessions)
{
    unsigned space = screen_space(screen);

    for (enum status_slot way = STATUS_SLOT_NAME; way < STATUS_SLOT_WAYS; way++) {
        g_autofree char *text = status_draw(model, sessions, way);

        if (strlen(text) <= space || way == STATUS_SLOT_MARK) {
            screen_put(screen, INK_PLAIN, "%s", text);
            return;
        }
    }
}

static void status_slots(struct screen *screen, const struct model *model)
{
    if (!model_has(model, MODEL_SLOTS))
        return;
    screen_label(screen, "Objects");
    status_screen_slots(screen, model, false);
    screen_end_line(screen);
    screen_label(screen, "Sessions");
    status_screen_slots(screen, model, true);
    screen_end_line(screen);
}

static void status_lockout(struct screen *screen, const struct model *model)
{
    const struct model_lockout *lockout = &model->lockout;
    char text[WORDS_SIZE];

    if (!model_has(model, MODEL_LOCKOUT))
        return;
    screen_label(screen, "Lockout");
    screen_put(screen, lockout->in_lockout ? INK_BAD : INK_PLAIN, "%u of %u wrong passwords",
               lockout->counter, lockout->max_tries);
    if (lockout->recovery > 0)
        screen_put(screen, INK_PLAIN, ", one less every %s",
                   words_span(lockout->recovery * UINT64_C(1000000), text));
    if (lockout->lockout_recovery > 0)
        screen_put(screen, INK_PLAIN, "; lockout password after %s",
                   words_span(lockout->lockout_recovery * UINT64_C(1000000), text));
    screen_end_line(screen);
}

static void status_rates(struct screen *screen, const struct model *model)
{
    const struct model_status *status = &model->status;
    uint64_t uptime = model_uptime(model);
    char count[WORDS_SIZE], share[WORDS_SIZE];

    screen_label(screen, "Commands");
    screen_put(screen, INK_PLAIN, "%s", words_count(status->client_commands, count));
    if (uptime > 0)
        screen_put(screen, INK_PLAIN, ", %.2f a second; the TPM is busy %s of the time",
                   (double)status->client_commands * 1e6 / (double)uptime,
                   words_share(status->chip_time, uptime, share));
    if (model_has(model, MODEL_STATISTICS)) {
        screen_put(screen, INK_PLAIN, "; %s failed",
                   words_count(model->statistics.failures, count));
    }
    screen_end_line(screen);
}

static void status_answers(struct screen *screen, const struct model *model)
{
    const struct model_statistics *statistics = &model->statistics;
    uint64_t all = model_total(statistics->commands);
    char cache[WORDS_SIZE], manager[WORDS_SIZE], refused[WORDS_SIZE];

    screen_label(screen, "Answers");
    screen_put(screen, INK_PLAIN, "%s out of the cache, %s without the TPM, %s refused",
               words_share(statistics->from_cache, all, cache),
               words_share(statistics->from_manager, all, manager),
               words_count(model_total(statistics->refusals), refused));
    screen_end_line(screen);
}

static void status_time(struct screen *screen, const char *label,
                        const uint64_t buckets[MODEL_BUCKETS])
{
    char half[WORDS_SIZE], most[WORDS_SIZE];
    uint64_t median = model_quantile(buckets, 50);

    screen_label(screen, label);
    if (median == 0)
        screen_put(screen, INK_PLAIN, "-");
    else
        screen_put(screen, INK_PLAIN, "half of the commands below %s, 99 %% below %s",
                   words_time(median, half), words_time(model_quantile(buckets, 99), most));
    screen_end_line(screen);
}

static void status_swaps(struct screen *screen, const struct model *model)
{
    const struct model_statistics *statistics = &model->statistics;
    char each[WORDS_SIZE], count[WORDS_SIZE];
    const char *before = ": ";

    screen_label(screen, "Swaps");
    screen_put(
        screen, INK_PLAIN, "%s for each command",
        words_ratio(model_total(statistics->swaps), model_total(statistics->commands), each));
    for (guint i = 0; i < statistics->swaps->len; i++) {
        const struct model_count *one = model_at(statistics->swaps, model_count, i);

        if (one->count == 0)
            continue;
        screen_put(screen, INK_PLAIN, "%s%s for %s", before, words_count(one->count, count),
                   one->name);
        before = ", ";
    }
    screen_end_line(screen);
}

static void status_statistics(struct screen *screen, const struct model *model)
{
    if (!model_has(model, MODEL_STATISTICS))
        return;
    status_answers(screen, model);
    status_time(screen, "Waiting", model->statistics.queue);
    status_time(screen, "Working", model->statistics.chip);
    status_swaps(screen, model);
}

static const struct table_column status_columns[] = {
    {"USER", .least = 8},
    {"SHARE", .right = true},
    {"", .rank = 3},
    {"TPM TIME", .right = true},
    {"COMMANDS", .right = true},
    {"MEAN WAIT", .right = true, .rank = 2},
    {"CONNECTIONS", .right = true},
    {"OBJ", .right = true},
    {"SES", .right = true},
    {"REFUSED", .right = true, .rank = 1},
};

static void status_user(struct table *table, const struct model_user *user, uint64_t all)
{
    char text[WORDS_SIZE];
    unsigned bar = all > 0 ? (unsigned)((double)user->chip_time / (double)all * STATUS_BAR) : 0;

    table_cell(table, "%s", user->name);
    table_cell(table, "%s", words_share(user->chip_time, all, text));
    table_cell(table, "%.*s", (int)MIN(bar, STATUS_BAR), "##########");
    table_cell(table, "%s", words_span(user->chip_time, text));
    table_cell(table, "%s", words_count(user->commands, text));
    table_cell(table, "%s",
               user->commands > 0 ? words_span(user->queue_time / user->commands, text) : "-");
    table_cell(table, "%u", user->connections);
    table_cell(table, "%u", user->objects);
    table_cell(table, "%u", user->sessions);
    table_cell(table, "%s", words_count(user->refusals, text));
}

/* As many users as `most` lines take, beside the title and the line before it. */
static void status_users(struct screen *screen, const struct model *model, unsigned most)
{
    struct table *table;
    unsigned rows, shown;
    uint64_t all = 0;

    if (!model_has(model, MODEL_USERS) || model->users->len == 0 || most < 3)
        return;
    table = table_new(status_columns, G_N_ELEMENTS(status_columns));
    for (guint i = 0; i < model->users->len; i++)
        all += model_at(model->users, model_user, i)->chip_time;
    for (guint i = 0; i < model->users->len; i++)
        status_user(table, model_at(model->users, model_user, i), all);
    rows = table_rows(table);
    shown = rows <= most - 2 ? rows : most - 3;
    screen_end_line(screen);
    table_put(table, screen, 0, shown);
    if (shown < rows) {
        screen_put(screen, INK_FAINT, "and %u more: tabrmctl list --users", rows - shown);
        screen_end_line(screen);
    }
    table_free(table);
}

static void status_trouble(struct screen *screen, const struct model *model)
{
    const struct model_trouble *trouble = &model->status.trouble;
    uint64_t age = model->now > trouble->time ? model->now - trouble->time : 0;
    char text[WORDS_SIZE];

    if (*trouble->kind) {
        screen_end_line(screen);
        screen_label(screen, "Trouble");
        screen_put(screen, INK_WARN, "%s", trouble->kind);
        screen_put(screen, INK_PLAIN, " %s ago", words_time(age, text));
        screen_end_line(screen);
        screen_indent(screen, SCREEN_LABEL);
        screen_wrap(screen, STATUS_TROUBLE_LINES, trouble->text);
        screen_label(screen, "Remedy");
        screen_wrap(screen, STATUS_REMEDY_LINES, trouble->remedy);
    }
    if (model->denied) {
        screen_put(screen, INK_FAINT, "Root is told more: sudo tabrmctl status");
        screen_end_line(screen);
    }
    if (model->unknown) {
        screen_put(screen, INK_FAINT,
                   "The tabrmd that runs is older than tabrmctl, and tells less");
        screen_end_line(screen);
    }
}

char *status_screen(const struct model *model, const struct view *view)
{
    g_autofree char *last = NULL;
    struct screen screen, tail;
    unsigned left;

    screen_init(&tail, view);
    status_trouble(&tail, model);
    screen_init(&screen, view);
    status_head(&screen, model);
    status_chip(&screen, &model->chip);
    status_slots(&screen, model);
    status_lockout(&screen, model);
    status_rates(&screen, model);
    status_statistics(&screen, model);
    left = screen_left(&screen);
    status_users(&screen, model, left == UINT_MAX ? left : left - MIN(left, tail.lines));
    last = screen_finish(&tail);
    g_string_append(screen.text, last);
    return screen_finish(&screen);
}
