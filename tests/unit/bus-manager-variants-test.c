/* SPDX-License-Identifier: BSD-2-Clause */
/* What callers of the manager interface get of a snapshot. */
#include "bus/manager-variants.h"

#include "base/account.h"
#include "bus/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OWN    500
#define MEMBER 1000
#define GUEST  2000

static struct manager_caller caller_of(uint32_t uid, uint32_t account)
{
    return manager_rights_of(uid, account, OWN);
}

static void test_R91_who_sees_whose(void **state)
{
    const struct manager_caller root = caller_of(ACCOUNT_ROOT, ACCOUNT_ROOT),
                                own = caller_of(OWN, ACCOUNT_GUESTS),
                                member = caller_of(MEMBER, MEMBER),
                                guest = caller_of(GUEST, ACCOUNT_GUESTS),
                                fresh = caller_of(GUEST, account_unknown(GUEST)),
                                nobody = manager_rights_of_nobody();

    (void)state;
    assert_true(root.administrator && own.administrator);
    assert_true(manager_rights_see_user(&root, GUEST) && manager_rights_see_user(&own, MEMBER));
    assert_true(manager_rights_see_account(&own, ACCOUNT_GUESTS));
    assert_false(member.administrator || guest.administrator || nobody.administrator);
    assert_true(manager_rights_see_user(&member, MEMBER));
    assert_false(manager_rights_see_user(&member, GUEST));
    assert_true(manager_rights_see_account(&member, MEMBER));
    assert_false(manager_rights_see_account(&member, ACCOUNT_ROOT));
    /* An account that is others' too. */
    assert_true(manager_rights_see_user(&guest, GUEST));
    assert_false(manager_rights_see_account(&guest, ACCOUNT_GUESTS));
    assert_false(manager_rights_see_account(&fresh, account_unknown(GUEST)));
    assert_false(manager_rights_see_user(&nobody, nobody.uid));
    assert_false(manager_rights_see_account(&nobody, ACCOUNT_GUESTS));
    assert_false(manager_rights_of(UINT32_MAX, UINT32_MAX, UINT32_MAX).administrator);
}

/* Connections of the user, numbered downwards. */
static struct snapshot *connections_of(uint32_t uid, size_t count)
{
    struct snapshot *snapshot = snapshot_new(SNAPSHOT_CONNECTIONS, count);

    assert_non_null(snapshot);
    snapshot->count = count;
    for (size_t i = 0; i < count; i++) {
        struct snapshot_connection *connection = &snapshot->connections[i];

        *connection = (struct snapshot_connection){
            .number = count - i,
            .uid = uid,
            .account = uid,
            .state = SNAPSHOT_RUNNING,
            .command = 0x17b,
            .policy = "standard",
            .tally = {.commands = 7, .chip_ns = 1999},
        };
        memset(connection->peer.program, 'x', sizeof(connection->peer.program) - 1);
    }
    return snapshot;
}

static uint64_t u64_of(GVariant *list, gsize index, const char *key)
{
    g_autoptr(GVariant) entry = g_variant_get_child_value(list, index);
    guint64 value = 0;

    assert_true(g_variant_lookup(entry, key, "t", &value));
    return value;
}

static void test_R90_connections_are_in_order(void **state)
{
    struct snapshot *snapshot = connections_of(MEMBER, 3);
    struct manager_caller caller = caller_of(MEMBER, MEMBER), other = caller_of(GUEST, GUEST);
    GVariant *list = g_variant_ref_sink(manager_variants_connections(snapshot, &caller));

    (void)state;
    assert_int_equal(g_variant_n_children(list), 3);
    for (gsize i = 0; i < 3; i++)
        assert_int_equal(u64_of(list, i, "Number"), i + 1);
    assert_int_equal(u64_of(list, 0, "ChipTime"), 1);
    g_variant_unref(list);
    list = g_variant_ref_sink(manager_variants_connections(snapshot, &other));
    assert_int_equal(g_variant_n_children(list), 0);
    g_variant_unref(list);
    snapshot_free(snapshot);
}

/* The longest list fits into a message that the proxy passes, with room for its header. */
static void test_R90_the_longest_list_passes(void **state)
{
    struct snapshot *snapshot = connections_of(MEMBER, 2 * MANAGER_VARIANTS_CONNECTIONS);
    struct manager_caller root = caller_of(ACCOUNT_ROOT, ACCOUNT_ROOT);
    GVariant *list = g_variant_ref_sink(manager_variants_connections(snapshot, &root));
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call(NULL, "/a", "a.b", "C");
    g_autoptr(GDBusMessage) reply = NULL;
    g_autofree guchar *bytes = NULL;
    gsize size;

    (void)state;
    assert_int_equal(g_variant_n_children(list), MANAGER_VARIANTS_CONNECTIONS);
    assert_int_equal(u64_of(list, MANAGER_VARIANTS_CONNECTIONS - 1, "Number"),
                     MANAGER_VARIANTS_CONNECTIONS);
    g_dbus_message_set_serial(call, 1);
    reply = g_dbus_message_new_method_reply(call);
    g_dbus_message_set_serial(reply, 1);
    g_dbus_message_set_body(reply, g_variant_new_tuple(&list, 1));
    bytes = g_dbus_message_to_blob(reply, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    assert_non_null(bytes);
    assert_in_range(size, 1, PROXY_OUT_MAX - 4096);
    g_variant_unref(list);
    snapshot_free(snapshot);
}

static struct snapshot *users_of(const uint32_t *accounts, size_t count)
{
    struct snapshot *snapshot = snapshot_new(SNAPSHOT_USERS, count);

    assert_non_null(snapshot);
    snapshot->count = count;
    for (size_t i = 0; i < count; i++)
        snapshot->users[i] = (struct snapshot_user){
            .account = accounts[i],
            .connections = 2,
            .rules = {.priority = SCHEDULER_HIGH, .limits = {.objects_per_uid = 9}},
        };
    return snapshot;
}

static void test_R90_accounts_that_are_no_users_have_no_uid(void **state)
{
    const uint32_t accounts[] = {MEMBER, ACCOUNT_GUESTS, account_unknown(GUEST)};
    struct snapshot *snapshot = users_of(accounts, 3);
    struct manager_caller root = caller_of(ACCOUNT_ROOT, ACCOUNT_ROOT);
    GVariant *list = g_variant_ref_sink(manager_variants_users(snapshot, &root));

    (void)state;
    assert_int_equal(g_variant_n_children(list), 3);
    for (gsize i = 0; i < 3; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        guint32 uid = 0, objects = 0;
        const char *name = NULL, *priority = NULL;

        assert_int_equal(g_variant_lookup(entry, "Uid", "u", &uid), i == 0);
        assert_true(g_variant_lookup(entry, "Name", "&s", &name));
        assert_true(g_variant_lookup(entry, "MaxObjects", "u", &objects));
        assert_true(g_variant_lookup(entry, "Priority", "&s", &priority));
        assert_int_equal(objects, 9);
        assert_string_equal(priority, "high");
        assert_string_equal(name, i == 0 ? "user 1000" : i == 1 ? "the guests" : "new users");
    }
    g_variant_unref(list);
    snapshot_free(snapshot);
}

static guint64 word_of(GVariant *statistics, const char *key, const char *word)
{
    g_autoptr(GVariant) words = g_variant_lookup_value(statistics, key, G_VARIANT_TYPE("a{st}"));
    guint64 value = UINT64_MAX;

    assert_non_null(words);
    assert_true(g_variant_lookup(words, word, "t", &value));
    return value;
}

static void test_R90_counts_have_their_words(void **state)
{
    struct snapshot *snapshot = snapshot_new(SNAPSHOT_STATISTICS, 1);
    struct manager_caller root = caller_of(ACCOUNT_ROOT, ACCOUNT_ROOT);
    struct snapshot_statistics *counts;
    GVariant *statistics;
    gsize buckets = 0;
    g_autoptr(GVariant) times = NULL;
    const guint64 *values;

    (void)state;
    assert_non_null(snapshot);
    snapshot->count = 1;
    counts = snapshot->statistics;
    counts->manager.swaps[TRACE_FOR_COMMAND] = 3;
    counts->manager.swaps[TRACE_FOR_CHIP] = 4;
    counts->manager.swaps[TRACE_FOR_REFRESH] = 5;
    counts->manager.chip_commands[TRACE_LOAD] = 6;
    counts->manager.refusals[RM_REFUSAL_PASSWORDS] = 8;
    counts->refused_connections = 9;
    counts->engine.chip[31] = 10;
    statistics = g_variant_ref_sink(manager_variants_statistics(snapshot, &root));
    assert_int_equal(word_of(statistics, "Swaps", "room"), 7);
    assert_int_equal(word_of(statistics, "Swaps", "gap"), 5);
    assert_int_equal(word_of(statistics, "ChipCommands", "load"), 6);
    assert_int_equal(word_of(statistics, "Refusals", "password-budget"), 8);
    assert_int_equal(word_of(statistics, "Refusals", "connections"), 9);
    times = g_variant_lookup_value(statistics, "ChipTimes", G_VARIANT_TYPE("at"));
    values = g_variant_get_fixed_array(times, &buckets, sizeof(*values));
    assert_int_equal(buckets, 32);
    assert_int_equal(values[31], 10);
    g_variant_unref(statistics);
    snapshot_free(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R91_who_sees_whose),
        cmocka_unit_test(test_R90_connections_are_in_order),
        cmocka_unit_test(test_R90_the_longest_list_passes),
        cmocka_unit_test(test_R90_accounts_that_are_no_users_have_no_uid),
        cmocka_unit_test(test_R90_counts_have_their_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
