/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep of the machine, as systemd-logind announces it. While the machine is awake a delay
 * inhibitor is held; before sleep the daemon gets the time to save what the TPM would lose, says
 * that it is done, and the inhibitor goes. Without logind nothing happens. Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

struct sleep;

struct sleep_events {
    void (*prepare)(void *data); /* answer with sleep_ready() */
    void (*woken)(void *data);
    void *data;
};

/* Watches for logind on the system bus `connection`. One of the events comes first as soon as it is
 * known whether the machine is about to sleep right now. */
struct sleep *sleep_new(GDBusConnection *connection, const struct sleep_events *events);

/* The TPM holds nothing that sleep would lose. */
void sleep_ready(struct sleep *sleep);

/* Whether sleep was announced, and its end was not. */
bool sleep_is_near(const struct sleep *sleep);

/* NULL is fine. A sleep that was announced is taken as over without a call to woken(). */
void sleep_free(struct sleep *sleep);
