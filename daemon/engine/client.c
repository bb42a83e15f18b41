/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/client.h"

#include "base/log.h"
#include "rm/rc.h"
#include "wire/header.h"
#include "wire/response.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <tss2/tss2_tcti.h>

/*
 * Sockets are watched for edges, so a client that waits for its turn costs no wake-ups. Nothing is
 * lost by that: client_io remembers whether its socket may have more bytes, and a client is marked
 * as ready whenever its socket may have some and it is not busy taking a response.
 */
#define CLIENT_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* The next commit notes the client again. */
static void client_changed(struct client *client)
{
    journal_touch(client->set->desk->journal, &client->io.mark);
}

/* Asks epoll for room in the socket while there is something to send. */
static void client_watch_out(struct client *client)
{
    uint32_t out = client_io_sending(&client->io) ? EPOLLOUT : 0;

    if (loop_change(client->set->loop, &client->watch, CLIENT_EVENTS | out) < 0)
        client_close(client);
}

/* Marks the client's input to be scanned for control frames before the next command. */
static void client_queue_scan(struct client *client)
{
    if (client->io.control && client->state != CLIENT_CLOSED)
        scheduler_scan(client->set->scheduler, &client->turn);
}

void client_queue(struct client *client)
{
    if (client->state == CLIENT_CLOSED || client->command != CLIENT_COMMAND_NONE
        || client_io_sending(&client->io))
        return;
    if (client->state == CLIENT_DRAINING) {
        client_close(client);
    } else if (client_io_readable(&client->io)) {
        if (client->record.ready == 0)
            client->record.ready = client->set->arrival;
        scheduler_ready(client->set->scheduler, &client->turn);
        client_queue_scan(client);
    }
}

/* Sends on what the client did not take before. */
static void client_flush(struct client *client)
{
    if (client_io_flush(&client->io) < 0)
        client_close(client);
    else
        client_watch_out(client);
}

static void client_happened(struct watch *watch, uint32_t events)
{
    struct client *client = list_entry(watch, struct client, watch);

    if (client->state == CLIENT_ADMITTED || client->state == CLIENT_CLOSED)
        return;
    /* Both directions are shut: nobody can take an answer. */
    if (events & (EPOLLHUP | EPOLLERR)) {
        client_close(client);
        return;
    }
    if (events & EPOLLOUT)
        client_flush(client);
    if (events & EPOLLRDHUP)
        client->io.ended = true;
    if (events & (EPOLLIN | EPOLLRDHUP)) {
        client->io.maybe_more = true;
        client_queue_scan(client);
    }
    client_queue(client);
}

int client_new(struct clients *clients, uint32_t uid, int fd, struct client **client)
{
    struct client *new = calloc(1, sizeof(*new));
    int error;

    *client = NULL;
    if (!new)
        return -ENOMEM;
    *new = (struct client){
        .set = clients,
        .watch.happened = client_happened,
        .io = {.desk = clients->desk, .fd = -1},
        .uid = uid,
    };
    list_init(&new->link);
    list_init(&new->record.link);
    /* Adding takes memory and may fail; asking for events later does not. */
    error = loop_watch(clients->loop, &new->watch, fd, EPOLLET);
    if (error) {
        client_free(new);
        return error;
    }
    client_io_init(&new->io, fd, clients->desk);
    *client = new;
    return 0;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    client->set->known -= client->record.number > 0;
    list_remove(&client->record.link);
    if (client->io.fd >= 0)
        loop_unwatch(client->set->loop, &client->watch);
    seats_leave(client->set->seats, &client->io.seat);
    client_io_clear(&client->io);
    rm_client_free(client->rm);
    peer_groups_clear(&client->groups);
    admission_leave(client->set->admission, client->user);
    admission_leave_unknown(client->set->admission, client->unknown);
    free(client);
}

/* What the client may send by the policies that there are. */
static struct policy client_find_policy(const struct client *client)
{
    const struct clients *clients = client->set;
    struct policy policy;

    if (!clients->policies)
        return policy_preset(POLICY_OPEN);
    policies_of(clients->policies, client->uid, &client->groups, client->member, &policy);
    return policy;
}

void client_open(struct client *client)
{
    struct clients *clients = client->set;
    struct list *place = client->origin == CLIENT_FROM_SOCKET
                             ? &clients->without_id
                             : &clients->by_id[client->id % CLIENTS_BUCKETS];
    struct policy policy;

    assert(client->state == CLIENT_ADMITTED && client->user);
    users_serve(clients->admission->users, client->user, clients->scheduler);
    scheduler_add(clients->scheduler, &client->turn, &client->user->share, client->rules.priority);
    scheduler_set_priority(&client->turn, client->rules.priority);
    client->opened = true;
    client->state = CLIENT_OPEN;
    policy = client_find_policy(client);
    client->record.policy = policy_name(&policy);
    list_insert_before(place, &client->link);
    clients->count++;
    client_bill(client);
    /* Events that came before the client was opened are told now. */
    if (!client_io_open(&client->io)
        || loop_change(clients->loop, &client->watch, CLIENT_EVENTS) < 0)
        client_close(client);
}

struct log_about client_about(struct client *client)
{
    uint32_t account = client->user ? client->user->account : account_unknown(client->uid);
    struct log_about about = log_about_user(account, client->uid);

    about.connection = client->record.number;
    about.pid = client->record.peer.pid;
    about.program = peer_program(&client->record.peer);
    return about;
}

void client_close(struct client *client)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state != CLIENT_ADMITTED) {
        scheduler_remove(client->set->scheduler, &client->turn);
        client->set->count--;
    }
    client->state = CLIENT_CLOSED;
    client_changed(client);
    list_remove(&client->link);
    list_insert_before(&client->set->closed, &client->link);
}

static void client_send(struct client *client, enum desk_buffer buffer, size_t size)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (client_io_send(&client->io, buffer, size) < 0)
        client_close(client);
    else
        client_watch_out(client);
}

void client_answer(struct client *client, size_t size)
{
    client_send(client, DESK_RESPONSE, size);
}

void client_reply(struct client *client)
{
    struct desk *desk = client->set->desk;

    if (desk->used[DESK_REPLY])
        client_send(client, DESK_REPLY, desk->used[DESK_REPLY]);
    desk_wipe(desk, DESK_REPLY);
}

/* Puts an answer that is a code alone into the desk's reply. */
static void client_put_code(struct client *client, uint32_t code)
{
    response_build_code(desk_reply(client->set->desk, HEADER_SIZE), code);
}

/* Ends a client for what it sent. */
static void client_reject(struct client *client)
{
    log_event(LOG_EVENT_CONNECTION_ENDED, client_about(client),
              "connection %" PRIu64 " of user %" PRIu32 " is ended (0x%05" PRIX32
              "): it sent what is no TPM command, or only a part of one",
              client->record.number, client->uid, RM_RC_COMMAND_SIZE);
    client_dismiss(client, RM_RC_COMMAND_SIZE);
}

void client_dismiss(struct client *client, uint32_t code)
{
    if (client->state == CLIENT_CLOSED)
        return;
    client->state = CLIENT_DRAINING;
    client_changed(client);
    client_put_code(client, code);
    client_reply(client);
}

bool client_read(struct client *client, enum desk_buffer buffer, size_t *size)
{
    enum client_io_status status = client_io_read(&client->io, buffer, size);

    switch (status) {
    case CLIENT_IO_FRAME:
        return true;
    case CLIENT_IO_AGAIN:
        break;
    case CLIENT_IO_BAD:
        client_reject(client);
        break;
    case CLIENT_IO_MEMORY:
        client_dismiss(client, RM_RC_MEMORY);
        break;
    case CLIENT_IO_CLOSED:
        client_close(client);
        break;
    }
    desk_wipe(client->set->desk, buffer);
    return false;
}

void client_bill(struct client *client)
{
    scheduler_bill(client->set->scheduler, &client->turn, CLIENT_COST_MIN);
}

enum rm_affinity client_affinity(const struct scheduler_client *turn)
{
    return rm_client_affinity(list_entry(turn, const struct client, turn)->rm);
}

struct client *client_of_turn(struct scheduler_client *turn)
{
    return list_entry(turn, struct client, turn);
}

void client_cancel_read(struct client *client)
{
    struct desk *desk = client->set->desk;

    client->command = CLIENT_COMMAND_CANCELED;
    desk_answer(desk, response_build_code(desk->bytes[DESK_RESPONSE], RM_RC_CANCELED));
}

uint32_t client_cancel_begin(struct client *client)
{
    size_t size;

    client_bill(client);
    if (!client_read(client, DESK_SCRATCH, &size))
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    log_debug("a command of user %" PRIu32 " is canceled while it waits", client->uid);
    client->set->statistics.canceled++;
    client->record.ready = 0;
    client_put_code(client, RM_RC_CANCELED);
    return TSS2_RC_SUCCESS;
}

void client_cancel_end(struct client *client)
{
    desk_wipe(client->set->desk, DESK_SCRATCH);
    if (client->state != CLIENT_CLOSED && !client_io_readable(&client->io))
        scheduler_unready(client->set->scheduler, &client->turn);
    client_queue(client);
}

uint32_t client_cancel_waiting(struct client *client)
{
    uint32_t rc;

    /* A client that has not taken its last response is between commands. */
    if (client->state == CLIENT_DRAINING || client_io_sending(&client->io)) {
        client_bill(client);
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    }
    rc = client_cancel_begin(client);
    client_reply(client);
    client_cancel_end(client);
    return rc;
}

static bool client_may_have(const struct client *client, uint8_t locality)
{
    return locality < 8 && (client->rules.localities >> locality & 1);
}

static void client_put_locality(struct client *client, uint8_t locality)
{
    client->locality = locality;
    client_changed(client);
}

void client_set_rules(struct client *client, const struct user_rules *rules)
{
    client->rules = *rules;
    if (client->user)
        client->user->rules = *rules;
    if (!client_may_have(client, client->locality))
        client_put_locality(client, 0);
    if (client->rm)
        rm_client_set_limits(client->rm, &rules->limits);
    if (client->turn.user)
        scheduler_set_priority(&client->turn, rules->priority);
}

/* Says, once for each connection, that it may not have a locality. */
static void client_tell_locality(struct client *client, uint8_t locality)
{
    if (!client->record.told_locality)
        log_event(LOG_EVENT_LOCALITY_REFUSED, client_about(client),
                  "user %" PRIu32 " may not have locality %u: the key localities of its "
                  "configuration (tabrmd.conf(5)) does not name it",
                  client->uid, locality);
    client->record.told_locality = true;
}

bool client_set_locality(struct client *client, uint8_t locality)
{
    if (!client_may_have(client, locality)) {
        client_tell_locality(client, locality);
        return false;
    }
    client_put_locality(client, locality);
    return true;
}

/* Policies that have changed take effect with a client's next command. Not part of
 * client_prepare(), which each command calls: the policy takes room on the stack. False without
 * memory. */
static bool client_take_policy(struct client *client)
{
    struct policy policy = client_find_policy(client);

    if (!rm_client_set_policy(client->rm, &policy))
        return false;
    client->policy = client->set->policy;
    client->record.policy = policy_name(&policy);
    return true;
}

/* What the manager is told of the client, which it has just begun to know. */
static void client_introduce(struct client *client)
{
    rm_client_set_limits(client->rm, &client->rules.limits);
    rm_client_set_number(client->rm, client->record.number);
    rm_client_set_process(client->rm, client->record.peer.pid, peer_program(&client->record.peer));
}

void client_resume(struct client *client, struct rm_client *rm, enum client_state state,
                   uint8_t locality)
{
    client->rm = rm;
    if (rm)
        client_introduce(client);
    if (client->state == CLIENT_CLOSED)
        return;
    if (client_may_have(client, locality))
        client->locality = locality;
    client->state = state;
    client_changed(client);
    client->io.maybe_more = true;
    client_watch_out(client);
    client_queue_scan(client);
    client_queue(client);
}

bool client_prepare(struct client *client, struct rm *rm)
{
    loop_assert_flat(client->set->loop);
    if (!client->rm) {
        client->rm = user_connect_manager(client->user, rm, client->uid);
        if (!client->rm)
            return false;
        rm_client_set_cookie(client->rm, client->io.cookie);
        client_introduce(client);
    }
    rm_client_set_locality(client->rm, client->locality);
    return client->policy == client->set->policy || client_take_policy(client);
}
