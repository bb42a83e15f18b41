/* SPDX-License-Identifier: BSD-2-Clause */
#include "exit-status.h"

#include <sysexits.h>

int exit_status_tpm(enum tpm_fault fault)
{
    switch (fault) {
    case TPM_FAULT_ABSENT:
    case TPM_FAULT_DISABLED:
    case TPM_FAULT_VERSION12:
    case TPM_FAULT_REFUSED:
        return EX_UNAVAILABLE;
    case TPM_FAULT_GONE:
        return EX_IOERR;
    case TPM_FAULT_BUSY:
        return EX_TEMPFAIL;
    case TPM_FAULT_DENIED:
        return EX_NOPERM;
    case TPM_FAULT_CONF:
        return EX_CONFIG;
    case TPM_FAULT_RESOURCES:
        return EX_OSERR;
    }
    return EX_SOFTWARE;
}

int exit_status_bus(enum bus_fault fault)
{
    switch (fault) {
    case BUS_FAULT_NONE_THERE:
        return EX_UNAVAILABLE;
    case BUS_FAULT_TAKEN:
        return EX_TEMPFAIL;
    case BUS_FAULT_FORBIDDEN:
        return EX_NOPERM;
    }
    return EX_SOFTWARE;
}

int exit_status_listener(enum listener_fault fault)
{
    switch (fault) {
    case LISTENER_TAKEN:
        return EX_TEMPFAIL;
    case LISTENER_DENIED:
        return EX_NOPERM;
    case LISTENER_PLACE:
        return EX_CANTCREAT;
    case LISTENER_RESOURCES:
        return EX_OSERR;
    }
    return EX_SOFTWARE;
}
