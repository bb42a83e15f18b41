/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf-files.h"

#include "conf-file.h"

#include <string.h>

static int conf_compare_names(gconstpointer one, gconstpointer other)
{
    g_autofree char *a = g_path_get_basename(*(char *const *)one);
    g_autofree char *b = g_path_get_basename(*(char *const *)other);

    return strcmp(a, b);
}

static bool conf_has_name(const GPtrArray *paths, const char *name)
{
    for (unsigned i = 0; i < paths->len; i++) {
        g_autofree char *known = g_path_get_basename(paths->pdata[i]);

        if (strcmp(known, name) == 0)
            return true;
    }
    return false;
}

/* Adds the drop-ins of a directory whose names are not there yet. */
static void conf_list(GPtrArray *paths, const char *directory, struct findings *findings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
    const char *name;

    if (!dir && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        findings_add(findings, FINDINGS_BAD, directory, "cannot be read: %s", error->message);
    while (dir && (name = g_dir_read_name(dir))) {
        if (name[0] != '.' && g_str_has_suffix(name, ".conf") && !conf_has_name(paths, name))
            g_ptr_array_add(paths, g_build_filename(directory, name, NULL));
    }
}

/* The drop-ins in their order. */
static GPtrArray *conf_drop_ins(const struct conf_places *places, struct findings *findings)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *own = g_strconcat(places->file, ".d", NULL);
    g_autofree char *name = g_path_get_basename(own);

    conf_list(paths, own, findings);
    if (places->vendor) {
        g_autofree char *theirs = g_build_filename(places->vendor, name, NULL);

        conf_list(paths, theirs, findings);
    }
    g_ptr_array_sort(paths, conf_compare_names);
    return paths;
}

unsigned conf_files_read(const struct conf_places *places, bool wanted, struct settings *settings,
                         struct findings *findings)
{
    g_autoptr(GPtrArray) paths = conf_drop_ins(places, findings);
    bool there = wanted || g_file_test(places->file, G_FILE_TEST_EXISTS);

    if (there)
        conf_file_read(places->file, settings, findings);
    for (unsigned i = 0; i < paths->len; i++)
        conf_file_read(paths->pdata[i], settings, findings);
    return paths->len + there;
}
