/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be wrong with the TPM, for people: each with a word for programs, a sentence, and what
 * to do about it. Strings are static. Any thread. */
#pragma once

#include <stdint.h>

enum trouble {
    TROUBLE_NONE,
    TROUBLE_LOST,         /* it does not answer, and is opened again and again */
    TROUBLE_GONE,         /* there is none, or none any more */
    TROUBLE_FAILURE_MODE, /* it answers two commands (Part 1, "Failure Mode") */
    TROUBLE_LOCKOUT,      /* it locks all users' protected keys */
    TROUBLE_NO_SESSIONS,  /* it has no session left for anybody */
    TROUBLES
};

/* "tpm-lost"; "" for TROUBLE_NONE, as the next two. */
const char *trouble_kind(enum trouble trouble);

/* What it is: a clause without a full stop. */
const char *trouble_text(enum trouble trouble);

/* What mends it: likewise. */
const char *trouble_remedy(enum trouble trouble);

/* The trouble that a response code of the TPM means, or TROUBLE_NONE. */
enum trouble trouble_of_code(uint32_t code);
