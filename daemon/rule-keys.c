/* SPDX-License-Identifier: BSD-2-Clause */
#include "rule-keys.h"

#include "nearest.h"

#include <limits.h>
#include <strings.h>

const struct rule_key_entry rule_keys[SECTION_KEYS] = {
    [RULE_CONNECTIONS_PER_USER] = {"max-connections-per-user", NULL,
                                   OPTION_MAX_CONNECTIONS_PER_USER},
    [RULE_SESSIONS] = {"max-sessions", NULL, OPTION_MAX_SESSIONS},
    [RULE_SESSIONS_PER_USER] = {"max-sessions-per-user", NULL, OPTION_MAX_SESSIONS_PER_USER},
    [RULE_TRANSIENTS] = {"max-transients", NULL, OPTION_MAX_TRANSIENTS},
    [RULE_TRANSIENTS_PER_USER] = {"max-transients-per-user", NULL, OPTION_MAX_TRANSIENTS_PER_USER},
    [RULE_ABANDONED_PER_USER] = {"max-abandoned-per-user", NULL, OPTION_MAX_ABANDONED_PER_USER},
    [RULE_PRIORITY] = {"priority", "normal", OPTION_COUNT},
    [RULE_LOCALITIES] = {"localities", NULL, OPTION_COUNT},
    [SECTION_KEY_POLICY] = {"policy", NULL, OPTION_POLICY},
    [SECTION_KEY_ALLOW] = {"allow", NULL, OPTION_ALLOW},
    [SECTION_KEY_DENY] = {"deny", NULL, OPTION_DENY},
};

unsigned rule_keys_find(const char *name)
{
    unsigned key = 0;

    while (key < SECTION_KEYS && strcasecmp(rule_keys[key].name, name) != 0)
        key++;
    return key;
}

const char *rule_keys_nearest(const char *name)
{
    unsigned least = UINT_MAX;
    const char *nearest = "";

    for (unsigned key = 0; key < SECTION_KEYS; key++) {
        unsigned distance = nearest_distance(name, rule_keys[key].name);

        if (distance >= least)
            continue;
        least = distance;
        nearest = rule_keys[key].name;
    }
    return nearest;
}
