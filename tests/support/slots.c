/* SPDX-License-Identifier: BSD-2-Clause */
#include "slots.h"

#include "wire/capability.h"
#include "wire/handle.h"

#include <stdlib.h>
#include <tss2/tss2_tpm2_types.h>

#define ANSWER_MAX 4096
#define CODES      512                /* TPM_CC values below this are known */
#define SAVED_AT   (HEADER_SIZE + 8)  /* savedHandle of a TPMS_CONTEXT */
#define ITEMS_MAX  UINT32_C(0xFFFFFF) /* in one answer; a chip gives as many as it can */
#define UNKNOWN    UINT32_MAX

/* One kind of slot. */
struct kind {
    uint32_t first, least; /* handle that its list starts with; the property that says how many */
    TSS2_RC full;
    uint32_t limit; /* 0: not known yet */
    uint32_t taken; /* at the most; or UNKNOWN */
};

struct slots {
    uint32_t fewer;
    struct kind objects, sessions;
    uint32_t attributes[CODES]; /* TPMA_CC; 0: the chip does not have the command */
    uint8_t command[SAVED_AT + 4], answer[ANSWER_MAX];
};

struct slots *slots_new(uint32_t fewer)
{
    struct slots *slots = calloc(1, sizeof(*slots));

    if (!slots)
        return NULL;
    slots->fewer = fewer;
    slots->objects = (struct kind){.first = HANDLE_TRANSIENT_FIRST,
                                   .least = TPM2_PT_HR_TRANSIENT_MIN,
                                   .full = TPM2_RC_OBJECT_MEMORY,
                                   .taken = UNKNOWN};
    slots->sessions = (struct kind){.first = HANDLE_LOADED_SESSIONS,
                                    .least = TPM2_PT_HR_LOADED_MIN,
                                    .full = TPM2_RC_SESSION_MEMORY,
                                    .taken = UNKNOWN};
    return slots;
}

void slots_free(struct slots *slots)
{
    free(slots);
}

static uint32_t lowered(const struct slots *slots, uint32_t value)
{
    return value > slots->fewer ? value - slots->fewer : 0;
}

/* Asks the chip for one list, in slots->answer. */
static bool ask(struct slots *slots, TSS2_TCTI_CONTEXT *chip, uint32_t capability,
                uint32_t property, uint32_t count, size_t item_size, struct capability_list *list)
{
    uint8_t command[HEADER_SIZE + 12];
    size_t size = sizeof(slots->answer);

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_GetCapability);
    store_be32(command + HEADER_SIZE, capability);
    store_be32(command + HEADER_SIZE + 4, property);
    store_be32(command + HEADER_SIZE + 8, count);
    if (Tss2_Tcti_Transmit(chip, sizeof(command), command) != TSS2_RC_SUCCESS)
        return false;
    return Tss2_Tcti_Receive(chip, &size, slots->answer, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS
           && size >= HEADER_SIZE && header_load(slots->answer).code == TPM2_RC_SUCCESS
           && capability_list_parse(list, slots->answer, size, capability, item_size);
}

/* How many slots of the kind there are to be. */
static bool know_limit(struct slots *slots, TSS2_TCTI_CONTEXT *chip, struct kind *kind)
{
    struct capability_list list;
    uint32_t limit;

    if (kind->limit > 0)
        return true;
    if (!ask(slots, chip, TPM2_CAP_TPM_PROPERTIES, kind->least, 1, 8, &list) || list.count != 1
        || load_be32(list.items) != kind->least)
        return false;
    limit = lowered(slots, load_be32(list.items + 4));
    kind->limit = limit > 0 ? limit : 1;
    return true;
}

static bool know_commands(struct slots *slots, TSS2_TCTI_CONTEXT *chip)
{
    uint32_t next = 0;
    struct capability_list list;

    if (slots->attributes[TPM2_CC_GetCapability] != 0)
        return true;
    do {
        if (!ask(slots, chip, TPM2_CAP_COMMANDS, next, ITEMS_MAX, 4, &list) || list.count == 0)
            return false;
        for (uint32_t i = 0; i < list.count; i++) {
            uint32_t attributes = load_be32(list.items + 4 * (size_t)i);

            next = attributes & (TPMA_CC_COMMANDINDEX_MASK | TPMA_CC_V);
            if (next < CODES)
                slots->attributes[next] = attributes;
            next++;
        }
    } while (list.more);
    return slots->attributes[TPM2_CC_GetCapability] != 0;
}

/* Slots of the kind that are taken, counted anew when the bound leaves no room for `needed`. */
static bool has_room(struct slots *slots, TSS2_TCTI_CONTEXT *chip, struct kind *kind,
                     uint32_t needed)
{
    struct capability_list list;

    if (needed == 0 || !know_limit(slots, chip, kind))
        return true;
    if (kind->taken != UNKNOWN && kind->taken + needed <= kind->limit)
        return true;
    if (!ask(slots, chip, TPM2_CAP_HANDLES, kind->first, ITEMS_MAX, 4, &list))
        return true;
    kind->taken = list.count;
    return kind->taken + needed <= kind->limit;
}

static bool names_session(const struct slots *slots)
{
    return handle_is_session(load_be32(slots->command + HEADER_SIZE));
}

/* Whether the command that was judged last makes a session, when it succeeds, or an object. */
static bool makes_session(const struct slots *slots, uint32_t code)
{
    return code == TPM2_CC_StartAuthSession
           || (code == TPM2_CC_ContextLoad
               && handle_is_session(load_be32(slots->command + SAVED_AT)));
}

static bool makes_object(const struct slots *slots, uint32_t code)
{
    return (slots->attributes[code] & TPMA_CC_RHANDLE) && !makes_session(slots, code);
}

/* Persistent objects that the command names; one that it names twice takes one slot. */
static uint32_t persistent_objects(const struct slots *slots, uint32_t code, const uint8_t *command,
                                   size_t size)
{
    unsigned handles = (slots->attributes[code] & TPMA_CC_CHANDLES_MASK) >> TPMA_CC_CHANDLES_SHIFT;
    uint32_t count = 0;

    for (unsigned i = 0; i < handles && HEADER_SIZE + 4 * (i + 1) <= size; i++) {
        uint32_t handle = load_be32(command + HEADER_SIZE + 4 * (size_t)i);
        bool again = false;

        for (unsigned k = 0; k < i; k++)
            again |= load_be32(command + HEADER_SIZE + 4 * (size_t)k) == handle;
        count += handle_is_persistent(handle) && !again;
    }
    return count;
}

/* Keeps the part of the command that slots_learn() looks at; what is not there is 0. */
static void keep_command(struct slots *slots, const uint8_t *command, size_t size)
{
    for (size_t i = 0; i < sizeof(slots->command); i++)
        slots->command[i] = i < size ? command[i] : 0;
}

TSS2_RC slots_judge(struct slots *slots, TSS2_TCTI_CONTEXT *chip, const uint8_t *command,
                    size_t size)
{
    uint32_t code = header_load(command).code, objects;

    keep_command(slots, command, size);
    if (code >= CODES || !know_commands(slots, chip))
        return TSS2_RC_SUCCESS;
    objects = persistent_objects(slots, code, command, size);
    objects += makes_object(slots, code) || code == TPM2_CC_Create;
    if (!has_room(slots, chip, &slots->objects, objects))
        return slots->objects.full;
    if (!has_room(slots, chip, &slots->sessions, makes_session(slots, code)))
        return slots->sessions.full;
    return TSS2_RC_SUCCESS;
}

static void lower_properties(const struct slots *slots, uint8_t *answer, size_t size)
{
    struct capability_list list;

    if (!capability_list_parse(&list, answer, size, TPM2_CAP_TPM_PROPERTIES, 8))
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        uint8_t *item = list.items + 8 * (size_t)i;
        uint32_t property = load_be32(item), value = lowered(slots, load_be32(item + 4));

        if (property == TPM2_PT_HR_TRANSIENT_AVAIL || property == TPM2_PT_HR_LOADED_AVAIL)
            store_be32(item + 4, value);
        else if (property == TPM2_PT_HR_TRANSIENT_MIN || property == TPM2_PT_HR_LOADED_MIN)
            store_be32(item + 4, value > 0 ? value : 1);
    }
}

static void count_one(struct kind *kind, int change)
{
    if (kind->taken != UNKNOWN && (change > 0 || kind->taken > 0))
        kind->taken += (uint32_t)change;
}

void slots_learn(struct slots *slots, uint8_t *answer, size_t size)
{
    uint32_t code = header_load(slots->command).code;

    if (code >= CODES || size < HEADER_SIZE || header_load(answer).code != TPM2_RC_SUCCESS)
        return;
    if (code == TPM2_CC_GetCapability)
        lower_properties(slots, answer, size);
    else if (makes_object(slots, code))
        count_one(&slots->objects, 1);
    else if (makes_session(slots, code))
        count_one(&slots->sessions, 1);
    else if (code == TPM2_CC_FlushContext
             && handle_is_transient(load_be32(slots->command + HEADER_SIZE)))
        count_one(&slots->objects, -1);
    else if (code == TPM2_CC_ContextSave && names_session(slots))
        count_one(&slots->sessions, -1);
}
