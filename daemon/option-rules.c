/* SPDX-License-Identifier: BSD-2-Clause */
#include "option-rules.h"

#include <string.h>

/* Localities that there are to choose (TPM 2.0 Library Part 1, clause "Locality"). */
#define OPTION_RULES_LOCALITY_MOST 4

/* Makes a key's number of its text; a finding with false when that is none. */
static bool option_rules_number(const struct setting *setting, enum rule_key key, uint32_t *value,
                                struct findings *findings)
{
    const struct option_entry *entry = &option_table[rule_keys[key].option];
    guint64 number = 0;
    bool good =
        g_ascii_string_to_unsigned(setting->value, 10, entry->least, entry->most, &number, NULL);

    *value = (uint32_t)number;
    if (!good)
        findings_add(findings, FINDINGS_BAD, setting->place,
                     "%s takes a number from %u to %u, not \"%s\"", rule_keys[key].name,
                     entry->least, entry->most, setting->value);
    return good;
}

static bool option_rules_priority(const struct setting *setting, uint32_t *value,
                                  struct findings *findings)
{
    static const char *const words[] = {
        [SCHEDULER_LOW] = "low", [SCHEDULER_NORMAL] = "normal", [SCHEDULER_HIGH] = "high"};

    for (uint32_t i = 0; i < G_N_ELEMENTS(words); i++) {
        *value = i;
        if (strcmp(setting->value, words[i]) == 0)
            return true;
    }
    findings_add(findings, FINDINGS_BAD, setting->place,
                 "priority takes \"high\", \"normal\" or \"low\", not \"%s\"", setting->value);
    return false;
}

static bool option_rules_localities(const struct setting *setting, uint32_t *value,
                                    struct findings *findings)
{
    g_auto(GStrv) words = g_strsplit(setting->value, ",", -1);
    guint64 number;

    *value = 0;
    for (unsigned i = 0; words[i]; i++) {
        if (!g_ascii_string_to_unsigned(g_strstrip(words[i]), 10, 0, OPTION_RULES_LOCALITY_MOST,
                                        &number, NULL)) {
            findings_add(findings, FINDINGS_BAD, setting->place,
                         "localities takes numbers from 0 to %u with commas between, not \"%s\"",
                         OPTION_RULES_LOCALITY_MOST, setting->value);
            return false;
        }
        *value |= UINT32_C(1) << number;
    }
    return true;
}

static bool option_rules_value(const struct setting *setting, enum rule_key key, uint32_t *value,
                               struct findings *findings)
{
    switch (key) {
    case RULE_CONNECTIONS_PER_USER:
    case RULE_SESSIONS:
    case RULE_SESSIONS_PER_USER:
    case RULE_TRANSIENTS:
    case RULE_TRANSIENTS_PER_USER:
    case RULE_ABANDONED_PER_USER:
        return option_rules_number(setting, key, value, findings);
    case RULE_PRIORITY:
        return option_rules_priority(setting, value, findings);
    case RULE_LOCALITIES:
        return option_rules_localities(setting, value, findings);
    case RULE_COUNT:
        break;
    }
    return false;
}

static void option_rules_section(GArray *rules, const struct section *section,
                                 struct findings *findings)
{
    static const enum rule_subject subjects[] = {[SECTION_FOR_ALL] = RULE_FOR_ALL,
                                                 [SECTION_FOR_USER] = RULE_FOR_USER,
                                                 [SECTION_FOR_GROUP] = RULE_FOR_GROUP};
    struct rule rule = {.subject = subjects[section->kind], .id = section->id};

    for (enum rule_key key = 0; key < RULE_COUNT; key++) {
        if (section->of[key].value)
            rule.said[key] =
                option_rules_value(&section->of[key], key, &rule.values[key], findings);
    }
    if (section->found)
        g_array_append_val(rules, rule);
    else
        findings_add(
            findings, FINDINGS_NOTE, section->place, "there is no %s \"%s\"; [%s] is for nobody",
            section->kind == SECTION_FOR_USER ? "user" : "group", section->name, section->title);
}

/* What one connection may have, its user may have, unless it was said otherwise. */
static void option_rules_follow(GArray *rules, unsigned sessions_per_user)
{
    for (unsigned i = 0; i < rules->len; i++) {
        struct rule *rule = &g_array_index(rules, struct rule, i);

        if (!rule->said[RULE_SESSIONS] || rule->said[RULE_SESSIONS_PER_USER]
            || rule->values[RULE_SESSIONS] <= sessions_per_user)
            continue;
        rule->said[RULE_SESSIONS_PER_USER] = true;
        rule->values[RULE_SESSIONS_PER_USER] = rule->values[RULE_SESSIONS];
    }
}

/* The rule of a user, which is made where there is none. */
static struct rule *option_rules_get(GArray *rules, uint32_t uid)
{
    const struct rule new = {.subject = RULE_FOR_USER, .id = uid};

    for (unsigned i = 0; i < rules->len; i++) {
        struct rule *rule = &g_array_index(rules, struct rule, i);

        if (rule->subject == RULE_FOR_USER && rule->id == uid)
            return rule;
    }
    g_array_append_val(rules, new);
    return &g_array_index(rules, struct rule, rules->len - 1);
}

GArray *option_rules_users(const struct settings *settings, enum option_id id, GArray *groups,
                           struct findings *findings)
{
    const char *takes = groups ? "takes user names and numbers, and those of groups behind @, with "
                                 "commas between"
                               : "takes user names and numbers with commas between";
    const char *value = settings->of[id].value;
    g_auto(GStrv) words = g_strsplit(value ? value : "", ",", -1);
    GArray *users = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (unsigned i = 0; words[i]; i++) {
        bool group = groups && words[i][0] == '@';
        const char *name = words[i] + group;
        uint32_t number;

        if (sections_look_up(group ? SECTION_FOR_GROUP : SECTION_FOR_USER, name, &number))
            g_array_append_val(group ? groups : users, number);
        else
            findings_of(findings, name[0] ? FINDINGS_NOTE : FINDINGS_BAD, settings, id,
                        "%s; there is no %s \"%s\"", takes, group ? "group" : "user", name);
    }
    if (value && !words[0])
        findings_of(findings, FINDINGS_BAD, settings, id, "%s", takes);
    return users;
}

/* Gives the users of a list their priority, as far as nothing stronger says one. */
static void option_rules_list(GArray *rules, const struct settings *settings, enum option_id id,
                              const GArray *users, enum scheduler_priority priority)
{
    bool typed = settings->of[id].origin == SETTINGS_COMMAND_LINE;

    for (unsigned i = 0; i < users->len; i++) {
        struct rule *rule = option_rules_get(rules, g_array_index(users, uint32_t, i));

        if (rule->said[RULE_PRIORITY] && !typed)
            continue;
        rule->said[RULE_PRIORITY] = true;
        rule->values[RULE_PRIORITY] = priority;
    }
}

static void option_rules_lists(GArray *rules, const struct settings *settings,
                               struct findings *findings)
{
    g_autoptr(GArray) high = option_rules_users(settings, OPTION_HIGH_PRIORITY, NULL, findings);
    g_autoptr(GArray) low = option_rules_users(settings, OPTION_LOW_PRIORITY, NULL, findings);

    for (unsigned i = 0; i < high->len * low->len; i++) {
        uint32_t uid = g_array_index(low, uint32_t, i % low->len);

        if (g_array_index(high, uint32_t, i / low->len) == uid)
            findings_of(findings, FINDINGS_BAD, settings, OPTION_LOW_PRIORITY,
                        "names user %u, who is in high-priority too", uid);
    }
    option_rules_list(rules, settings, OPTION_HIGH_PRIORITY, high, SCHEDULER_HIGH);
    option_rules_list(rules, settings, OPTION_LOW_PRIORITY, low, SCHEDULER_LOW);
}

GArray *option_rules_read(const struct settings *settings, unsigned sessions_per_user,
                          struct findings *findings)
{
    GArray *rules = g_array_new(FALSE, FALSE, sizeof(struct rule));
    const GPtrArray *sections = settings->sections.all;

    for (unsigned i = 0; sections && i < sections->len; i++)
        option_rules_section(rules, sections->pdata[i], findings);
    if (!settings_given(settings, OPTION_MAX_SESSIONS_PER_USER))
        option_rules_follow(rules, sessions_per_user);
    option_rules_lists(rules, settings, findings);
    return rules;
}
