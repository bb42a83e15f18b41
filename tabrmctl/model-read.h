/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes parts of a model from what the methods of org.tabrmd.Manager1 answer, which is input: each
 * function gives NULL, or the key, or the type, that is not what it must be, and the model has not
 * that part then. A value is the method's only result.
 */
#pragma once

#include "model.h"

#include <gio/gio.h>

/* The most that a list may have. */
#define MODEL_READ_MOST 65536

/* Of GetAll of the properties. */
const char *model_read_chip(struct model *model, GVariant *value);
const char *model_read_status(struct model *model, GVariant *value);
const char *model_read_connections(struct model *model, GVariant *value);
const char *model_read_users(struct model *model, GVariant *value);
const char *model_read_statistics(struct model *model, GVariant *value);
const char *model_read_slots(struct model *model, GVariant *value);
const char *model_read_lockout(struct model *model, GVariant *value);
