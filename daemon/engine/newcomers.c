/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/newcomers.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum scheduler_priority newcomers_priority(const struct newcomers *newcomers, uint32_t uid)
{
    for (unsigned i = 0; i < newcomers->high_count + newcomers->low_count; i++)
        if (newcomers->named[i] == uid)
            return i < newcomers->high_count ? SCHEDULER_HIGH : SCHEDULER_LOW;
    return SCHEDULER_NORMAL;
}

/* Copies the users of other priority. */
static bool newcomers_copy_named(struct newcomers *newcomers, const struct newcomers_config *config)
{
    unsigned count = config->high_count + config->low_count;

    newcomers->named = calloc(count + 1, sizeof(*newcomers->named));
    if (!newcomers->named)
        return false;
    for (unsigned i = 0; i < count; i++)
        newcomers->named[i] = i < config->high_count ? config->high_uids[i]
                                                     : config->low_uids[i - config->high_count];
    newcomers->high_count = config->high_count;
    newcomers->low_count = config->low_count;
    return true;
}

/* Milliseconds for which the client may wait for its account to be known. */
static int newcomers_time_left(const struct newcomers *newcomers, const struct client *client)
{
    return clock_left(client->doubted_since + newcomers->timeout_ms, newcomers->timeout_ms);
}

/* Lets a client go that was not served yet. */
static void newcomers_turn_away(struct client *client)
{
    if (client->origin == CLIENT_FROM_SOCKET)
        listener_tell_refused(client->io.fd);
    client_close(client);
}

/* Puts a client on its account, if that is known or no longer waited for. False while it is not; a
 * client that its account has no room for goes. */
static bool newcomers_find_account(struct newcomers *newcomers, struct client *client)
{
    bool known = accounts_find(newcomers->accounts, client->uid, clock_now(), &client->account);
    int error;

    if (!known && newcomers_time_left(newcomers, client) > 0)
        return false;
    if (!known)
        log_limited(LOG_LEVEL_WARNING, LOG_KIND_ACCOUNT, account_unknown(client->uid),
                    "the user database does not say whether user %" PRIu32 " is a member of the "
                    "socket's group; its connection shares the guests' limits",
                    client->uid);
    error = admission_settle(&newcomers->admission, client->account, &client->charge);
    client->settled = true;
    if (error) {
        log_limited(LOG_LEVEL_INFO, LOG_KIND_REFUSED, client->account,
                    "connection of user %" PRIu32 " ended: %s", client->uid, admission_text(error));
        newcomers_turn_away(client);
    }
    return true;
}

/* Serves a client of whom no more will be known in time. False when it goes on waiting. */
static bool newcomers_serve(struct newcomers *newcomers, struct client *client)
{
    if (!client->settled && !newcomers_find_account(newcomers, client))
        return false;
    if (client->state == CLIENT_CLOSED)
        return true;
    list_remove(&client->link);
    client_open(client);
    return true;
}

/* Looks after the clients that have waited for too long; the oldest waits no longer than others. */
static void newcomers_timed_out(struct timer *timer)
{
    struct newcomers *newcomers = list_entry(timer, struct newcomers, timeout);

    while (!list_empty(&newcomers->doubtful)) {
        struct client *oldest = list_entry(newcomers->doubtful.next, struct client, link);
        int left = newcomers_time_left(newcomers, oldest);

        if (left > 0) {
            loop_arm(newcomers->loop, timer, left);
            return;
        }
        newcomers_serve(newcomers, oldest);
    }
}

int newcomers_init(struct newcomers *newcomers, struct loop *loop, struct clients *clients,
                   const struct newcomers_config *config, void (*told)(void *data), void *data)
{
    int error;

    *newcomers = (struct newcomers){
        .loop = loop, .clients = clients, .timeout_ms = config->accounts.timeout_ms};
    list_init(&newcomers->doubtful);
    timer_init(&newcomers->timeout, newcomers_timed_out);
    error = admission_init(&newcomers->admission, config->max_connections,
                           config->max_connections_per_user);
    if (error)
        return error;
    /* Users of another priority have accounts of their own, for their priority to be that of nobody
     * else. */
    if (newcomers_copy_named(newcomers, config))
        newcomers->accounts = accounts_new(&config->accounts, newcomers->named,
                                           config->high_count + config->low_count, told, data);
    if (newcomers->accounts)
        return 0;
    newcomers_clear(newcomers);
    return -ENOMEM;
}

void newcomers_clear(struct newcomers *newcomers)
{
    accounts_free(newcomers->accounts);
    admission_clear(&newcomers->admission);
    free(newcomers->named);
}

void newcomers_open(struct newcomers *newcomers)
{
    admission_set_open(&newcomers->admission, true);
}

uint32_t newcomers_account(const struct newcomers *newcomers, uint32_t uid)
{
    uint32_t account;

    return accounts_find(newcomers->accounts, uid, clock_now(), &account) ? account
                                                                          : account_unknown(uid);
}

int newcomers_admit(struct newcomers *newcomers, uint32_t uid, int fd, struct client **client)
{
    struct admission *admission = &newcomers->admission;
    struct admission_charge *charge;
    uint32_t account;
    bool settled = accounts_find(newcomers->accounts, uid, clock_now(), &account);
    int error = settled ? admission_enter(admission, account, &charge)
                        : admission_enter_unknown(admission, uid, &charge);

    if (error)
        return error;
    error =
        client_new(newcomers->clients, charge, uid, newcomers_priority(newcomers, uid), fd, client);
    if (error) {
        admission_leave(admission, charge);
        return error;
    }
    (*client)->account = account;
    (*client)->settled = settled;
    return 0;
}

void newcomers_welcome(struct newcomers *newcomers, struct client *client)
{
    client->doubted_since = clock_now();
    if (newcomers_serve(newcomers, client))
        return;
    list_insert_before(&newcomers->doubtful, &client->link);
    if (!timer_is_armed(&newcomers->timeout))
        loop_arm(newcomers->loop, &newcomers->timeout, newcomers->timeout_ms);
}

int newcomers_accept(void *data, uint32_t uid, int fd)
{
    struct newcomers *newcomers = data;
    struct client *client;
    int error = newcomers_admit(newcomers, uid, fd, &client);

    if (error) {
        log_limited(LOG_LEVEL_DEBUG, LOG_KIND_REFUSED, newcomers_account(newcomers, uid),
                    "connection of user %" PRIu32 " refused: %s", uid, admission_text(error));
        return error;
    }
    client->origin = CLIENT_FROM_SOCKET;
    client->io.control = true;
    newcomers_welcome(newcomers, client);
    return 0;
}

void newcomers_settle(struct newcomers *newcomers)
{
    list_for_each (it, &newcomers->doubtful)
        newcomers_serve(newcomers, list_entry(it, struct client, link));
}

void newcomers_close(struct newcomers *newcomers)
{
    admission_set_open(&newcomers->admission, false);
    list_for_each (it, &newcomers->doubtful)
        newcomers_turn_away(list_entry(it, struct client, link));
    timer_disarm(&newcomers->timeout);
}
