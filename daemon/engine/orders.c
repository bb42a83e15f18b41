/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include <stdlib.h>

/* How many messages are carried out in a row. The descriptor of the queue stays readable while
 * there are more. */
#define ORDERS_ROW 64

static void orders_answer(struct engine *engine, void *token, uint32_t rc)
{
    struct engine_answer answer = {
        .rc = rc,
        .status = {.clients = engine->clients.count,
                   .tpm_present = tpm_link_is_open(&engine->managed.link)},
    };

    if (engine->managed.rm)
        answer.status.stats = *rm_stats(engine->managed.rm);
    engine->events.answered(engine->events.data, token, &answer);
}

/* A client that is refused may have events that are still to be looked at: it is freed later. */
static void orders_connect(struct engine *engine, struct client *client)
{
    if (engine_lives(engine))
        door_welcome(engine, client);
    else
        client_close(client);
}

static uint32_t orders_cancel(struct engine *engine, uint64_t id)
{
    struct client *client = clients_find(&engine->clients, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return client->command == CLIENT_COMMAND_NONE ? client_cancel_waiting(client)
                                                  : tcti_cancel(engine->managed.link.tcti);
}

static uint32_t orders_locality(struct engine *engine, uint64_t id, uint8_t locality)
{
    struct client *client = clients_find(&engine->clients, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return client_set_locality(client, locality) ? TSS2_RC_SUCCESS : RM_RC_LOCALITY;
}

static void orders_suspend(struct engine *engine)
{
    switch (engine->phase) {
    case ENGINE_STARTING:
        engine->suspend_at_start = true;
        break;
    case ENGINE_SERVING:
    case ENGINE_SUSPENDING:
    case ENGINE_SUSPENDED:
        engine->phase = ENGINE_SUSPENDING;
        break;
    case ENGINE_FAILED:
    case ENGINE_STOPPING:
        engine->events.suspended(engine->events.data);
        break;
    }
}

static void orders_resume(struct engine *engine)
{
    engine->suspend_at_start = false;
    if (engine->phase == ENGINE_SUSPENDING || engine->phase == ENGINE_SUSPENDED)
        engine->phase = ENGINE_SERVING;
}

static void orders_stop(struct engine *engine)
{
    if (engine->phase == ENGINE_STOPPING)
        return;
    engine->phase = ENGINE_STOPPING;
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
        orders_suspend(engine);
    if (flags & MAILBOX_WAKE)
        orders_resume(engine);
    if (flags & MAILBOX_ACCOUNT)
        door_settle_doubtful(engine);
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
    engine_reap(engine);
    orders_follow(engine, mailbox_take_flags(&engine->mailbox) & MAILBOX_SLEEP);
}
