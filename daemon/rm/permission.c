/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/permission.h"

#include "base/log.h"
#include "rm/rc.h"
#include "rm/resync.h"
#include "rm/transact.h"
#include "wire/capability.h"
#include "wire/command-name.h"

#include <inttypes.h>

/* Reads properties of the chip that stand in a row. False when it does not tell them all. */
static bool ask_properties(struct rm *rm, uint32_t first, uint32_t count, uint32_t *values)
{
    struct capability_list list;
    unsigned asked = 0;
    uint32_t code;
    size_t size;

    do {
        size = command_build_get_capability(rm->own_command, TPM2_CAP_TPM_PROPERTIES, first, count);
        code = rm_transact_own(rm, size, &size);
    } while (++asked < 2 && code == TPM2_RC_INITIALIZE && resync_after_reset(rm));
    if (code != TPM2_RC_SUCCESS
        || !capability_list_parse(&list, rm->own_response, size, TPM2_CAP_TPM_PROPERTIES, 8)
        || list.count < count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (load_be32(list.items + 8 * (size_t)i) != first + i)
            return false;
        values[i] = load_be32(list.items + 8 * (size_t)i + 4);
    }
    return true;
}

/* TPMA_PERMANENT, of which no bit is set when the chip does not tell. */
static uint32_t ask_permanent(struct rm *rm)
{
    uint32_t permanent;

    return ask_properties(rm, TPM2_PT_PERMANENT, 1, &permanent) ? permanent : 0;
}

/* What the rule that stands in a command's way is, in words. */
static const char *reason_text(uint8_t rule)
{
    switch (rule) {
    case POLICY_NO_PLATFORM:
        return "the platform hierarchy is for administrators";
    case POLICY_FREE_PCRS:
        return "PCRs but 16 and 23 are for administrators";
    case POLICY_GUARDED_BY:
        return "the authorization of its hierarchy is empty; it takes an administrator until one "
               "is set";
    default:
        return "its policy leaves the command to administrators";
    }
}

static uint32_t deny(struct rm_client *client, uint32_t command_code, uint8_t rule)
{
    client->rm->stats.denied_commands++;
    client->user->denied_commands++;
    if (!client->told_denied)
        log_event(
            LOG_EVENT_COMMAND_REFUSED, rm_client_about_answer(client, RM_RC_DISABLED),
            "user %" PRIu32 " may not send %s (0x%" PRIX32 "), 0x%05" PRIX32
            ": %s; allow permits it by its name or number, to members or in the user's section",
            client->uid, command_name(command_code), command_code, RM_RC_DISABLED,
            reason_text(rule));
    client->told_denied = true;
    return RM_RC_DISABLED;
}

static uint32_t lock_out(struct rm_client *client, int64_t wait)
{
    client->rm->stats.denied_commands++;
    client->user->denied_commands++;
    if (!client->told_tries)
        log_event(LOG_EVENT_PASSWORDS_USED_UP, rm_client_about_answer(client, RM_RC_LOCKOUT),
                  "user %" PRIu32 " has used up its budget of wrong passwords (0x%05" PRIX32
                  "), so that the TPM does not lock all users out; the next try is in %" PRId64
                  " s",
                  client->uid, RM_RC_LOCKOUT, (wait + 999) / 1000);
    client->told_tries = true;
    return RM_RC_LOCKOUT;
}

uint32_t permission_look(struct rm_client *client, const struct command *command)
{
    const struct policy *policy;
    uint32_t permanent = 0;
    uint8_t rule;
    int64_t wait;

    if (!client->policy)
        return TPM2_RC_SUCCESS;
    policy = &client->policy->policy;
    rule = policy_rule(policy, command->code);
    if (rule) {
        if (rule & POLICY_GUARDED_BY && !(rule & POLICY_DENIED))
            permanent = ask_permanent(client->rm);
        rule =
            policy_judge(policy, command->code, command->handles, command->handle_count, permanent);
        if (rule)
            return deny(client, command->code, rule);
    }
    if (!policy->counts_tries || command->session_count == 0)
        return TPM2_RC_SUCCESS;
    wait =
        tries_wait(&client->rm->tries, &client->rm->chip.tries, client->user->uid, client->rm->now);
    return wait > 0 ? lock_out(client, wait) : TPM2_RC_SUCCESS;
}

/* What the chip's count goes by may have changed since it was read. */
static void learn_rule(struct rm *rm)
{
    uint32_t values[2];

    if (rm->tries_rule_known || !ask_properties(rm, TPM2_PT_MAX_AUTH_FAIL, 2, values))
        return;
    rm->chip.tries = (struct tries_rule){.limit = values[0], .recovery = values[1]};
    rm->tries_rule_known = true;
}

/* No session encrypts the three numbers: the first one has no size. */
static void take_rule(struct rm *rm, const struct command *command)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;

    if (command_parameters_size(command) != 12)
        return;
    rm->chip.tries =
        (struct tries_rule){.limit = load_be32(parameters), .recovery = load_be32(parameters + 4)};
    rm->tries_rule_known = true;
}

/* Whether an authorization that is protected against being guessed was wrong; which one does not
 * matter (Part 2, "Format-One Response Codes"). TPM_RC_BAD_AUTH is for what is not protected. */
static bool is_wrong_password(uint32_t code)
{
    return (code & ~UINT32_C(0xFFF)) == 0 && (code & TPM2_RC_FMT1)
           && (code & (TPM2_RC_FMT1 | 0x3F)) == TPM2_RC_AUTH_FAIL;
}

/* Says, once for each connection, that the TPM refuses all protected authorizations. */
static void tell_lockout(struct rm_client *client)
{
    if (!client->told_lockout)
        log_event(LOG_EVENT_LOCKOUT, rm_client_about_answer(client, TPM2_RC_LOCKOUT),
                  "the TPM is in lockout and refuses user %" PRIu32 " (0x%03X): too many "
                  "authorizations were wrong, whoever tried them; wait, or reset the count "
                  "(tpm2_dictionarylockout --clear-lockout)",
                  client->uid, TPM2_RC_LOCKOUT);
    client->told_lockout = true;
}

void permission_note(struct rm_client *client, const struct command *command, uint32_t code)
{
    struct rm *rm = client->rm;

    if (code == TPM2_RC_LOCKOUT)
        tell_lockout(client);
    if (code != TPM2_RC_SUCCESS) {
        if (!client->policy || !client->policy->policy.counts_tries || !is_wrong_password(code))
            return;
        learn_rule(rm);
        tries_add(&rm->tries, &rm->chip.tries, client->user->uid, rm->now);
        return;
    }
    switch (command->code) {
    case TPM2_CC_DictionaryAttackParameters:
        take_rule(rm, command);
        break;
    case TPM2_CC_DictionaryAttackLockReset:
        tries_clear(&rm->tries);
        break;
    case TPM2_CC_Clear:
        tries_clear(&rm->tries);
        rm->tries_rule_known = false;
        break;
    default:
        break;
    }
}
