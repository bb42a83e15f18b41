/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/newcomers.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

/* The rules that hold now, as a reference of the caller's. */
static struct rules *newcomers_rules(struct newcomers *newcomers)
{
    struct rules *rules;

    pthread_mutex_lock(&newcomers->lock);
    rules = rules_reference(newcomers->rules);
    pthread_mutex_unlock(&newcomers->lock);
    return rules;
}

/* As accounts_find(). Users with a rule of their own have accounts of their own, for what that says
 * to be for nobody else. */
static bool newcomers_find(struct newcomers *newcomers, const struct rules *rules, uint32_t uid,
                           uint32_t *account)
{
    *account = uid;
    return rules_name(rules, uid) || accounts_find(newcomers->accounts, uid, clock_now(), account);
}

/* Has the rules that hold now hold for the client. */
static void newcomers_judge(struct client *client, void *data)
{
    struct newcomers *newcomers = data;
    struct rules *rules = newcomers_rules(newcomers);
    struct user_rules found;

    rules_find(rules, client->uid, &client->groups, client->user->account, &found);
    client_set_rules(client, &found);
    rules_unreference(rules);
}

/* Milliseconds for which the client may wait for its account to be known. */
static int newcomers_time_left(const struct newcomers *newcomers, const struct client *client)
{
    return clock_left(client->record.since + newcomers->timeout_ms, newcomers->timeout_ms);
}

/* Lets a client go that was not served yet. */
static void newcomers_turn_away(struct client *client)
{
    if (client->origin == CLIENT_FROM_SOCKET)
        listener_tell_refused(client->io.fd);
    client_close(client);
}

static void newcomers_tell_unknown(struct client *client)
{
    log_event(LOG_EVENT_USER_UNKNOWN, client_about(client),
              "the user database does not say whether user %" PRIu32 " is a member of the "
              "socket's group; its connection is a guest's",
              client->uid);
}

/* Puts a client on its account, if that is known or no longer waited for. False while it is not; a
 * client that its account has no room for goes. */
static bool newcomers_find_account(struct newcomers *newcomers, struct client *client)
{
    struct rules *rules = newcomers_rules(newcomers);
    struct user_rules found;
    struct log_about about;
    uint32_t account;
    bool known = newcomers_find(newcomers, rules, client->uid, &account);
    int error;

    rules_find(rules, client->uid, &client->groups, account, &found);
    rules_unreference(rules);
    if (!known && newcomers_time_left(newcomers, client) > 0)
        return false;
    error = admission_settle(&newcomers->admission, account, found.connections_per_user,
                             client->unknown, &client->user);
    client->unknown = NULL;
    if (error) {
        if (!known)
            newcomers_tell_unknown(client);
        about = client_about(client);
        about.account = account;
        log_event(LOG_EVENT_CONNECTION_REFUSED, about, "connection of user %" PRIu32 " ended: %s",
                  client->uid, admission_text(error));
        newcomers_turn_away(client);
    }
    return true;
}

/* Finds whether a client is a member's, if that is known or no longer waited for. False while it is
 * not. */
static bool newcomers_find_member(struct newcomers *newcomers, struct client *client)
{
    bool known =
        accounts_find_member(newcomers->accounts, client->uid, clock_now(), &client->member);

    if (!known && newcomers_time_left(newcomers, client) > 0)
        return false;
    if (!known)
        newcomers_tell_unknown(client);
    return true;
}

/* Serves a client of whom no more will be known in time. False when it goes on waiting. */
static bool newcomers_serve(struct newcomers *newcomers, struct client *client)
{
    if (!client->user && !newcomers_find_account(newcomers, client))
        return false;
    if (client->state == CLIENT_CLOSED)
        return true;
    if (!newcomers_find_member(newcomers, client))
        return false;
    list_remove(&client->link);
    newcomers_judge(client, newcomers);
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
    seats_init(&newcomers->seats, loop);
    clients->seats = &newcomers->seats;
    error = users_init(&newcomers->users);
    if (error)
        return error;
    error = -pthread_mutex_init(&newcomers->lock, NULL);
    if (error) {
        users_clear(&newcomers->users);
        return error;
    }
    admission_init(&newcomers->admission, &newcomers->users, config->max_connections);
    newcomers->rules = rules_new(&config->rules);
    if (newcomers->rules)
        newcomers->accounts = accounts_new(&config->accounts, told, data);
    if (newcomers->accounts)
        return 0;
    newcomers_clear(newcomers);
    return -ENOMEM;
}

void newcomers_clear(struct newcomers *newcomers)
{
    accounts_free(newcomers->accounts);
    seats_clear(&newcomers->seats);
    admission_clear(&newcomers->admission);
    users_clear(&newcomers->users);
    rules_unreference(newcomers->rules);
    pthread_mutex_destroy(&newcomers->lock);
}

void newcomers_open(struct newcomers *newcomers)
{
    admission_set_open(&newcomers->admission, true);
}

uint32_t newcomers_account(struct newcomers *newcomers, uint32_t uid)
{
    struct rules *rules = newcomers_rules(newcomers);
    uint32_t account;
    bool known = newcomers_find(newcomers, rules, uid, &account);

    rules_unreference(rules);
    return known ? account : account_unknown(uid);
}

/* Charges a connection by what holds for its user now: to *user if the account is known, else to
 * *unknown. The other one is NULL. */
static int newcomers_charge(struct newcomers *newcomers, uint32_t uid,
                            const struct peer_groups *groups, struct user **user,
                            struct admission_unknown **unknown)
{
    struct rules *rules = newcomers_rules(newcomers);
    struct user_rules found;
    uint32_t account;
    bool known = newcomers_find(newcomers, rules, uid, &account);

    rules_find(rules, uid, groups, account, &found);
    rules_unreference(rules);
    *user = NULL;
    *unknown = NULL;
    if (!known)
        return admission_enter_unknown(&newcomers->admission, uid, unknown);
    return admission_enter(&newcomers->admission, account, found.connections_per_user, user);
}

int newcomers_admit(struct newcomers *newcomers, const struct seat_holder *holder, int fd,
                    struct client **client)
{
    struct admission_unknown *unknown;
    struct peer_groups copy;
    struct user *user;
    int error = newcomers_charge(newcomers, holder->uid, holder->groups, &user, &unknown);

    *client = NULL;
    if (error)
        return error;
    error = -ENOMEM;
    if (peer_groups_copy(&copy, holder->groups))
        error = client_new(newcomers->clients, holder->uid, fd, client);
    if (error) {
        peer_groups_clear(&copy);
        admission_leave(&newcomers->admission, user);
        admission_leave_unknown(&newcomers->admission, unknown);
        return error;
    }
    (*client)->id = holder->id;
    (*client)->origin = holder->from_socket ? CLIENT_FROM_SOCKET : CLIENT_FROM_BUS;
    (*client)->groups = copy;
    (*client)->user = user;
    (*client)->unknown = unknown;
    seats_take(&newcomers->seats, &(*client)->io.seat, fd, holder);
    return 0;
}

/* Whether a visitor's socket is whose the seat says; the kernel tells nothing of others. */
static bool newcomers_is_seated(const struct seat_record *seat, int fd)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    return !seat->from_socket
           || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0
               && credentials.uid == seat->uid);
}

/* The groups of whoever has the seat, as far as they are known. False without memory. */
static bool newcomers_seated_groups(const struct seat_record *seat, int fd,
                                    struct peer_groups *groups)
{
    gid_t ids[SEAT_GROUPS];
    struct peer_groups told = {.known = true, .count = seat->group_count, .ids = ids};

    if (seat->from_socket)
        return peer_groups_of_socket(groups, fd);
    *groups = (struct peer_groups){0};
    if (seat->group_count > SEAT_GROUPS)
        return true;
    for (unsigned i = 0; i < told.count; i++)
        ids[i] = seat->groups[i];
    return peer_groups_copy(groups, &told);
}

/* A client of the seat, of no account yet. NULL without memory, or when it is another user's. */
static struct client *newcomers_seat(struct newcomers *newcomers, const struct seat_record *seat,
                                     int fd)
{
    struct peer_groups groups;
    struct client *client;

    if (!newcomers_is_seated(seat, fd) || !newcomers_seated_groups(seat, fd, &groups))
        return NULL;
    if (client_new(newcomers->clients, seat->uid, fd, &client)) {
        peer_groups_clear(&groups);
        return NULL;
    }
    client->groups = groups;
    client->id = seat->id;
    client->origin = seat->from_socket ? CLIENT_FROM_SOCKET : CLIENT_FROM_BUS;
    client->io.control = seat->from_socket;
    peer_of_process(&client->record.peer, seat->pid);
    if (seat->from_socket)
        peer_of_socket(&client->record.peer, fd);
    seats_adopt(&newcomers->seats, &client->io.seat, fd, seat);
    return client;
}

struct client *newcomers_inherit(struct newcomers *newcomers, const struct seat_record *seat,
                                 uint32_t account, bool member, uint64_t number, int fd)
{
    struct user *user = admission_inherit(&newcomers->admission, account);
    struct client *client = user ? newcomers_seat(newcomers, seat, fd) : NULL;

    if (!client) {
        admission_leave(&newcomers->admission, user);
        return NULL;
    }
    client->user = user;
    client->member = member;
    clients_know_again(newcomers->clients, client, number, clock_now());
    newcomers_judge(client, newcomers);
    client_open(client);
    return client;
}

struct client *newcomers_inherit_new(struct newcomers *newcomers, const struct seat_record *seat,
                                     int fd)
{
    struct peer_groups groups = {0};
    struct admission_unknown *unknown;
    struct client *client;
    struct user *user;

    if (newcomers_charge(newcomers, seat->uid, &groups, &user, &unknown))
        return NULL;
    client = newcomers_seat(newcomers, seat, fd);
    if (!client) {
        admission_leave(&newcomers->admission, user);
        admission_leave_unknown(&newcomers->admission, unknown);
        return NULL;
    }
    client->user = user;
    client->unknown = unknown;
    newcomers_welcome(newcomers, client);
    return client;
}

void newcomers_change(struct newcomers *newcomers, unsigned max_connections, struct rules *rules)
{
    struct rules *before;

    pthread_mutex_lock(&newcomers->lock);
    before = newcomers->rules;
    newcomers->rules = rules;
    pthread_mutex_unlock(&newcomers->lock);
    rules_unreference(before);
    admission_set_max(&newcomers->admission, max_connections);
    clients_visit(newcomers->clients, newcomers_judge, newcomers);
}

void newcomers_welcome(struct newcomers *newcomers, struct client *client)
{
    clients_know(newcomers->clients, client, clock_now());
    seats_welcome(&newcomers->seats, &client->io.seat);
    if (newcomers_serve(newcomers, client))
        return;
    list_insert_before(&newcomers->doubtful, &client->link);
    if (!timer_is_armed(&newcomers->timeout))
        loop_arm(newcomers->loop, &newcomers->timeout, newcomers->timeout_ms);
}

int newcomers_accept(void *data, uint32_t uid, int fd)
{
    struct newcomers *newcomers = data;
    struct peer_groups groups;
    struct seat_holder holder = {.uid = uid, .groups = &groups, .from_socket = true};
    struct client *client;
    int error = -ENOMEM;

    if (peer_groups_of_socket(&groups, fd))
        error = newcomers_admit(newcomers, &holder, fd, &client);
    peer_groups_clear(&groups);
    if (error) {
        log_event(LOG_EVENT_CONNECTION_REFUSED,
                  log_about_user(newcomers_account(newcomers, uid), uid),
                  "connection of user %" PRIu32 " refused: %s", uid, admission_text(error));
        return error;
    }
    peer_of_socket(&client->record.peer, fd);
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
