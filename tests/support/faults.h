/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A script of faults for the counting TCTI. It is a text file with one rule a line:
 *
 *     code=0x15D nth=3 rc=0x922      the third Sign is answered with 0x922, the chip sees nothing
 *     code=0x157 times=2 cut=5       of the answers to the next two Loads only five bytes come
 *     code=* nth=10 drop             with the tenth command the transport breaks, for good
 *     code=0x17B garbage             the answer to the next GetRandom is noise of the same length
 *     code=0x131 delay=2000          the next CreatePrimary takes two seconds longer
 *
 * `code` is a TPM_CC, or * for any. `nth` (default 1) counts the commands that match since the
 * script was read, `times` (default 1; 0 is for ever) says how many of them from there on are hit.
 * Exactly one of rc, cut, drop, garbage, delay stands at the end. A rule whose turn it is hides
 * the rules below it, but those go on counting. Lines that are empty or start with # are skipped.
 *
 * The file is read anew when it changed (put a new one in place with rename()), and when the TCTI
 * is opened again; both start all counts at 0. Without a file there are no faults.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_kind { FAULT_NONE, FAULT_RC, FAULT_CUT, FAULT_DROP, FAULT_GARBAGE, FAULT_DELAY };

struct fault {
    enum fault_kind kind;
    uint32_t value; /* rc: TPM_RC; cut: bytes; delay: milliseconds */
};

struct faults;

/* A script at `path`, which need not exist yet. NULL when memory is out. */
struct faults *faults_new(const char *path);
void faults_free(struct faults *faults);

/* What happens to this command. A file with a bad line gives one message on standard error that
 * names the line, and no faults. */
struct fault faults_next(struct faults *faults, uint32_t code);
