/* SPDX-License-Identifier: BSD-2-Clause */
#include "reading.h"

#include "words.h"

static void reading_fail(struct reading *reading, const char *key)
{
    if (!reading->bad)
        reading->bad = key;
}

GVariant *reading_value(struct reading *reading, const char *key, const char *type)
{
    GVariant *value = g_variant_lookup_value(reading->dictionary, key, NULL);

    if (!value || g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return value;
    g_variant_unref(value);
    reading_fail(reading, key);
    return NULL;
}

uint32_t reading_byte(struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "y");

    return value ? g_variant_get_byte(value) : 0;
}

uint32_t reading_u32(struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "u");

    return value ? g_variant_get_uint32(value) : 0;
}

uint64_t reading_u64(struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "t");

    return value ? g_variant_get_uint64(value) : 0;
}

bool reading_bool(struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "b");

    return value && g_variant_get_boolean(value);
}

char *reading_text(struct reading *reading, const char *key, unsigned most)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "s");

    return words_escape(value ? g_variant_get_string(value, NULL) : "", most);
}

bool reading_need(struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(reading->dictionary, key, NULL);

    if (!value)
        reading_fail(reading, key);
    return value != NULL;
}
