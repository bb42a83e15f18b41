/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace-text.h"

#include "json-text.h"
#include "wire/command-name.h"
#include "wire/handle.h"
#include "words.h"

#include <inttypes.h>
#include <tss2/tss2_rc.h>

#define TEXT_PROGRAM 64  /* columns of a program's name */
#define TEXT_CODE    120 /* and of a code in words */

static const char *const text_sent[TRACE_RECORD_SENT_KINDS] = {
    [TRACE_RECORD_OWN] = "command", [TRACE_RECORD_SAVE] = "save",    [TRACE_RECORD_LOAD] = "load",
    [TRACE_RECORD_FLUSH] = "flush", [TRACE_RECORD_ASK] = "question",
};

static const struct {
    uint8_t bit;
    const char *name;
} text_attributes[] = {
    {TPMA_SESSION_CONTINUESESSION, "continue"}, {TPMA_SESSION_AUDITEXCLUSIVE, "audit-exclusive"},
    {TPMA_SESSION_AUDITRESET, "audit-reset"},   {TPMA_SESSION_DECRYPT, "decrypt"},
    {TPMA_SESSION_ENCRYPT, "encrypt"},          {TPMA_SESSION_AUDIT, "audit"},
};

static const char *text_session_kind(uint32_t handle)
{
    if (handle == TPM2_RS_PW)
        return "password";
    if (!handle_is_session(handle))
        return "unknown";
    return handle >> 24 == 0x03 ? "policy" : "hmac";
}

static const char *text_way(const struct trace_record *record)
{
    if (record->flags & TRACE_RECORD_DENIED)
        return "denied";
    switch (record->way) {
    case TRACE_RECORD_BY_MANAGER:
        return "manager";
    case TRACE_RECORD_BY_CACHE:
        return "cache";
    case TRACE_RECORD_BY_TPM:
        return "tpm";
    default: /* also what a later version has */
        return record->flags & TRACE_RECORD_CANCELED ? "canceled" : "refused";
    }
}

/* A code in words. */
static char *text_code(uint32_t code)
{
    return code == TPM2_RC_SUCCESS ? g_strdup("success")
                                   : words_escape(Tss2_RC_Decode(code), TEXT_CODE);
}

static char *text_command(uint32_t code)
{
    const char *name = command_name(code);

    return *name == '(' ? g_strdup_printf("0x%08" PRIX32, code) : g_strdup(name);
}

static void text_put_time(GString *line, gint64 began)
{
    g_autoptr(GDateTime) epoch = g_date_time_new_from_unix_local(began / G_USEC_PER_SEC);
    g_autofree char *text = epoch ? g_date_time_format(epoch, "%H:%M:%S") : NULL;

    g_string_append_printf(line, "%s.%06d", text ? text : "-", (int)(began % G_USEC_PER_SEC));
}

static void text_put_handle(GString *line, const struct trace_record_handle *handle)
{
    g_string_append_printf(line, " 0x%08" PRIX32, handle->virtual);
    if (handle->physical != 0 && handle->physical != handle->virtual)
        g_string_append_printf(line, "(0x%08" PRIX32 ")", handle->physical);
}

static void text_put_session(GString *line, const struct command_session *session)
{
    g_string_append_printf(line, " %s", text_session_kind(session->handle));
    if (handle_is_session(session->handle))
        g_string_append_printf(line, " 0x%08" PRIX32, session->handle);
    for (gsize i = 0; i < G_N_ELEMENTS(text_attributes); i++) {
        if (session->attributes & text_attributes[i].bit)
            g_string_append_printf(line, "+%s", text_attributes[i].name);
    }
}

/* What the TPM was sent for it beside the command itself. */
static void text_put_swaps(GString *line, const struct trace_record *record)
{
    if (record->sent[TRACE_RECORD_OWN] > 1)
        g_string_append_printf(line, ", sent %" PRIu32 " times", record->sent[TRACE_RECORD_OWN]);
    for (unsigned i = TRACE_RECORD_OWN + 1; i < TRACE_RECORD_SENT_KINDS; i++) {
        if (record->sent[i] > 0)
            g_string_append_printf(line, ", %" PRIu32 " %s", record->sent[i], text_sent[i]);
    }
}

static void text_put_result(GString *line, const struct trace_record *record,
                            const struct view *view)
{
    bool failed = record->response_code != TPM2_RC_SUCCESS;
    g_autofree char *code = text_code(record->response_code);

    g_string_append(line, " -> ");
    g_string_append(line, view_ink(view, failed ? INK_BAD : INK_GOOD));
    g_string_append(line, code);
    if (failed)
        g_string_append_printf(line, " (0x%" PRIX32 ")", record->response_code);
    g_string_append(line, view_ink_end(view, failed ? INK_BAD : INK_GOOD));
    if (record->made.virtual != 0)
        text_put_handle(line, &record->made);
}

static void text_put_times(GString *line, const struct trace_record *record)
{
    char text[WORDS_SIZE];

    g_string_append_printf(line, "; waited %s", words_span(record->queue / 1000, text));
    g_string_append_printf(line, ", took %s", words_span(record->chip / 1000, text));
    if (record->way != TRACE_RECORD_BY_TPM)
        g_string_append_printf(
            line, ", %s%s",
            record->way == TRACE_RECORD_BY_MANAGER || record->way == TRACE_RECORD_BY_CACHE ? "by "
                                                                                           : "",
            text_way(record));
    text_put_swaps(line, record);
}

static void text_put_who(GString *line, const struct trace_record *record)
{
    g_autofree char *program = words_escape(record->program, TEXT_PROGRAM);

    g_string_append_printf(line, " #%" PRIu64 " %s", record->number, *program ? program : "-");
    if (record->pid != 0)
        g_string_append_printf(line, "[%" PRIu32 "]", record->pid);
}

char *trace_text_line(const struct trace_record *record, gint64 began, const struct view *view)
{
    GString *line = g_string_new(NULL);
    g_autofree char *command = text_command(record->code);

    if (record->lost > 0)
        g_string_append_printf(line, "%s%" PRIu64 " %s lost%s\n", view_ink(view, INK_WARN),
                               record->lost, record->lost == 1 ? "line" : "lines",
                               view_ink_end(view, INK_WARN));
    text_put_time(line, began);
    text_put_who(line, record);
    g_string_append_printf(line, " %s%s%s", view_ink(view, INK_BOLD), command,
                           view_ink_end(view, INK_BOLD));
    for (unsigned i = 0; i < record->handle_count; i++)
        text_put_handle(line, &record->handles[i]);
    for (unsigned i = 0; i < record->session_count; i++)
        text_put_session(line, &record->sessions[i]);
    if (record->locality != 0)
        g_string_append_printf(line, " locality %u", record->locality);
    text_put_result(line, record, view);
    text_put_times(line, record);
    g_string_append_c(line, '\n');
    return g_string_free(line, FALSE);
}

/* A handle, and what the TPM calls it, or null. */
static void json_handle(JsonBuilder *builder, const struct trace_record_handle *handle)
{
    json_builder_begin_object(builder);
    json_text_number(builder, "handle", handle->virtual);
    json_builder_set_member_name(builder, "tpm_handle");
    if (handle->physical != 0)
        json_builder_add_int_value(builder, handle->physical);
    else
        json_builder_add_null_value(builder);
    json_builder_end_object(builder);
}

static void json_sessions(JsonBuilder *builder, const struct trace_record *record)
{
    json_builder_set_member_name(builder, "sessions");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < record->session_count; i++) {
        json_builder_begin_object(builder);
        json_text_number(builder, "handle", record->sessions[i].handle);
        json_text_string(builder, "kind", text_session_kind(record->sessions[i].handle));
        json_builder_set_member_name(builder, "attributes");
        json_builder_begin_array(builder);
        for (gsize j = 0; j < G_N_ELEMENTS(text_attributes); j++) {
            if (record->sessions[i].attributes & text_attributes[j].bit)
                json_builder_add_string_value(builder, text_attributes[j].name);
        }
        json_builder_end_array(builder);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void json_handles(JsonBuilder *builder, const struct trace_record *record)
{
    json_builder_set_member_name(builder, "handles");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < record->handle_count; i++)
        json_handle(builder, &record->handles[i]);
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "made");
    if (record->made.virtual != 0)
        json_handle(builder, &record->made);
    else
        json_builder_add_null_value(builder);
}

static void json_who(JsonBuilder *builder, const struct trace_record *record)
{
    g_autofree char *program = words_escape(record->program, TEXT_PROGRAM);
    g_autofree char *command = text_command(record->code);

    json_text_number(builder, "connection", record->number);
    json_text_number(builder, "pid", record->pid);
    json_text_number(builder, "uid", record->uid);
    json_text_string(builder, "program", program);
    json_text_string(builder, "command", command);
    json_text_number(builder, "command_code", record->code);
    json_text_number(builder, "locality", record->locality);
}

static void json_cost(JsonBuilder *builder, const struct trace_record *record)
{
    json_text_string(builder, "answered_by", text_way(record));
    json_text_number(builder, "queue_time_us", record->queue / 1000);
    json_text_number(builder, "chip_time_us", record->chip / 1000);
    json_builder_set_member_name(builder, "sent");
    json_builder_begin_object(builder);
    for (unsigned i = 0; i < TRACE_RECORD_SENT_KINDS; i++)
        json_text_number(builder, text_sent[i], record->sent[i]);
    json_builder_end_object(builder);
}

char *trace_text_json(const struct trace_record *record, gint64 began)
{
    JsonBuilder *builder = json_builder_new();
    g_autofree char *code = text_code(record->response_code);

    json_builder_begin_object(builder);
    json_text_number(builder, "lost", record->lost);
    json_text_number(builder, "time_us", (uint64_t)began);
    json_who(builder, record);
    json_handles(builder, record);
    json_sessions(builder, record);
    json_text_number(builder, "response_code", record->response_code);
    json_text_string(builder, "response", code);
    json_cost(builder, record);
    json_builder_end_object(builder);
    return json_text_finish(builder, true);
}
