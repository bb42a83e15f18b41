/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/doubt.h"

#include "base/log.h"
#include "rm/state.h"

void doubt_books(struct rm *rm, const char *why)
{
    log_debug("what the TPM holds is in doubt: %s", why);
    rm->books_in_doubt = true;
}
