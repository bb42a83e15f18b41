/* SPDX-License-Identifier: BSD-2-Clause */
/* Which commands a policy permits: presets, changes by name, and several policies together. */
#include "policy-words.h"
#include "wire/command-name.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VENDOR       UINT32_C(0x20000001)
#define OTHER_VENDOR UINT32_C(0x20001234)
#define UNKNOWN      UINT32_C(0x0000F123)

#define ALL_SET                                                      \
    (TPMA_PERMANENT_OWNERAUTHSET | TPMA_PERMANENT_ENDORSEMENTAUTHSET \
     | TPMA_PERMANENT_LOCKOUTAUTHSET)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const admins_only[] = {
    "FieldUpgradeStart", "FieldUpgradeData", "FirmwareRead",      "PP_Commands", "SetAlgorithmSet",
    "PCR_Allocate",      "ChangePPS",        "PCR_SetAuthPolicy", "ChangeEPS",   "ClockSet",
    "SetCapability",     "ClockRateAdjust",  "ACT_SetTimeout",    "Shutdown",    "ReadOnlyControl",
};

static const char *const hierarchies_only[] = {
    "Clear",
    "ClearControl",
    "HierarchyControl",
    "HierarchyChangeAuth",
    "SetPrimaryPolicy",
    "DictionaryAttackParameters",
    "DictionaryAttackLockReset",
    "SetCommandCodeAuditStatus",
    "NV_GlobalWriteLock",
};

static const char *const not_strict[] = {
    "EvictControl",    "NV_DefineSpace",   "NV_UndefineSpace", "NV_UndefineSpaceSpecial",
    "NV_DefineSpace2", "PCR_SetAuthValue", "AC_Send",
};

static uint32_t code_of(const char *name)
{
    uint32_t code = command_name_find(name);

    assert_int_not_equal(code, 0);
    return code;
}

static bool is_in(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static uint8_t judge(const struct policy *policy, const char *name, uint32_t handle)
{
    return policy_judge(policy, code_of(name), &handle, 1, 0);
}

/* What the preset says of each command of the library with a handle that is neither a hierarchy nor
 * a PCR. */
static void check_preset(enum policy_preset preset, bool (*denies)(const char *name))
{
    const struct policy policy = policy_preset(preset);
    uint32_t code = 0, handle = 0x81000001;
    unsigned denied = 0, seen = 0;
    const char *name;

    while ((name = command_name_next(&code))) {
        uint8_t found = policy_judge(&policy, code, &handle, 1, ALL_SET);

        seen++;
        denied += found == POLICY_DENIED;
        if ((found == POLICY_DENIED) != denies(name))
            fail_msg("%s: %s is %sdenied", policy_preset_name(preset), name, found ? "" : "not ");
    }
    assert_true(seen > 120);
    assert_true(preset == POLICY_OPEN ? denied == 0 : denied > 0);
}

static bool denied_by_open(const char *name)
{
    (void)name;
    return false;
}

static bool denied_by_standard(const char *name)
{
    return is_in(name, admins_only, COUNT(admins_only));
}

static bool denied_by_strict(const char *name)
{
    return denied_by_standard(name) || is_in(name, hierarchies_only, COUNT(hierarchies_only))
           || is_in(name, not_strict, COUNT(not_strict));
}

static void test_R80_presets_deny_what_they_list(void **state)
{
    (void)state;
    check_preset(POLICY_OPEN, denied_by_open);
    check_preset(POLICY_STANDARD, denied_by_standard);
    check_preset(POLICY_GUARDED, denied_by_standard);
    check_preset(POLICY_STRICT, denied_by_strict);
}

static void test_R80_platform_is_for_admins(void **state)
{
    static const uint32_t platforms[] = {TPM2_RH_PLATFORM, 0x40000142, 0x40030000, 0x4003FFFF};
    static const uint32_t others[] = {TPM2_RH_OWNER,       TPM2_RH_NULL, TPM2_RH_LOCKOUT,
                                      TPM2_RH_ENDORSEMENT, 0x40000143,   0x40020000,
                                      0x40040000,          0x81800000};

    (void)state;
    for (enum policy_preset preset = POLICY_OPEN; preset < POLICY_PRESETS; preset++) {
        const struct policy policy = policy_preset(preset);
        uint8_t expected = preset == POLICY_OPEN ? 0 : POLICY_NO_PLATFORM;

        for (size_t i = 0; i < COUNT(platforms); i++) {
            uint32_t handles[] = {0x80000000, 0x01000000, platforms[i]};

            assert_int_equal(judge(&policy, "CreatePrimary", platforms[i]), expected);
            assert_int_equal(policy_judge(&policy, TPM2_CC_PolicyNV, handles, 3, ALL_SET),
                             expected);
            assert_int_equal(policy_judge(&policy, TPM2_CC_PolicyNV, handles, 2, ALL_SET), 0);
        }
        for (size_t i = 0; i < COUNT(others); i++)
            assert_int_equal(judge(&policy, "CreatePrimary", others[i]), 0);
    }
}

static void test_R80_vendors_commands_are_named_one_by_one(void **state)
{
    (void)state;
    for (enum policy_preset preset = POLICY_OPEN; preset < POLICY_PRESETS; preset++) {
        struct policy policy = policy_preset(preset);
        uint8_t denied = preset == POLICY_OPEN ? 0 : POLICY_DENIED;

        assert_int_equal(policy_judge(&policy, VENDOR, NULL, 0, ALL_SET), denied);
        assert_true(policy_allow(&policy, VENDOR));
        assert_int_equal(policy_judge(&policy, VENDOR, NULL, 0, ALL_SET), 0);
        assert_int_equal(policy_judge(&policy, OTHER_VENDOR, NULL, 0, ALL_SET), denied);
        assert_true(policy_deny(&policy, VENDOR));
        assert_int_equal(policy_judge(&policy, VENDOR, NULL, 0, ALL_SET), POLICY_DENIED);
        assert_int_equal(policy_judge(&policy, UNKNOWN, NULL, 0, ALL_SET),
                         preset == POLICY_STRICT ? POLICY_DENIED : 0);
        /* The first one before the Library's, whose index would wrap around. */
        assert_int_equal(policy_judge(&policy, 0, NULL, 0, ALL_SET),
                         preset == POLICY_STRICT ? POLICY_DENIED : 0);
    }
}

static void test_R81_empty_authorizations_guard(void **state)
{
    static const struct {
        uint32_t hierarchy, bit;
    } hierarchies[] = {
        {TPM2_RH_OWNER, TPMA_PERMANENT_OWNERAUTHSET},
        {TPM2_RH_ENDORSEMENT, TPMA_PERMANENT_ENDORSEMENTAUTHSET},
        {TPM2_RH_LOCKOUT, TPMA_PERMANENT_LOCKOUTAUTHSET},
        {0x40000110, 0}, /* TPM_RH_ACT_0 has no such bit */
        {TPM2_RH_NULL, 0},
    };
    const struct policy guarded = policy_preset(POLICY_GUARDED);
    const struct policy standard = policy_preset(POLICY_STANDARD);

    (void)state;
    for (size_t i = 0; i < COUNT(hierarchies_only); i++) {
        uint32_t code = code_of(hierarchies_only[i]);

        assert_int_equal(policy_judge(&guarded, code, NULL, 0, ALL_SET), POLICY_GUARDED_BY);
        for (size_t k = 0; k < COUNT(hierarchies); k++) {
            const uint32_t *handle = &hierarchies[k].hierarchy;
            uint32_t bit = hierarchies[k].bit;

            assert_int_equal(policy_judge(&guarded, code, handle, 1, ~bit), POLICY_GUARDED_BY);
            assert_int_equal(policy_judge(&guarded, code, handle, 1, bit),
                             bit ? 0 : POLICY_GUARDED_BY);
            assert_int_equal(policy_judge(&standard, code, handle, 1, 0), 0);
        }
    }
}

static void test_R80_strict_leaves_two_pcrs(void **state)
{
    static const char *const change[] = {"PCR_Extend", "PCR_Event", "PCR_Reset",
                                         "EventSequenceComplete"};
    const struct policy strict = policy_preset(POLICY_STRICT);
    const struct policy guarded = policy_preset(POLICY_GUARDED);

    (void)state;
    for (size_t i = 0; i < COUNT(change); i++) {
        for (uint32_t pcr = 0; pcr < 32; pcr++) {
            assert_int_equal(judge(&strict, change[i], pcr),
                             pcr == 16 || pcr == 23 ? 0 : POLICY_FREE_PCRS);
            assert_int_equal(judge(&guarded, change[i], pcr), 0);
        }
        assert_int_equal(judge(&strict, change[i], TPM2_RH_NULL), 0);
    }
}

static void count_wrong(void *data, const char *what)
{
    (void)what;
    ++*(unsigned *)data;
}

static void test_R82_lists_change_a_policy(void **state)
{
    struct policy policy = policy_preset(POLICY_STANDARD);
    unsigned wrong = 0;

    (void)state;
    policy_words_change(&policy, "ClockSet, TPM2_Shutdown,PCR_Allocate,0x20000001,0x00000145",
                        policy_allow, count_wrong, &wrong);
    assert_int_equal(judge(&policy, "ClockSet", TPM2_RH_PLATFORM), 0);
    assert_int_equal(judge(&policy, "PCR_Allocate", TPM2_RH_PLATFORM), 0);
    assert_int_equal(judge(&policy, "Shutdown", 0), 0);
    assert_int_equal(policy_judge(&policy, VENDOR, NULL, 0, 0), 0);
    assert_int_equal(judge(&policy, "ClockRateAdjust", TPM2_RH_OWNER), POLICY_DENIED);
    policy_words_change(&policy, "TPM2_Sign,MAC,ClockSet,0X20000001,0xF123", policy_deny,
                        count_wrong, &wrong);
    assert_int_equal(judge(&policy, "Sign", 0x80000000), POLICY_DENIED);
    assert_int_equal(judge(&policy, "HMAC", 0x80000000), POLICY_DENIED);
    assert_int_equal(judge(&policy, "HMAC_Start", 0x80000000), 0);
    assert_int_equal(judge(&policy, "ClockSet", TPM2_RH_OWNER), POLICY_DENIED);
    assert_int_equal(policy_judge(&policy, VENDOR, NULL, 0, 0), POLICY_DENIED);
    assert_int_equal(policy_judge(&policy, UNKNOWN, NULL, 0, 0), POLICY_DENIED);
    assert_int_equal(wrong, 0);
}

static void collect(void *data, const char *what)
{
    g_string_append_printf(data, "%s|", what);
}

static void check_wrong(const char *list, const char *expected)
{
    GString *wrong = g_string_new(NULL);
    struct policy policy = policy_preset(POLICY_OPEN);

    policy_words_change(&policy, list, policy_deny, collect, wrong);
    assert_string_equal(wrong->str, expected);
    /* What is right counts all the same. */
    if (strstr(list, "Quote"))
        assert_int_equal(judge(&policy, "Quote", 0), POLICY_DENIED);
    g_string_free(wrong, TRUE);
}

static void test_R82_wrong_names_are_told_with_the_nearest(void **state)
{
    (void)state;
    check_wrong("Cleaar,quote,Quote,TPM2_Evict_Contrl",
                "there is no command \"Cleaar\"; the nearest is \"Clear\"|"
                "there is no command \"quote\"; the nearest is \"Quote\"|"
                "there is no command \"TPM2_Evict_Contrl\"; the nearest is \"EvictControl\"|");
    check_wrong("Quote,,Sign", "a word is empty|");
    check_wrong("", "a word is empty|");
    check_wrong("0x,0x0,0x20000000000,0x40000001,288,0x1FFFFFFF",
                "0x is no command code|0x0 is no command code|"
                "0x20000000000 is no command code|0x40000001 is no command code|"
                "288 is no command code|0x1FFFFFFF is no command code|");
}

static void test_R82_numbers_without_room_are_told(void **state)
{
    GString *list = g_string_new("0x20000000");
    struct policy policy = policy_preset(POLICY_STANDARD);
    unsigned wrong = 0;

    (void)state;
    for (unsigned i = 1; i <= POLICY_OTHERS; i++)
        g_string_append_printf(list, ",0x200000%02x", i);
    policy_words_change(&policy, list->str, policy_allow, count_wrong, &wrong);
    assert_int_equal(wrong, 1);
    assert_int_equal(policy_judge(&policy, UINT32_C(0x20000000) + POLICY_OTHERS - 1, NULL, 0, 0),
                     0);
    assert_int_equal(policy_judge(&policy, UINT32_C(0x20000000) + POLICY_OTHERS, NULL, 0, 0),
                     POLICY_DENIED);
    g_string_free(list, TRUE);
}

static uint32_t random_code(GRand *random)
{
    switch (g_rand_int_range(random, 0, 4)) {
    case 0:
        return TPMA_CC_V | (uint32_t)g_rand_int_range(random, 0, 40);
    case 1:
        return (uint32_t)g_rand_int_range(random, 0xF000, 0xF010);
    default:
        return (uint32_t)g_rand_int_range(random, TPM2_CC_FIRST, TPM2_CC_LAST + 8);
    }
}

static struct policy random_policy(GRand *random)
{
    struct policy policy = policy_preset((enum policy_preset)g_rand_int_range(random, 0, 4));

    for (int i = g_rand_int_range(random, 0, 24); i > 0; i--) {
        if (g_rand_boolean(random))
            policy_allow(&policy, random_code(random));
        else
            policy_deny(&policy, random_code(random));
    }
    return policy;
}

/* What of both policies is permitted by each is permitted, as far as there is room; what one of
 * them refuses is never. */
static void check_join(GRand *random, const struct policy *one, const struct policy *other,
                       const struct policy *joined)
{
    static const uint32_t handles[] = {TPM2_RH_OWNER, TPM2_RH_PLATFORM, TPM2_RH_LOCKOUT, 16, 7,
                                       0x80000000};

    for (unsigned i = 0; i < 64; i++) {
        uint32_t code = random_code(random), permanent = g_rand_int(random);
        uint32_t handle = handles[g_rand_int_range(random, 0, COUNT(handles))];
        unsigned count = (unsigned)g_rand_int_range(random, 0, 2);
        bool denied = policy_judge(one, code, &handle, count, permanent)
                      || policy_judge(other, code, &handle, count, permanent);
        bool full = joined->other_count == POLICY_OTHERS && code - TPM2_CC_FIRST >= POLICY_CODES;

        if (denied || !full)
            assert_int_equal(policy_judge(joined, code, &handle, count, permanent) != 0, denied);
    }
}

static void test_R82_the_strictest_of_several_counts(void **state)
{
    GRand *random = g_rand_new_with_seed(14);

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct policy one = random_policy(random), other = random_policy(random), joined = one;

        policy_join(&joined, &other);
        check_join(random, &one, &other, &joined);
        assert_int_equal(joined.counts_tries, one.counts_tries || other.counts_tries);
    }
    g_rand_free(random);
}

static void test_R82_presets_have_names(void **state)
{
    (void)state;
    for (enum policy_preset preset = POLICY_OPEN; preset < POLICY_PRESETS; preset++)
        assert_int_equal(policy_preset_find(policy_preset_name(preset)), preset);
    assert_int_equal(policy_preset_find("Strict"), POLICY_PRESETS);
    assert_int_equal(policy_preset_find(""), POLICY_PRESETS);
}

static void test_names_and_codes_are_each_others(void **state)
{
    uint32_t code = 0;
    const char *name;

    (void)state;
    while ((name = command_name_next(&code))) {
        g_autofree char *long_name = g_strdup_printf("TPM2_%s", name);

        assert_string_equal(command_name(code), name);
        assert_int_equal(command_name_find(name), code);
        assert_int_equal(command_name_find(long_name), code);
    }
    assert_int_equal(command_name_find("TPM2_"), 0);
    assert_int_equal(command_name_find("(unknown)"), 0);
    assert_int_equal(command_name_find("MAC"), TPM2_CC_HMAC);
    assert_int_equal(command_name_find("MAC_Start"), TPM2_CC_HMAC_Start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R80_presets_deny_what_they_list),
        cmocka_unit_test(test_R80_platform_is_for_admins),
        cmocka_unit_test(test_R80_vendors_commands_are_named_one_by_one),
        cmocka_unit_test(test_R80_strict_leaves_two_pcrs),
        cmocka_unit_test(test_R81_empty_authorizations_guard),
        cmocka_unit_test(test_R82_lists_change_a_policy),
        cmocka_unit_test(test_R82_wrong_names_are_told_with_the_nearest),
        cmocka_unit_test(test_R82_numbers_without_room_are_told),
        cmocka_unit_test(test_R82_the_strictest_of_several_counts),
        cmocka_unit_test(test_R82_presets_have_names),
        cmocka_unit_test(test_names_and_codes_are_each_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
