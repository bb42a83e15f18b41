/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON with members named as `tabrmctl --json` documents them. */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Members of the object that is being built. */
void json_text_string(JsonBuilder *builder, const char *name, const char *value);
void json_text_bool(JsonBuilder *builder, const char *name, bool value);

/* A number beyond the largest that JSON's readers have for signed ones is that largest one. */
void json_text_number(JsonBuilder *builder, const char *name, uint64_t value);

/* The text of what was built, which is consumed, and no newline behind it; in one line, or
 * indented. The caller frees it with g_free(). */
char *json_text_finish(JsonBuilder *builder, bool one_line);
