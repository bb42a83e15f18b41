/* SPDX-License-Identifier: BSD-2-Clause */
#include "option-policies.h"

#include "option-rules.h"
#include "policy-words.h"

/* A value on its way from text: an option's, or that of a section's key of the same name. */
struct option_policies_value {
    const struct settings *settings;
    enum option_id id;
    const struct setting *section; /* the section's; NULL: the option's counts */
    struct findings *findings;
};

static const char *option_policies_text(const struct option_policies_value *value)
{
    return value->section ? value->section->value : value->settings->of[value->id].value;
}

/* Something in the value is wrong; the text goes on behind the key's name. */
static void option_policies_wrong(const struct option_policies_value *value, const char *what)
{
    if (value->section)
        findings_add(value->findings, FINDINGS_BAD, value->section->place, "%s %s",
                     option_table[value->id].name, what);
    else
        findings_of(value->findings, FINDINGS_BAD, value->settings, value->id, "%s", what);
}

static void option_policies_wrong_command(void *data, const char *what)
{
    g_autofree char *text = g_strconcat(POLICY_WORDS_COMMANDS "; ", what, NULL);

    option_policies_wrong(data, text);
}

/* The commands of a list, as a policy that refuses them and nothing else. */
static struct policy option_policies_commands(struct option_policies_value value)
{
    struct policy commands = policy_preset(POLICY_OPEN);
    const char *text = option_policies_text(&value);

    if (text)
        policy_words_change(&commands, text, policy_deny, option_policies_wrong_command, &value);
    return commands;
}

static enum policy_preset option_policies_preset(struct option_policies_value value)
{
    const char *text = option_policies_text(&value);
    enum policy_preset preset = policy_preset_find(text);
    g_autofree char *what = NULL;

    if (preset != POLICY_PRESETS)
        return preset;
    what = g_strdup_printf("takes " POLICY_WORDS_PRESETS ", not \"%s\"", text);
    option_policies_wrong(&value, what);
    return POLICY_STRICT;
}

static void option_policies_section(GArray *rules, const struct section *section,
                                    const struct settings *settings, struct findings *findings)
{
    static const enum rule_subject subjects[] = {[SECTION_FOR_ALL] = RULE_FOR_ALL,
                                                 [SECTION_FOR_USER] = RULE_FOR_USER,
                                                 [SECTION_FOR_GROUP] = RULE_FOR_GROUP};
    const struct setting *preset = &section->of[SECTION_KEY_POLICY],
                         *allow = &section->of[SECTION_KEY_ALLOW],
                         *deny = &section->of[SECTION_KEY_DENY];
    struct policies_rule rule = {.subject = subjects[section->kind], .id = section->id};

    if (!preset->value && !allow->value && !deny->value)
        return;
    rule.preset = POLICY_PRESETS;
    if (preset->value)
        rule.preset = option_policies_preset(
            (struct option_policies_value){settings, OPTION_POLICY, preset, findings});
    rule.allowed = option_policies_commands(
        (struct option_policies_value){settings, OPTION_ALLOW, allow, findings});
    rule.denied = option_policies_commands(
        (struct option_policies_value){settings, OPTION_DENY, deny, findings});
    if (section->found)
        g_array_append_val(rules, rule);
}

/* What is denied to members is denied to guests. */
static void option_policies_classes(struct option_policies *policies,
                                    const struct settings *settings, struct findings *findings)
{
    struct option_policies_value value = {.settings = settings, .findings = findings};
    struct policy allowed;

    value.id = OPTION_DENY;
    policies->denied = option_policies_commands(value);
    value.id = OPTION_POLICY;
    policies->member = policy_preset(option_policies_preset(value));
    value.id = OPTION_ALLOW;
    allowed = option_policies_commands(value);
    policy_exempt(&policies->member, &allowed);
    value.id = OPTION_GUEST_POLICY;
    policies->guest = policy_preset(option_policies_preset(value));
}

void option_policies_read(struct option_policies *policies, const struct settings *settings,
                          struct findings *findings)
{
    const GPtrArray *sections = settings->sections.all;

    option_policies_classes(policies, settings, findings);
    policies->rules = g_array_new(FALSE, FALSE, sizeof(struct policies_rule));
    for (unsigned i = 0; sections && i < sections->len; i++)
        option_policies_section(policies->rules, sections->pdata[i], settings, findings);
    policies->admin_groups = g_array_new(FALSE, FALSE, sizeof(gid_t));
    policies->admins = option_rules_users(settings, OPTION_ADMIN, policies->admin_groups, findings);
}

void option_policies_fill(const struct option_policies *policies, struct policies_config *config)
{
    *config = (struct policies_config){
        .member = policies->member,
        .guest = policies->guest,
        .denied = policies->denied,
        .rules = (gconstpointer)policies->rules->data,
        .rule_count = policies->rules->len,
        .admins = (gconstpointer)policies->admins->data,
        .admin_count = policies->admins->len,
        .admin_groups = (gconstpointer)policies->admin_groups->data,
        .admin_group_count = policies->admin_groups->len,
    };
}

void option_policies_clear(struct option_policies *policies)
{
    if (policies->rules)
        g_array_unref(policies->rules);
    if (policies->admins)
        g_array_unref(policies->admins);
    if (policies->admin_groups)
        g_array_unref(policies->admin_groups);
    *policies = (struct option_policies){0};
}
