/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager's protocols: a runtime directory, descriptors that are passed and kept,
 * notifications, a watchdog. They are environment variables (systemd.exec(5), sd_listen_fds(3),
 * sd_notify(3), sd_watchdog_enabled(3)) and need no library. Main thread.
 */
#pragma once

#include "engine/keeper.h"
#include "engine/passed.h"

/* Sends a line such as "READY=1" to the service manager, if there is one that listens. */
void service_notify(const char *state);

/* Tells the service manager that the configuration is being read again; READY=1 ends that. */
void service_notify_reloading(void);

/* Milliseconds within which the service manager wants a sign of life; 0 when it wants none. */
unsigned service_watchdog_ms(void);

/* The service manager where it keeps descriptors (FDSTORE), or NULL; to be freed. */
struct keeper *service_keeper(void);

/* Takes the descriptors that the service manager passed. Those of no use are closed, with a
 * warning, and the keeper, which may be NULL, drops them too. Once; the environment no longer has
 * them afterwards. */
void service_take_passed(struct passed *passed, struct keeper *keeper);

/* The directory that the service manager made for this service, or NULL. To be freed. */
char *service_directory(void);

/* The directory for what must outlive the process but not the boot: service_directory(), or one of
 * our own in the user's, which is made. NULL for none. To be freed. */
char *service_runtime_dir(void);
