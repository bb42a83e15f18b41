/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include <string.h>

static void model_connection_clear(gpointer data)
{
    struct model_connection *connection = data;

    g_free(connection->user);
    g_free(connection->program);
    g_free(connection->origin);
    g_free(connection->state);
    g_free(connection->policy);
}

static void model_user_clear(gpointer data)
{
    struct model_user *user = data;

    g_free(user->name);
    g_free(user->priority);
}

static void model_slot_clear(gpointer data)
{
    g_free(((struct model_slot *)data)->user);
}

static void model_count_clear(gpointer data)
{
    g_free(((struct model_count *)data)->name);
}

static GArray *model_array(guint size, GDestroyNotify clear)
{
    GArray *array = g_array_new(FALSE, TRUE, size);

    g_array_set_clear_func(array, clear);
    return array;
}

struct model *model_new(void)
{
    struct model *model = g_new0(struct model, 1);
    struct model_statistics *statistics = &model->statistics;

    model->connections = model_array(sizeof(struct model_connection), model_connection_clear);
    model->users = model_array(sizeof(struct model_user), model_user_clear);
    model->slots = model_array(sizeof(struct model_slot), model_slot_clear);
    statistics->commands = model_array(sizeof(struct model_count), model_count_clear);
    statistics->chip_commands = model_array(sizeof(struct model_count), model_count_clear);
    statistics->swaps = model_array(sizeof(struct model_count), model_count_clear);
    statistics->refusals = model_array(sizeof(struct model_count), model_count_clear);
    return model;
}

static void model_chip_clear(struct model_chip *chip)
{
    g_free(chip->version);
    g_free(chip->tpm);
    g_free(chip->manufacturer);
    g_free(chip->model);
    g_free(chip->firmware);
    g_free(chip->revision);
    g_free(chip->state);
    g_free(chip->log_level);
}

void model_free(struct model *model)
{
    if (!model)
        return;
    model_chip_clear(&model->chip);
    g_free(model->status.trouble.kind);
    g_free(model->status.trouble.text);
    g_free(model->status.trouble.remedy);
    g_array_unref(model->connections);
    g_array_unref(model->users);
    g_array_unref(model->slots);
    g_array_unref(model->statistics.commands);
    g_array_unref(model->statistics.chip_commands);
    g_array_unref(model->statistics.swaps);
    g_array_unref(model->statistics.refusals);
    g_free(model);
}

uint64_t model_total(const GArray *counts)
{
    uint64_t total = 0;

    for (guint i = 0; i < counts->len; i++)
        total += model_at(counts, model_count, i)->count;
    return total;
}

uint64_t model_count_of(const GArray *counts, const char *name)
{
    for (guint i = 0; i < counts->len; i++) {
        if (strcmp(model_at(counts, model_count, i)->name, name) == 0)
            return model_at(counts, model_count, i)->count;
    }
    return 0;
}

uint64_t model_uptime(const struct model *model)
{
    uint64_t start = model->status.start_time;

    return start > 0 && model->now > start ? model->now - start : 0;
}

uint64_t model_quantile(const uint64_t buckets[MODEL_BUCKETS], unsigned percent)
{
    double all = 0, below = 0;
    unsigned i;

    for (i = 0; i < MODEL_BUCKETS; i++)
        all += (double)buckets[i];
    if (all <= 0)
        return 0;
    for (i = 0; i < MODEL_BUCKETS - 1; i++) {
        below += (double)buckets[i];
        if (below * 100 >= all * percent)
            break;
    }
    return UINT64_C(1) << i;
}
