/* SPDX-License-Identifier: BSD-2-Clause */
#include "pace.h"

#include <string.h>

static const char *const pace_names[PACE_KEYS] = {
    [PACE_BUSY] = "busy",         [PACE_COMMANDS] = "commands", [PACE_OBJECTS] = "objects",
    [PACE_SESSIONS] = "sessions", [PACE_AGE] = "age",           [PACE_USER] = "user",
    [PACE_PID] = "pid",           [PACE_NUMBER] = "number",
};

struct pace_order {
    enum pace_key key;
    bool reverse;
};

enum pace_key pace_key_find(const char *name)
{
    enum pace_key key = 0;

    while (key < PACE_KEYS && strcmp(pace_names[key], name) != 0)
        key++;
    return key;
}

enum pace_key pace_key_letter(char letter)
{
    enum pace_key key = 0;

    while (key < PACE_KEYS && *pace_names[key] != letter)
        key++;
    return key;
}

const char *pace_key_name(enum pace_key key)
{
    return pace_names[key];
}

double pace_interval(const struct model *before, const struct model *now)
{
    return before && now->moment > before->moment ? (double)(now->moment - before->moment) / 1e6
                                                  : 0;
}

uint64_t pace_growth(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

/* The connections of a model by their numbers. */
static GHashTable *pace_index(const struct model *model)
{
    GHashTable *index = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; model && i < model->connections->len; i++) {
        struct model_connection *one = model_at(model->connections, model_connection, i);

        g_hash_table_insert(index, &one->number, one);
    }
    return index;
}

static struct pace pace_one(const struct model_connection *before,
                            const struct model_connection *now, double interval)
{
    double seconds = interval > 0 ? interval : (double)now->age / 1e6;
    struct pace pace = {.connection = now};

    if (seconds <= 0)
        return pace;
    pace.commands = (double)pace_growth(before ? before->commands : 0, now->commands) / seconds;
    pace.busy = (double)pace_growth(before ? before->chip_time : 0, now->chip_time) / 1e6 / seconds;
    return pace;
}

static int pace_compare_numbers(double left, double right)
{
    return left < right ? -1 : left > right;
}

/* Less than 0 where `a` comes first. */
static int pace_compare_by(const struct pace *a, const struct pace *b, enum pace_key key)
{
    const struct model_connection *left = a->connection, *right = b->connection;

    switch (key) {
    case PACE_BUSY:
        return pace_compare_numbers(b->busy, a->busy);
    case PACE_COMMANDS:
        return pace_compare_numbers(b->commands, a->commands);
    case PACE_OBJECTS:
        return pace_compare_numbers(right->objects, left->objects);
    case PACE_SESSIONS:
        return pace_compare_numbers(right->sessions, left->sessions);
    case PACE_AGE:
        return pace_compare_numbers((double)right->age, (double)left->age);
    case PACE_USER:
        return strcmp(left->user, right->user);
    case PACE_PID:
        return pace_compare_numbers(left->pid, right->pid);
    case PACE_NUMBER:
    case PACE_KEYS:
        break;
    }
    return 0;
}

static int pace_compare(gconstpointer left, gconstpointer right, gpointer data)
{
    const struct pace *a = left, *b = right;
    const struct pace_order *order = data;
    int compared = pace_compare_by(a, b, order->key);

    if (compared == 0)
        compared = a->connection->number < b->connection->number
                       ? -1
                       : a->connection->number > b->connection->number;
    return order->reverse ? -compared : compared;
}

GArray *pace_of(const struct model *before, const struct model *now, enum pace_key key,
                bool reverse)
{
    g_autoptr(GHashTable) index = pace_index(before);
    struct pace_order order = {key, reverse};
    GArray *paces = g_array_new(FALSE, FALSE, sizeof(struct pace));
    double interval = pace_interval(before, now);

    for (guint i = 0; i < now->connections->len; i++) {
        const struct model_connection *one = model_at(now->connections, model_connection, i);
        struct pace pace = pace_one(g_hash_table_lookup(index, &one->number), one, interval);

        g_array_append_val(paces, pace);
    }
    g_array_sort_with_data(paces, pace_compare, &order);
    return paces;
}
