/* SPDX-License-Identifier: BSD-2-Clause */
#include "model-json.h"

#include "health.h"
#include "json-text.h"
#include "wire/command-name.h"

static void json_begin(JsonBuilder *builder, const char *name)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
}

static void json_begin_list(JsonBuilder *builder, const char *name)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
}

static void json_chip(JsonBuilder *builder, const struct model_chip *chip)
{
    json_text_string(builder, "version", chip->version);
    json_text_string(builder, "state", chip->state);
    json_text_string(builder, "log_level", chip->log_level);
    json_begin(builder, "tpm");
    json_text_string(builder, "name", chip->tpm);
    json_text_string(builder, "manufacturer", chip->manufacturer);
    json_text_string(builder, "model", chip->model);
    json_text_string(builder, "firmware", chip->firmware);
    json_text_string(builder, "revision", chip->revision);
    json_text_number(builder, "object_slots", chip->object_slots);
    json_text_number(builder, "session_slots", chip->session_slots);
    json_text_number(builder, "active_sessions", chip->active_sessions);
    json_text_number(builder, "max_command", chip->max_command);
    json_text_number(builder, "max_response", chip->max_response);
    json_builder_end_object(builder);
}

static void json_trouble(JsonBuilder *builder, const struct model_trouble *trouble)
{
    json_builder_set_member_name(builder, "trouble");
    if (!*trouble->kind) {
        json_builder_add_null_value(builder);
        return;
    }
    json_builder_begin_object(builder);
    json_text_string(builder, "kind", trouble->kind);
    json_text_string(builder, "text", trouble->text);
    json_text_string(builder, "remedy", trouble->remedy);
    json_text_number(builder, "time_us", trouble->time);
    json_builder_end_object(builder);
}

static void json_counts_of_status(JsonBuilder *builder, const struct model *model)
{
    const struct model_status *status = &model->status;

    json_text_bool(builder, "tpm_present", status->tpm_present);
    json_text_number(builder, "connections", status->connections);
    json_text_number(builder, "client_commands", status->client_commands);
    json_text_number(builder, "chip_commands", status->chip_commands);
    json_text_number(builder, "context_commands", status->context_commands);
    json_text_number(builder, "refused_commands", status->refused_commands);
    json_text_number(builder, "chip_time_us", status->chip_time);
    json_text_number(builder, "start_time_us", status->start_time);
    json_text_number(builder, "now_us", model->now);
    json_trouble(builder, &status->trouble);
}

static void json_slots(JsonBuilder *builder, const struct model *model)
{
    json_begin_list(builder, "slots");
    for (guint i = 0; i < model->slots->len; i++) {
        const struct model_slot *slot = model_at(model->slots, model_slot, i);

        json_builder_begin_object(builder);
        json_text_string(builder, "kind", slot->session ? "session" : "object");
        json_text_number(builder, "handle", slot->handle);
        json_text_number(builder, "connection", slot->number);
        json_text_string(builder, "user", slot->user);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void json_lockout(JsonBuilder *builder, const struct model_lockout *lockout)
{
    json_begin(builder, "lockout");
    json_text_number(builder, "counter", lockout->counter);
    json_text_number(builder, "max_tries", lockout->max_tries);
    json_text_number(builder, "recovery_s", lockout->recovery);
    json_text_number(builder, "lockout_recovery_s", lockout->lockout_recovery);
    json_text_bool(builder, "in_lockout", lockout->in_lockout);
    json_builder_end_object(builder);
}

static void json_list_users(JsonBuilder *builder, const struct model *model)
{
    json_builder_begin_array(builder);
    for (guint i = 0; i < model->users->len; i++) {
        const struct model_user *user = model_at(model->users, model_user, i);

        json_builder_begin_object(builder);
        json_text_string(builder, "user", user->name);
        json_text_number(builder, "account", user->account);
        json_text_number(builder, "connections", user->connections);
        json_text_number(builder, "objects", user->objects);
        json_text_number(builder, "sessions", user->sessions);
        json_text_number(builder, "commands", user->commands);
        json_text_number(builder, "chip_time_us", user->chip_time);
        json_text_number(builder, "queue_time_us", user->queue_time);
        json_text_number(builder, "refusals", user->refusals);
        json_text_number(builder, "max_connections", user->max_connections);
        json_text_number(builder, "max_objects", user->max_objects);
        json_text_number(builder, "max_sessions", user->max_sessions);
        json_text_string(builder, "priority", user->priority);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void json_counts(JsonBuilder *builder, const char *name, const GArray *counts)
{
    json_begin(builder, name);
    for (guint i = 0; i < counts->len; i++) {
        const struct model_count *one = model_at(counts, model_count, i);

        json_text_number(builder, one->name, one->count);
    }
    json_builder_end_object(builder);
}

static void json_buckets(JsonBuilder *builder, const char *name,
                         const uint64_t buckets[MODEL_BUCKETS])
{
    json_begin_list(builder, name);
    for (unsigned i = 0; i < MODEL_BUCKETS; i++)
        json_builder_add_int_value(builder, (gint64)MIN(buckets[i], (uint64_t)G_MAXINT64));
    json_builder_end_array(builder);
}

/* The members of an object. */
static void json_statistics(JsonBuilder *builder, const struct model_statistics *statistics)
{
    json_counts(builder, "client_commands", statistics->commands);
    json_counts(builder, "chip_commands", statistics->chip_commands);
    json_counts(builder, "swaps", statistics->swaps);
    json_counts(builder, "refusals", statistics->refusals);
    json_text_number(builder, "answers_from_cache", statistics->from_cache);
    json_text_number(builder, "answers_from_manager", statistics->from_manager);
    json_text_number(builder, "failures", statistics->failures);
    json_text_number(builder, "canceled", statistics->canceled);
    json_buckets(builder, "queue_times", statistics->queue);
    json_text_number(builder, "queue_time_sum_us", statistics->queue_sum);
    json_buckets(builder, "chip_times", statistics->chip);
    json_text_number(builder, "chip_time_sum_us", statistics->chip_sum);
}

char *model_json_status(const struct model *model)
{
    JsonBuilder *builder = json_builder_new();
    struct health health = health_of(model);

    json_builder_begin_object(builder);
    json_text_bool(builder, "healthy", health.good);
    json_text_string(builder, "health", health.word);
    json_text_string(builder, "why", health.why);
    json_chip(builder, &model->chip);
    json_counts_of_status(builder, model);
    if (model_has(model, MODEL_SLOTS))
        json_slots(builder, model);
    if (model_has(model, MODEL_LOCKOUT))
        json_lockout(builder, &model->lockout);
    if (model_has(model, MODEL_USERS)) {
        json_builder_set_member_name(builder, "users");
        json_list_users(builder, model);
    }
    if (model_has(model, MODEL_STATISTICS)) {
        json_begin(builder, "statistics");
        json_statistics(builder, &model->statistics);
        json_builder_end_object(builder);
    }
    json_builder_end_object(builder);
    return json_text_finish(builder, false);
}

void model_json_connection(JsonBuilder *builder, const struct model_connection *connection)
{
    json_text_number(builder, "number", connection->number);
    json_text_number(builder, "pid", connection->pid);
    json_text_number(builder, "uid", connection->uid);
    json_text_string(builder, "user", connection->user);
    json_text_string(builder, "program", connection->program);
    json_text_string(builder, "origin", connection->origin);
    json_text_number(builder, "age_us", connection->age);
    json_text_number(builder, "objects", connection->objects);
    json_text_number(builder, "sessions", connection->sessions);
    json_text_number(builder, "commands", connection->commands);
    json_text_number(builder, "refusals", connection->refusals);
    json_text_number(builder, "chip_time_us", connection->chip_time);
    json_text_number(builder, "queue_time_us", connection->queue_time);
    json_text_string(builder, "state", connection->state);
    json_builder_set_member_name(builder, "command");
    if (connection->command != 0)
        json_builder_add_string_value(builder, command_name(connection->command));
    else
        json_builder_add_null_value(builder);
    json_text_number(builder, "locality", connection->locality);
    json_text_string(builder, "policy", connection->policy);
}

char *model_json_connections(const struct model *model)
{
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_array(builder);
    for (guint i = 0; i < model->connections->len; i++) {
        json_builder_begin_object(builder);
        model_json_connection(builder, model_at(model->connections, model_connection, i));
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    return json_text_finish(builder, false);
}

char *model_json_users(const struct model *model)
{
    JsonBuilder *builder = json_builder_new();

    json_list_users(builder, model);
    return json_text_finish(builder, false);
}

char *model_json_statistics(const struct model *model)
{
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_object(builder);
    json_text_number(builder, "start_time_us", model->status.start_time);
    json_text_number(builder, "now_us", model->now);
    json_statistics(builder, &model->statistics);
    if (model_has(model, MODEL_USERS)) {
        json_builder_set_member_name(builder, "users");
        json_list_users(builder, model);
    }
    json_builder_end_object(builder);
    return json_text_finish(builder, false);
}
