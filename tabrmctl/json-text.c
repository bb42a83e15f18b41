/* SPDX-License-Identifier: BSD-2-Clause */
#include "json-text.h"

void json_text_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

void json_text_bool(JsonBuilder *builder, const char *name, bool value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

void json_text_number(JsonBuilder *builder, const char *name, uint64_t value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, (gint64)MIN(value, (uint64_t)G_MAXINT64));
}

char *json_text_finish(JsonBuilder *builder, bool one_line)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = json_builder_get_root(builder);

    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, !one_line);
    g_object_unref(builder);
    return json_generator_to_data(generator, NULL);
}
