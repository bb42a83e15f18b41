/* SPDX-License-Identifier: BSD-2-Clause */
/* The TPM's device: is it there, is it a TPM 2.0, may the service open it, and who else has it
 * open. */
#pragma once

#include "doctor-machine.h"
#include "doctor-report.h"

void doctor_device_look(const struct doctor_machine *machine, struct doctor_report *report);
