/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client may send, and what of it the chip sees. */
#include "log-capture.h"
#include "rm-court.h"
#include "rm/rc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define WRONG  (TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1)

static uint32_t send_code(struct court *court, unsigned client, uint32_t code, uint32_t first)
{
    return court_send_variant(court, client, code, first, PASSWORD);
}

static void test_R80_what_is_denied_never_reaches_the_chip(void **state)
{
    static const struct {
        uint32_t code, handle;
        enum policy_preset preset;
    } denied[] = {
        {TPM2_CC_FieldUpgradeData, 0, POLICY_STANDARD},
        {TPM2_CC_ClockSet, TPM2_RH_OWNER, POLICY_STANDARD},
        {TPM2_CC_Shutdown, 0, POLICY_STANDARD},
        {VENDOR, 0, POLICY_STANDARD},
        {OTHER_VENDOR, 0x81000001, POLICY_STANDARD},
        {TPM2_CC_FieldUpgradeData, 0, POLICY_GUARDED},
        {TPM2_CC_EvictControl, TPM2_RH_OWNER, POLICY_STRICT},
        {TPM2_CC_Clear, TPM2_RH_LOCKOUT, POLICY_STRICT},
        {VENDOR, 0, POLICY_STRICT},
    };
    struct court *court = *state;

    for (size_t i = 0; i < COUNT(denied); i++) {
        for (enum variant variant = PLAIN; variant < VARIANTS; variant++) {
            court_set_policy(court, 0, denied[i].preset);
            assert_int_equal(
                court_send_variant(court, 0, denied[i].code, denied[i].handle, variant), 0xB0120);
            assert_int_equal(court->chip.commands + court->chip.queries, 0);
            court_set_policy(court, 0, POLICY_OPEN);
            assert_int_equal(
                court_send_variant(court, 0, denied[i].code, denied[i].handle, variant),
                TPM2_RC_SUCCESS);
            assert_int_equal(court->chip.commands, 1);
        }
    }
    assert_int_equal(rm_stats(court->rm)->denied_commands, COUNT(denied) * VARIANTS);
    assert_int_equal(court->clients[0]->user->denied_commands, COUNT(denied) * VARIANTS);
    assert_int_equal(court->clients[1]->user->denied_commands, 0);
}

/* What is not whole enough to be judged is no command. */
static void test_R80_a_cut_command_never_reaches_the_chip(void **state)
{
    struct court *court = *state;

    court_set_policy(court, 0, POLICY_STRICT);
    for (size_t i = 0; i < COUNT(court_commands); i++) {
        size_t size = court_build(court->sent, court_commands[i].code, NULL, 0, PLAIN);

        if (court_commands[i].handles == 0)
            continue;
        assert_int_not_equal(court_send(court, 0, court->sent, size), TPM2_RC_SUCCESS);
        assert_int_equal(court->chip.commands, 0);
    }
}

static void test_R80_the_platform_among_the_handles(void **state)
{
    struct court *court = *state;
    uint32_t handles[] = {TPM2_RH_OWNER, 0x01000001, TPM2_RH_PLATFORM};

    court_set_policy(court, 0, POLICY_STANDARD);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t moved[3] = {handles[i], handles[(i + 1) % 3], handles[(i + 2) % 3]};

        court->size = court_build(court->sent, TPM2_CC_PolicyNV, moved, 3, PASSWORD);
        assert_int_equal(court_send(court, 0, court->sent, court->size), 0xB0120);
        assert_int_equal(court->chip.commands, 0);
    }
    assert_int_equal(send_code(court, 0, TPM2_CC_PolicyNV, TPM2_RH_OWNER), TPM2_RC_SUCCESS);
}

static void test_R81_the_chip_tells_which_authorizations_are_empty(void **state)
{
    static const uint32_t codes[] = {
        TPM2_CC_Clear, TPM2_CC_ClearControl, TPM2_CC_DictionaryAttackParameters,
        TPM2_CC_DictionaryAttackLockReset, TPM2_CC_HierarchyChangeAuth};
    struct court *court = *state;

    court_set_policy(court, 0, POLICY_GUARDED);
    for (size_t i = 0; i < COUNT(codes); i++) {
        court->chip.permanent = ~(uint32_t)TPMA_PERMANENT_LOCKOUTAUTHSET;
        assert_int_equal(send_code(court, 0, codes[i], TPM2_RH_LOCKOUT), 0xB0120);
        assert_int_equal(court->chip.commands, 0);
        assert_int_equal(court->chip.queries, 1);
        /* The same connection, after somebody has set it. */
        court->chip.permanent = TPMA_PERMANENT_LOCKOUTAUTHSET;
        assert_int_equal(send_code(court, 0, codes[i], TPM2_RH_LOCKOUT), TPM2_RC_SUCCESS);
        assert_int_equal(court->chip.commands, 1);
        assert_int_equal(send_code(court, 0, codes[i], TPM2_RH_PLATFORM), 0xB0120);
    }
    /* Nothing else is asked for. */
    assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, TPM2_RH_OWNER), TPM2_RC_SUCCESS);
    assert_int_equal(court->chip.queries, 0);
}

/* Wrong passwords until the budget is used up; how many. */
static unsigned try_passwords(struct court *court, unsigned client)
{
    unsigned tries = 0;

    court->chip.answer = WRONG;
    while (send_code(court, client, TPM2_CC_NV_Read, 0x01000001) == WRONG)
        tries++;
    assert_int_equal(header_load(court->response).code, 0xB0921);
    assert_int_equal(court->chip.commands, 0);
    court->chip.answer = TPM2_RC_SUCCESS;
    return tries;
}

static void all_standard(struct court *court)
{
    for (unsigned i = 0; i < COURT_CLIENTS; i++)
        court_set_policy(court, i, POLICY_STANDARD);
}

static void test_R83_wrong_passwords_have_a_budget(void **state)
{
    struct court *court = *state;

    all_standard(court);
    rm_set_time(court->rm, 5 * SECOND);
    assert_int_equal(try_passwords(court, 1), 3);
    /* Each connection of the account, and only of it. */
    assert_int_equal(send_code(court, 2, TPM2_CC_NV_Read, 0x01000001), 0xB0921);
    assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), TPM2_RC_SUCCESS);
    /* What carries no authorization goes on. */
    assert_int_equal(court_send_variant(court, 1, TPM2_CC_GetRandom, 0, PLAIN), TPM2_RC_SUCCESS);
    rm_set_time(court->rm, 604 * SECOND);
    assert_int_equal(send_code(court, 2, TPM2_CC_NV_Read, 0x01000001), 0xB0921);
    rm_set_time(court->rm, 605 * SECOND);
    assert_int_equal(send_code(court, 2, TPM2_CC_NV_Read, 0x01000001), TPM2_RC_SUCCESS);
    assert_int_equal(try_passwords(court, 1), 1);
    assert_int_equal(try_passwords(court, 0), 3);
}

static void test_R83_the_budget_outlives_connections(void **state)
{
    struct court *court = *state;

    all_standard(court);
    assert_int_equal(try_passwords(court, 0), 3);
    rm_client_free(court->clients[0]);
    court->clients[0] = rm_client_new(court->rm, rm_user_get(court->rm, 1000), 1000);
    assert_non_null(court->clients[0]);
    court_set_policy(court, 0, POLICY_STANDARD);
    assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), 0xB0921);
}

static void test_R83_only_guesses_count(void **state)
{
    static const uint32_t others[] = {
        TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1, /* of what is not protected */
        TPM2_RC_LOCKOUT,
        TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1,
        TPM2_RC_AUTH_TYPE,
        TPM2_RC_AUTHSIZE,
    };
    static const uint32_t wrong[] = {WRONG, TPM2_RC_AUTH_FAIL,
                                     TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_2};
    struct court *court = *state;

    all_standard(court);
    for (size_t i = 0; i < COUNT(others); i++) {
        court->chip.answer = others[i];
        for (unsigned k = 0; k < 20; k++)
            assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), others[i]);
    }
    /* An administrator's do not. */
    court_set_policy(court, 0, POLICY_OPEN);
    court->chip.answer = WRONG;
    for (unsigned k = 0; k < 20; k++)
        assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), WRONG);
    court_set_policy(court, 0, POLICY_STANDARD);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        court->chip.answer = wrong[i];
        assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), wrong[i]);
    }
    assert_int_equal(send_code(court, 0, TPM2_CC_NV_Read, 0x01000001), 0xB0921);
}

static void test_R83_what_resets_the_tpms_count(void **state)
{
    struct court *court = *state;
    uint32_t lockout = TPM2_RH_LOCKOUT;
    size_t size;

    all_standard(court);
    assert_int_equal(try_passwords(court, 1), 3);
    assert_int_equal(send_code(court, 0, TPM2_CC_DictionaryAttackLockReset, lockout), 0);
    assert_int_equal(try_passwords(court, 1), 3);
    /* Another limit, by the command itself. */
    size = court_build(court->sent, TPM2_CC_DictionaryAttackParameters, &lockout, 1, PASSWORD);
    store_be32(court->sent + size, 18);
    store_be32(court->sent + size + 4, 100);
    store_be32(court->sent + size + 8, 7);
    store_be32(court->sent + 2, (uint32_t)size + 12);
    assert_int_equal(court_send(court, 0, court->sent, size + 12), TPM2_RC_SUCCESS);
    assert_int_equal(try_passwords(court, 1), 3);
    /* What TPM2_Clear leaves the chip tells. */
    court->chip.tries = (struct tries_rule){.limit = 30, .recovery = 100};
    assert_int_equal(send_code(court, 0, TPM2_CC_Clear, lockout), TPM2_RC_SUCCESS);
    assert_int_equal(try_passwords(court, 1), 10);
}

static void expect_line(const struct log_capture *capture, const char *text)
{
    const char *line = log_capture_line(capture);

    if (!strstr(line, text))
        fprintf(stderr, "\"%s\" and not \"%s\"\n", line, text);
    assert_non_null(strstr(line, text));
}

static void test_R84_a_refusal_is_logged_once_a_connection(void **state)
{
    struct court *court = *state;
    struct log_capture *capture;

    all_standard(court);
    capture = log_capture_begin(LOG_LEVEL_INFO);
    for (unsigned i = 0; i < 3; i++) {
        send_code(court, 0, TPM2_CC_ClockSet, TPM2_RH_OWNER);
        send_code(court, 1, TPM2_CC_Clear, TPM2_RH_PLATFORM);
    }
    send_code(court, 0, TPM2_CC_Shutdown, 0);
    send_code(court, 2, VENDOR, 0);
    court->chip.answer = WRONG;
    for (unsigned i = 0; i < 6; i++)
        send_code(court, 0, TPM2_CC_NV_Read, 0x01000001);
    log_capture_end(capture);
    expect_line(capture, "user 1000 may not send ClockSet (0x128), 0xB0120: ");
    expect_line(capture, "user 1001 may not send Clear (0x126), 0xB0120: the platform");
    expect_line(capture, "user 1001 may not send (unknown) (0x20000001), 0xB0120: ");
    expect_line(capture, "user 1000 has used up its budget of wrong passwords (0xB0921)");
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
    assert_int_equal(rm_stats(court->rm)->denied_commands, 3 + 3 + 1 + 1 + 3);
}

static void test_R102_a_lockout_is_told_once_a_connection(void **state)
{
    struct court *court = *state;
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_INFO);

    court->chip.answer = TPM2_RC_LOCKOUT;
    for (unsigned i = 0; i < 3; i++) {
        send_code(court, 0, TPM2_CC_NV_Read, 0x01000001);
        send_code(court, 2, TPM2_CC_NV_Read, 0x01000001);
    }
    log_capture_end(capture);
    expect_line(capture, "the TPM is in lockout and refuses user 1000 (0x921): ");
    expect_line(capture, "the TPM is in lockout and refuses user 1001 (0x921): ");
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
}

/* Random commands under random policies, beside a judgement that is written otherwise. */
static bool model_denies(const struct policy *policy, uint32_t code, const uint32_t *handles,
                         unsigned count, uint32_t permanent)
{
    uint8_t rule = policy_rule(policy, code);
    bool platform = false, empty = true, other_pcr = true;

    for (unsigned i = 0; i < count; i++)
        platform |= handles[i] == TPM2_RH_PLATFORM;
    if (count > 0) {
        empty = !((handles[0] == TPM2_RH_OWNER && permanent & 1)
                  || (handles[0] == TPM2_RH_ENDORSEMENT && permanent & 2)
                  || (handles[0] == TPM2_RH_LOCKOUT && permanent & 4));
        other_pcr = handles[0] != 16 && handles[0] != 23 && handles[0] != TPM2_RH_NULL;
    }
    return rule & POLICY_DENIED || (rule & POLICY_NO_PLATFORM && platform)
           || (rule & POLICY_GUARDED_BY && empty) || (rule & POLICY_FREE_PCRS && other_pcr);
}

static uint32_t pick(unsigned short *seed, uint32_t below)
{
    return (uint32_t)nrand48(seed) % below;
}

static uint32_t random_handle(unsigned short *seed)
{
    static const uint32_t handles[] = {TPM2_RH_OWNER,
                                       TPM2_RH_ENDORSEMENT,
                                       TPM2_RH_LOCKOUT,
                                       TPM2_RH_PLATFORM,
                                       TPM2_RH_NULL,
                                       0x01000001,
                                       0x81000001,
                                       16,
                                       23,
                                       7};

    return handles[pick(seed, COUNT(handles))];
}

static void try_random(struct court *court, unsigned short *seed)
{
    struct policy policy = policy_preset((enum policy_preset)pick(seed, POLICY_PRESETS));
    size_t at = pick(seed, COUNT(court_commands));
    uint32_t code = court_commands[at].code, handles[3], answer;
    enum variant variant = (enum variant)pick(seed, BAD_TAG);
    unsigned count = court_commands[at].handles;

    if (pick(seed, 4) == 0)
        policy_allow(&policy, court_commands[pick(seed, COUNT(court_commands))].code);
    if (pick(seed, 4) == 0)
        policy_deny(&policy, court_commands[pick(seed, COUNT(court_commands))].code);
    for (unsigned i = 0; i < 3; i++)
        handles[i] = random_handle(seed);
    court->chip.permanent = pick(seed, 8);
    assert_true(rm_client_set_policy(court->clients[0], &policy));
    court->size = court_build(court->sent, code, handles, count, variant);
    answer = court_send(court, 0, court->sent, court->size);
    if (model_denies(&policy, code, handles, count, court->chip.permanent)) {
        assert_int_equal(answer, 0xB0120);
        assert_int_equal(court->chip.commands, 0);
    } else {
        assert_int_equal(answer, court->chip.answer);
        assert_int_equal(court->chip.commands, 1);
        assert_int_equal(court->chip.last_size, court->size);
        assert_memory_equal(court->chip.last, court->sent, court->size);
    }
}

static void test_R80_what_is_permitted_passes_unchanged(void **state)
{
    struct court *court = *state;
    unsigned short seed[3] = {14, 0, 0};

    court->chip.answer = TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1;
    for (unsigned i = 0; i < 20000; i++)
        try_random(court, seed);
}

/* Those who may send the same have one policy between them, which goes with the last one. */
static void test_R80_clients_share_equal_policies(void **state)
{
    struct court *court = *state;
    struct policy policy = policy_preset(POLICY_STRICT);
    struct rm_client *const *clients = court->clients;

    assert_true(policy_allow(&policy, VENDOR));
    assert_true(rm_client_set_policy(clients[0], &policy));
    assert_true(rm_client_set_policy(clients[1], &policy));
    assert_ptr_equal(clients[0]->policy, clients[1]->policy);
    assert_true(policy_deny(&policy, VENDOR));
    assert_true(rm_client_set_policy(clients[1], &policy));
    assert_ptr_not_equal(clients[0]->policy, clients[1]->policy);
    assert_int_equal(court_send_variant(court, 0, VENDOR, 0, PLAIN), court->chip.answer);
    assert_int_equal(court_send_variant(court, 1, VENDOR, 0, PLAIN), 0xB0120);
    assert_true(policy_deny(&policy, OTHER_VENDOR));
    assert_true(rm_client_set_policy(clients[2], &policy));
    assert_ptr_not_equal(clients[1]->policy, clients[2]->policy);
    assert_true(rm_client_set_policy(clients[1], &policy));
    assert_ptr_equal(clients[1]->policy, clients[2]->policy);
    for (unsigned i = 0; i < COURT_CLIENTS; i++)
        court_set_policy(court, i, POLICY_OPEN);
    assert_ptr_equal(court->rm->policies.next, &clients[0]->policy->link);
    assert_ptr_equal(court->rm->policies.prev, &clients[0]->policy->link);
}

#define court_test(function) cmocka_unit_test_setup_teardown(function, court_setup, court_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        court_test(test_R80_what_is_denied_never_reaches_the_chip),
        court_test(test_R80_a_cut_command_never_reaches_the_chip),
        court_test(test_R80_the_platform_among_the_handles),
        court_test(test_R80_what_is_permitted_passes_unchanged),
        court_test(test_R80_clients_share_equal_policies),
        court_test(test_R81_the_chip_tells_which_authorizations_are_empty),
        court_test(test_R83_wrong_passwords_have_a_budget),
        court_test(test_R83_the_budget_outlives_connections),
        court_test(test_R83_only_guesses_count),
        court_test(test_R83_what_resets_the_tpms_count),
        court_test(test_R84_a_refusal_is_logged_once_a_connection),
        court_test(test_R102_a_lockout_is_told_once_a_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
