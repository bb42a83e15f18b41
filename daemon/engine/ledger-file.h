/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger of our sessions in the TPM, as a mapped file in the runtime directory: what a killed
 * daemon wrote to it, the next one reads. The file belongs to one daemon of one TPM, which its name
 * tells, and is locked for as long as a daemon has it. Where no file can be had the ledger is plain
 * memory: the daemon works all the same, and cleans up after itself unless it is killed.
 */
#pragma once

#include "rm/ledger.h"

#include <stdint.h>

struct ledger_file;

/* A number for an owner, below. */
uint64_t ledger_file_hash(const char *owner);

/*
 * The ledger of `owner`, any string that tells apart those who must not share one, in the directory
 * `dir`, NULL for none. Logs why there is no file. NULL when memory is out.
 */
struct ledger_file *ledger_file_open(const char *dir, const char *owner);

/* The ledger. After ledger_file_open() it has what a former daemon left, or is not valid. */
struct ledger *ledger_file_ledger(struct ledger_file *file);

/* Gives the lock and the memory back; removes the file when nothing stands in it. NULL is fine. */
void ledger_file_close(struct ledger_file *file);
