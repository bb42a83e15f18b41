/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/report.h"

#include "base/account.h"
#include "rm/rc.h"
#include "rm/state.h"
#include "rm/transact.h"
#include "wire/capability.h"

void report_statistics(const struct rm *rm, struct rm_statistics *statistics)
{
    *statistics = rm->statistics;
    statistics->client_commands = rm->stats.client_commands;
}

uint32_t report_command_counts(const struct rm *rm,
                               struct rm_command_count counts[RM_COMMAND_COUNTS])
{
    const struct command_table *table = &rm->chip.commands;
    uint32_t count = 0;

    for (uint32_t i = 0; i <= table->count; i++) {
        if (rm->command_counts[i] > 0)
            counts[count++] = (struct rm_command_count){
                .code = i > 0 ? command_attributes_code(table->attributes[i - 1]) : 0,
                .count = rm->command_counts[i],
            };
    }
    return count;
}

struct rm_holdings report_client_holdings(const struct rm_client *client)
{
    if (!client)
        return (struct rm_holdings){0};
    return (struct rm_holdings){client->handles.count, client->session_count};
}

struct rm_holdings report_user_holdings(const struct rm_user *user)
{
    return user ? (struct rm_holdings){user->objects, user->sessions} : (struct rm_holdings){0};
}

static struct rm_slot slot_of_object(const struct object *object)
{
    return (struct rm_slot){
        .handle = object->physical,
        .number = object->references > 0 ? object->client : 0,
        .account = object->account,
    };
}

static struct rm_slot slot_of_session(const struct session *session)
{
    return (struct rm_slot){
        .session = true,
        .handle = session->handle,
        .number = session->owner ? session->owner->number : 0,
        .account = session->user ? session->user->uid : ACCOUNT_ROOT,
    };
}

uint32_t report_slots(const struct rm *rm, struct rm_slot *slots, uint32_t most)
{
    uint32_t count = 0;

    list_for_each (link, &rm->slots) {
        if (count < most)
            slots[count++] = slot_of_object(list_entry(link, struct object, slot_link));
    }
    list_for_each (link, &rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        if (session->loaded && count < most)
            slots[count++] = slot_of_session(session);
    }
    return count;
}

uint32_t report_slot_count(const struct rm *rm)
{
    return rm->objects_loaded + rm->sessions_loaded;
}

/* Puts the characters of a property where its text goes on: what is not printable becomes a
 * question mark, and the text ends at a zero. The position behind. */
static char *add_characters(char *at, uint32_t property)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        char c = (char)(property >> shift & 0xFF);

        if (c == '\0')
            break;
        *at++ = c;
        if (c < ' ' || c > '~')
            at[-1] = '?';
    }
    *at = '\0';
    return at;
}

/* Takes blanks off the end. */
static void trim(char *text, char *end)
{
    while (end > text && end[-1] == ' ')
        *--end = '\0';
}

void report_identity(const struct rm *rm, struct rm_identity *identity)
{
    const struct chip *chip = &rm->chip;
    char *model = identity->model;

    *identity = (struct rm_identity){
        .firmware = {chip->identity.firmware[0], chip->identity.firmware[1]},
        .revision = chip->identity.revision,
        .object_slots = chip->object_slots,
        .session_slots = chip->session_slots,
        .active_sessions = chip->active_sessions,
        .max_command = chip->max_command,
        .max_response = chip->max_response,
    };
    trim(identity->manufacturer,
         add_characters(identity->manufacturer, chip->identity.manufacturer));
    for (unsigned i = 0; i < 4; i++)
        model = add_characters(model, chip->identity.vendor[i]);
    trim(identity->model, model);
}

/* Which of the properties was told. */
enum {
    TOLD_PERMANENT = 1 << 0,
    TOLD_COUNTER = 1 << 1,
    TOLD_MAX_TRIES = 1 << 2,
    TOLD_RECOVERY = 1 << 3,
    TOLD_LOCKOUT_RECOVERY = 1 << 4,
    TOLD_ALL = (1 << 5) - 1,
};

static unsigned learn_lockout(struct rm_lockout *lockout, uint32_t property, uint32_t value)
{
    switch (property) {
    case TPM2_PT_PERMANENT:
        lockout->in_lockout = value & TPMA_PERMANENT_INLOCKOUT;
        return TOLD_PERMANENT;
    case TPM2_PT_LOCKOUT_COUNTER:
        lockout->counter = value;
        return TOLD_COUNTER;
    case TPM2_PT_MAX_AUTH_FAIL:
        lockout->max_tries = value;
        return TOLD_MAX_TRIES;
    case TPM2_PT_LOCKOUT_INTERVAL:
        lockout->recovery = value;
        return TOLD_RECOVERY;
    case TPM2_PT_LOCKOUT_RECOVERY:
        lockout->lockout_recovery = value;
        return TOLD_LOCKOUT_RECOVERY;
    default:
        return 0;
    }
}

bool report_ask_lockout(struct rm *rm, struct rm_lockout *lockout)
{
    struct capability_list list;
    unsigned told = 0;
    size_t size =
        command_build_get_capability(rm->own_command, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT,
                                     TPM2_PT_LOCKOUT_RECOVERY - TPM2_PT_PERMANENT + 1);

    *lockout = (struct rm_lockout){0};
    if (rm->condition != TPM_SERVING || rm_transact_own(rm, size, &size) != TPM2_RC_SUCCESS
        || !capability_list_parse(&list, rm->own_response, size, TPM2_CAP_TPM_PROPERTIES, 8))
        return false;
    for (uint32_t i = 0; i < list.count; i++)
        told |= learn_lockout(lockout, load_be32(list.items + 8 * (size_t)i),
                              load_be32(list.items + 8 * (size_t)i + 4));
    return told == TOLD_ALL;
}
