/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a daemon is: as programs are told by the configuration of the TCTI, and from there the ways
 * to its manager interface. */
#pragma once

#include <stdbool.h>

/* What the command line says of it; each may be NULL. */
struct place_options {
    char *tcti; /* --tcti: the configuration of the TCTI */
    char *tpm;  /* --tpm: the name of a TPM, on a machine that has several */
};

/* Help of these options. */
#define PLACE_TCTI_HELP "Where tabrmd is, as in tss2-tcti-tabrmd(7) (tabrmd:)"
#define PLACE_TPM_HELP  "The tabrmd of this TPM, such as tpm1"

struct place {
    char *socket; /* of the manager interface; NULL: not to be tried */
    char *name;   /* of the daemon on the bus; NULL: not to be tried */
    bool session; /* the session bus, not the system bus */
};

/* The TCTI that the options ask for, which the caller frees with g_free(). NULL where they are
 * wrong, which was said. */
char *place_tcti(const struct place_options *options);

/* The same place for the manager interface. False, which was said, where it is none of tabrmd's. */
bool place_find(struct place *place, const struct place_options *options);

void place_clear(struct place *place);
