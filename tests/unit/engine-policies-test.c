/* SPDX-License-Identifier: BSD-2-Clause */
/* Which class a user is of, what rules make of its policy, and what is told of empty
 * authorizations. */
#include "engine/policies.h"
#include "log-capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NAMED  UINT32_C(2000)
#define MEMBER UINT32_C(1000)
#define VENDOR UINT32_C(0x20000001)

static struct policies *make(enum policy_preset member, enum policy_preset guest)
{
    static const uint32_t admins[] = {1999, NAMED};
    const struct policies_config config = {.member = policy_preset(member),
                                           .guest = policy_preset(guest),
                                           .admins = admins,
                                           .admin_count = 2};
    struct policies *policies = policies_new(&config);

    assert_non_null(policies);
    return policies;
}

static const struct peer_groups nobodys = {.known = true};

static struct policy policy_of(const struct policies *policies, uint32_t uid, bool member)
{
    struct policy policy;

    policies_of(policies, uid, &nobodys, member, &policy);
    return policy;
}

static bool permits_to(const struct policies *policies, uint32_t uid,
                       const struct peer_groups *groups, bool member, uint32_t code)
{
    const uint32_t handle = TPM2_RH_OWNER;
    struct policy policy;

    policies_of(policies, uid, groups, member, &policy);
    return policy_judge(&policy, code, &handle, 1, 0) == 0;
}

static bool permits(const struct policies *policies, uint32_t uid, bool member, uint32_t code)
{
    return permits_to(policies, uid, &nobodys, member, code);
}

static void test_R80_classes_of_users(void **state)
{
    struct policies *policies = make(POLICY_STANDARD, POLICY_STRICT);
    const uint32_t admins[] = {0, geteuid(), NAMED, 1999};

    (void)state;
    for (size_t i = 0; i < sizeof(admins) / sizeof(admins[0]); i++) {
        assert_true(permits(policies, admins[i], false, TPM2_CC_ClockSet));
        assert_true(permits(policies, admins[i], true, TPM2_CC_FieldUpgradeStart));
        assert_false(policy_of(policies, admins[i], true).counts_tries);
    }
    assert_false(permits(policies, MEMBER, true, TPM2_CC_ClockSet));
    assert_true(permits(policies, MEMBER, true, TPM2_CC_EvictControl));
    assert_false(permits(policies, MEMBER, false, TPM2_CC_EvictControl));
    assert_true(permits(policies, MEMBER, false, TPM2_CC_CreatePrimary));
    assert_true(policy_of(policies, MEMBER, true).counts_tries);
    policies_unreference(policies);
}

/* Groups of a connection, by number; none at 0. */
static struct peer_groups groups_of(gid_t ids[2])
{
    return (struct peer_groups){true, (ids[0] != 0) + (ids[1] != 0), ids};
}

static struct policy commands(uint32_t one, uint32_t other)
{
    struct policy set = policy_preset(POLICY_OPEN);

    if (one)
        policy_deny(&set, one);
    if (other)
        policy_deny(&set, other);
    return set;
}

/* Groups 10 and 11, 12 and 13, and users 20 and 21, for whom something is said; and what nobody
 * may. Group 14 is of administrators. */
static struct policies *make_rules(void)
{
    static const gid_t admin_groups[] = {14};
    const struct policies_rule rules[] = {
        {RULE_FOR_GROUP, 10, POLICY_STRICT, commands(TPM2_CC_EvictControl, 0), commands(0, 0)},
        {RULE_FOR_GROUP, 11, POLICY_PRESETS, commands(TPM2_CC_ClockSet, 0),
         commands(TPM2_CC_Hash, 0)},
        {RULE_FOR_GROUP, 12, POLICY_PRESETS, commands(TPM2_CC_ClockSet, VENDOR), commands(0, 0)},
        {RULE_FOR_GROUP, 13, POLICY_OPEN, commands(0, 0), commands(TPM2_CC_Sign, TPM2_CC_Sign)},
        {RULE_FOR_USER, 20, POLICY_PRESETS, commands(TPM2_CC_ClockRateAdjust, TPM2_CC_Hash),
         commands(TPM2_CC_Quote, 0)},
        {RULE_FOR_USER, 21, POLICY_STANDARD, commands(TPM2_CC_ChangeEPS, TPM2_CC_GetRandom),
         commands(TPM2_CC_ChangeEPS, 0)},
    };
    const struct policies_config config = {.member = policy_preset(POLICY_STANDARD),
                                           .guest = policy_preset(POLICY_STRICT),
                                           .denied = commands(TPM2_CC_GetRandom, 0),
                                           .rules = rules,
                                           .rule_count = sizeof(rules) / sizeof(rules[0]),
                                           .admin_groups = admin_groups,
                                           .admin_group_count = 1};
    struct policies *policies = policies_new(&config);

    assert_non_null(policies);
    return policies;
}

#define ANYBODY UINT32_C(30)

static void test_R82_users_and_groups_have_policies(void **state)
{
    static const struct {
        uint32_t uid;
        gid_t groups[2];
        bool member;
        uint32_t code;
        bool permitted;
    } cases[] = {
        /* Nothing is said of those. */
        {ANYBODY, {9}, true, TPM2_CC_ClockSet, false},
        {ANYBODY, {9}, true, TPM2_CC_EvictControl, true},
        {ANYBODY, {0}, false, TPM2_CC_EvictControl, false},
        {ANYBODY, {0}, true, TPM2_CC_GetRandom, false},
        {ANYBODY, {0}, false, TPM2_CC_GetRandom, false},
        /* A group's begins anew, or changes what holds. */
        {ANYBODY, {10}, true, TPM2_CC_NV_DefineSpace, false},
        {ANYBODY, {10}, true, TPM2_CC_EvictControl, true},
        {ANYBODY, {9, 11}, true, TPM2_CC_ClockSet, true},
        {ANYBODY, {9, 11}, true, TPM2_CC_Hash, false},
        {ANYBODY, {11}, true, TPM2_CC_EvictControl, true},
        {ANYBODY, {12}, true, VENDOR, true},
        {ANYBODY, {13}, true, VENDOR, true},
        {ANYBODY, {13}, true, TPM2_CC_Sign, false},
        {ANYBODY, {13}, true, TPM2_CC_GetRandom, false},
        /* The strictest of several. */
        {ANYBODY, {10, 11}, true, TPM2_CC_EvictControl, true},
        {ANYBODY, {10, 11}, true, TPM2_CC_ClockSet, false},
        {ANYBODY, {11, 12}, true, TPM2_CC_ClockSet, true},
        {ANYBODY, {11, 12}, true, VENDOR, false},
        {ANYBODY, {13, 12}, true, VENDOR, true},
        {ANYBODY, {12, 13}, true, TPM2_CC_ClockRateAdjust, false},
        /* Groups lift no guest, and may refuse it more. */
        {ANYBODY, {13}, false, TPM2_CC_EvictControl, false},
        {ANYBODY, {10}, false, TPM2_CC_EvictControl, false},
        {ANYBODY, {12}, false, VENDOR, false},
        {ANYBODY, {13}, false, TPM2_CC_Sign, false},
        {ANYBODY, {12}, false, TPM2_CC_Sign, true},
        /* The user's own wins. */
        {20, {9}, true, TPM2_CC_ClockRateAdjust, true},
        {20, {9}, true, TPM2_CC_ClockSet, false},
        {20, {11}, true, TPM2_CC_Hash, true},
        {20, {11}, true, TPM2_CC_ClockSet, true},
        {20, {10}, true, TPM2_CC_NV_DefineSpace, false},
        {20, {0}, true, TPM2_CC_Quote, false},
        {20, {0}, false, TPM2_CC_ClockRateAdjust, true},
        {20, {0}, false, TPM2_CC_EvictControl, false},
        {21, {0}, false, TPM2_CC_EvictControl, true},
        {21, {10}, true, TPM2_CC_NV_DefineSpace, true},
        {21, {11}, true, TPM2_CC_ClockSet, false},
        /* Numbers of users are none of groups. */
        {10, {0}, true, TPM2_CC_NV_DefineSpace, true},
        {ANYBODY, {20}, true, TPM2_CC_Quote, true},
        /* In its own what is refused wins, and over that what nobody may. */
        {21, {0}, true, TPM2_CC_ChangeEPS, false},
        {21, {0}, true, TPM2_CC_GetRandom, false},
        /* Administrators. */
        {ANYBODY, {14}, true, TPM2_CC_GetRandom, true},
        {ANYBODY, {10, 14}, false, TPM2_CC_ChangeEPS, true},
        {21, {14}, true, TPM2_CC_ChangeEPS, true},
    };
    struct policies *policies = make_rules();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gid_t ids[2] = {cases[i].groups[0], cases[i].groups[1]};
        const struct peer_groups groups = groups_of(ids);
        bool permitted =
            permits_to(policies, cases[i].uid, &groups, cases[i].member, cases[i].code);

        if (permitted != cases[i].permitted)
            print_error("case %zu\n", i);
        assert_int_equal(permitted, cases[i].permitted);
    }
    policies_unreference(policies);
}

/* They may be any, and so the strictest of all counts; and they are no administrator's. */
static void test_R82_unknown_groups_are_the_strictest(void **state)
{
    static const struct {
        uint32_t uid, code;
        bool permitted;
    } cases[] = {
        {ANYBODY, TPM2_CC_EvictControl, true},
        {ANYBODY, TPM2_CC_NV_DefineSpace, false},
        {ANYBODY, TPM2_CC_Hash, false},
        {ANYBODY, TPM2_CC_Sign, false},
        {ANYBODY, TPM2_CC_ClockSet, false},
        {ANYBODY, VENDOR, false},
        {ANYBODY, TPM2_CC_ClockRateAdjust, false},
        {20, TPM2_CC_ClockRateAdjust, true},
        {20, TPM2_CC_Hash, true},
        {21, TPM2_CC_NV_DefineSpace, true},
    };
    const struct peer_groups unknown = {0};
    struct policies *policies = make_rules();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(permits_to(policies, cases[i].uid, &unknown, true, cases[i].code),
                         cases[i].permitted);
    assert_false(permits_to(policies, ANYBODY, &unknown, false, TPM2_CC_EvictControl));
    policies_unreference(policies);
}

/* A rule that lifts its group, as the only one there is, lifts nobody whose groups are unknown. */
static void test_R82_unknown_groups_lift_nobody(void **state)
{
    const struct policies_rule rule = {.subject = RULE_FOR_GROUP, .id = 10, .preset = POLICY_OPEN};
    const struct policies_config config = {
        .member = policy_preset(POLICY_GUARDED), .rules = &rule, .rule_count = 1};
    const struct peer_groups unknown = {0};
    struct policies *policies = policies_new(&config);

    (void)state;
    assert_non_null(policies);
    assert_false(permits_to(policies, ANYBODY, &unknown, true, TPM2_CC_Clear));
    assert_true(permits_to(policies, ANYBODY, &unknown, true, TPM2_CC_EvictControl));
    policies_unreference(policies);
}

static void test_R80_policies_are_shared(void **state)
{
    struct policies *policies = make(POLICY_STRICT, POLICY_STRICT);
    struct policies *same = policies_reference(policies);

    (void)state;
    assert_ptr_equal(policies, same);
    policies_unreference(policies);
    assert_false(permits(same, MEMBER, true, TPM2_CC_EvictControl));
    policies_unreference(same);
    policies_unreference(NULL);
    assert_null(policies_reference(NULL));
}

/* The warning, or "". Takes the policies over. */
static const char *warning_of(struct policies *policies, uint32_t permanent)
{
    static char text[2048];
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_WARNING);

    policies_warn(policies, permanent);
    log_capture_end(capture);
    strcpy(text, log_capture_line(capture));
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
    policies_unreference(policies);
    return text;
}

static const char *warning(enum policy_preset member, uint32_t permanent)
{
    return warning_of(make(member, POLICY_STRICT), permanent);
}

static void test_R81_what_nobody_may_is_not_told(void **state)
{
    const struct policies_config config = {.denied = commands(TPM2_CC_HierarchyChangeAuth, 0)};
    struct policies *policies = policies_new(&config);

    (void)state;
    assert_non_null(policies);
    assert_non_null(strstr(warning_of(policies, 0), "are empty (lockout), "));
}

static void test_R81_empty_authorizations_are_told(void **state)
{
    const uint32_t all = TPMA_PERMANENT_OWNERAUTHSET | TPMA_PERMANENT_ENDORSEMENTAUTHSET
                         | TPMA_PERMANENT_LOCKOUTAUTHSET;
    const char *text;

    (void)state;
    for (enum policy_preset preset = POLICY_OPEN; preset <= POLICY_STANDARD; preset++) {
        text = warning(preset, 0);
        assert_non_null(strstr(text, "are empty (owner, endorsement, lockout)"));
        assert_non_null(strstr(text, "switch it off, take the endorsement hierarchy"));
        assert_non_null(strstr(text, "clear the TPM"));
        assert_non_null(strstr(text, "tpm2_changeauth"));
        assert_non_null(strstr(text, "--policy=guarded"));
        assert_string_equal(warning(preset, all), "");
        text = warning(preset, all & ~(uint32_t)TPMA_PERMANENT_LOCKOUTAUTHSET);
        assert_non_null(strstr(text, "are empty (lockout), "));
        assert_null(strstr(text, "hierarchy over"));
    }
    assert_string_equal(warning(POLICY_GUARDED, 0), "");
    assert_string_equal(warning(POLICY_STRICT, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R80_classes_of_users),
        cmocka_unit_test(test_R82_users_and_groups_have_policies),
        cmocka_unit_test(test_R82_unknown_groups_are_the_strictest),
        cmocka_unit_test(test_R82_unknown_groups_lift_nobody),
        cmocka_unit_test(test_R80_policies_are_shared),
        cmocka_unit_test(test_R81_empty_authorizations_are_told),
        cmocka_unit_test(test_R81_what_nobody_may_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
