/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table in which the counting TCTI keeps how many commands it was given, by command code. It
 * is a file that both sides map, so that a test or a script reads it while the daemon runs. Its
 * layout is plain: eight bytes "TPMCOUNT", then 64-bit integers in the machine's own order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COUNTS_MAGIC "TPMCOUNT"
#define COUNTS_CODES 512 /* TPM_CC values below this have a counter of their own */

struct counts {
    char magic[8];
    uint64_t total;              /* at offset 8, where scripts look for it */
    uint64_t other;              /* vendor commands and codes that no TPM has */
    uint64_t code[COUNTS_CODES]; /* by TPM_CC */
};

/* Maps the table at `path`, shared; makes the file when there is none and keeps what it counted
 * so far when there is. NULL with errno when that fails or the file is something else. */
struct counts *counts_open(const char *path);

/* Unmaps. NULL is fine. */
void counts_close(struct counts *counts);

/* Counts one command. Safe from several processes at once. */
void counts_add(struct counts *counts, uint32_t code);

/* A copy of the table as it stands now. */
void counts_read(const struct counts *counts, struct counts *copy);

/* Commands with the code, and commands in all, between two copies. */
uint64_t counts_between(const struct counts *before, const struct counts *after, uint32_t code);
uint64_t counts_total_between(const struct counts *before, const struct counts *after);

/* ContextSave, ContextLoad and FlushContext between two copies. */
uint64_t counts_context_between(const struct counts *before, const struct counts *after);
