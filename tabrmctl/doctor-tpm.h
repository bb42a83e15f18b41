/* SPDX-License-Identifier: BSD-2-Clause */
/* The TPM as tabrmd lets a program see it: does it answer, is it locked out, has it sessions left.
 */
#pragma once

#include "doctor-machine.h"
#include "doctor-report.h"

/* Connects to tabrmd; machine->answers says whether that succeeded. */
void doctor_tpm_look(struct doctor_machine *machine, struct doctor_report *report);

/* Says that tabrmd does not answer, where no fault that was found explains it. */
void doctor_tpm_conclude(const struct doctor_machine *machine, struct doctor_report *report);
