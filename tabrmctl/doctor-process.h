/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's processes, as far as they can be seen. */
#pragma once

#include "doctor-machine.h"

struct doctor_process {
    char *pid;
    char *name;      /* of the program's file, or what the kernel shows to all users */
    bool hidden;     /* what it has open cannot be seen */
    bool has_device; /* it has the TPM's device open */
};

/* All that there are; freed by g_ptr_array_unref(). */
GPtrArray *doctor_process_list(const struct doctor_machine *machine);
