/* SPDX-License-Identifier: BSD-2-Clause */
#include "model-counts.h"

#include "wire/command-name.h"
#include "words.h"

#include <string.h>

/* The most kinds that there may be. */
#define COUNTS_MOST 4096

static GVariant *counts_dictionary(struct reading *reading, const char *key, const char *type)
{
    GVariant *value = reading_value(reading, key, type);

    if (value && g_variant_n_children(value) > COUNTS_MOST) {
        reading->bad = reading->bad ? reading->bad : key;
        g_clear_pointer(&value, g_variant_unref);
    }
    return value;
}

static int counts_by_name(gconstpointer left, gconstpointer right)
{
    return strcmp(((const struct model_count *)left)->name,
                  ((const struct model_count *)right)->name);
}

/* Makes one of those with the same name, and sorts by name. */
static void counts_merge(GArray *counts)
{
    g_array_sort(counts, counts_by_name);
    for (guint i = 1; i < counts->len;) {
        struct model_count *before = model_at(counts, model_count, i - 1);
        struct model_count *one = before + 1;

        if (strcmp(before->name, one->name) == 0) {
            before->count += one->count;
            g_array_remove_index(counts, i);
        } else {
            i++;
        }
    }
}

static int counts_most_first(gconstpointer left, gconstpointer right)
{
    const struct model_count *a = left, *b = right;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->name, b->name);
}

void model_counts_read(GArray *counts, struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = counts_dictionary(reading, key, "a{st}");
    GVariantIter iter;
    const char *name;
    guint64 count;

    if (!value)
        return;
    g_variant_iter_init(&iter, value);
    while (g_variant_iter_next(&iter, "{&st}", &name, &count)) {
        struct model_count one = {words_escape(name, MODEL_COUNTS_NAME), count};

        g_array_append_val(counts, one);
    }
    counts_merge(counts);
}

static char *counts_command(uint32_t code)
{
    const char *name = command_name(code);

    if (code == 0)
        return g_strdup("none");
    return *name == '(' ? g_strdup_printf("0x%08x", code) : g_strdup(name);
}

void model_counts_read_codes(GArray *counts, struct reading *reading, const char *key)
{
    g_autoptr(GVariant) value = counts_dictionary(reading, key, "a{ut}");
    GVariantIter iter;
    guint32 code;
    guint64 count;

    if (!value)
        return;
    g_variant_iter_init(&iter, value);
    while (g_variant_iter_next(&iter, "{ut}", &code, &count)) {
        struct model_count one = {counts_command(code), count};

        g_array_append_val(counts, one);
    }
    counts_merge(counts);
    g_array_sort(counts, counts_most_first);
}

void model_counts_read_times(uint64_t buckets[MODEL_BUCKETS], struct reading *reading,
                             const char *key)
{
    g_autoptr(GVariant) value = reading_value(reading, key, "at");
    gsize count = 0;
    const guint64 *times;

    if (!value)
        return;
    times = g_variant_get_fixed_array(value, &count, sizeof(guint64));
    if (count != MODEL_BUCKETS) {
        reading->bad = reading->bad ? reading->bad : key;
        return;
    }
    memcpy(buckets, times, count * sizeof(*buckets));
}
