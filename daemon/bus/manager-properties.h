/* SPDX-License-Identifier: BSD-2-Clause */
/* The properties of the manager interface. Each change is told to all who are connected, by
 * PropertiesChanged. Main thread. */
#pragma once

#include "engine/engine-state.h"
#include "manager-dbus.h"
#include "rm/report.h"

/* At the start. `tpm` is NULL for the daemon without a name. */
void manager_properties_start(ManagerManager1 *object, const char *version, const char *tpm);

/* What the TPM is. */
void manager_properties_chip(ManagerManager1 *object, const struct rm_identity *identity);

void manager_properties_state(ManagerManager1 *object, enum engine_state state);

/* The log's level may be another one. */
void manager_properties_log_level(ManagerManager1 *object);

/* Sets the log's level by its name. False when it is none. */
bool manager_properties_set_log_level(ManagerManager1 *object, const char *name);
