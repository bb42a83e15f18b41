/* SPDX-License-Identifier: BSD-2-Clause */
#include "list-table.h"

#include "table.h"
#include "wire/command-name.h"
#include "words.h"

#include <inttypes.h>
#include <limits.h>

static const struct table_column list_columns[] = {
    {"NUMBER", .right = true},   {"PID", .right = true}, {"USER", .least = 8},
    {"PROGRAM", .least = 12},    {"FROM", .rank = 1},    {"AGE", .right = true},
    {"OBJ", .right = true},      {"SES", .right = true}, {"COMMANDS", .right = true},
    {"TPM TIME", .right = true}, {"NOW", .least = 8},    {"LOCALITY", .right = true, .rank = 2},
    {"POLICY", .rank = 3},
};

static const struct table_column list_user_columns[] = {
    {"USER", .least = 8},        {"CONNECTIONS", .right = true},        {"OBJECTS", .right = true},
    {"SESSIONS", .right = true}, {"COMMANDS", .right = true},           {"TPM TIME", .right = true},
    {"WAITED", .right = true},   {"REFUSED", .right = true, .rank = 1}, {"PRIORITY", .rank = 2},
};

const char *list_table_state(const struct model_connection *connection)
{
    return connection->command != 0 ? command_name(connection->command) : connection->state;
}

static void list_connection(struct table *table, const struct model_connection *connection)
{
    char text[WORDS_SIZE];

    table_ink(table, connection->command != 0 ? INK_BOLD : INK_PLAIN);
    table_cell(table, "%" PRIu64, connection->number);
    if (connection->pid > 0)
        table_cell(table, "%u", connection->pid);
    else
        table_cell(table, "-");
    table_cell(table, "%s", connection->user);
    table_cell(table, "%s", *connection->program ? connection->program : "-");
    table_cell(table, "%s", connection->origin);
    table_cell(table, "%s", words_span(connection->age, text));
    table_cell(table, "%u", connection->objects);
    table_cell(table, "%u", connection->sessions);
    table_cell(table, "%s", words_count(connection->commands, text));
    table_cell(table, "%s", words_span(connection->chip_time, text));
    table_cell(table, "%s", list_table_state(connection));
    table_cell(table, "%u", connection->locality);
    table_cell(table, "%s", connection->policy);
}

/* The table as a text; frees it. */
static char *list_text(struct table *table, const struct view *view)
{
    struct screen screen;

    screen_init(&screen, view);
    table_put(table, &screen, 0, UINT_MAX);
    table_free(table);
    return screen_finish(&screen);
}

char *list_table_connections(const struct model *model, const struct view *view)
{
    struct table *table = table_new(list_columns, G_N_ELEMENTS(list_columns));

    for (guint i = 0; i < model->connections->len; i++)
        list_connection(table, model_at(model->connections, model_connection, i));
    return list_text(table, view);
}

/* How many of how many. */
static void list_limit(struct table *table, uint32_t count, uint32_t most)
{
    if (most > 0)
        table_cell(table, "%u of %u", count, most);
    else
        table_cell(table, "%u", count);
}

static void list_user(struct table *table, const struct model_user *user)
{
    char text[WORDS_SIZE];

    table_cell(table, "%s", user->name);
    list_limit(table, user->connections, user->max_connections);
    list_limit(table, user->objects, user->max_objects);
    list_limit(table, user->sessions, user->max_sessions);
    table_cell(table, "%s", words_count(user->commands, text));
    table_cell(table, "%s", words_span(user->chip_time, text));
    table_cell(table, "%s", words_span(user->queue_time, text));
    table_cell(table, "%s", words_count(user->refusals, text));
    table_cell(table, "%s", user->priority);
}

char *list_table_users(const struct model *model, const struct view *view)
{
    struct table *table = table_new(list_user_columns, G_N_ELEMENTS(list_user_columns));

    for (guint i = 0; i < model->users->len; i++)
        list_user(table, model_at(model->users, model_user, i));
    return list_text(table, view);
}
