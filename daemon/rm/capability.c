/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/capability.h"

#include "rm/rc.h"
#include "wire/capability.h"
#include "wire/handle.h"

/* Handles in one answer, as many as the chip itself would list. */
#define MAX_HANDLES ((uint32_t)TPM2_MAX_CAP_HANDLES)

/* The parameters of the command, when it is one that we look at. No session can encrypt them: the
 * first one has no size (Part 1, "Session-based encryption"). */
static bool read_query(const struct command *command, uint32_t *capability, uint32_t *property,
                       uint32_t *count)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;

    if (command->code != TPM2_CC_GetCapability || command_parameters_size(command) != 12)
        return false;
    *capability = load_be32(parameters);
    *property = load_be32(parameters + 4);
    *count = load_be32(parameters + 8);
    return true;
}

/* A list of handles under construction in a response buffer. */
struct listing {
    uint8_t *response;
    uint32_t count, limit;
    bool more;
};

static void listing_add(struct listing *listing, uint32_t handle)
{
    if (listing->count == listing->limit) {
        listing->more = true;
        return;
    }
    store_be32(listing->response + CAPABILITY_ITEMS_AT + 4 * (size_t)listing->count++, handle);
}

static void list_objects(struct listing *listing, const struct handles *handles, uint32_t first)
{
    for (uint32_t i = handles_position(handles, first); i < handles->count && !listing->more; i++)
        listing_add(listing, handles->entries[i].handle);
}

/* Whether the owner of the session knows the session as saved. */
static bool is_saved(const struct session *session)
{
    return session->state == SESSION_CLIENT_SAVED || session->state == SESSION_ABANDONED;
}

/* The client's session with the least index from `index` on, among the sessions that the client
 * knows as saved (`saved`), or among those that it knows as loaded. */
static const struct session *next_session(const struct rm_client *client, bool saved,
                                          uint32_t index)
{
    const struct session *next = NULL;

    list_for_each (link, &client->rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);
        uint32_t here = session->handle & HANDLE_INDEX_MASK;

        if (session_belongs_to(session, client) && is_saved(session) == saved && here >= index
            && (!next || here < (next->handle & HANDLE_INDEX_MASK)))
            next = session;
    }
    return next;
}

/* The chip names loaded sessions by their own handles and saved ones as HMAC sessions (Part 2,
 * clause 7.2: the type of a saved session is not known). */
static void list_sessions(struct listing *listing, const struct rm_client *client, bool saved,
                          uint32_t first)
{
    const struct session *session = next_session(client, saved, first & HANDLE_INDEX_MASK);

    while (session && !listing->more) {
        uint32_t index = session->handle & HANDLE_INDEX_MASK;

        listing_add(listing, saved ? HANDLE_LOADED_SESSIONS | index : session->handle);
        session = next_session(client, saved, index + 1);
    }
}

/* Whether the chip's own answer would tell which objects and sessions all clients hold, or how
 * many. */
static bool tells_of_all(uint32_t capability, uint32_t property, uint32_t count)
{
    switch (capability) {
    case TPM2_CAP_HANDLES:
        return handle_is_transient(property) || handle_is_session(property);
    case TPM2_CAP_TPM_PROPERTIES:
        return property <= TPM2_PT_HR_TRANSIENT_AVAIL
               && (uint64_t)property + count > TPM2_PT_HR_LOADED;
    default:
        return false;
    }
}

size_t capability_answer(const struct rm_client *client, const struct command *command,
                         uint8_t *response)
{
    uint32_t capability, property, count;
    struct listing listing = {.response = response};

    if (!read_query(command, &capability, &property, &count))
        return 0;
    if (command->tag == TPM2_ST_SESSIONS && tells_of_all(capability, property, count))
        return response_build_code(response, RM_RC(TPM2_RC_AUTH_CONTEXT));
    if (command->tag == TPM2_ST_SESSIONS || capability != TPM2_CAP_HANDLES)
        return 0;
    listing.limit = count < MAX_HANDLES ? count : MAX_HANDLES;
    if (handle_is_transient(property))
        list_objects(&listing, &client->handles, property);
    else if (handle_is_session(property))
        list_sessions(&listing, client, property >> 24 == TPM2_HT_SAVED_SESSION, property);
    else
        return 0;
    response[HEADER_SIZE] = listing.more;
    store_be32(response + CAPABILITY_AT, TPM2_CAP_HANDLES);
    store_be32(response + CAPABILITY_COUNT_AT, listing.count);
    return response_build_success(response, CAPABILITY_ITEMS_AT + 4 * (size_t)listing.count);
}

static uint32_t left(uint32_t limit, uint32_t used)
{
    return limit > used ? limit - used : 0;
}

/* What a client may still have under its own limit and under its user's, where that is not 0. */
static uint32_t left_of(uint32_t limit, uint32_t used, uint32_t user_limit, uint32_t user_used)
{
    uint32_t own = left(limit, used), user = left(user_limit, user_used);

    return user_limit != 0 && user < own ? user : own;
}

/* Sessions that the client sees, saved ones or loaded ones. */
static uint32_t count_sessions(const struct rm_client *client, bool saved)
{
    uint32_t count = 0;

    list_for_each (link, &client->rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        count += session_belongs_to(session, client) && is_saved(session) == saved;
    }
    return count;
}

static uint32_t view_of(const struct rm_client *client, uint32_t property, uint32_t value)
{
    const struct rm_limits *limits = &client->limits;

    switch (property) {
    case TPM2_PT_CONTEXT_GAP_MAX:
        return UINT32_MAX;
    case TPM2_PT_HR_TRANSIENT_AVAIL:
        return left_of(limits->objects_per_client, client->handles.count, limits->objects_per_uid,
                       client->user->objects);
    case TPM2_PT_HR_LOADED:
        return count_sessions(client, false);
    case TPM2_PT_HR_ACTIVE:
        return count_sessions(client, false) + count_sessions(client, true);
    case TPM2_PT_HR_LOADED_AVAIL:
    case TPM2_PT_HR_ACTIVE_AVAIL:
        return left_of(limits->sessions_per_client, client->session_count, limits->sessions_per_uid,
                       client->user->sessions);
    default:
        return value;
    }
}

void capability_patch(const struct rm_client *client, const struct command *command,
                      struct response *response)
{
    uint32_t capability, property, count;
    struct capability_list list;

    if (command->tag == TPM2_ST_SESSIONS || !read_query(command, &capability, &property, &count)
        || capability != TPM2_CAP_TPM_PROPERTIES
        || !capability_list_parse(&list, response->bytes, response->size, capability, 8))
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        uint8_t *item = list.items + 8 * (size_t)i;

        store_be32(item + 4, view_of(client, load_be32(item), load_be32(item + 4)));
    }
}
