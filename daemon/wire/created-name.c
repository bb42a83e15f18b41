/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/created-name.h"

#include <tss2/tss2_tpm2_types.h>

/* What stands before the Name, which is last. */
enum before {
    BEFORE_NOT_THERE, /* the answer has no Name */
    BEFORE_NOTHING,
    BEFORE_PRIVATE, /* outPrivate, outPublic */
    BEFORE_TICKET,  /* outPublic, creationData, creationHash, creationTicket */
};

static enum before before_name(uint32_t code)
{
    switch (code) {
    case TPM2_CC_Load:
    case TPM2_CC_LoadExternal:
        return BEFORE_NOTHING;
    case TPM2_CC_CreateLoaded:
        return BEFORE_PRIVATE;
    case TPM2_CC_CreatePrimary:
        return BEFORE_TICKET;
    default:
        return BEFORE_NOT_THERE;
    }
}

static bool is_encrypted(const struct command *command, const struct response *response)
{
    for (unsigned i = 0; i < command->session_count; i++) {
        if (response->session_attributes[i] & TPMA_SESSION_ENCRYPT)
            return true;
    }
    return false;
}

/* Bytes that are read from the front. */
struct rest {
    const uint8_t *at;
    size_t left;
};

static bool skip(struct rest *rest, size_t size)
{
    if (rest->left < size)
        return false;
    rest->at += size;
    rest->left -= size;
    return true;
}

/* Skips `count` structures that begin with their size. */
static bool skip_sized(struct rest *rest, unsigned count)
{
    for (; count > 0; count--) {
        if (rest->left < 2 || !skip(rest, 2 + (size_t)load_be16(rest->at)))
            return false;
    }
    return true;
}

static bool skip_before(struct rest *rest, enum before before)
{
    switch (before) {
    case BEFORE_NOT_THERE:
        return false;
    case BEFORE_NOTHING:
        return true;
    case BEFORE_PRIVATE:
        return skip_sized(rest, 2);
    case BEFORE_TICKET:
        /* TPMT_TK_CREATION: tag, hierarchy, digest */
        return skip_sized(rest, 3) && skip(rest, 2 + 4) && skip_sized(rest, 1);
    }
    return false;
}

const uint8_t *created_name_find(const struct command *command, const struct response *response,
                                 size_t *size)
{
    struct rest rest = {response->bytes + response->parameters_at, response->parameters_size};
    enum before before = before_name(command->code);

    if (before == BEFORE_NOTHING && is_encrypted(command, response))
        return NULL;
    if (!skip_before(&rest, before) || rest.left <= 2 || load_be16(rest.at) != rest.left - 2)
        return NULL;
    *size = rest.left - 2;
    return rest.at + 2;
}
