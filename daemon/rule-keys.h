/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of sections about users, in one table. Pure data; any thread. */
#pragma once

#include "engine/rules.h"
#include "option-table.h"

struct rule_key_entry {
    const char *name;
    const char *standard;  /* what holds where nobody says it; NULL: that is not one value */
    enum option_id option; /* that has the same name, and says it for all; OPTION_COUNT: none */
};

/* The keys beside those of rules (enum rule_key), which come first. */
enum section_key {
    SECTION_KEY_POLICY = RULE_COUNT,
    SECTION_KEY_ALLOW,
    SECTION_KEY_DENY,
    SECTION_KEYS
};

/* By enum rule_key and enum section_key. */
extern const struct rule_key_entry rule_keys[SECTION_KEYS];

/* The key of a name, whatever its case; SECTION_KEYS: there is none. */
unsigned rule_keys_find(const char *name);

/* The name of the key that a person most likely meant. */
const char *rule_keys_nearest(const char *name);
