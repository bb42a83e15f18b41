/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* How many are let in at a time. */
#define DOOR_ROW 64

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

static struct engine_client *door_client_new(struct engine *engine, uint32_t uid)
{
    struct engine_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->engine = engine;
    client->uid = uid;
    client->io.fd = -1;
    list_init(&client->link);
    list_init(&client->unseen);
    client->priority = door_priority(engine, uid);
    client->record = scheduler_user_new();
    if (client->record)
        return client;
    free(client);
    return NULL;
}

int door_admit(struct engine *engine, uint32_t uid, int fd, struct engine_client **client)
{
    struct admission_seat *seat;
    struct epoll_event event;
    int error = admission_enter(&engine->admission, uid, &seat);

    if (error)
        return error;
    *client = door_client_new(engine, uid);
    if (!*client) {
        admission_leave(&engine->admission, seat);
        return -ENOMEM;
    }
    (*client)->seat = seat;
    /* Adding takes memory and may fail; asking for events later does not. */
    event = (struct epoll_event){EPOLLET, {.ptr = *client}};
    if (epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        error = -errno;
        serve_client_free(*client);
        return error;
    }
    client_io_init(&(*client)->io, fd);
    return 0;
}

static bool door_watch(struct engine *engine, int how, uint32_t events)
{
    struct epoll_event event = {events, {.ptr = &engine->listener}};

    return epoll_ctl(engine->epoll_fd, how, listener_fd(engine->listener), &event) == 0;
}

bool door_open(struct engine *engine)
{
    return !engine->listener || door_watch(engine, EPOLL_CTL_ADD, EPOLLIN);
}

void door_close(struct engine *engine)
{
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
    door_watch(engine, EPOLL_CTL_MOD, 0);
    engine->door_at = clock_now() + DOOR_PAUSE_MS;
}

static void door_let_in(struct engine *engine, uint32_t uid, int fd)
{
    struct engine_client *client;
    int error = door_admit(engine, uid, fd, &client);

    if (error) {
        log_limited(LOG_LEVEL_DEBUG, LOG_KIND_REFUSED, uid,
                    "connection of user %" PRIu32 " refused: %s", uid, admission_text(error));
        listener_refuse(fd);
        return;
    }
    engine->door_warned = false;
    client->visitor = client->io.control = true;
    serve_add(engine, client);
}

void door_event(struct engine *engine)
{
    /* A message that came before this event may have closed the door. */
    for (unsigned i = 0; engine->listener && i < DOOR_ROW; i++) {
        uint32_t uid;
        int fd = listener_accept(engine->listener, &uid);

        if (fd >= 0)
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

void door_mind(struct engine *engine)
{
    if (engine->door_at == 0 || clock_left(engine->door_at, DOOR_PAUSE_MS) > 0)
        return;
    engine->door_at = 0;
    door_watch(engine, EPOLL_CTL_MOD, EPOLLIN);
}
