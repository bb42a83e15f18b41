/* SPDX-License-Identifier: BSD-2-Clause */
/* What `tabrmctl list` shows. Pure. */
#pragma once

#include "model.h"
#include "view.h"

/* The connections, or the users with their limits, one in a line. The caller frees the text with
 * g_free(). */
char *list_table_connections(const struct model *model, const struct view *view);
char *list_table_users(const struct model *model, const struct view *view);

/* "Sign" while a connection's command runs, else its state. */
const char *list_table_state(const struct model_connection *connection);
