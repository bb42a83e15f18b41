/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm-invariants.h"

#include "mirror.h"
#include "rules.h"
#include "wire/capability.h"
#include "wire/handle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LISTED 254

/* Handles that name the object, of all clients. */
static uint32_t references_to(struct rm *rm, const struct object *object)
{
    uint32_t count = 0;

    list_for_each (link, &rm->clients) {
        const struct handles *handles = &list_entry(link, struct rm_client, link)->handles;

        for (uint32_t i = 0; i < handles->count; i++)
            count += handles->entries[i].object == object;
    }
    return count;
}

static const char *check_object(struct rm *rm, struct object *object)
{
    bool loaded = object->physical != OBJECT_NOT_LOADED;

    MUST(object->references == references_to(rm, object), "an object counts %u handles, not %u",
         object->references, references_to(rm, object));
    MUST(!object->pinned, "object 0x%08x is pinned and no command runs", object->physical);
    MUST(loaded || object->references > 0, "an object is kept that is nobody's and not loaded");
    MUST(loaded || !blob_empty(&object->saved), "an object is nowhere");
    MUST(loaded != list_empty(&object->slot_link), "an object is not where it seems to be");
    MUST(object->immutable || list_empty(&object->content_link),
         "a sequence object can be found by its context");
    return NULL;
}

static const char *check_slot(struct rm *rm, const struct object *object)
{
    MUST(handle_is_transient(object->physical), "handle 0x%08x of an object", object->physical);
    list_for_each (link, &rm->slots) {
        const struct object *other = list_entry(link, struct object, slot_link);

        MUST(other == object || other->physical != object->physical,
             "physical handle 0x%08x is known twice", object->physical);
    }
    return NULL;
}

static const char *check_objects(struct rm *rm)
{
    uint32_t loaded = 0;

    list_for_each (link, &rm->objects) {
        MUST_ALL(check_object(rm, list_entry(link, struct object, link)));
    }
    list_for_each (link, &rm->slots) {
        loaded++;
        MUST_ALL(check_slot(rm, list_entry(link, struct object, slot_link)));
    }
    MUST(loaded == rm->objects_loaded, "%u objects are loaded, counted as %u", loaded,
         rm->objects_loaded);
    return NULL;
}

static const char *check_session(struct rm *rm, struct session *session)
{
    bool saved_by_client =
        session->state == SESSION_CLIENT_SAVED || session->state == SESSION_ABANDONED;
    bool owned = session->state != SESSION_ABANDONED && session->state != SESSION_DOOMED;

    MUST(session->state != SESSION_GONE, "session 0x%08x is gone and there", session->handle);
    MUST(!session->pinned, "session 0x%08x is pinned and no command runs", session->handle);
    MUST(!session->loaded || blob_empty(&session->saved),
         "session 0x%08x is in a slot and in a context", session->handle);
    /* The context of one that is to be flushed may be lost. */
    MUST(session->loaded || !blob_empty(&session->saved) || session->state == SESSION_DOOMED,
         "session 0x%08x is neither in a slot nor in a context", session->handle);
    MUST(session->state == SESSION_DOOMED || saved_by_client == !blob_empty(&session->held),
         "session 0x%08x and what its client holds disagree", session->handle);
    MUST(owned == (session->owner != NULL), "session 0x%08x in state %d has %s owner",
         session->handle, (int)session->state, session->owner ? "an" : "no");
    MUST(session_find(rm, session->handle) == session, "session 0x%08x is known twice",
         session->handle);
    return NULL;
}

static const char *check_sessions(struct rm *rm)
{
    uint32_t loaded = 0, count = 0;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        MUST_ALL(check_session(rm, session));
        loaded += session->loaded;
        count++;
    }
    MUST(loaded == rm->sessions_loaded, "%u sessions are loaded, counted as %u", loaded,
         rm->sessions_loaded);
    MUST(count == rm->session_count, "%u sessions are there, counted as %u", count,
         rm->session_count);
    return NULL;
}

static const char *check_client(struct rm *rm, struct rm_client *client)
{
    const struct handles *handles = &client->handles;
    uint32_t sessions = 0;

    MUST(handles->count <= client->limits.objects_per_client, "a client has %u objects",
         handles->count);
    MUST(handles->count <= handles->capacity, "more handles than there is room for");
    for (uint32_t i = 0; i < handles->count; i++) {
        MUST(handle_is_transient(handles->entries[i].handle), "virtual handle 0x%08x",
             handles->entries[i].handle);
        MUST(i == 0 || handles->entries[i - 1].handle < handles->entries[i].handle,
             "virtual handles are out of order");
    }
    list_for_each (link, &rm->sessions) {
        sessions += list_entry(link, struct session, link)->owner == client;
    }
    MUST(sessions == client->session_count, "a client has %u sessions and is charged for %u",
         sessions, client->session_count);
    MUST(sessions <= client->limits.sessions_per_client, "a client has %u sessions", sessions);
    return NULL;
}

/* A user is charged for what its connections have, what closed ones left, and kept answers. */
static const char *check_user(struct rm *rm, const struct rm_user *user)
{
    uint32_t objects = 0, sessions = 0, abandoned = 0, answers = 0;

    list_for_each (link, &rm->clients) {
        const struct rm_client *client = list_entry(link, struct rm_client, link);

        objects += client->user == user ? client->handles.count : 0;
    }
    list_for_each (link, &rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        sessions += session->user == user && session->owner;
        abandoned += session->user == user && !session->owner;
    }
    for (unsigned i = 0; i < RM_ANSWERS; i++)
        answers += rm->answers[i].user == user;
    MUST(objects == user->objects, "user %u has %u objects and is charged for %u", user->uid,
         objects, user->objects);
    MUST(sessions == user->sessions && abandoned == user->abandoned,
         "user %u has %u sessions and left %u, and is charged for %u and %u", user->uid, sessions,
         abandoned, user->sessions, user->abandoned);
    MUST(answers == user->answers, "user %u has %u kept answers and is charged for %u", user->uid,
         answers, user->answers);
    return NULL;
}

static uint64_t sum(const uint64_t *counts, unsigned count)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < count; i++)
        all += counts[i];
    return all;
}

/* Each command is counted once in each way. */
static const char *check_counts(const struct rm *rm)
{
    const struct rm_statistics *statistics = &rm->statistics;
    uint64_t by_code = sum(rm->command_counts, COMMAND_TABLE_MAX + 1);
    uint64_t by_kind = sum(statistics->chip_commands, TRACE_SENT_KINDS);
    uint64_t ways = sum(statistics->ways, TRACE_WAYS);
    uint64_t refusals = sum(statistics->refusals, RM_REFUSALS);

    MUST(by_code == rm->stats.client_commands, "%" PRIu64 " commands by code, %" PRIu64 " in all",
         by_code, rm->stats.client_commands);
    MUST(by_kind == rm->stats.chip_commands, "%" PRIu64 " to the chip by kind, %" PRIu64 " in all",
         by_kind, rm->stats.chip_commands);
    MUST(ways + statistics->chip_commands[TRACE_OWN] >= by_code,
         "%" PRIu64 " answered without the chip, %" PRIu64 " by it, of %" PRIu64, ways,
         statistics->chip_commands[TRACE_OWN], by_code);
    MUST(ways <= by_code && refusals <= statistics->failures && statistics->failures <= by_code,
         "%" PRIu64 " refused, %" PRIu64 " failed, of %" PRIu64, refusals, statistics->failures,
         by_code);
    return NULL;
}

const char *rm_invariants_books(struct rm *rm)
{
    MUST_ALL(check_counts(rm));
    MUST_ALL(check_objects(rm));
    MUST_ALL(check_sessions(rm));
    list_for_each (link, &rm->clients) {
        MUST_ALL(check_client(rm, list_entry(link, struct rm_client, link)));
    }
    list_for_each (link, &rm->users) {
        MUST_ALL(check_user(rm, list_entry(link, struct rm_user, link)));
    }
    return mirror_check(rm);
}

struct listed {
    uint32_t count;
    uint32_t handles[MAX_LISTED];
    bool told; /* else the chip is not started, or busy */
};

/* Asks the chip for its handles from `first` on. */
static const char *list_handles(struct rm_tpm *chip, uint32_t first, struct listed *listed)
{
    uint8_t command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    struct capability_list list;
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, MAX_LISTED);
    uint32_t code;

    listed->told = false;
    MUST(chip->transact(chip, 0, command, size, response, sizeof(response), &size) == 0,
         "the chip does not answer");
    code = header_load(response).code;
    if (code == TPM2_RC_INITIALIZE || (code & (TPM2_RC_FMT1 | TPM2_RC_WARN)) == TPM2_RC_WARN)
        return NULL;
    MUST(code == TPM2_RC_SUCCESS, "the chip does not list its handles: 0x%x", code);
    MUST(capability_list_parse(&list, response, size, TPM2_CAP_HANDLES, 4)
             && list.count <= MAX_LISTED,
         "the chip's list of handles is none");
    listed->told = true;
    listed->count = list.count;
    for (uint32_t i = 0; i < list.count; i++)
        listed->handles[i] = load_be32(list.items + 4 * (size_t)i);
    return NULL;
}

static bool has_index(const struct listed *listed, uint32_t handle)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        if ((listed->handles[i] & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK))
            return true;
    }
    return false;
}

static const char *compare_objects(struct rm *rm, const struct listed *there)
{
    list_for_each (link, &rm->slots) {
        uint32_t handle = list_entry(link, struct object, slot_link)->physical;

        MUST(has_index(there, handle), "the chip has no object 0x%08x", handle);
    }
    MUST(there->count == rm->objects_loaded, "the chip has %u objects, the books have %u",
         there->count, rm->objects_loaded);
    return NULL;
}

static const char *compare_sessions(struct rm *rm, const struct listed *loaded,
                                    const struct listed *saved)
{
    uint32_t saved_count = 0;

    list_for_each (link, &rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        saved_count += !session->loaded;
        MUST(has_index(session->loaded ? loaded : saved, session->handle),
             "the chip does not have session 0x%08x %s", session->handle,
             session->loaded ? "loaded" : "saved");
    }
    MUST(loaded->count == rm->sessions_loaded && saved->count == saved_count,
         "the chip has %u sessions loaded and %u saved, the books have %u and %u", loaded->count,
         saved->count, rm->sessions_loaded, saved_count);
    return NULL;
}

const char *rm_invariants_chip(struct rm *rm, struct rm_tpm *chip)
{
    struct listed objects, loaded, saved;

    MUST_ALL(list_handles(chip, HANDLE_TRANSIENT_FIRST, &objects));
    MUST_ALL(list_handles(chip, HANDLE_LOADED_SESSIONS, &loaded));
    MUST_ALL(list_handles(chip, HANDLE_SAVED_SESSIONS, &saved));
    if (rm->books_in_doubt || !objects.told || !loaded.told || !saved.told)
        return NULL;
    MUST_ALL(compare_objects(rm, &objects));
    return compare_sessions(rm, &loaded, &saved);
}

static bool may_name(struct rm_client *client, uint32_t handle)
{
    const struct session *session;

    if (handle_is_session(handle)) {
        session = session_find(client->rm, handle);
        return session && session->owner == client && session->loaded;
    }
    if (!handle_is_transient(handle))
        return true;
    for (uint32_t i = 0; i < client->handles.count; i++) {
        if (client->handles.entries[i].object->physical == handle)
            return true;
    }
    return false;
}

static const char *check_names(struct rm_client *client, const struct command *command)
{
    for (unsigned i = 0; i < command->handle_count; i++)
        MUST(may_name(client, command->handles[i]),
             "handle 0x%08x, which is not the client's, went to the chip", command->handles[i]);
    for (unsigned i = 0; i < command->session_count; i++)
        MUST(may_name(client, command->sessions[i].handle),
             "session 0x%08x, which is not the client's, went to the chip",
             command->sessions[i].handle);
    return NULL;
}

const char *rm_invariants_command(struct rm_client *client, const uint8_t *bytes, size_t size)
{
    const char *said = NULL;
    struct command command;
    uint8_t *copy = malloc(size);

    MUST(copy, "no memory");
    memcpy(copy, bytes, size);
    if (command_parse(&command, &client->rm->chip.commands, copy, size) == TPM2_RC_SUCCESS
        && command.code != TPM2_CC_ContextSave)
        said = check_names(client, &command);
    free(copy);
    return said;
}
