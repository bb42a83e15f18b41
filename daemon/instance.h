/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One daemon of several, each of which has a TPM of its own: the name of the TPM (--tpm) says where
 * everything is that no two of them can have. It is for the command line alone, as the place of the
 * configuration files depends on it. Main thread.
 */
#pragma once

#include "findings.h"

/* Has the options that depend on --tpm their defaults. False with a finding when that is no name of
 * a TPM. */
bool instance_settle(struct settings *settings, struct findings *findings);

/* The configuration file that is read when none is named: `file`, or the one of --tpm beside it. To
 * be freed with g_free(). */
char *instance_file(const struct settings *settings, const char *file);
