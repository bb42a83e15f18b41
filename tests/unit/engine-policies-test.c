/* SPDX-License-Identifier: BSD-2-Clause */
/* Which class a user is of, and what is told of empty authorizations. */
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

static bool permits(const struct policies *policies, uint32_t uid, bool member, uint32_t code)
{
    const uint32_t handle = TPM2_RH_OWNER;

    return policy_judge(policies_of(policies, uid, member), code, &handle, 1, 0) == 0;
}

static void test_R80_classes_of_users(void **state)
{
    struct policies *policies = make(POLICY_STANDARD, POLICY_STRICT);
    const uint32_t admins[] = {0, geteuid(), NAMED, 1999};

    (void)state;
    for (size_t i = 0; i < sizeof(admins) / sizeof(admins[0]); i++) {
        assert_true(permits(policies, admins[i], false, TPM2_CC_ClockSet));
        assert_true(permits(policies, admins[i], true, TPM2_CC_FieldUpgradeStart));
        assert_false(policies_of(policies, admins[i], true)->counts_tries);
    }
    assert_false(permits(policies, MEMBER, true, TPM2_CC_ClockSet));
    assert_true(permits(policies, MEMBER, true, TPM2_CC_EvictControl));
    assert_false(permits(policies, MEMBER, false, TPM2_CC_EvictControl));
    assert_true(permits(policies, MEMBER, false, TPM2_CC_CreatePrimary));
    assert_ptr_equal(policies_of(policies, MEMBER, true), policies_of(policies, 1001, true));
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

/* The warning, or "". */
static const char *warning(enum policy_preset member, uint32_t permanent)
{
    static char text[2048];
    struct policies *policies = make(member, POLICY_STRICT);
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_WARNING);

    policies_warn(policies, permanent);
    log_capture_end(capture);
    strcpy(text, log_capture_line(capture));
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
    policies_unreference(policies);
    return text;
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
        cmocka_unit_test(test_R80_policies_are_shared),
        cmocka_unit_test(test_R81_empty_authorizations_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
