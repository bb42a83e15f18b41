/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies as a person writes them: names of presets and lists of commands. Main thread. */
#pragma once

#include "rm/policy.h"

/* What the values of the options are, for who writes another. */
#define POLICY_WORDS_PRESETS "\"open\", \"standard\", \"guarded\" or \"strict\""
#define POLICY_WORDS_COMMANDS \
    "takes names of TPM commands, or numbers such as 0x20000001, with commas between"

/* Something in a list is wrong; the text stands behind POLICY_WORDS_COMMANDS and a semicolon. */
typedef void policy_words_wrong_fn(void *data, const char *what);

/*
 * Changes the rule of each command of a list, by policy_allow() or policy_deny(). Names are those
 * of the specification, with TPM2_ or without; a number has 0x in front and is a TPM_CC. `wrong`
 * is called with `data` for each word that is neither; the others are taken.
 */
void policy_words_change(struct policy *policy, const char *list,
                         bool (*change)(struct policy *policy, uint32_t code),
                         policy_words_wrong_fn *wrong, void *data);
