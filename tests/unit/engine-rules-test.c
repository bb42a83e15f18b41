/* SPDX-License-Identifier: BSD-2-Clause */
/* Which rule holds for whom: a user's own, the strictest of its groups', the one for all. */
#include "engine/rules.h"

#include "base/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MEMBER 1000
#define STAFF  50
#define CI     60

static const struct rm_limits limits = {.objects_per_client = 64,
                                        .sessions_per_client = 16,
                                        .objects_per_uid = 1024,
                                        .sessions_per_uid = 48,
                                        .abandoned_per_uid = 15,
                                        .share_sessions = true};

static struct rules *rules_of(const struct rule *rules, unsigned count)
{
    const struct rules_config config = {
        .limits = limits, .connections_per_user = 9, .rules = rules, .count = count};
    struct rules *made = rules_new(&config);

    assert_non_null(made);
    return made;
}

/* What holds for a member of up to two groups; 0 for none. */
static struct user_rules find(const struct rules *rules, uint32_t uid, gid_t one, gid_t other)
{
    gid_t ids[] = {one, other};
    const struct peer_groups groups = {true, (one != 0) + (other != 0), ids};
    struct user_rules found;

    rules_find(rules, uid, &groups, uid, &found);
    return found;
}

static void test_R75_without_rules_the_limits_of_all_hold(void **state)
{
    struct rules *rules = rules_of(NULL, 0);
    struct user_rules found = find(rules, MEMBER, STAFF, CI);

    (void)state;
    assert_int_equal(found.limits.objects_per_client, 64);
    assert_int_equal(found.limits.sessions_per_client, 16);
    assert_int_equal(found.limits.objects_per_uid, 1024);
    assert_int_equal(found.limits.sessions_per_uid, 48);
    assert_int_equal(found.limits.abandoned_per_uid, 15);
    assert_true(found.limits.share_sessions);
    assert_int_equal(found.connections_per_user, 9);
    assert_int_equal(found.priority, SCHEDULER_NORMAL);
    assert_int_equal(found.localities, 0x01);
    assert_int_equal(find(rules, ACCOUNT_ROOT, 0, 0).localities, 0x07);
    assert_false(rules_name(rules, MEMBER));
    assert_false(rules_have_groups(rules));
    rules_unreference(rules);
}

static void test_R75_each_key_is_found_by_itself(void **state)
{
    static const struct rule said[] = {
        {.subject = RULE_FOR_GROUP,
         .id = STAFF,
         .said = {[RULE_TRANSIENTS] = true, [RULE_SESSIONS] = true, [RULE_LOCALITIES] = true},
         .values = {[RULE_TRANSIENTS] = 200, [RULE_SESSIONS] = 4, [RULE_LOCALITIES] = 0x1e}},
        {.subject = RULE_FOR_ALL,
         .said = {[RULE_SESSIONS] = true, [RULE_PRIORITY] = true, [RULE_LOCALITIES] = true},
         .values = {[RULE_SESSIONS] = 2, [RULE_PRIORITY] = SCHEDULER_LOW, [RULE_LOCALITIES] = 3}},
        {.subject = RULE_FOR_USER,
         .id = MEMBER,
         .said = {[RULE_TRANSIENTS] = true},
         .values = {[RULE_TRANSIENTS] = 300}},
        {.subject = RULE_FOR_GROUP,
         .id = CI,
         .said = {[RULE_TRANSIENTS] = true, [RULE_LOCALITIES] = true, [RULE_PRIORITY] = true},
         .values =
             {[RULE_TRANSIENTS] = 100, [RULE_LOCALITIES] = 0x06, [RULE_PRIORITY] = SCHEDULER_HIGH}},
    };
    struct rules *rules = rules_of(said, 4);
    struct user_rules found;

    (void)state;
    /* The user's own, then its group's, then the one for all, then the limits of all. */
    found = find(rules, MEMBER, STAFF, 0);
    assert_int_equal(found.limits.objects_per_client, 300);
    assert_int_equal(found.limits.sessions_per_client, 4);
    assert_int_equal(found.priority, SCHEDULER_LOW);
    assert_int_equal(found.limits.abandoned_per_uid, 15);
    /* Of two groups the strictest, for each key; 0 is a locality in any case. */
    found = find(rules, MEMBER + 1, STAFF, CI);
    assert_int_equal(found.limits.objects_per_client, 100);
    assert_int_equal(found.limits.sessions_per_client, 4);
    assert_int_equal(found.priority, SCHEDULER_HIGH);
    assert_int_equal(found.localities, 0x07);
    /* What is said for all is said for root too. */
    found = find(rules, ACCOUNT_ROOT, 0, 0);
    assert_int_equal(found.localities, 0x03);
    assert_int_equal(found.limits.sessions_per_client, 2);
    assert_true(rules_name(rules, MEMBER));
    assert_false(rules_name(rules, STAFF));
    assert_true(rules_have_groups(rules));
    rules_unreference(rules);
}

static void test_R75_the_stricter_priority_is_the_lower_one(void **state)
{
    static const struct rule said[] = {
        {.subject = RULE_FOR_GROUP,
         .id = STAFF,
         .said = {[RULE_PRIORITY] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_NORMAL}},
        {.subject = RULE_FOR_GROUP,
         .id = CI,
         .said = {[RULE_PRIORITY] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_HIGH}},
    };
    struct rules *rules = rules_of(said, 2);

    (void)state;
    assert_int_equal(find(rules, MEMBER, CI, STAFF).priority, SCHEDULER_NORMAL);
    assert_int_equal(find(rules, MEMBER, CI, 0).priority, SCHEDULER_HIGH);
    rules_unreference(rules);
}

/* Who may be in any group is limited as in all of them, and gains from none. */
static void test_R75_unknown_groups_are_the_strictest(void **state)
{
    static const struct rule said[] = {
        {.subject = RULE_FOR_GROUP,
         .id = STAFF,
         .said = {[RULE_TRANSIENTS] = true, [RULE_PRIORITY] = true, [RULE_LOCALITIES] = true},
         .values =
             {[RULE_TRANSIENTS] = 3, [RULE_PRIORITY] = SCHEDULER_HIGH, [RULE_LOCALITIES] = 0x1f}},
        {.subject = RULE_FOR_GROUP,
         .id = CI,
         .said = {[RULE_TRANSIENTS] = true, [RULE_SESSIONS] = true},
         .values = {[RULE_TRANSIENTS] = 500, [RULE_SESSIONS] = 2}},
        {.subject = RULE_FOR_USER,
         .id = MEMBER,
         .said = {[RULE_TRANSIENTS] = true},
         .values = {[RULE_TRANSIENTS] = 400}},
    };
    struct rules *rules = rules_of(said, 3);
    const struct peer_groups groups = {0};
    struct user_rules found;

    (void)state;
    rules_find(rules, MEMBER + 1, &groups, MEMBER + 1, &found);
    assert_int_equal(found.limits.objects_per_client, 3);
    assert_int_equal(found.limits.sessions_per_client, 2);
    assert_int_equal(found.priority, SCHEDULER_NORMAL);
    assert_int_equal(found.localities, 0x01);
    rules_find(rules, MEMBER, &groups, MEMBER, &found);
    assert_int_equal(found.limits.objects_per_client, 400);
    assert_int_equal(found.limits.sessions_per_client, 2);
    rules_unreference(rules);
}

/* Groups of one guest give no priority to all of them. */
static void test_R75_guests_have_one_priority_together(void **state)
{
    static const struct rule said[] = {
        {.subject = RULE_FOR_GROUP,
         .id = STAFF,
         .said = {[RULE_PRIORITY] = true, [RULE_TRANSIENTS] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_HIGH, [RULE_TRANSIENTS] = 3}},
        {.subject = RULE_FOR_ALL,
         .said = {[RULE_PRIORITY] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_LOW}},
    };
    struct rules *rules = rules_of(said, 2);
    gid_t ids[] = {STAFF};
    const struct peer_groups groups = {true, 1, ids};
    struct user_rules found;

    (void)state;
    rules_find(rules, MEMBER, &groups, ACCOUNT_GUESTS, &found);
    assert_int_equal(found.priority, SCHEDULER_LOW);
    assert_int_equal(found.limits.objects_per_client, 3);
    rules_unreference(rules);
}

static void test_R75_rules_live_as_long_as_somebody_has_them(void **state)
{
    struct rules *rules = rules_of(NULL, 0);

    (void)state;
    assert_ptr_equal(rules_reference(rules), rules);
    rules_unreference(rules);
    assert_int_equal(find(rules, MEMBER, 0, 0).connections_per_user, 9);
    rules_unreference(rules);
    rules_unreference(NULL);
    assert_null(rules_reference(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R75_without_rules_the_limits_of_all_hold),
        cmocka_unit_test(test_R75_each_key_is_found_by_itself),
        cmocka_unit_test(test_R75_the_stricter_priority_is_the_lower_one),
        cmocka_unit_test(test_R75_unknown_groups_are_the_strictest),
        cmocka_unit_test(test_R75_guests_have_one_priority_together),
        cmocka_unit_test(test_R75_rules_live_as_long_as_somebody_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
