/* SPDX-License-Identifier: BSD-2-Clause */
/* What the process lets be done to itself, and what the kernel lets it do. Main thread. */
#pragma once

#include <stdbool.h>

/* The memory holds secrets of the clients: nobody may debug the process, and no core of it is
 * written. With `debuggable`, for builds that are made for that, both stay as the system has them,
 * and the log says so. */
void process_harden(bool debuggable);

/*
 * Raises the limit of open files as far as it goes, and gives how many connections it carries: at
 * most `wanted`, and with a warning when it is less.
 */
unsigned process_carries(unsigned wanted);
