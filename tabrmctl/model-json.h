/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model as JSON, as the manual page documents it. A part that the model has not is no member.
 * Texts have no newline at their end; the caller frees them with g_free().
 */
#pragma once

#include "model.h"

#include <json-glib/json-glib.h>

char *model_json_status(const struct model *model);
char *model_json_connections(const struct model *model);
/* The members of one, for the object that is being built. */
void model_json_connection(JsonBuilder *builder, const struct model_connection *connection);

char *model_json_users(const struct model *model);
char *model_json_statistics(const struct model *model);
