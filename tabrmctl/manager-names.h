/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the manager interface, as dbus/manager.xml has them. */
#pragma once

#define MANAGER_NAMES_PATH      "/org/tabrmd/Manager"
#define MANAGER_NAMES_INTERFACE "org.tabrmd.Manager1"

/* Errors of its own. */
#define MANAGER_NAMES_NO_CONNECTION MANAGER_NAMES_INTERFACE ".Error.NoSuchConnection"
#define MANAGER_NAMES_NOT_NOW       MANAGER_NAMES_INTERFACE ".Error.NotNow"
