/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/clients.h"

#include "engine/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void clients_init(struct clients *clients, struct loop *loop, struct scheduler *scheduler,
                  struct admission *admission, struct desk *desk)
{
    *clients = (struct clients){
        .loop = loop, .scheduler = scheduler, .admission = admission, .desk = desk};
    for (unsigned i = 0; i < CLIENTS_BUCKETS; i++) {
        list_init(&clients->by_id[i]);
        list_init(&clients->by_number[i]);
    }
    list_init(&clients->without_id);
    list_init(&clients->closed);
}

/* Fills the record of a client. */
static void clients_note(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct client *client = list_entry(mark, struct client, io.mark);
    struct record_connection record = {
        .number = client->record.number,
        .account = client->user->account,
        .state = (uint8_t)client->state,
        .member = client->member,
        .locality = client->locality,
    };

    (void)journal;
    client_io_note(&client->io, &record);
    memcpy(payload, &record, sizeof(record));
}

void clients_meet_journal(struct clients *clients)
{
    journal_set_noter(clients->desk->journal, JOURNAL_CONNECTION, clients_note);
}

void clients_clear(struct clients *clients)
{
    assert(clients->count == 0 && list_empty(&clients->closed));
    policies_unreference(clients->policies);
}

int clients_init_policies(struct clients *clients, const struct policies_config *config)
{
    struct policies *policies = policies_new(config);

    if (!policies)
        return -ENOMEM;
    clients_set_policies(clients, policies);
    return 0;
}

void clients_set_policies(struct clients *clients, struct policies *policies)
{
    policies_unreference(clients->policies);
    clients->policies = policies;
    clients->policy++;
}

struct client *clients_find(const struct clients *clients, uint64_t id)
{
    list_for_each (it, &clients->by_id[id % CLIENTS_BUCKETS]) {
        struct client *client = list_entry(it, struct client, link);

        if (client->id == id)
            return client;
    }
    return NULL;
}

void clients_know_again(struct clients *clients, struct client *client, uint64_t number,
                        int64_t now)
{
    struct client_record *record = &client->record;

    if (clients->newest < number)
        clients->newest = number;
    record->number = number;
    record->since = now;
    list_insert_before(&clients->by_number[record->number % CLIENTS_BUCKETS], &record->link);
    clients->known++;
}

void clients_know(struct clients *clients, struct client *client, int64_t now)
{
    clients_know_again(clients, client, clients->newest + 1, now);
}

struct client *clients_find_number(const struct clients *clients, uint64_t number)
{
    list_for_each (it, &clients->by_number[number % CLIENTS_BUCKETS]) {
        struct client *client = list_entry(it, struct client, record.link);

        if (client->record.number == number)
            return client->state == CLIENT_CLOSED ? NULL : client;
    }
    return NULL;
}

static void clients_visit_list(struct list *list, void (*visit)(struct client *client, void *data),
                               void *data)
{
    list_for_each (it, list)
        visit(list_entry(it, struct client, link), data);
}

void clients_visit(struct clients *clients, void (*visit)(struct client *client, void *data),
                   void *data)
{
    for (unsigned i = 0; i < CLIENTS_BUCKETS; i++)
        clients_visit_list(&clients->by_id[i], visit, data);
    clients_visit_list(&clients->without_id, visit, data);
}

static void clients_close_one(struct client *client, void *data)
{
    (void)data;
    client_close(client);
}

void clients_close(struct clients *clients)
{
    clients_visit(clients, clients_close_one, NULL);
}

bool clients_reap(struct clients *clients, struct client_end *end)
{
    struct client *client;
    struct user *user;

    if (list_empty(&clients->closed))
        return false;
    loop_assert_flat(clients->loop);
    client = list_entry(clients->closed.next, struct client, link);
    user = client->user;
    *end = (struct client_end){
        .id = client->id,
        .origin = client->origin,
        .opened = client->opened,
        .heard = client->rm,
    };
    list_remove(&client->link);
    client_free(client);
    if (end->opened)
        users_forget(clients->admission->users, user, clients->scheduler);
    return true;
}
