/* SPDX-License-Identifier: BSD-2-Clause */
#include "sleeper.h"

static void sleeper_prepare(void *data)
{
    const struct sleeper *sleeper = data;

    engine_suspend(sleeper->engine);
}

static void sleeper_woken(void *data)
{
    const struct sleeper *sleeper = data;

    engine_resume(sleeper->engine);
}

static gboolean sleeper_waited(gpointer data)
{
    struct sleeper *sleeper = data;

    sleeper->source = 0;
    if (!sleeper->sleep || !sleep_is_near(sleeper->sleep))
        sleeper_woken(sleeper);
    return G_SOURCE_REMOVE;
}

void sleeper_start(struct sleeper *sleeper, struct engine *engine, bool told, bool waits)
{
    if (!told)
        return;
    sleeper->engine = engine;
    if (!waits)
        return;
    engine_suspend(engine);
    sleeper->source = g_timeout_add(SLEEPER_WAIT_MS, sleeper_waited, sleeper);
}

void sleeper_connect(struct sleeper *sleeper, GDBusConnection *connection)
{
    struct sleep_events events = {sleeper_prepare, sleeper_woken, sleeper};

    if (sleeper->engine && !sleeper->sleep)
        sleeper->sleep = sleep_new(connection, &events);
}

void sleeper_disconnect(struct sleeper *sleeper)
{
    if (!sleeper->engine)
        return;
    sleep_free(sleeper->sleep);
    sleeper->sleep = NULL;
    sleeper_woken(sleeper);
}

void sleeper_ready(const struct sleeper *sleeper)
{
    if (sleeper->sleep)
        sleep_ready(sleeper->sleep);
}

void sleeper_clear(struct sleeper *sleeper)
{
    if (sleeper->source)
        g_source_remove(sleeper->source);
    sleep_free(sleeper->sleep);
    *sleeper = (struct sleeper){0};
}
