/* SPDX-License-Identifier: BSD-2-Clause */
#include "subcommands.h"

#include "bridge.h"
#include "disconnect.h"
#include "doctor.h"
#include "flush.h"
#include "list.h"
#include "log-level.h"
#include "nearest.h"
#include "run.h"
#include "stats.h"
#include "status.h"
#include "top.h"
#include "trace.h"

#include <limits.h>
#include <string.h>

/* Where the help's texts begin. */
#define SUBCOMMANDS_HELP_COLUMN 37

static const struct subcommand *const subcommands_table[] = {
    &bridge_subcommand, &disconnect_subcommand, &doctor_subcommand, &flush_subcommand,
    &list_subcommand,   &log_level_subcommand,  &run_subcommand,    &stats_subcommand,
    &status_subcommand, &top_subcommand,        &trace_subcommand,
};

const struct subcommand *subcommands_find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(subcommands_table); i++) {
        if (strcmp(subcommands_table[i]->name, name) == 0)
            return subcommands_table[i];
    }
    return NULL;
}

const char *subcommands_nearest(const char *name)
{
    const char *nearest = "";
    unsigned least = UINT_MAX;

    for (gsize i = 0; i < G_N_ELEMENTS(subcommands_table); i++) {
        unsigned distance = nearest_distance(name, subcommands_table[i]->name);

        if (distance < least) {
            least = distance;
            nearest = subcommands_table[i]->name;
        }
    }
    return nearest;
}

char *subcommands_help(void)
{
    GString *help = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(subcommands_table); i++) {
        const struct subcommand *one = subcommands_table[i];
        gsize start = help->len;

        g_string_append_printf(help, "  %s %s", one->name, one->arguments);
        do
            g_string_append_c(help, ' ');
        while (help->len - start < SUBCOMMANDS_HELP_COLUMN);
        g_string_append_printf(help, "%s\n", one->help);
    }
    return g_string_free(help, FALSE);
}
