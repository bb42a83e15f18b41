/* SPDX-License-Identifier: BSD-2-Clause */
#include "model-read.h"

#include "model-counts.h"
#include "reading.h"

/* Columns of texts. */
#define READ_WORD 32
#define READ_LINE 400

/* Names of users are not read, but looked up (user-names.h). */
static const char *read_end(struct model *model, const struct reading *reading,
                            enum model_part part)
{
    if (!reading->bad)
        model->parts |= part;
    return reading->bad;
}

static bool read_begin(struct reading *reading, GVariant *value)
{
    *reading = (struct reading){.dictionary = value};
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT))
        reading->bad = "a{sv}";
    return !reading->bad;
}

const char *model_read_chip(struct model *model, GVariant *value)
{
    struct model_chip *chip = &model->chip;
    struct reading reading;

    if (!read_begin(&reading, value) || !reading_need(&reading, "Version"))
        return reading.bad;
    chip->version = reading_text(&reading, "Version", READ_WORD);
    chip->tpm = reading_text(&reading, "Tpm", READ_WORD);
    chip->manufacturer = reading_text(&reading, "Manufacturer", READ_WORD);
    chip->model = reading_text(&reading, "Model", READ_WORD);
    chip->firmware = reading_text(&reading, "Firmware", READ_WORD);
    chip->revision = reading_text(&reading, "Revision", READ_WORD);
    chip->state = reading_text(&reading, "State", READ_WORD);
    chip->log_level = reading_text(&reading, "LogLevel", READ_WORD);
    chip->object_slots = reading_u32(&reading, "ObjectSlots");
    chip->session_slots = reading_u32(&reading, "SessionSlots");
    chip->active_sessions = reading_u32(&reading, "ActiveSessions");
    chip->max_command = reading_u32(&reading, "MaxCommand");
    chip->max_response = reading_u32(&reading, "MaxResponse");
    return read_end(model, &reading, MODEL_CHIP);
}

static void read_trouble(struct model_trouble *trouble, struct reading *reading)
{
    trouble->kind = reading_text(reading, "TroubleKind", READ_WORD);
    trouble->text = reading_text(reading, "TroubleText", READ_LINE);
    trouble->remedy = reading_text(reading, "TroubleRemedy", READ_LINE);
    trouble->time = reading_u64(reading, "TroubleTime");
}

const char *model_read_status(struct model *model, GVariant *value)
{
    struct model_status *status = &model->status;
    struct reading reading;

    if (!read_begin(&reading, value))
        return reading.bad;
    status->connections = reading_u32(&reading, "Connections");
    status->tpm_present = reading_bool(&reading, "TpmPresent");
    status->client_commands = reading_u64(&reading, "ClientCommands");
    status->chip_commands = reading_u64(&reading, "ChipCommands");
    status->context_commands = reading_u64(&reading, "ContextCommands");
    status->refused_commands = reading_u64(&reading, "RefusedCommands");
    status->start_time = reading_u64(&reading, "StartTime");
    status->chip_time = reading_u64(&reading, "ChipTime");
    read_trouble(&status->trouble, &reading);
    return read_end(model, &reading, MODEL_STATUS);
}

/* Reads each dictionary of a list by `one`, which adds to the model. */
static const char *read_list(struct model *model, GVariant *value, enum model_part part,
                             void (*one)(struct model *model, struct reading *reading))
{
    GVariantIter iter;
    GVariant *item;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE("aa{sv}")))
        return "aa{sv}";
    if (g_variant_n_children(value) > MODEL_READ_MOST)
        return "too many";
    g_variant_iter_init(&iter, value);
    while ((item = g_variant_iter_next_value(&iter))) {
        struct reading reading = {.dictionary = item};

        one(model, &reading);
        g_variant_unref(item);
        if (reading.bad)
            return reading.bad;
    }
    model->parts |= part;
    return NULL;
}

static void read_connection(struct model *model, struct reading *reading)
{
    struct model_connection connection = {
        .number = reading_u64(reading, "Number"),
        .pid = reading_u32(reading, "Pid"),
        .uid = reading_u32(reading, "Uid"),
        .program = reading_text(reading, "Program", READ_WORD),
        .origin = reading_text(reading, "Origin", READ_WORD),
        .state = reading_text(reading, "State", READ_WORD),
        .policy = reading_text(reading, "Policy", READ_WORD),
        .age = reading_u64(reading, "Age"),
        .objects = reading_u32(reading, "Objects"),
        .sessions = reading_u32(reading, "Sessions"),
        .commands = reading_u64(reading, "Commands"),
        .refusals = reading_u64(reading, "Refusals"),
        .chip_time = reading_u64(reading, "ChipTime"),
        .queue_time = reading_u64(reading, "QueueTime"),
        .command = reading_u32(reading, "Command"),
        .locality = reading_byte(reading, "Locality"),
    };

    reading_need(reading, "Number");
    reading_need(reading, "Uid");
    g_array_append_val(model->connections, connection);
}

static int read_by_number(gconstpointer left, gconstpointer right)
{
    const struct model_connection *a = left, *b = right;

    return a->number < b->number ? -1 : a->number > b->number;
}

const char *model_read_connections(struct model *model, GVariant *value)
{
    const char *bad = read_list(model, value, MODEL_CONNECTIONS, read_connection);

    g_array_sort(model->connections, read_by_number);
    return bad;
}

static void read_user(struct model *model, struct reading *reading)
{
    struct model_user user = {
        .account = reading_u32(reading, "Account"),
        .connections = reading_u32(reading, "Connections"),
        .objects = reading_u32(reading, "Objects"),
        .sessions = reading_u32(reading, "Sessions"),
        .commands = reading_u64(reading, "Commands"),
        .chip_time = reading_u64(reading, "ChipTime"),
        .queue_time = reading_u64(reading, "QueueTime"),
        .refusals = reading_u64(reading, "Refusals"),
        .max_connections = reading_u32(reading, "MaxConnections"),
        .max_objects = reading_u32(reading, "MaxObjects"),
        .max_sessions = reading_u32(reading, "MaxSessions"),
        .priority = reading_text(reading, "Priority", READ_WORD),
    };

    reading_need(reading, "Account");
    g_array_append_val(model->users, user);
}

static int read_by_time(gconstpointer left, gconstpointer right)
{
    const struct model_user *a = left, *b = right;

    if (a->chip_time != b->chip_time)
        return a->chip_time > b->chip_time ? -1 : 1;
    return a->account < b->account ? -1 : a->account > b->account;
}

const char *model_read_users(struct model *model, GVariant *value)
{
    const char *bad = read_list(model, value, MODEL_USERS, read_user);

    g_array_sort(model->users, read_by_time);
    return bad;
}

static void read_slot(struct model *model, struct reading *reading)
{
    g_autofree char *kind = reading_text(reading, "Kind", READ_WORD);
    struct model_slot slot = {
        .session = g_str_equal(kind, "session"),
        .handle = reading_u32(reading, "Handle"),
        .number = reading_u64(reading, "Number"),
        .account = reading_u32(reading, "Account"),
    };

    reading_need(reading, "Kind");
    g_array_append_val(model->slots, slot);
}

static int read_by_handle(gconstpointer left, gconstpointer right)
{
    const struct model_slot *a = left, *b = right;

    return a->handle < b->handle ? -1 : a->handle > b->handle;
}

const char *model_read_slots(struct model *model, GVariant *value)
{
    const char *bad = read_list(model, value, MODEL_SLOTS, read_slot);

    g_array_sort(model->slots, read_by_handle);
    return bad;
}

const char *model_read_statistics(struct model *model, GVariant *value)
{
    struct model_statistics *statistics = &model->statistics;
    struct reading reading;

    if (!read_begin(&reading, value))
        return reading.bad;
    model_counts_read_codes(statistics->commands, &reading, "ClientCommands");
    model_counts_read(statistics->chip_commands, &reading, "ChipCommands");
    model_counts_read(statistics->swaps, &reading, "Swaps");
    model_counts_read(statistics->refusals, &reading, "Refusals");
    model_counts_read_times(statistics->queue, &reading, "QueueTimes");
    model_counts_read_times(statistics->chip, &reading, "ChipTimes");
    statistics->from_cache = reading_u64(&reading, "AnswersFromCache");
    statistics->from_manager = reading_u64(&reading, "AnswersFromManager");
    statistics->failures = reading_u64(&reading, "Failures");
    statistics->canceled = reading_u64(&reading, "Canceled");
    statistics->queue_sum = reading_u64(&reading, "QueueTimeSum");
    statistics->chip_sum = reading_u64(&reading, "ChipTimeSum");
    return read_end(model, &reading, MODEL_STATISTICS);
}

const char *model_read_lockout(struct model *model, GVariant *value)
{
    struct model_lockout *lockout = &model->lockout;
    struct reading reading;

    if (!read_begin(&reading, value) || !reading_need(&reading, "MaxTries"))
        return reading.bad;
    lockout->counter = reading_u32(&reading, "Counter");
    lockout->max_tries = reading_u32(&reading, "MaxTries");
    lockout->recovery = reading_u32(&reading, "RecoveryTime");
    lockout->lockout_recovery = reading_u32(&reading, "LockoutRecovery");
    lockout->in_lockout = reading_bool(&reading, "InLockout");
    return read_end(model, &reading, MODEL_LOCKOUT);
}
