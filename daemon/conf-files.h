/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which configuration files there are, and their order: the main file, then the drop-ins by their
 * names, each of which overrides those before it. Drop-ins are what ends in `.conf` in the
 * directory FILE.d beside the main file, and in the vendor's directory of the same name; where both
 * have a name, the vendor's is not read, so that an empty file, or a link to /dev/null, switches it
 * off. Main thread.
 */
#pragma once

#include "findings.h"

struct conf_places {
    const char *file;   /* the main file */
    const char *vendor; /* the directory that has the vendor's NAME.d; NULL: there is none */
};

/* Reads all files. With `wanted` a main file that is not there is a finding. Gives how many were
 * read. */
unsigned conf_files_read(const struct conf_places *places, bool wanted, struct settings *settings,
                         struct findings *findings);
