/* SPDX-License-Identifier: BSD-2-Clause */
/* Names on the bus that clients know. */
#pragma once

#define NAMES_TCTI_PATH    "/com/intel/tss2/Tabrmd/Tcti"
#define NAMES_MANAGER_PATH "/org/tabrmd/Manager"

#define NAMES_ERROR_GENERAL       "com.intel.tss2.Tabrmd.Error.General"
#define NAMES_ERROR_INTERNAL      "com.intel.tss2.Tabrmd.Error.Internal"
#define NAMES_ERROR_NOT_PERMITTED "com.intel.tss2.Tabrmd.Error.NotPermitted"
