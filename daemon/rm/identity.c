/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/identity.h"

#include "rm/rc.h"
#include "rm/transact.h"

/* The Name of a successful answer: outPublic (TPM2B), name (TPM2B). NULL when it is none. */
static const uint8_t *find_name(const uint8_t *response, size_t size, size_t *name_size)
{
    size_t at = HEADER_SIZE;

    if (size < at + 2)
        return NULL;
    at += 2 + (size_t)load_be16(response + at);
    if (size < at + 2)
        return NULL;
    *name_size = load_be16(response + at);
    return size < at + 2 + *name_size ? NULL : response + at + 2;
}

/* Of a Name that is longer than what the books keep the start tells enough. */
static bool has_name(const struct object *object, const uint8_t *name, size_t size)
{
    if (object->name_size == 0 || size < object->name_size
        || (size > object->name_size && object->name_size < RECORD_NAME))
        return false;
    return memcmp(object->name, name, object->name_size) == 0;
}

enum identity identity_ask(struct rm *rm, const struct object *object)
{
    size_t size = command_build_read_public(rm->own_command, object->physical), name_size;
    uint32_t code = rm_transact_own(rm, size, &size);
    const uint8_t *name;

    if (rc_is_no_answer(code) || code == TPM2_RC_INITIALIZE || code == TPM2_RC_FAILURE)
        return IDENTITY_NO_ANSWER;
    if (code == TPM2_RC_SEQUENCE)
        return object->sequence ? IDENTITY_SAME : IDENTITY_OTHER;
    name = code == TPM2_RC_SUCCESS ? find_name(rm->own_response, size, &name_size) : NULL;
    return name && has_name(object, name, name_size) ? IDENTITY_SAME : IDENTITY_OTHER;
}
