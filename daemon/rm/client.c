/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/account.h"
#include "base/log.h"
#include "base/share.h"
#include "rm/capacity.h"
#include "rm/rc.h"
#include "wire/command-name.h"
#include "wire/handle.h"

#include <inttypes.h>

struct rm_client *rm_client_new(struct rm *rm, struct rm_user *user, uint32_t uid)
{
    struct rm_client *client = user ? calloc(1, sizeof(*client)) : NULL;

    if (!client) {
        rm_user_unreference(user);
        return NULL;
    }
    if (!journal_open(rm->journal, &client->mark, JOURNAL_HOLDER)) {
        rm_user_unreference(user);
        free(client);
        return NULL;
    }
    client->user = user;
    client->rm = rm;
    client->uid = uid;
    client->limits = rm->limits;
    client->number = ++rm->client_number;
    client->handles.user = client->user;
    list_insert_before(&rm->clients, &client->link);
    return client;
}

void rm_client_set_limits(struct rm_client *client, const struct rm_limits *limits)
{
    client->limits = *limits;
}

struct log_about rm_client_about(const struct rm_client *client)
{
    struct log_about about = log_about_user(client->user->uid, client->uid);

    about.connection = client->number;
    about.pid = client->pid;
    about.program = client->program;
    if (client->rm->requester == client) {
        about.command = client->rm->trace.command;
        about.command_name = command_name(about.command);
    }
    return about;
}

struct log_about rm_client_about_answer(const struct rm_client *client, uint32_t code)
{
    struct log_about about = rm_client_about(client);

    about.answered = true;
    about.response = code;
    return about;
}

static bool is_full(uint32_t used, uint32_t limit)
{
    return limit != 0 && used >= limit;
}

/* Says, once for each connection and kind of thing, which limit a command met. */
static void tell_full(struct rm_client *client, bool *told, const char *what, uint32_t code,
                      const char *limit)
{
    if (!*told)
        log_event(LOG_EVENT_LIMIT_REACHED, rm_client_about_answer(client, code),
                  "user %" PRIu32 " gets no more %s (0x%05" PRIX32 "): %s", client->uid, what, code,
                  limit);
    *told = true;
}

uint32_t client_check_objects(struct rm_client *client)
{
    const struct rm_limits *limits = &client->limits;
    const char *limit = NULL;

    if (client->handles.count >= limits->objects_per_client)
        limit = "flush some, or raise --max-transients";
    else if (is_full(client->user->objects, limits->objects_per_uid))
        limit = "all its connections have their number; flush some, or raise "
                "--max-transients-per-user";
    if (!limit)
        return TPM2_RC_SUCCESS;
    tell_full(client, &client->told_objects, "objects", RM_RC_OBJECT_MEMORY, limit);
    return RM_RC_OBJECT_MEMORY;
}

/* Whether the user has its share of the chip's sessions. Abandoned sessions do not count: they are
 * given up when another session is wanted. */
static bool has_share_of_sessions(const struct rm_client *client)
{
    const struct rm *rm = client->rm;
    uint32_t room = capacity_active_sessions(rm), chips = rm->chip.active_sessions;
    const struct share share =
        share_of(room < chips ? room : chips, RM_SESSIONS_FOR_ROOT, RM_SESSIONS_FOR_NEWCOMERS);
    struct share_holdings held = {.own = client->user->sessions};

    list_for_each (link, &rm->users) {
        const struct rm_user *user = list_entry(link, struct rm_user, link);

        *(user->uid == ACCOUNT_ROOT ? &held.root : &held.others) += user->sessions;
    }
    /* Root gets what the chip has. */
    return client->user->uid != ACCOUNT_ROOT && !share_has_for(&share, &held);
}

uint32_t client_check_sessions(struct rm_client *client)
{
    const struct rm_limits *limits = &client->limits;
    const char *limit = NULL;

    if (client->session_count >= limits->sessions_per_client)
        limit = "flush some, or raise --max-sessions";
    else if (is_full(client->user->sessions, limits->sessions_per_uid))
        limit = "all its connections have their number; flush some, or raise "
                "--max-sessions-per-user";
    else if (client->rm->limits.share_sessions && has_share_of_sessions(client))
        limit = "the rest of the TPM's is for other users; flush some";
    if (!limit)
        return TPM2_RC_SUCCESS;
    tell_full(client, &client->told_sessions, "sessions", RM_RC_SESSION_MEMORY, limit);
    return RM_RC_SESSION_MEMORY;
}

static void lose_session(struct rm_client *client, uint32_t handle)
{
    struct session *session = session_find_usable(client->rm, client, handle);

    if (session)
        session_apply(client->rm, session, SESSION_EVENT_GIVE_UP);
}

void client_lose_named(struct rm_client *client, const struct command *command)
{
    for (unsigned i = 0; i < command->session_count; i++)
        lose_session(client, command->sessions[i].handle);
    for (unsigned i = 0; i < command->handle_count; i++) {
        const struct object *object = handles_find(&client->handles, command->handles[i]);

        lose_session(client, command->handles[i]);
        if (object && object->sequence)
            handles_remove(client->rm, &client->handles, command->handles[i]);
    }
}

void rm_client_set_number(struct rm_client *client, uint64_t number)
{
    client->number = number;
    journal_touch(client->rm->journal, &client->mark);
}

void rm_client_set_cookie(struct rm_client *client, uint64_t cookie)
{
    client->cookie = cookie;
    journal_touch(client->rm->journal, &client->mark);
}

void rm_client_set_process(struct rm_client *client, uint32_t pid, const char *program)
{
    client->pid = pid;
    client->program = program;
}

void rm_client_set_locality(struct rm_client *client, uint8_t locality)
{
    client->locality = locality;
}

bool rm_client_set_policy(struct rm_client *client, const struct policy *policy)
{
    struct shared_policy *shared = shared_policy_get(client->rm, policy);

    if (!shared)
        return false;
    shared_policy_unreference(client->policy);
    client->policy = shared;
    return true;
}

enum rm_affinity rm_client_affinity(const struct rm_client *client)
{
    unsigned objects_out = 0, sessions_out = 0;
    const struct last_needs *last;
    const struct rm *rm;

    if (!client || client->last.count == 0)
        return RM_AFFINITY_NEUTRAL;
    rm = client->rm;
    last = &client->last;
    for (unsigned i = 0; i < last->count; i++) {
        if (handle_is_transient(last->handles[i])) {
            const struct object *object = handles_find(&client->handles, last->handles[i]);

            objects_out += object && object->physical == OBJECT_NOT_LOADED;
        } else {
            const struct session *session =
                session_find_usable(client->rm, client, last->handles[i]);

            sessions_out += session && !session->loaded;
        }
    }
    if (objects_out + sessions_out == 0)
        return RM_AFFINITY_RESIDENT;
    objects_out += last->made_objects;
    sessions_out += last->made_sessions;
    if (rm->objects_loaded + objects_out > capacity_object_slots(rm)
        || rm->objects_loaded + objects_out + last->scratch_objects > rm->chip.object_slots
        || rm->sessions_loaded + sessions_out > capacity_session_slots(rm))
        return RM_AFFINITY_WOULD_EVICT;
    return RM_AFFINITY_NEUTRAL;
}

/* Keeps a user's abandoned sessions within the limit: the one saved longest ago goes. */
static void limit_abandoned(struct rm_client *client)
{
    struct rm *rm = client->rm;
    struct rm_user *user = client->user;
    struct session *oldest = session_oldest_abandoned(rm, user);
    char account[ACCOUNT_TEXT];

    if (!oldest || user->abandoned <= client->limits.abandoned_per_uid)
        return;
    log_event(LOG_EVENT_SESSION_DISCARDED, rm_client_about(client),
              "there are more than %u saved sessions of closed connections of %s; the oldest, "
              "0x%08x, is flushed",
              client->limits.abandoned_per_uid, account_text(user->uid, account), oldest->handle);
    session_apply(rm, oldest, SESSION_EVENT_GIVE_UP);
}

void rm_client_free(struct rm_client *client)
{
    if (!client)
        return;
    handles_clear(client->rm, &client->handles);
    list_for_each (link, &client->rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session->owner != client)
            continue;
        session_apply(client->rm, session, SESSION_EVENT_OWNER_CLOSED);
        limit_abandoned(client);
    }
    list_remove(&client->link);
    journal_close(client->rm->journal, &client->mark);
    shared_policy_unreference(client->policy);
    rm_user_unreference(client->user);
    free(client);
}
