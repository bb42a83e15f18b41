/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a daemon was not asked, or did not do what it was asked for: the cause and the remedy, said
 * as message_error() does, and the exit status for tabrmctl. */
#pragma once

#include "manager-client.h"

/* The daemon cannot be reached; what the socket and the bus said, NULL where they were not asked.
 */
int manager_error_say_absent(const struct manager_client *client, const GError *by_socket,
                             const GError *by_bus);

/* A call failed; `what` was to be done, as in "cannot list the connections". */
int manager_error_say(const struct manager_client *client, const char *what, const GError *error);

/* The same for an answer in which `bad` is not what it must be. */
int manager_error_say_nonsense(const struct manager_client *client, const char *what,
                               const char *bad);

/* True where the daemon tells this to others only. */
bool manager_error_denied(const GError *error);

/* True where the daemon does not know the call: it is older. */
bool manager_error_older(const GError *error);
