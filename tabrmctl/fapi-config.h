/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FAPI is told its TCTI by its configuration file alone. So a program that is to use another one
 * gets a file of its own: a copy with the TCTI replaced, in a directory that only its user can
 * read.
 */
#pragma once

#include <stdbool.h>

#define FAPI_CONFIG_VARIABLE "TSS2_FAPICONF"
#define FAPI_CONFIG_FILE     "/etc/tpm2-tss/fapi-config.json"

struct fapi_config {
    char *path; /* of the copy; NULL where none is needed */
    char *directory;
};

/*
 * Makes the copy, of the file that the environment names or else of the system's. Where there is
 * no system's file, as on a machine without FAPI, no copy is made, nor where the file has this
 * TCTI. False when the file cannot be read or the copy not be written, which was said.
 */
bool fapi_config_make(struct fapi_config *config, const char *tcti);

/* Removes the copy. */
void fapi_config_clear(struct fapi_config *config);
