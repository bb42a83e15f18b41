/* SPDX-License-Identifier: BSD-2-Clause */
/* The service's user and group, and whether who asks is a member. */
#pragma once

#include "doctor-machine.h"
#include "doctor-report.h"

void doctor_user_look(const struct doctor_machine *machine, struct doctor_report *report);
