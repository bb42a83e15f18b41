/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs have of tabrmd: the library that they load, and the TCTI that the environment
 * names. */
#pragma once

#include "doctor-report.h"

void doctor_client_look(struct doctor_report *report);
