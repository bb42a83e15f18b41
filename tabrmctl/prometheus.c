/* SPDX-License-Identifier: BSD-2-Clause */
#include "prometheus.h"

#include "health.h"

#include <inttypes.h>
#include <string.h>

#define PROMETHEUS_PREFIX "tabrmd_"

/* What is written, and the name of the TPM, which is a label of all where there are several. */
struct prometheus {
    GString *text;
    const char *tpm;
};

struct prometheus_label {
    const char *name; /* NULL ends a list */
    const char *value;
};

/* The lines before a metric's values. */
static void prometheus_head(const struct prometheus *out, const char *name, const char *type,
                            const char *help)
{
    g_string_append_printf(out->text, "# HELP " PROMETHEUS_PREFIX "%s %s\n", name, help);
    g_string_append_printf(out->text, "# TYPE " PROMETHEUS_PREFIX "%s %s\n", name, type);
}

/* A label, with quotes and backslashes of its value escaped. */
static void prometheus_put_label(GString *text, const char *before, const char *label,
                                 const char *value)
{
    g_string_append_printf(text, "%s%s=\"", before, label);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *value);
    }
    g_string_append_c(text, '"');
}

/* The name and labels of a value, and the space before it. */
static void prometheus_series(const struct prometheus *out, const char *name,
                              const struct prometheus_label *labels)
{
    const char *before = "{";

    g_string_append_printf(out->text, PROMETHEUS_PREFIX "%s", name);
    if (*out->tpm) {
        prometheus_put_label(out->text, before, "tpm", out->tpm);
        before = ",";
    }
    for (; labels && labels->name; labels++) {
        prometheus_put_label(out->text, before, labels->name, labels->value);
        before = ",";
    }
    g_string_append(out->text, *before == ',' ? "} " : " ");
}

static void prometheus_value(const struct prometheus *out, uint64_t value)
{
    g_string_append_printf(out->text, "%" PRIu64 "\n", value);
}

/* A time in microseconds, as seconds. */
static void prometheus_time(const struct prometheus *out, uint64_t time)
{
    g_string_append_printf(out->text, "%" PRIu64 ".%06" PRIu64 "\n", time / 1000000,
                           time % 1000000);
}

/* A metric with one value. */
static void prometheus_one(const struct prometheus *out, const char *name, const char *type,
                           const char *help, uint64_t value)
{
    prometheus_head(out, name, type, help);
    prometheus_series(out, name, NULL);
    prometheus_value(out, value);
}

static void prometheus_moment(const struct prometheus *out, const char *name, const char *help,
                              uint64_t time)
{
    prometheus_head(out, name, "gauge", help);
    prometheus_series(out, name, NULL);
    prometheus_time(out, time);
}

static void prometheus_counts(const struct prometheus *out, const char *name, const char *help,
                              const char *label, const GArray *counts)
{
    prometheus_head(out, name, "counter", help);
    for (guint i = 0; i < counts->len; i++) {
        const struct model_count *one = model_at(counts, model_count, i);
        const struct prometheus_label labels[] = {{label, one->name}, {NULL, NULL}};

        prometheus_series(out, name, labels);
        prometheus_value(out, one->count);
    }
}

static void prometheus_bucket(const struct prometheus *out, const char *name, const char *edge,
                              uint64_t below)
{
    const struct prometheus_label labels[] = {{"le", edge}, {NULL, NULL}};

    prometheus_series(out, name, labels);
    prometheus_value(out, below);
}

static void prometheus_histogram(const struct prometheus *out, const char *name, const char *help,
                                 const uint64_t buckets[MODEL_BUCKETS], uint64_t sum)
{
    g_autofree char *bucket = g_strconcat(name, "_bucket", NULL);
    g_autofree char *total = g_strconcat(name, "_sum", NULL);
    g_autofree char *count = g_strconcat(name, "_count", NULL);
    uint64_t below = 0;

    prometheus_head(out, name, "histogram", help);
    for (unsigned i = 0; i < MODEL_BUCKETS - 1; i++) {
        uint64_t end = UINT64_C(1) << i;
        g_autofree char *edge =
            g_strdup_printf("%" PRIu64 ".%06" PRIu64, end / 1000000, end % 1000000);

        below += buckets[i];
        prometheus_bucket(out, bucket, edge, below);
    }
    below += buckets[MODEL_BUCKETS - 1];
    prometheus_bucket(out, bucket, "+Inf", below);
    prometheus_series(out, total, NULL);
    prometheus_time(out, sum);
    prometheus_series(out, count, NULL);
    prometheus_value(out, below);
}

static void prometheus_info(const struct prometheus *out, const struct model_chip *chip)
{
    const struct prometheus_label labels[] = {
        {"version", chip->version},   {"manufacturer", chip->manufacturer}, {"model", chip->model},
        {"firmware", chip->firmware}, {"revision", chip->revision},         {NULL, NULL},
    };

    prometheus_head(out, "info", "gauge", "The daemon and its TPM; always 1.");
    prometheus_series(out, "info", labels);
    prometheus_value(out, 1);
}

static void prometheus_status(const struct prometheus *out, const struct model *model)
{
    const struct model_status *status = &model->status;

    prometheus_one(out, "healthy", "gauge", "Whether `tabrmctl status` says healthy.",
                   health_of(model).good);
    prometheus_one(out, "tpm_present", "gauge", "Whether there is a TPM that answers.",
                   status->tpm_present);
    prometheus_one(out, "connections", "gauge", "Connections of clients.", status->connections);
    if (status->start_time > 0)
        prometheus_moment(out, "start_time_seconds",
                          "When the daemon was started, since the epoch.", status->start_time);
    if (model->chip.object_slots > 0)
        prometheus_one(out, "object_slots", "gauge", "Objects that the TPM can have loaded.",
                       model->chip.object_slots);
    if (model->chip.session_slots > 0)
        prometheus_one(out, "session_slots", "gauge", "Sessions that the TPM can have loaded.",
                       model->chip.session_slots);
    if (status->trouble.time > 0)
        prometheus_moment(out, "trouble_time_seconds",
                          "When there was trouble last, since the epoch.", status->trouble.time);
}

static void prometheus_statistics(const struct prometheus *out,
                                  const struct model_statistics *statistics)
{
    prometheus_counts(out, "client_commands_total", "Commands of clients.", "command",
                      statistics->commands);
    prometheus_counts(out, "chip_commands_total", "Commands that the TPM was sent.", "kind",
                      statistics->chip_commands);
    prometheus_counts(out, "swaps_total", "Objects and sessions that left the TPM.", "reason",
                      statistics->swaps);
    prometheus_counts(out, "refusals_total", "Commands that tabrmd refused.", "reason",
                      statistics->refusals);
    prometheus_one(out, "cache_answers_total", "counter", "Commands answered out of the cache.",
                   statistics->from_cache);
    prometheus_one(out, "manager_answers_total", "counter",
                   "Commands answered by what tabrmd knows, without the TPM.",
                   statistics->from_manager);
    prometheus_one(out, "failures_total", "counter", "Commands answered with an error.",
                   statistics->failures);
    prometheus_one(out, "canceled_total", "counter", "Commands canceled before their turns.",
                   statistics->canceled);
    prometheus_histogram(out, "queue_seconds", "How long commands waited for their turns.",
                         statistics->queue, statistics->queue_sum);
    prometheus_histogram(out, "turn_seconds", "How long the turns of commands took.",
                         statistics->chip, statistics->chip_sum);
}

static void prometheus_lockout(const struct prometheus *out, const struct model_lockout *lockout)
{
    prometheus_one(out, "lockout_tries", "gauge", "Wrong passwords that the TPM remembers.",
                   lockout->counter);
    prometheus_one(out, "lockout_tries_max", "gauge", "Wrong passwords until it is locked out.",
                   lockout->max_tries);
    prometheus_one(out, "lockout", "gauge", "Whether the TPM is locked out.", lockout->in_lockout);
}

static void prometheus_slots(const struct prometheus *out, const struct model *model)
{
    uint64_t sessions = 0;

    for (guint i = 0; i < model->slots->len; i++)
        sessions += model_at(model->slots, model_slot, i)->session;
    prometheus_one(out, "loaded_objects", "gauge", "Objects in the TPM.",
                   model->slots->len - sessions);
    prometheus_one(out, "loaded_sessions", "gauge", "Sessions in the TPM.", sessions);
}

/* What is told of each user. */
static const struct prometheus_user {
    const char *name, *type, *help;
    gsize offset;
    enum { PROMETHEUS_U32, PROMETHEUS_U64, PROMETHEUS_TIME } kind;
} prometheus_user_metrics[] = {
    {"user_connections", "gauge", "Connections of a user.",
     G_STRUCT_OFFSET(struct model_user, connections), PROMETHEUS_U32},
    {"user_objects", "gauge", "Objects of a user, in the TPM or not.",
     G_STRUCT_OFFSET(struct model_user, objects), PROMETHEUS_U32},
    {"user_sessions", "gauge", "Sessions of a user, in the TPM or not.",
     G_STRUCT_OFFSET(struct model_user, sessions), PROMETHEUS_U32},
    {"user_commands_total", "counter", "Commands of a user.",
     G_STRUCT_OFFSET(struct model_user, commands), PROMETHEUS_U64},
    {"user_refusals_total", "counter", "Commands of a user that tabrmd refused.",
     G_STRUCT_OFFSET(struct model_user, refusals), PROMETHEUS_U64},
    {"user_turn_seconds_total", "counter", "Time of the turns of a user's commands.",
     G_STRUCT_OFFSET(struct model_user, chip_time), PROMETHEUS_TIME},
    {"user_queue_seconds_total", "counter", "Time that a user's commands waited for their turns.",
     G_STRUCT_OFFSET(struct model_user, queue_time), PROMETHEUS_TIME},
};

static void prometheus_user_value(const struct prometheus *out,
                                  const struct prometheus_user *metric,
                                  const struct model_user *user)
{
    switch (metric->kind) {
    case PROMETHEUS_U32:
        prometheus_value(out, G_STRUCT_MEMBER(uint32_t, user, metric->offset));
        break;
    case PROMETHEUS_U64:
        prometheus_value(out, G_STRUCT_MEMBER(uint64_t, user, metric->offset));
        break;
    case PROMETHEUS_TIME:
        prometheus_time(out, G_STRUCT_MEMBER(uint64_t, user, metric->offset));
        break;
    }
}

static void prometheus_users(const struct prometheus *out, const struct model *model)
{
    for (gsize i = 0; i < G_N_ELEMENTS(prometheus_user_metrics); i++) {
        const struct prometheus_user *metric = &prometheus_user_metrics[i];

        prometheus_head(out, metric->name, metric->type, metric->help);
        for (guint j = 0; j < model->users->len; j++) {
            const struct model_user *user = model_at(model->users, model_user, j);
            g_autofree char *account = g_strdup_printf("%u", user->account);
            const struct prometheus_label labels[] = {
                {"user", user->name}, {"account", account}, {NULL, NULL}};

            prometheus_series(out, metric->name, labels);
            prometheus_user_value(out, metric, user);
        }
    }
}

char *prometheus_text(const struct model *model)
{
    struct prometheus out = {.text = g_string_new(NULL), .tpm = model->chip.tpm};

    prometheus_info(&out, &model->chip);
    prometheus_status(&out, model);
    prometheus_statistics(&out, &model->statistics);
    if (model_has(model, MODEL_LOCKOUT))
        prometheus_lockout(&out, &model->lockout);
    if (model_has(model, MODEL_SLOTS))
        prometheus_slots(&out, model);
    if (model_has(model, MODEL_USERS))
        prometheus_users(&out, model);
    return g_string_free(out.text, FALSE);
}
