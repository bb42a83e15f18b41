/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <unistd.h>

/* How many are let in at a time: more than the kernel's queue holds, so that it is empty after. */
#define DOOR_ROW (2 * LISTENER_BACKLOG)

/* So many come at a time when nobody connects for the sake of connecting. Of further ones nothing
 * is made where they have gone again. */
#define DOOR_FEW 16

static enum scheduler_priority door_priority(const struct engine *engine, uint32_t uid)
{
    for (unsigned i = 0; i < engine->high_count; i++)
        if (engine->high_uids[i] == uid)
            return SCHEDULER_HIGH;
    for (unsigned i = 0; i < engine->low_count; i++)
        if (engine->low_uids[i] == uid)
            return SCHEDULER_LOW;
    return SCHEDULER_NORMAL;
}

int door_admit(struct engine *engine, uint32_t uid, int fd, struct client **client)
{
    struct admission_seat *seat;
    uint32_t account;
    bool settled = accounts_find(engine->accounts, uid, clock_now(), &account);
    int error = settled ? admission_enter(&engine->admission, account, &seat)
                        : admission_enter_unknown(&engine->admission, uid, &seat);

    if (error)
        return error;
    error = client_new(&engine->clients, seat, uid, door_priority(engine, uid), fd, client);
    if (error) {
        admission_leave(&engine->admission, seat);
        return error;
    }
    (*client)->account = account;
    (*client)->settled = settled;
    return 0;
}

/* Lets a client go that was not served yet. */
static void door_turn_away(struct client *client)
{
    if (client->origin == CLIENT_FROM_SOCKET)
        listener_tell_refused(client->io.fd);
    client_close(client);
}

/* Milliseconds for which the client may wait for its account to be known. */
static int door_patience_left(const struct engine *engine, const struct client *client)
{
    return clock_left(client->doubted_since + engine->patience_ms, engine->patience_ms);
}

/* Puts a client on its account, if that is known or no longer waited for. False while it is not; a
 * client that its account has no room for goes. */
static bool door_settle(struct engine *engine, struct client *client)
{
    bool known = accounts_find(engine->accounts, client->uid, clock_now(), &client->account);
    int error;

    if (!known && door_patience_left(engine, client) > 0)
        return false;
    if (!known)
        log_limited(LOG_LEVEL_WARNING, LOG_KIND_ACCOUNT, account_unknown(client->uid),
                    "the user database does not say whether user %" PRIu32 " is a member of the "
                    "socket's group; its connection shares the guests' limits",
                    client->uid);
    error = admission_settle(&engine->admission, client->account, &client->seat);
    client->settled = true;
    if (error) {
        log_limited(LOG_LEVEL_INFO, LOG_KIND_REFUSED, client->account,
                    "connection of user %" PRIu32 " ended: %s", client->uid, admission_text(error));
        door_turn_away(client);
    }
    return true;
}

void door_welcome(struct engine *engine, struct client *client)
{
    client->doubted_since = clock_now();
    if (!client->settled && !door_settle(engine, client))
        list_insert_before(&engine->doubtful, &client->link);
    else if (client->state != CLIENT_CLOSED)
        client_open(client);
}

/* Serves a client of whom no more will be known in time. False when it goes on waiting. */
static bool door_serve_doubtful(struct engine *engine, struct client *client)
{
    if (!door_settle(engine, client))
        return false;
    if (client->state != CLIENT_CLOSED) {
        list_remove(&client->link);
        client_open(client);
    }
    return true;
}

void door_settle_doubtful(struct engine *engine)
{
    list_for_each (it, &engine->doubtful)
        door_serve_doubtful(engine, list_entry(it, struct client, link));
}

/* The oldest waits no longer than the others. */
static struct client *door_oldest_doubtful(const struct engine *engine)
{
    return list_empty(&engine->doubtful) ? NULL
                                         : list_entry(engine->doubtful.next, struct client, link);
}

static void door_end_doubts(struct engine *engine)
{
    struct client *oldest;

    while ((oldest = door_oldest_doubtful(engine)) && door_patience_left(engine, oldest) == 0)
        if (!door_serve_doubtful(engine, oldest))
            return;
}

bool door_open(struct engine *engine)
{
    engine->door_watch.happened = door_event;
    engine->door_watch.once = true;
    return !engine->listener
           || loop_watch(&engine->loop, &engine->door_watch, listener_fd(engine->listener), EPOLLIN)
                  == 0;
}

void door_close(struct engine *engine)
{
    list_for_each (it, &engine->doubtful)
        door_turn_away(list_entry(it, struct client, link));
    listener_free(engine->listener);
    engine->listener = NULL;
    engine->door_at = 0;
}

/* Newcomers stay in the kernel's queue meanwhile. */
static void door_pause(struct engine *engine, int error)
{
    if (!engine->door_warned)
        log_limited(LOG_LEVEL_WARNING, LOG_KIND_PAUSE, ACCOUNT_ROOT,
                    "nobody can be let in for a moment: %s", admission_text(error));
    engine->door_warned = true;
    loop_change(&engine->loop, &engine->door_watch, 0);
    engine->door_at = clock_now() + DOOR_PAUSE_MS;
}

static void door_let_in(struct engine *engine, uint32_t uid, int fd)
{
    struct client *client;
    int error = door_admit(engine, uid, fd, &client);

    if (error) {
        log_limited(LOG_LEVEL_DEBUG, LOG_KIND_REFUSED, engine_account(engine, uid),
                    "connection of user %" PRIu32 " refused: %s", uid, admission_text(error));
        listener_refuse(fd);
        return;
    }
    engine->door_warned = false;
    client->origin = CLIENT_FROM_SOCKET;
    client->io.control = true;
    door_welcome(engine, client);
}

void door_event(struct watch *watch, uint32_t events)
{
    struct engine *engine = list_entry(watch, struct engine, door_watch);

    (void)events;
    /* A message that came before this event may have closed the door. */
    for (unsigned i = 0; engine->listener && i < DOOR_ROW; i++) {
        uint32_t uid;
        int fd = listener_accept(engine->listener, &uid);

        if (fd >= 0 && i >= DOOR_FEW && listener_is_gone(fd))
            close(fd);
        else if (fd >= 0)
            door_let_in(engine, uid, fd);
        else if (fd == -EAGAIN)
            return;
        else if (fd == -EMFILE || fd == -ENFILE)
            log_limited(LOG_LEVEL_DEBUG, LOG_KIND_PAUSE, ACCOUNT_ROOT, "connection refused: %s",
                        admission_text(fd));
        else {
            door_pause(engine, fd);
            return;
        }
    }
}

int door_left(const struct engine *engine)
{
    const struct client *oldest = door_oldest_doubtful(engine);
    int left = -1, patience;

    if (engine->door_at)
        left = clock_left(engine->door_at, DOOR_PAUSE_MS);
    if (!oldest)
        return left;
    patience = door_patience_left(engine, oldest);
    return left < 0 || patience < left ? patience : left;
}

void door_mind(struct engine *engine)
{
    door_end_doubts(engine);
    if (engine->door_at == 0 || clock_left(engine->door_at, DOOR_PAUSE_MS) > 0)
        return;
    engine->door_at = 0;
    loop_change(&engine->loop, &engine->door_watch, EPOLLIN);
}
