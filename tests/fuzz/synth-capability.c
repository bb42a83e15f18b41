/* SPDX-License-Identifier: BSD-2-Clause */
/* What the synthetic TPM lists: its handles, its command table, its properties. */
#include "synth-chip.h"

#include "wire/handle.h"

#include <tss2/tss2_tpm2_types.h>

unsigned synth_count_objects(const struct synth_chip *chip)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SYNTH_OBJECTS; i++)
        count += chip->objects[i].there;
    return count;
}

unsigned synth_count_sessions(const struct synth_chip *chip)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SYNTH_SESSIONS; i++)
        count += chip->sessions[i].state == SYNTH_SESSION_LOADED;
    return count;
}

/* A list under construction in the parameters of an answer. */
struct listing {
    uint8_t *items;
    size_t size;
    uint32_t count, limit;
    bool more;
};

static void list_words(struct listing *listing, uint32_t first, uint32_t second, unsigned words)
{
    if (listing->count == listing->limit) {
        listing->more = true;
        return;
    }
    listing->count++;
    store_be32(listing->items + listing->size, first);
    listing->size += 4;
    if (words == 1)
        return;
    store_be32(listing->items + listing->size, second);
    listing->size += 4;
}

static void list_handles(const struct synth_chip *chip, struct listing *listing, uint32_t first)
{
    uint32_t from = first & HANDLE_INDEX_MASK;

    for (uint32_t i = from; i < SYNTH_OBJECTS && handle_is_transient(first); i++) {
        if (chip->objects[i].there)
            list_words(listing, HANDLE_TRANSIENT_FIRST + i, 0, 1);
    }
    for (uint32_t i = from; i < SYNTH_SESSIONS && handle_is_session(first); i++) {
        if (first >> 24 == 0x02 && chip->sessions[i].state == SYNTH_SESSION_LOADED)
            list_words(listing, chip->sessions[i].handle, 0, 1);
        if (first >> 24 == 0x03 && chip->sessions[i].state == SYNTH_SESSION_SAVED)
            list_words(listing, HANDLE_LOADED_SESSIONS + i, 0, 1);
    }
}

static void list_properties(const struct synth_chip *chip, struct listing *listing, uint32_t first)
{
    const uint32_t properties[][2] = {
        {TPM2_PT_HR_TRANSIENT_MIN, chip->object_slots},
        {TPM2_PT_HR_LOADED_MIN, chip->session_slots},
        {TPM2_PT_ACTIVE_SESSIONS_MAX, SYNTH_SESSIONS},
        {TPM2_PT_CONTEXT_GAP_MAX, chip->gap},
        {TPM2_PT_MAX_COMMAND_SIZE, chip->max_size},
        {TPM2_PT_MAX_RESPONSE_SIZE, chip->max_size},
        {TPM2_PT_HR_LOADED, synth_count_sessions(chip)},
        {TPM2_PT_HR_LOADED_AVAIL, chip->session_slots - synth_count_sessions(chip)},
        {TPM2_PT_HR_TRANSIENT_AVAIL, chip->object_slots - synth_count_objects(chip)},
    };

    for (unsigned i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
        if (properties[i][0] >= first)
            list_words(listing, properties[i][0], properties[i][1], 2);
    }
}

uint32_t synth_capability(const struct synth_chip *chip, const struct command *command,
                          uint8_t *out, size_t *size)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;
    struct listing listing = {.items = out + 9};
    uint32_t capability, property;

    if (command_parameters_size(command) != 12)
        return SYNTH_RC_PARAMETER(TPM2_RC_SIZE);
    capability = load_be32(parameters);
    property = load_be32(parameters + 4);
    listing.limit = load_be32(parameters + 8);
    if (listing.limit > 100)
        listing.limit = 100;
    if (capability == TPM2_CAP_HANDLES)
        list_handles(chip, &listing, property);
    else if (capability == TPM2_CAP_TPM_PROPERTIES)
        list_properties(chip, &listing, property);
    for (uint32_t i = 0; i < chip->commands.count && capability == TPM2_CAP_COMMANDS; i++) {
        if (command_attributes_code(chip->commands.attributes[i]) >= property)
            list_words(&listing, chip->commands.attributes[i], 0, 1);
    }
    out[0] = listing.more;
    store_be32(out + 1, capability);
    store_be32(out + 5, listing.count);
    *size = 9 + listing.size;
    return TPM2_RC_SUCCESS;
}
