/* SPDX-License-Identifier: BSD-2-Clause */
#include "mirror-compare.h"

#include "rules.h"

#include <inttypes.h>

static bool is_same_blob(const struct blob *a, const struct blob *b)
{
    return blob_empty(a) ? blob_empty(b) : blob_equal(b, a->bytes, a->size);
}

/* What a command that runs is about to make, which is in nobody's books yet. */
static bool is_to_be_made(const struct object *object)
{
    return object->references == 0 && object->physical == OBJECT_NOT_LOADED;
}

static const char *compare_object(const struct object *object, const struct object *twin)
{
    MUST(object->physical == twin->physical, "object 0x%08x is 0x%08x", object->physical,
         twin->physical);
    MUST(is_same_blob(&object->saved, &twin->saved), "the context of object 0x%08x differs",
         object->physical);
    MUST(object->immutable == twin->immutable && object->sequence == twin->sequence,
         "object 0x%08x is immutable: %d, a sequence: %d", object->physical, twin->immutable,
         twin->sequence);
    MUST(object->name_size == twin->name_size
             && memcmp(object->name, twin->name, object->name_size) == 0,
         "the Name of object 0x%08x differs", object->physical);
    MUST(object->references == twin->references, "object 0x%08x has %u handles, not %u",
         object->physical, twin->references, object->references);
    if (blob_empty(&object->saved))
        return NULL;
    MUST(object->hierarchy == twin->hierarchy && object->st_clear == twin->st_clear,
         "object 0x%08x is of another hierarchy, or kind", object->physical);
    MUST(list_empty(&object->content_link) == list_empty(&twin->content_link),
         "object 0x%08x is found by its context: %d", object->physical,
         !list_empty(&twin->content_link));
    return NULL;
}

/* The two are one: each has its twin's address, which reports would take for a client. */
static const char *pair_objects(struct object *object, struct object *twin)
{
    MUST(twin->client == 0 || twin->client == (uintptr_t)object,
         "object 0x%08x is two of the books'", twin->physical);
    if (twin->client != 0)
        return NULL;
    twin->client = (uintptr_t)object;
    return compare_object(object, twin);
}

static const char *compare_client(const struct rm_client *client, const struct rm_client *twin)
{
    const struct handles *handles = &client->handles, *others = &twin->handles;

    MUST(client->number == twin->number && client->uid == twin->uid
             && client->user->uid == twin->user->uid,
         "client %" PRIu64 " is %" PRIu64 ", of user %u and account %u", client->number,
         twin->number, twin->uid, twin->user->uid);
    MUST(handles->next == others->next && handles->count == others->count
             && client->session_count == twin->session_count,
         "client %" PRIu64 " has %u handles, the next is %u, and %u sessions", client->number,
         others->count, others->next, twin->session_count);
    for (uint32_t i = 0; i < handles->count; i++) {
        MUST(handles->entries[i].handle == others->entries[i].handle,
             "client %" PRIu64 " has handle 0x%08x, not 0x%08x", client->number,
             others->entries[i].handle, handles->entries[i].handle);
        MUST_ALL(pair_objects(handles->entries[i].object, others->entries[i].object));
    }
    return NULL;
}

static uint32_t length(const struct list *list)
{
    uint32_t count = 0;

    list_for_each (link, list) {
        count++;
    }
    return count;
}

static const char *compare_clients(struct rm *books, struct rm *copy)
{
    MUST(length(&books->clients) == length(&copy->clients), "it has %u clients, not %u",
         length(&copy->clients), length(&books->clients));
    list_for_each (link, &books->clients) {
        const struct rm_client *client = list_entry(link, struct rm_client, link), *twin = NULL;

        list_for_each (other, &copy->clients) {
            if (list_entry(other, struct rm_client, link)->cookie == client->cookie)
                twin = list_entry(other, struct rm_client, link);
        }
        MUST(twin, "it has no client %" PRIu64, client->number);
        MUST_ALL(compare_client(client, twin));
    }
    return NULL;
}

/* Objects that no handle names are known by their slots. */
static const char *pair_orphan(struct object *object, struct rm *copy)
{
    list_for_each (link, &copy->slots) {
        struct object *twin = list_entry(link, struct object, slot_link);

        if (twin->physical == object->physical)
            return pair_objects(object, twin);
    }
    return rules_say("it has no object 0x%08x", object->physical);
}

static const char *compare_objects(struct rm *books, struct rm *copy)
{
    uint32_t to_be_made = 0;

    list_for_each (link, &books->objects) {
        struct object *object = list_entry(link, struct object, link);

        to_be_made += is_to_be_made(object);
        if (object->references == 0 && !is_to_be_made(object))
            MUST_ALL(pair_orphan(object, copy));
    }
    MUST(length(&books->objects) - to_be_made == length(&copy->objects),
         "it has %u objects, not %u", length(&copy->objects), length(&books->objects) - to_be_made);
    MUST(books->objects_loaded == copy->objects_loaded, "%u objects are loaded, not %u",
         copy->objects_loaded, books->objects_loaded);
    return NULL;
}

static uint64_t cookie_of(const struct rm_client *client)
{
    return client ? client->cookie : 0;
}

static const char *compare_session(const struct session *session, const struct session *twin)
{
    MUST(twin && session->handle == twin->handle, "it has no session 0x%08x", session->handle);
    MUST(session->state == twin->state && session->loaded == twin->loaded
             && session->context_used_up == twin->context_used_up,
         "session 0x%08x is in state %d, loaded: %d, its context used: %d", session->handle,
         (int)twin->state, twin->loaded, twin->context_used_up);
    MUST(cookie_of(session->owner) == cookie_of(twin->owner), "session 0x%08x is another client's",
         session->handle);
    MUST(session->uid == twin->uid && !session->user == !twin->user
             && (!session->user || session->user->uid == twin->user->uid),
         "session 0x%08x is of user %u", session->handle, twin->uid);
    MUST(is_same_blob(&session->saved, &twin->saved) && is_same_blob(&session->held, &twin->held),
         "the contexts of session 0x%08x differ", session->handle);
    MUST(session->held_since == twin->held_since, "session 0x%08x is held since %" PRIu64,
         session->handle, twin->held_since);
    MUST(blob_empty(&session->saved) || session->sequence == twin->sequence,
         "session 0x%08x has sequence %" PRIu64, session->handle, twin->sequence);
    return NULL;
}

/* The session that was saved next, from the link on; NULL for none. */
static const struct session *next_saved(const struct rm *rm, const struct list *link)
{
    for (; link != &rm->sessions; link = link->next) {
        const struct session *session = list_entry((struct list *)link, struct session, link);

        if (!blob_empty(&session->saved))
            return session;
    }
    return NULL;
}

/* Sessions stand in the order of their saving, which their sequence numbers tell of a chip that
 * counts as it should. */
static const char *compare_order(const struct rm *books, const struct rm *copy)
{
    const struct session *session = next_saved(books, books->sessions.next), *twin;
    uint64_t before = 0;

    for (; session; session = next_saved(books, session->link.next)) {
        if (session->sequence <= before)
            return NULL;
        before = session->sequence;
    }
    session = next_saved(books, books->sessions.next);
    twin = next_saved(copy, copy->sessions.next);
    while (session && twin && session->handle == twin->handle) {
        session = next_saved(books, session->link.next);
        twin = next_saved(copy, twin->link.next);
    }
    MUST(!session && !twin, "saved sessions stand in another order");
    return NULL;
}

static const char *compare_sessions(struct rm *books, struct rm *copy)
{
    MUST(books->session_count == copy->session_count
             && books->sessions_loaded == copy->sessions_loaded,
         "%u sessions are there, not %u, and %u loaded, not %u", copy->session_count,
         books->session_count, copy->sessions_loaded, books->sessions_loaded);
    list_for_each (link, &books->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        MUST_ALL(compare_session(session, session_find(copy, session->handle)));
        MUST(session->held_since < copy->clock || session->held_since == 0,
             "the clock does not go on");
    }
    return compare_order(books, copy);
}

static const struct rm_user *find_user(const struct rm *rm, uint32_t account)
{
    list_for_each (link, &rm->users) {
        if (list_entry(link, struct rm_user, link)->uid == account)
            return list_entry(link, struct rm_user, link);
    }
    return NULL;
}

/* A user that has nothing need not be known. */
static const char *compare_users(struct rm *books, struct rm *copy)
{
    list_for_each (link, &books->users) {
        const struct rm_user *user = list_entry(link, struct rm_user, link);
        const struct rm_user *twin = find_user(copy, user->uid), none = {0};

        twin = twin ? twin : &none;
        MUST(user->objects == twin->objects && user->sessions == twin->sessions
                 && user->abandoned == twin->abandoned,
             "account %u has %u objects, %u sessions, and %u that it left", user->uid,
             twin->objects, twin->sessions, twin->abandoned);
    }
    return NULL;
}

const char *mirror_compare(struct rm *books, struct rm *copy)
{
    list_for_each (link, &copy->objects) {
        list_entry(link, struct object, link)->client = 0;
    }
    MUST(books->chip.reset_count == copy->chip.reset_count, "the chip had %u resets, not %u",
         copy->chip.reset_count, books->chip.reset_count);
    MUST_ALL(compare_clients(books, copy));
    MUST_ALL(compare_objects(books, copy));
    MUST_ALL(compare_sessions(books, copy));
    return compare_users(books, copy);
}
