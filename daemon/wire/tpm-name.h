/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The name of a TPM on a machine that has several, such as "tpm1" for /dev/tpm1: what its daemon
 * and the clients of that derive from it. Where no name is said, nothing stands behind the
 * prefixes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TPM_NAME_MAX 32 /* bytes; the socket's path and the bus name have their own limits */

/* Names of daemons on the bus: with a dot and the TPM's name behind it. */
#define TPM_NAME_BUS "com.intel.tss2.Tabrmd"

/* Directories of sockets: with a hyphen and the TPM's name behind it; and the socket in it. */
#define TPM_NAME_DIRECTORY "/run/tabrmd"
#define TPM_NAME_SOCKET    "tcti.sock"

static inline bool tpm_name_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Letters and digits, of which the first is a letter, as an element of a bus name begins with none
 * but that (D-Bus specification, "Bus names"). The text need not be terminated. So it is one
 * element of a path as well, and not "..", and needs no escape in the name of a unit.
 */
static inline bool tpm_name_is_good(const char *text, size_t length)
{
    if (length == 0 || length > TPM_NAME_MAX || !tpm_name_is_letter(text[0]))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!tpm_name_is_letter(text[i]) && !(text[i] >= '0' && text[i] <= '9'))
            return false;
    return true;
}
