/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that is wrong with a configuration: a line for each finding, which names the file, its line,
 * the key and the remedy. Of a command line only the first finding is kept. Main thread.
 */
#pragma once

#include "settings.h"

#include <glib.h>

enum findings_weight {
    FINDINGS_NOTE, /* the daemon can do without */
    FINDINGS_BAD,  /* it does not start */
};

/* All zero at first. */
struct findings {
    GString *lines;     /* of files, each with its newline; NULL: none */
    char *command_line; /* the first of the command line, without a newline; NULL: none */
    bool bad;           /* one of a file is FINDINGS_BAD */
};

/* A finding about `place`: a file, or one with a line. */
__attribute__((format(printf, 4, 5))) void findings_add(struct findings *findings,
                                                        enum findings_weight weight,
                                                        const char *place, const char *format, ...);

/* A finding about an option's value, wherever that comes from: the text goes on behind the option's
 * name, as in "takes a number". On the command line all of them are bad. */
__attribute__((format(printf, 5, 6))) void findings_of(struct findings *findings,
                                                       enum findings_weight weight,
                                                       const struct settings *settings,
                                                       enum option_id id, const char *format, ...);

/* What is wrong with the command line itself. */
__attribute__((format(printf, 2, 3))) void findings_command_line(struct findings *findings,
                                                                 const char *format, ...);

void findings_clear(struct findings *findings);
