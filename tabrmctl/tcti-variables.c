/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcti-variables.h"

#include <stddef.h>

const char *const tcti_variables[] = {
    "TPM2TOOLS_TCTI",     /* tpm2-tools, clevis, GnuTLS; programs in Rust */
    "TPM2_PKCS11_TCTI",   /* tpm2-pkcs11 */
    "TPM2OPENSSL_TCTI",   /* tpm2-openssl */
    "TPM2TSSENGINE_TCTI", /* tpm2-tss-engine */
    NULL,
};
