/* SPDX-License-Identifier: BSD-2-Clause */
/* What belongs to the TPM that the doctor looks at: the machine's first, or a further one. */
#pragma once

struct doctor_place {
    char *device;       /* "/dev/tpm0" */
    char *manager;      /* the kernel's resource manager: "/dev/tpmrm0" */
    char *sysfs;        /* "/sys/class/tpm/tpm0" */
    char *socket;       /* "/run/tabrmd/tcti.sock" */
    char *unit;         /* "tabrmd" */
    const char *policy; /* file name of that of the bus */
};

/* `tpm` is the name of a further TPM, such as "tpm1", or NULL. */
void doctor_place_init(struct doctor_place *place, const char *tpm);

void doctor_place_clear(struct doctor_place *place);
