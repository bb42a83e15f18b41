/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-report.h"

#include "output.h"

#include <json-glib/json-glib.h>
#include <stdarg.h>
#include <stdio.h>

#define REPORT_RED   "\033[1;31m"
#define REPORT_GREEN "\033[1;32m"
#define REPORT_PLAIN "\033[0m"

struct doctor_finding {
    const char *id, *why; /* of a note, no `why` */
    char *what, *mend;
};

static void doctor_report_free(gpointer data)
{
    struct doctor_finding *finding = data;

    g_free(finding->what);
    g_free(finding->mend);
    g_free(finding);
}

void doctor_report_init(struct doctor_report *report)
{
    *report = (struct doctor_report){
        .findings = g_ptr_array_new_with_free_func(doctor_report_free),
        .notes = g_ptr_array_new_with_free_func(doctor_report_free),
    };
}

void doctor_report_clear(struct doctor_report *report)
{
    g_ptr_array_unref(report->findings);
    g_ptr_array_unref(report->notes);
}

static void doctor_report_add(GPtrArray *list, const char *id, char *what, const char *why,
                              char *mend)
{
    struct doctor_finding *finding = g_new0(struct doctor_finding, 1);

    *finding = (struct doctor_finding){.id = id, .what = what, .why = why, .mend = mend};
    g_ptr_array_add(list, finding);
}

void doctor_report_fault(struct doctor_report *report, enum doctor_weight weight, const char *id,
                         char *what, const char *why, char *mend)
{
    report->explained = report->explained || weight != DOCTOR_ASIDE;
    report->stopped = report->stopped || weight == DOCTOR_STOPPED;
    doctor_report_add(report->findings, id, what, why, mend);
}

void doctor_report_note(struct doctor_report *report, const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    doctor_report_add(report->notes, id, g_strdup_vprintf(format, args), NULL, NULL);
    va_end(args);
}

static void doctor_report_member(JsonBuilder *builder, const char *name, const char *value)
{
    if (!value)
        return;
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void doctor_report_list(JsonBuilder *builder, const char *name, const GPtrArray *list)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (guint i = 0; i < list->len; i++) {
        const struct doctor_finding *finding = list->pdata[i];

        json_builder_begin_object(builder);
        doctor_report_member(builder, "id", finding->id);
        doctor_report_member(builder, "what", finding->what);
        doctor_report_member(builder, "why", finding->why);
        doctor_report_member(builder, "mend", finding->mend);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void doctor_report_print_json(const struct doctor_report *report)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "healthy");
    json_builder_add_boolean_value(builder, report->findings->len == 0);
    doctor_report_list(builder, "findings", report->findings);
    doctor_report_list(builder, "notes", report->notes);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
}

static void doctor_report_text(const struct doctor_report *report, GString *text, bool color,
                               bool all)
{
    const char *red = color ? REPORT_RED : "", *plain = color ? REPORT_PLAIN : "";

    for (guint i = 0; i < report->findings->len; i++) {
        const struct doctor_finding *finding = report->findings->pdata[i];

        g_string_append_printf(text, "%s%s%s: %s\n    why:  %s\n    mend: %s\n", red, finding->id,
                               plain, finding->what, finding->why, finding->mend);
    }
    if (report->findings->len == 0)
        g_string_append_printf(text, "%sno fault found%s\n", color ? REPORT_GREEN : "", plain);
    for (guint i = 0; all && i < report->notes->len; i++) {
        const struct doctor_finding *note = report->notes->pdata[i];

        g_string_append_printf(text, "%s: %s\n", note->id, note->what);
    }
}

void doctor_report_print(const struct doctor_report *report, const struct globals *globals,
                         bool all)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (globals->json) {
        doctor_report_print_json(report);
        return;
    }
    doctor_report_text(report, text, output_color(globals), all);
    output_print(globals, text->str);
}
