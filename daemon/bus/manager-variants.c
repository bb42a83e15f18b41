/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-variants.h"

#include "base/account.h"

#include <stdlib.h>

#define VARIANTS_NS_PER_US 1000

void manager_variants_add(GVariantBuilder *builder, const char *key, GVariant *value)
{
    g_variant_builder_add(builder, "{sv}", key, value);
}

void manager_variants_add_u32(GVariantBuilder *builder, const char *key, uint32_t value)
{
    manager_variants_add(builder, key, g_variant_new_uint32(value));
}

void manager_variants_add_u64(GVariantBuilder *builder, const char *key, uint64_t value)
{
    manager_variants_add(builder, key, g_variant_new_uint64(value));
}

void manager_variants_add_text(GVariantBuilder *builder, const char *key, const char *value)
{
    manager_variants_add(builder, key, g_variant_new_string(value ? value : ""));
}

static void variants_add_tally(GVariantBuilder *builder, const struct statistics_tally *tally)
{
    manager_variants_add_u64(builder, "Commands", tally->commands);
    manager_variants_add_u64(builder, "Refusals", tally->refusals);
    manager_variants_add_u64(builder, "ChipTime", tally->chip_ns / VARIANTS_NS_PER_US);
    manager_variants_add_u64(builder, "QueueTime", tally->queue_ns / VARIANTS_NS_PER_US);
}

static void variants_add_holdings(GVariantBuilder *builder, const struct rm_holdings *holdings)
{
    manager_variants_add_u32(builder, "Objects", holdings->objects);
    manager_variants_add_u32(builder, "Sessions", holdings->sessions);
}

static const char *variants_state(enum snapshot_state state)
{
    switch (state) {
    case SNAPSHOT_NEW:
        return "new";
    case SNAPSHOT_IDLE:
        return "idle";
    case SNAPSHOT_WAITING:
        return "waiting";
    case SNAPSHOT_RUNNING:
        return "running";
    case SNAPSHOT_LEAVING:
        return "leaving";
    }
    return "";
}

static void variants_add_connection(GVariantBuilder *list,
                                    const struct snapshot_connection *connection)
{
    GVariantBuilder entry;
    uint64_t age = connection->age_ms > 0 ? (uint64_t)connection->age_ms * 1000 : 0;

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    manager_variants_add_u64(&entry, "Number", connection->number);
    manager_variants_add_u32(&entry, "Pid", connection->peer.pid);
    manager_variants_add_text(&entry, "Program", connection->peer.program);
    manager_variants_add_u32(&entry, "Uid", connection->uid);
    manager_variants_add_u32(&entry, "Account", connection->account);
    manager_variants_add_text(&entry, "Origin", connection->from_bus ? "bus" : "socket");
    manager_variants_add_u64(&entry, "Age", age);
    variants_add_holdings(&entry, &connection->holdings);
    variants_add_tally(&entry, &connection->tally);
    manager_variants_add_text(&entry, "State", variants_state(connection->state));
    manager_variants_add_u32(&entry, "Command", connection->command);
    manager_variants_add(&entry, "Locality", g_variant_new_byte(connection->locality));
    manager_variants_add_text(&entry, "Policy", connection->policy);
    g_variant_builder_add(list, "a{sv}", &entry);
}

static int variants_by_number(const void *one, const void *other)
{
    const struct snapshot_connection *a = one, *b = other;

    return (a->number > b->number) - (a->number < b->number);
}

GVariant *manager_variants_connections(struct snapshot *snapshot,
                                       const struct manager_caller *caller)
{
    GVariantBuilder list;
    unsigned listed = 0;

    qsort(snapshot->connections, snapshot->count, sizeof(*snapshot->connections),
          variants_by_number);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (size_t i = 0; i < snapshot->count && listed < MANAGER_VARIANTS_CONNECTIONS; i++) {
        if (!manager_rights_see_user(caller, snapshot->connections[i].uid))
            continue;
        variants_add_connection(&list, &snapshot->connections[i]);
        listed++;
    }
    return g_variant_builder_end(&list);
}

static const char *variants_priority(enum scheduler_priority priority)
{
    switch (priority) {
    case SCHEDULER_LOW:
        return "low";
    case SCHEDULER_NORMAL:
        return "normal";
    case SCHEDULER_HIGH:
        return "high";
    }
    return "";
}

static void variants_add_user(GVariantBuilder *list, const struct snapshot_user *user)
{
    GVariantBuilder entry;
    char name[ACCOUNT_TEXT];

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    manager_variants_add_u32(&entry, "Account", user->account);
    manager_variants_add_text(&entry, "Name", account_text(user->account, name));
    if (user->account != ACCOUNT_GUESTS && !account_is_unknown(user->account))
        manager_variants_add_u32(&entry, "Uid", user->account);
    manager_variants_add_u32(&entry, "Connections", user->connections);
    variants_add_holdings(&entry, &user->holdings);
    variants_add_tally(&entry, &user->tally);
    manager_variants_add_u32(&entry, "MaxConnections", user->rules.connections_per_user);
    manager_variants_add_u32(&entry, "MaxObjects", user->rules.limits.objects_per_uid);
    manager_variants_add_u32(&entry, "MaxSessions", user->rules.limits.sessions_per_uid);
    manager_variants_add_text(&entry, "Priority", variants_priority(user->rules.priority));
    g_variant_builder_add(list, "a{sv}", &entry);
}

GVariant *manager_variants_users(struct snapshot *snapshot, const struct manager_caller *caller)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (size_t i = 0; i < snapshot->count; i++) {
        if (manager_rights_see_account(caller, snapshot->users[i].account))
            variants_add_user(&list, &snapshot->users[i]);
    }
    return g_variant_builder_end(&list);
}

static void variants_add_times(GVariantBuilder *builder, const char *key,
                               const uint64_t counts[STATISTICS_BUCKETS])
{
    G_STATIC_ASSERT(sizeof(guint64) == sizeof(uint64_t));
    manager_variants_add(builder, key,
                         g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, counts,
                                                   STATISTICS_BUCKETS, sizeof(*counts)));
}

static void variants_add_codes(GVariantBuilder *builder,
                               const struct snapshot_statistics *statistics)
{
    GVariantBuilder codes;

    g_variant_builder_init(&codes, G_VARIANT_TYPE("a{ut}"));
    for (uint32_t i = 0; i < statistics->code_count; i++)
        g_variant_builder_add(&codes, "{ut}", statistics->codes[i].code,
                              (guint64)statistics->codes[i].count);
    manager_variants_add(builder, "ClientCommands", g_variant_builder_end(&codes));
}

static void variants_add_words(GVariantBuilder *builder, const char *key, const char *const *words,
                               const uint64_t *counts, size_t count)
{
    GVariantBuilder entries;

    g_variant_builder_init(&entries, G_VARIANT_TYPE("a{st}"));
    for (size_t i = 0; i < count; i++)
        g_variant_builder_add(&entries, "{st}", words[i], (guint64)counts[i]);
    manager_variants_add(builder, key, g_variant_builder_end(&entries));
}

static void variants_add_chip_commands(GVariantBuilder *builder, const struct rm_statistics *counts)
{
    static const char *const words[TRACE_SENT_KINDS] = {
        [TRACE_OWN] = "client",  [TRACE_SAVE] = "save",    [TRACE_LOAD] = "load",
        [TRACE_FLUSH] = "flush", [TRACE_ASK] = "question",
    };

    variants_add_words(builder, "ChipCommands", words, counts->chip_commands, TRACE_SENT_KINDS);
}

static void variants_add_swaps(GVariantBuilder *builder, const struct rm_statistics *counts)
{
    static const char *const words[] = {"room", "others", "gap", "clean-up", "sleep"};
    const uint64_t swaps[] = {
        counts->swaps[TRACE_FOR_COMMAND] + counts->swaps[TRACE_FOR_CHIP],
        counts->swaps[TRACE_FOR_RESERVE],
        counts->swaps[TRACE_FOR_REFRESH],
        counts->swaps[TRACE_FOR_IDLE],
        counts->swaps[TRACE_FOR_SLEEP],
    };

    variants_add_words(builder, "Swaps", words, swaps, G_N_ELEMENTS(words));
}

static void variants_add_refusals(GVariantBuilder *builder,
                                  const struct snapshot_statistics *statistics)
{
    static const char *const words[RM_REFUSALS + 1] = {
        [RM_REFUSAL_POLICY] = "policy",     [RM_REFUSAL_PASSWORDS] = "password-budget",
        [RM_REFUSAL_OBJECTS] = "objects",   [RM_REFUSAL_SESSIONS] = "sessions",
        [RM_REFUSAL_HANDLES] = "handles",   [RM_REFUSAL_SHARED] = "shared",
        [RM_REFUSAL_LOCALITY] = "locality", [RM_REFUSAL_MALFORMED] = "malformed",
        [RM_REFUSAL_MEMORY] = "memory",     [RM_REFUSAL_TPM] = "tpm",
        [RM_REFUSALS] = "connections",
    };
    uint64_t counts[RM_REFUSALS + 1];

    for (unsigned i = 0; i < RM_REFUSALS; i++)
        counts[i] = statistics->manager.refusals[i];
    counts[RM_REFUSALS] = statistics->refused_connections;
    variants_add_words(builder, "Refusals", words, counts, G_N_ELEMENTS(counts));
}

GVariant *manager_variants_statistics(struct snapshot *snapshot,
                                      const struct manager_caller *caller)
{
    const struct snapshot_statistics *statistics = snapshot->statistics;
    const struct rm_statistics *manager = &statistics->manager;
    const struct statistics *engine = &statistics->engine;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    if (!caller->administrator)
        return g_variant_builder_end(&builder);
    manager_variants_add_u64(&builder, "Commands", manager->client_commands);
    manager_variants_add_u64(&builder, "Failures", manager->failures);
    manager_variants_add_u64(&builder, "Canceled", engine->canceled);
    variants_add_codes(&builder, statistics);
    variants_add_chip_commands(&builder, manager);
    variants_add_swaps(&builder, manager);
    manager_variants_add_u64(&builder, "AnswersFromCache", manager->ways[TRACE_WAY_CACHE]);
    manager_variants_add_u64(&builder, "AnswersFromManager", manager->ways[TRACE_WAY_MANAGER]);
    variants_add_times(&builder, "QueueTimes", engine->queue);
    variants_add_times(&builder, "ChipTimes", engine->chip);
    manager_variants_add_u64(&builder, "QueueTimeSum", engine->queue_ns / VARIANTS_NS_PER_US);
    manager_variants_add_u64(&builder, "ChipTimeSum", engine->chip_ns / VARIANTS_NS_PER_US);
    variants_add_refusals(&builder, statistics);
    return g_variant_builder_end(&builder);
}

GVariant *manager_variants_slots(struct snapshot *snapshot, const struct manager_caller *caller)
{
    GVariantBuilder list, entry;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct rm_slot *slot = &snapshot->slots[i];

        if (!manager_rights_see_account(caller, slot->account))
            continue;
        g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
        manager_variants_add_text(&entry, "Kind", slot->session ? "session" : "object");
        manager_variants_add_u32(&entry, "Handle", slot->handle);
        manager_variants_add_u64(&entry, "Number", slot->number);
        manager_variants_add_u32(&entry, "Account", slot->account);
        g_variant_builder_add(&list, "a{sv}", &entry);
    }
    return g_variant_builder_end(&list);
}

GVariant *manager_variants_lockout(struct snapshot *snapshot, const struct manager_caller *caller)
{
    const struct rm_lockout *lockout = snapshot->lockout;
    GVariantBuilder builder;

    (void)caller;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    manager_variants_add_u32(&builder, "Counter", lockout->counter);
    manager_variants_add_u32(&builder, "MaxTries", lockout->max_tries);
    manager_variants_add_u32(&builder, "RecoveryTime", lockout->recovery);
    manager_variants_add_u32(&builder, "LockoutRecovery", lockout->lockout_recovery);
    manager_variants_add(&builder, "InLockout", g_variant_new_boolean(lockout->in_lockout));
    return g_variant_builder_end(&builder);
}
