/* SPDX-License-Identifier: BSD-2-Clause */
/* What the doctor found: faults, each with what is wrong, why that matters and what mends it, and
 * notes of what is well or could not be looked at. */
#pragma once

#include "subcommand.h"

#include <stdbool.h>

struct doctor_report {
    GPtrArray *findings, *notes;
    bool explained; /* a finding may be why tabrmd does not answer */
    bool stopped;   /* a finding may be why it does not run */
};

enum doctor_weight {
    DOCTOR_ASIDE,    /* tabrmd can be reached in spite of the fault */
    DOCTOR_SHUT_OUT, /* it may keep programs from reaching tabrmd */
    DOCTOR_STOPPED,  /* it may keep tabrmd from running */
};

void doctor_report_init(struct doctor_report *report);
void doctor_report_clear(struct doctor_report *report);

/* Adds a fault; `what` and `mend` are the report's from then on, `id` and `why` are constants. */
void doctor_report_fault(struct doctor_report *report, enum doctor_weight weight, const char *id,
                         char *what, const char *why, char *mend);

/* Adds a note; `id` is a constant. */
__attribute__((format(printf, 3, 4))) void
doctor_report_note(struct doctor_report *report, const char *id, const char *format, ...);

/* Prints all, notes too where `all`; for programs where the globals say so. */
void doctor_report_print(const struct doctor_report *report, const struct globals *globals,
                         bool all);
