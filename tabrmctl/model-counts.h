/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the counts of GetStatistics; what is wrong is in `reading`. */
#pragma once

#include "model.h"
#include "reading.h"

/* Columns of a count's name. */
#define MODEL_COUNTS_NAME 40

/* Adds what a dictionary a{st} has, by name. */
void model_counts_read(GArray *counts, struct reading *reading, const char *key);

/* Adds what a dictionary a{ut} of TPM_CCs has: by name, or as a number where it has none, and
 * "none" for 0, which stands for all that is no command. Most first. */
void model_counts_read_codes(GArray *counts, struct reading *reading, const char *key);

/* An array of MODEL_BUCKETS. */
void model_counts_read_times(uint64_t buckets[MODEL_BUCKETS], struct reading *reading,
                             const char *key);
