/* SPDX-License-Identifier: BSD-2-Clause */
/* Brings the engine's events from its thread to the main loop, in order. */
#pragma once

#include "engine/engine.h"

enum relay_kind {
    RELAY_READY,
    RELAY_RESTORED, /* restored; its strings are creator and bus */
    RELAY_FAILED,   /* fault, text */
    RELAY_HEARD,    /* id */
    RELAY_GONE,     /* id */
    RELAY_ANSWERED, /* token, answer */
    RELAY_SUSPENDED,
    RELAY_STATE,   /* state */
    RELAY_TROUBLE, /* trouble */
    RELAY_HANDED_OVER,
    RELAY_STOPPED,
};

struct relay_event {
    enum relay_kind kind;
    enum tpm_fault fault;
    char *text;
    uint64_t id;
    struct engine_restored restored;
    char *creator, *bus;
    void *token;
    struct engine_answer answer;
    enum engine_state state;
    enum trouble trouble;
};

struct relay {
    /* Main thread; the event is good during the call, and so is a snapshot that it has. */
    void (*arrives)(void *data, const struct relay_event *event);
    void *data;
};

/* Fills what engine_new() wants. `relay` is borrowed until the last event has arrived. */
void relay_fill(struct relay *relay, struct engine_events *events);
