/* SPDX-License-Identifier: BSD-2-Clause */
#include "books.h"

#include "fuzz.h"
#include "wire/capability.h"
#include "wire/handle.h"

#include <string.h>

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

static void check_object(struct rm *rm, struct object *object)
{
    bool loaded = object->physical != OBJECT_NOT_LOADED;

    fuzz_must(object->references == references_to(rm, object),
              "an object counts %u handles, not %u", object->references, references_to(rm, object));
    fuzz_must(!object->pinned, "object 0x%08x is pinned and no command runs", object->physical);
    fuzz_must(loaded || object->references > 0,
              "an object is kept that is nobody's and not loaded");
    fuzz_must(loaded || !blob_empty(&object->saved), "an object is nowhere");
    fuzz_must(loaded != list_empty(&object->slot_link), "an object is not where it seems to be");
    fuzz_must(object->immutable || list_empty(&object->content_link),
              "a sequence object can be found by its context");
}

static void check_objects(struct rm *rm)
{
    uint32_t loaded = 0;

    list_for_each (link, &rm->objects) {
        check_object(rm, list_entry(link, struct object, link));
    }
    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);

        loaded++;
        fuzz_must(handle_is_transient(object->physical), "handle 0x%08x of an object",
                  object->physical);
        list_for_each (other, &rm->slots) {
            fuzz_must(link == other
                          || list_entry(other, struct object, slot_link)->physical
                                 != object->physical,
                      "physical handle 0x%08x is known twice", object->physical);
        }
    }
    fuzz_must(loaded == rm->objects_loaded, "%u objects loaded, counted as %u", loaded,
              rm->objects_loaded);
}

static void check_session(struct rm *rm, struct session *session)
{
    bool saved_by_client =
        session->state == SESSION_CLIENT_SAVED || session->state == SESSION_ABANDONED;
    bool owned = session->state != SESSION_ABANDONED && session->state != SESSION_DOOMED;

    fuzz_must(session->state != SESSION_GONE, "session 0x%08x is gone and there", session->handle);
    fuzz_must(!session->pinned, "session 0x%08x is pinned and no command runs", session->handle);
    fuzz_must(!session->loaded || blob_empty(&session->saved),
              "session 0x%08x is in a slot and in a context", session->handle);
    /* The context of one that is to be flushed may be lost. */
    fuzz_must(session->loaded || !blob_empty(&session->saved) || session->state == SESSION_DOOMED,
              "session 0x%08x is neither in a slot nor in a context", session->handle);
    fuzz_must(session->state != SESSION_LOADED || session->loaded, "session 0x%08x is not loaded",
              session->handle);
    fuzz_must(session->state == SESSION_DOOMED || saved_by_client == !blob_empty(&session->held),
              "session 0x%08x and what its client holds disagree", session->handle);
    fuzz_must(owned == (session->owner != NULL), "session 0x%08x in state %d has %s owner",
              session->handle, (int)session->state, session->owner ? "an" : "no");
    fuzz_must(session_find(rm, session->handle) == session, "session 0x%08x is known twice",
              session->handle);
}

static void check_sessions(struct rm *rm)
{
    uint32_t loaded = 0;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        check_session(rm, session);
        loaded += session->loaded;
    }
    fuzz_must(loaded == rm->sessions_loaded, "%u sessions loaded, counted as %u", loaded,
              rm->sessions_loaded);
}

static void check_client(struct rm *rm, struct rm_client *client)
{
    const struct handles *handles = &client->handles;
    uint32_t sessions = 0;

    fuzz_must(handles->count <= rm->limits.objects_per_client, "a client has %u objects",
              handles->count);
    fuzz_must(handles->count <= handles->capacity, "more handles than there is room for");
    for (uint32_t i = 0; i < handles->count; i++) {
        fuzz_must(handle_is_transient(handles->entries[i].handle), "virtual handle 0x%08x",
                  handles->entries[i].handle);
        fuzz_must(i == 0 || handles->entries[i - 1].handle < handles->entries[i].handle,
                  "virtual handles are out of order");
    }
    list_for_each (link, &rm->sessions) {
        sessions += list_entry(link, struct session, link)->owner == client;
    }
    fuzz_must(sessions == client->session_count, "a client has %u sessions and is charged for %u",
              sessions, client->session_count);
    fuzz_must(sessions <= rm->limits.sessions_per_client, "a client has %u sessions", sessions);
}

void books_check(struct rm *rm)
{
    check_objects(rm);
    check_sessions(rm);
    list_for_each (link, &rm->clients) {
        check_client(rm, list_entry(link, struct rm_client, link));
    }
}

/* Asks the chip for up to `max` handles from `first` on. */
static uint32_t list_handles(struct rm_tpm *chip, uint32_t first, uint32_t *handles, uint32_t max)
{
    uint8_t command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    struct capability_list list;
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, max);

    fuzz_must(chip->transact(chip, 0, command, size, response, sizeof(response), &size) == 0,
              "the chip does not answer");
    if (!capability_list_parse(&list, response, size, TPM2_CAP_HANDLES, 4))
        return UINT32_MAX;
    for (uint32_t i = 0; i < list.count; i++)
        handles[i] = load_be32(list.items + 4 * (size_t)i);
    return list.count;
}

static bool has_index(const uint32_t *handles, uint32_t count, uint32_t handle)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((handles[i] & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK))
            return true;
    }
    return false;
}

void books_check_chip(struct rm *rm, struct rm_tpm *chip)
{
    uint32_t objects[128], loaded[128], saved[128], saved_count = 0;
    uint32_t objects_there = list_handles(chip, HANDLE_TRANSIENT_FIRST, objects, 100);
    uint32_t loaded_there = list_handles(chip, HANDLE_LOADED_SESSIONS, loaded, 100);
    uint32_t saved_there = list_handles(chip, HANDLE_SAVED_SESSIONS, saved, 100);

    /* A chip that is not started, or busy, lists nothing. */
    if (rm->suspect || objects_there == UINT32_MAX || loaded_there == UINT32_MAX
        || saved_there == UINT32_MAX)
        return;
    list_for_each (link, &rm->slots) {
        uint32_t handle = list_entry(link, struct object, slot_link)->physical;

        fuzz_must(has_index(objects, objects_there, handle), "the chip has no object 0x%08x",
                  handle);
    }
    fuzz_must(objects_there == rm->objects_loaded, "the chip has %u objects, the books have %u",
              objects_there, rm->objects_loaded);
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        saved_count += !session->loaded;
        fuzz_must(session->loaded ? has_index(loaded, loaded_there, session->handle)
                                  : has_index(saved, saved_there, session->handle),
                  "the chip does not have session 0x%08x %s", session->handle,
                  session->loaded ? "loaded" : "saved");
    }
    fuzz_must(loaded_there == rm->sessions_loaded && saved_there == saved_count,
              "the chip has %u sessions loaded and %u saved, the books have %u and %u",
              loaded_there, saved_there, rm->sessions_loaded, saved_count);
}

static bool may_name(struct rm_client *client, uint32_t handle)
{
    struct session *session;

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

void books_check_command(struct rm_client *client, const uint8_t *bytes, size_t size)
{
    struct command command;
    uint8_t *copy = malloc(size);

    fuzz_must(copy, "no memory");
    memcpy(copy, bytes, size);
    if (command_parse(&command, &client->rm->chip.commands, copy, size) == TPM2_RC_SUCCESS
        && command.code != TPM2_CC_ContextSave) {
        for (unsigned i = 0; i < command.handle_count; i++)
            fuzz_must(may_name(client, command.handles[i]),
                      "handle 0x%08x, which is not the client's, went to the chip",
                      command.handles[i]);
        for (unsigned i = 0; i < command.session_count; i++)
            fuzz_must(may_name(client, command.sessions[i].handle),
                      "session 0x%08x, which is not the client's, went to the chip",
                      command.sessions[i].handle);
    }
    free(copy);
}
