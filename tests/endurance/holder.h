/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client that holds things in the TPM for long: a signing key with a password, and, when it is
 * rich, a policy session whose policy the key takes, and a hash sequence that has got a part of its
 * data. Of ESYS over the TCTI that its configuration names.
 */
#pragma once

#include <stdbool.h>
#include <tss2/tss2_esys.h>

struct holder {
    const char *conf;
    unsigned number; /* makes its key another one than those of others */
    bool rich;
    ESYS_CONTEXT *esys; /* NULL: not connected */
    ESYS_TR key, session, sequence;
    const char *step; /* what gave the code that was returned last */
};

/* Each of these is done as far as it goes, and returns the first code that is none of success.
 * HOLDER_WRONG is one of those: the TPM answered, and what it answered is not right. */
#define HOLDER_WRONG 0xFFFFFFFF

/* Connects and makes all that it holds. */
TSS2_RC holder_begin(struct holder *holder);

/* Uses all of it, each in a way that only the thing itself can answer. It is left as it was. */
TSS2_RC holder_check(struct holder *holder);

/* Signs once: a rich one with its session. After a failure it goes on with another session. */
TSS2_RC holder_sign(struct holder *holder);

/* Whether `rc`, which a sign failed with, is what a daemon that is killed may cost: the answer of a
 * command that the TPM had, or a session. */
bool holder_may_lose(const struct holder *holder, TSS2_RC rc);

/* All of it is void: the key and the sequence are answered 0xB0910 + N, and the session 0xB0918 +
 * N; the connection goes on, and everything is made anew. */
TSS2_RC holder_expect_void(struct holder *holder);

/* The connection has ended; it connects again, and makes everything anew. */
TSS2_RC holder_expect_closed(struct holder *holder);

/* The TPM cannot be reached, and the connection goes on: 0xB0101. */
TSS2_RC holder_expect_unreachable(struct holder *holder);

/* Has a command of its own canceled: the daemon must take that from it. The answer to the command
 * is its result or TPM_RC_CANCELED. */
TSS2_RC holder_cancel(struct holder *holder);

/* Closes the connection. */
void holder_end(struct holder *holder);
