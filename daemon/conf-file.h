/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One configuration file: what GLib's GKeyFile reads, a line at a time, so that each finding has
 * its line. Keys are the names of the long options, in one section, and those of sections about
 * users (sections.h); an empty value is the default. Main thread.
 */
#pragma once

#include "findings.h"

/* Reads the text of a file into the settings; `path` is its name in findings. */
void conf_file_parse(const char *path, const char *text, size_t size, struct settings *settings,
                     struct findings *findings);

/* Reads a file into the settings. Each line that cannot be used is a finding, and so is a file that
 * cannot be read. */
void conf_file_read(const char *path, struct settings *settings, struct findings *findings);
