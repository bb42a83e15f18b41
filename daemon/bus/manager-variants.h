/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's snapshots as values of D-Bus, as dbus/manager.xml describes them, and of them what a
 * caller may see. All return floating references, and are pure.
 */
#pragma once

#include "bus/manager-rights.h"
#include "engine/snapshot.h"

#include <gio/gio.h>

/* The most connections of a list, so that the answer passes as one message (bus/proxy.h). */
#define MANAGER_VARIANTS_CONNECTIONS 2048

/* Each takes a snapshot of its kind, of which a list of connections is put in order. */
GVariant *manager_variants_connections(struct snapshot *snapshot,
                                       const struct manager_caller *caller);
GVariant *manager_variants_users(struct snapshot *snapshot, const struct manager_caller *caller);
GVariant *manager_variants_statistics(struct snapshot *snapshot,
                                      const struct manager_caller *caller);
GVariant *manager_variants_slots(struct snapshot *snapshot, const struct manager_caller *caller);
GVariant *manager_variants_lockout(struct snapshot *snapshot, const struct manager_caller *caller);

/* One key of a dictionary a{sv}. `value` is floating. */
void manager_variants_add(GVariantBuilder *builder, const char *key, GVariant *value);
void manager_variants_add_u32(GVariantBuilder *builder, const char *key, uint32_t value);
void manager_variants_add_u64(GVariantBuilder *builder, const char *key, uint64_t value);
void manager_variants_add_text(GVariantBuilder *builder, const char *key, const char *value);
