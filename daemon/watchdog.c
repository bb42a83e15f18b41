/* SPDX-License-Identifier: BSD-2-Clause */
#include "watchdog.h"

#include "base/log.h"
#include "service.h"

#include <glib.h>

static gboolean watchdog_looks(gpointer data)
{
    struct watchdog *watchdog = data;

    if (!watchdog->engine || engine_alive(watchdog->engine)) {
        service_notify("WATCHDOG=1");
        watchdog->silent = false;
    } else if (!watchdog->silent) {
        log_event(LOG_EVENT_WATCHDOG, LOG_NOBODY,
                  "the engine gives no sign of life; the service manager is told no more that all "
                  "is well");
        manager_frontend_trouble(watchdog->manager, "watchdog",
                                 "tabrmd's engine gives no sign of life",
                                 "restart tabrmd (systemctl restart tabrmd), and report what its "
                                 "log says before that");
        watchdog->silent = true;
    }
    return G_SOURCE_CONTINUE;
}

void watchdog_start(struct watchdog *watchdog)
{
    unsigned ms = service_watchdog_ms();

    if (ms)
        g_timeout_add(MAX(ms / 2, 1), watchdog_looks, watchdog);
}

void watchdog_watch(struct watchdog *watchdog, struct engine *engine,
                    struct manager_frontend *manager)
{
    watchdog->engine = engine;
    watchdog->manager = manager;
}
