/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/policies.h"

#include "base/account.h"
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct policies {
    atomic_uint references;
    struct policy admin, member, guest;
    unsigned admin_count;
    uint32_t admins[];
};

struct policies *policies_new(const struct policies_config *config)
{
    size_t admins = config->admin_count * sizeof(uint32_t);
    struct policies *policies = calloc(1, sizeof(*policies) + admins);

    if (!policies)
        return NULL;
    atomic_init(&policies->references, 1);
    policies->admin = policy_preset(POLICY_OPEN);
    policies->member = config->member;
    policies->guest = config->guest;
    policies->admin_count = config->admin_count;
    if (admins > 0)
        memcpy(policies->admins, config->admins, admins);
    return policies;
}

struct policies *policies_reference(struct policies *policies)
{
    if (policies)
        atomic_fetch_add(&policies->references, 1);
    return policies;
}

void policies_unreference(struct policies *policies)
{
    if (policies && atomic_fetch_sub(&policies->references, 1) == 1)
        free(policies);
}

static bool policies_name_admin(const struct policies *policies, uint32_t uid)
{
    if (uid == ACCOUNT_ROOT || uid == geteuid())
        return true;
    for (unsigned i = 0; i < policies->admin_count; i++) {
        if (policies->admins[i] == uid)
            return true;
    }
    return false;
}

const struct policy *policies_of(const struct policies *policies, uint32_t uid, bool member)
{
    if (policies_name_admin(policies, uid))
        return &policies->admin;
    return member ? &policies->member : &policies->guest;
}

/* What a member can do with an authorization that is empty. */
static const struct {
    uint32_t handle, bit, code; /* of the hierarchy, in TPMA_PERMANENT, and of a command for it */
    const char *name, *power;
} empty_powers[] = {
    {TPM2_RH_OWNER, TPMA_PERMANENT_OWNERAUTHSET, TPM2_CC_HierarchyChangeAuth, "owner",
     "take the owner hierarchy over or switch it off"},
    {TPM2_RH_ENDORSEMENT, TPMA_PERMANENT_ENDORSEMENTAUTHSET, TPM2_CC_HierarchyChangeAuth,
     "endorsement", "take the endorsement hierarchy over or switch it off"},
    {TPM2_RH_LOCKOUT, TPMA_PERMANENT_LOCKOUTAUTHSET, TPM2_CC_Clear, "lockout",
     "clear the TPM, or lock everybody's keys"},
};

/* Adds a word or clause to a list in words. */
static void add_text(char *list, size_t size, const char *text)
{
    size_t used = strlen(list);

    snprintf(list + used, size - used, "%s%s", used ? ", " : "", text);
}

void policies_warn(const struct policies *policies, uint32_t permanent)
{
    char names[64] = "", powers[256] = "";

    for (size_t i = 0; i < sizeof(empty_powers) / sizeof(empty_powers[0]); i++) {
        if (permanent & empty_powers[i].bit
            || policy_judge(&policies->member, empty_powers[i].code, &empty_powers[i].handle, 1, 0))
            continue;
        add_text(names, sizeof(names), empty_powers[i].name);
        add_text(powers, sizeof(powers), empty_powers[i].power);
    }
    if (names[0])
        log_warning("authorizations of the TPM are empty (%s), so that any member of the socket's "
                    "group can: %s; set them (tpm2_changeauth), or leave that to administrators "
                    "(--policy=guarded)",
                    names, powers);
}
