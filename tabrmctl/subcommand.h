/* SPDX-License-Identifier: BSD-2-Clause */
/* A subcommand of tabrmctl, and the options that all of them have. */
#pragma once

#include <glib.h>

/* Exit statuses beside EX_OK and those of <sysexits.h>. */
#define STATUS_FINDINGS       1   /* what was looked at is not well */
#define STATUS_NOT_EXECUTABLE 126 /* PROGRAM is there and cannot be started */
#define STATUS_NOT_FOUND      127 /* there is no such PROGRAM */
#define STATUS_SIGNAL         128 /* and the number of the signal that ended PROGRAM */

/* What was said before or behind the name of the subcommand. */
struct globals {
    gboolean help, version;
    gboolean json;     /* for programs to read */
    gboolean no_pager; /* what is longer than the terminal scrolls by */
    gboolean no_color;
};

struct subcommand {
    const char *name;
    const char *arguments;       /* of the synopsis, or "" */
    const char *help;            /* one line, beginning in lower case */
    const char *more;            /* lines below the options in its --help, or NULL */
    const GOptionEntry *options; /* of its own, ended by an empty one; or NULL */
    /* `argv` are the `argc` words behind the options; argv[argc] is NULL. Gives the exit status,
     * and has said what is wrong. */
    int (*run)(const struct globals *globals, int argc, char **argv);
};
