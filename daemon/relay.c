/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay.h"

#include <glib.h>

/* An event under way. */
struct relay_parcel {
    struct relay *relay;
    struct relay_event event;
};

static gboolean relay_arrives(gpointer data)
{
    struct relay_parcel *parcel = data;

    parcel->relay->arrives(parcel->relay->data, &parcel->event);
    return G_SOURCE_REMOVE;
}

static void relay_parcel_free(gpointer data)
{
    struct relay_parcel *parcel = data;

    g_free(parcel->event.text);
    g_free(parcel->event.creator);
    g_free(parcel->event.bus);
    snapshot_free(parcel->event.answer.snapshot);
    g_free(parcel);
}

/* Engine thread. Each event goes through a source of the main loop: g_main_context_invoke() would
 * run the function on this thread while the main loop is not running. */
static void relay_send(struct relay *relay, const struct relay_event *event)
{
    struct relay_parcel *parcel = g_new(struct relay_parcel, 1);
    GSource *source = g_idle_source_new();

    *parcel = (struct relay_parcel){relay, *event};
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, relay_arrives, parcel, relay_parcel_free);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

static void relay_ready(void *data)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_READY});
}

static void relay_restored(void *data, const struct engine_restored *restored)
{
    struct relay_event event = {.kind = RELAY_RESTORED,
                                .restored = *restored,
                                .creator = g_strdup(restored->creator),
                                .bus = g_strdup(restored->bus)};

    event.restored.creator = event.creator;
    event.restored.bus = event.bus;
    relay_send(data, &event);
}

static void relay_failed(void *data, enum tpm_fault fault, const char *text)
{
    relay_send(data,
               &(struct relay_event){.kind = RELAY_FAILED, .fault = fault, .text = g_strdup(text)});
}

static void relay_heard(void *data, uint64_t id)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_HEARD, .id = id});
}

static void relay_gone(void *data, uint64_t id)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_GONE, .id = id});
}

static void relay_answered(void *data, void *token, const struct engine_answer *answer)
{
    relay_send(data,
               &(struct relay_event){.kind = RELAY_ANSWERED, .token = token, .answer = *answer});
}

static void relay_suspended(void *data)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_SUSPENDED});
}

static void relay_state(void *data, enum engine_state state)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_STATE, .state = state});
}

static void relay_trouble(void *data, enum trouble trouble)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_TROUBLE, .trouble = trouble});
}

static void relay_handed_over(void *data)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_HANDED_OVER});
}

static void relay_stopped(void *data)
{
    relay_send(data, &(struct relay_event){.kind = RELAY_STOPPED});
}

void relay_fill(struct relay *relay, struct engine_events *events)
{
    *events = (struct engine_events){
        .ready = relay_ready,
        .restored = relay_restored,
        .failed = relay_failed,
        .client_heard = relay_heard,
        .client_gone = relay_gone,
        .answered = relay_answered,
        .suspended = relay_suspended,
        .state = relay_state,
        .trouble = relay_trouble,
        .handed_over = relay_handed_over,
        .stopped = relay_stopped,
        .data = relay,
    };
}
