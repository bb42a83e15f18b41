/* SPDX-License-Identifier: BSD-2-Clause */
/* The service: its units, its way in over the bus, its socket, and daemons that take its place. */
#pragma once

#include "doctor-machine.h"
#include "doctor-report.h"

void doctor_service_look(const struct doctor_machine *machine, struct doctor_report *report);

/* The socket, once it is known whether tabrmd answers. */
void doctor_service_look_at_socket(const struct doctor_machine *machine,
                                   struct doctor_report *report);
