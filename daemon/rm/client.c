/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"
#include "rm/state.h"

struct rm_client *rm_client_new(struct rm *rm, uint32_t uid)
{
    struct rm_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->rm = rm;
    client->uid = uid;
    list_insert_before(&rm->clients, &client->link);
    return client;
}

void rm_client_set_locality(struct rm_client *client, uint8_t locality)
{
    client->locality = locality;
}

/* Keeps a user's abandoned sessions within the limit: those saved longest ago go first. */
static void limit_abandoned(struct rm *rm, uint32_t uid)
{
    struct session *oldest = NULL;
    uint32_t count = 0;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session->state != SESSION_ABANDONED || session->uid != uid)
            continue;
        count++;
        if (!oldest)
            oldest = session;
    }
    if (count <= rm->limits.abandoned_per_uid)
        return;
    log_info("uid %u has more than %u saved sessions of closed connections; the oldest, 0x%08x, "
             "is flushed",
             uid, rm->limits.abandoned_per_uid, oldest->handle);
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
        limit_abandoned(client->rm, client->uid);
    }
    list_remove(&client->link);
    free(client);
}
