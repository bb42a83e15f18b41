/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit status (daemon.h) for what the daemon could not do. */
#pragma once

#include "bus/bus.h"
#include "engine/engine.h"

int exit_status_tpm(enum tpm_fault fault);
int exit_status_bus(enum bus_fault fault);
int exit_status_listener(enum listener_fault fault);
