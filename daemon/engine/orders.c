/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include <stdlib.h>

/* How many messages are carried out in a row. The descriptor of the queue stays readable while
 * there are more. */
#define ORDERS_ROW 64

/* The highest locality that a user may choose. Localities 3 and 4 are the platform's own
 * (TPM 2.0 Library Part 1, clause "Locality"). */
static uint8_t orders_max_locality(uint32_t uid)
{
    return uid == 0 ? 2 : 0;
}

static struct engine_client *orders_find(struct engine *engine, uint64_t id)
{
    list_for_each (it, &engine->clients[id % ENGINE_BUCKETS]) {
        struct engine_client *client = list_entry(it, struct engine_client, link);

        if (client->id == id)
            return client;
    }
    return NULL;
}

static void orders_answer(struct engine *engine, void *token, uint32_t rc)
{
    struct engine_answer answer = {
        .rc = rc,
        .status = {.clients = engine->client_count, .tpm_present = tcti_is_open(engine->tcti)},
    };

    if (engine->rm)
        answer.status.stats = *rm_stats(engine->rm);
    engine->events.answered(engine->events.data, token, &answer);
}

static void orders_connect(struct engine *engine, struct engine_client *client)
{
    uint64_t id = client->id;

    if (engine->rm && !engine->stopping && !engine->failed) {
        door_welcome(engine, client);
        return;
    }
    serve_client_free(client);
    engine->events.client_gone(engine->events.data, id);
}

static uint32_t orders_cancel(struct engine *engine, uint64_t id)
{
    struct engine_client *client = orders_find(engine, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (client == engine->running)
        return tcti_cancel(engine->tcti);
    return serve_cancel_waiting(engine, client);
}

bool orders_set_locality(struct engine_client *client, uint8_t locality)
{
    if (locality > orders_max_locality(client->uid))
        return false;
    client->locality_changed = client->locality_changed || client->locality != locality;
    client->locality = locality;
    return true;
}

static uint32_t orders_locality(struct engine *engine, uint64_t id, uint8_t locality)
{
    struct engine_client *client = orders_find(engine, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return orders_set_locality(client, locality) ? TSS2_RC_SUCCESS : RM_RC_LOCALITY;
}

static void orders_stop(struct engine *engine)
{
    if (engine->stopping)
        return;
    engine->stopping = true;
    engine->stop_at = clock_now() + ENGINE_STOP_MS;
    admission_set_open(&engine->admission, false);
    door_close(engine);
}

static void orders_carry_out(struct engine *engine, struct engine_message *message)
{
    switch ((enum engine_order)message->head.kind) {
    case ENGINE_ORDER_CONNECT:
        orders_connect(engine, message->client);
        break;
    case ENGINE_ORDER_CANCEL:
        orders_answer(engine, message->token, orders_cancel(engine, message->id));
        break;
    case ENGINE_ORDER_LOCALITY:
        orders_answer(engine, message->token,
                      orders_locality(engine, message->id, message->locality));
        break;
    case ENGINE_ORDER_QUERY:
        orders_answer(engine, message->token, TSS2_RC_SUCCESS);
        break;
    }
    free(message);
}

static struct engine_message *orders_take(struct engine *engine)
{
    struct mailbox_message *message = mailbox_take(&engine->mailbox);

    return message ? list_entry(message, struct engine_message, head) : NULL;
}

static void orders_follow(struct engine *engine, unsigned flags)
{
    if (flags & MAILBOX_SLEEP)
        engine->sleep = ENGINE_FALLING_ASLEEP;
    if (flags & MAILBOX_WAKE)
        engine->sleep = ENGINE_AWAKE;
    if (flags & MAILBOX_ACCOUNT)
        door_mind(engine);
    if (flags & MAILBOX_STOP)
        orders_stop(engine);
}

void orders_serve(struct engine *engine)
{
    for (unsigned i = 0; i < ORDERS_ROW; i++) {
        struct engine_message *message = orders_take(engine);

        if (!message)
            break;
        orders_carry_out(engine, message);
    }
    orders_follow(engine, mailbox_take_flags(&engine->mailbox));
}

void orders_refuse(struct engine *engine)
{
    struct engine_message *message;

    while ((message = orders_take(engine))) {
        switch ((enum engine_order)message->head.kind) {
        case ENGINE_ORDER_CONNECT:
            orders_carry_out(engine, message);
            continue;
        case ENGINE_ORDER_CANCEL:
        case ENGINE_ORDER_LOCALITY:
        case ENGINE_ORDER_QUERY:
            orders_answer(engine, message->token, TSS2_TCTI_RC_NO_CONNECTION);
            break;
        }
        free(message);
    }
    if (mailbox_take_flags(&engine->mailbox) & MAILBOX_SLEEP)
        engine->events.suspended(engine->events.data);
}
