/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is of which class, and what sections of the configuration say that a user may send: on both
 * ways in, by user and by group, from a file, a drop-in and after a reload, for clients that were
 * connected before it.
 */
#include "configured.h"
#include "policy-attacks.h"
#include "wire/header.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEMBER   "tss"    /* a member of the socket's group by the user database */
#define STRANGER "nobody" /* and none */

#define STAFF 4242
#define CI    4243

#define DENIED ATTACK_DENIED

static int usual_world(void **state)
{
    return configured_world(state, "[Daemon]\nidle-release=never\n");
}

static int furnished_world(void **state)
{
    return configured_world(state,
                            "[Daemon]\nadmin=@4243\n[User " MEMBER "]\nallow=ClockRateAdjust\n"
                            "[Group 4242]\npolicy=strict\ndeny=GetRandom\n");
}

#define VENDOR 0x20000001 /* a command that the chip has */

static int vendor_world(void **state)
{
    return configured_world_with(state, "[Daemon]\nidle-release=never\n", "vendor=20000001");
}

static int apart_world(void **state)
{
    return configured_world(state, "[Daemon]\nguests=apart\n");
}

static void leave_out_without_users(void)
{
    if (geteuid() == 0 && getgrnam("tss") && getpwnam(MEMBER) && getpwnam(STRANGER))
        return;
    print_message("left out: it takes root, user and group tss, and user " STRANGER "\n");
    skip();
}

static struct esys_client *come(const struct world *world, enum served_way way, const char *user,
                                gid_t one, gid_t other)
{
    struct esys_client *client =
        configured_come_as(world, way, getpwnam(user)->pw_uid, one, other, NULL);

    assert_non_null(client);
    return client;
}

/* What a client may: three commands, of which a strict policy refuses the first two, a standard one
 * the second, and no preset the third, which has no handle. */
struct may {
    bool extend, clock, random;
};

static const struct may all = {true, true, true}, standard = {true, false, true},
                        strict = {false, false, true};

static void expect_one(TSS2_RC rc, bool may, const char *what)
{
    if (rc != (may ? TSS2_RC_SUCCESS : DENIED))
        fprintf(stderr, "%s is answered with 0x%x\n", what, rc);
    assert_int_equal(rc, may ? TSS2_RC_SUCCESS : DENIED);
}

static void expect(struct esys_client *client, struct may may)
{
    const struct hand hand = {.client = client, .more = ESYS_TR_NONE};

    expect_one(attack_extend_pcr(&hand), may.extend, "PCR_Extend");
    expect_one(attack_adjust_clock(&hand), may.clock, "ClockRateAdjust");
    expect_one(esys_client_random(client, 8), may.random, "GetRandom");
}

/* The same of a client that comes for this. */
static void expect_of(const struct world *world, enum served_way way, const char *user, gid_t one,
                      gid_t other, struct may may)
{
    struct esys_client *client = come(world, way, user, one, other);

    expect(client, may);
    esys_client_free(client);
}

static void test_R80_guests_with_accounts_of_their_own_are_guests(void **state)
{
    static const char *const texts[] = {
        "[User " STRANGER "]\npriority=normal\n",
        "[Daemon]\nhigh-priority=" STRANGER "\n",
        "[Daemon]\nlow-priority=" STRANGER "\n",
    };
    struct world *world = *state;

    leave_out_without_users();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(texts); i++) {
        struct esys_client *client;

        configured_reload(world, texts[i / 2]);
        client = come(world, i % 2 ? SERVED_BUS : SERVED_SOCKET, STRANGER, 0, 0);
        expect(client, strict);
        configured_reload(world, "[Daemon]\nguest-policy=standard\n");
        expect(client, standard);
        esys_client_free(client);
    }
}

static void test_R80_members_with_sections_are_members(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    configured_reload(world, "[Daemon]\nlow-priority=" MEMBER "\n[User " MEMBER "]\n"
                             "max-sessions=8\n");
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++)
        expect_of(world, way, MEMBER, 0, 0, standard);
}

static void test_R80_guests_apart_are_guests(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        expect_of(world, way, STRANGER, 0, 0, strict);
        expect_of(world, way, MEMBER, 0, 0, standard);
    }
}

/* By user and by group, for clients that were there before. */
static const char *const headings[] = {"[User " MEMBER "]", "[Group 4242]"};

static void test_R80_sections_refuse_attacks_on_both_ways(void **state)
{
    struct world *world = *state;
    struct esys_client *root;

    leave_out_without_users();
    root = come(world, SERVED_SOCKET, "root", 0, 0);
    assert_int_equal(attack_furnish(root), TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < 4; i++) {
        struct esys_client *client =
            come(world, i % 2 ? SERVED_BUS : SERVED_SOCKET, MEMBER, STAFF, 0);
        g_autofree char *text = g_strdup_printf("%s\npolicy=strict\n", headings[i / 2]);
        g_autofree char *said = g_strdup_printf("%s\n", headings[i / 2]);

        expect(client, standard);
        configured_reload(world, text);
        configured_expect_said(world, said);
        attack_expect_refusals(world, client, "strict");
        configured_reload(world, "");
        expect(client, standard);
        esys_client_free(client);
    }
    esys_client_free(root);
}

static void test_R82_each_key_of_a_section_holds_on_both_ways(void **state)
{
    static const struct {
        const char *line, *more; /* of the file, and of a drop-in */
        struct may may, then;
    } cases[] = {
        {"policy=strict", "policy=open", {false, false, true}, {true, true, true}},
        {"allow=ClockRateAdjust", "allow=TPM2_ClockSet", {true, true, true}, {true, false, true}},
        {"deny=GetRandom,PCR_Extend",
         "deny=PCR_Extend",
         {false, false, false},
         {false, false, true}},
        {"policy=open\ndeny=GetRandom",
         "policy=strict\nallow=PCR_Extend",
         {true, true, false},
         {true, false, false}},
    };
    struct world *world = *state;

    leave_out_without_users();
    for (unsigned i = 0; i < 4 * G_N_ELEMENTS(cases); i++) {
        enum served_way way = i % 2 ? SERVED_BUS : SERVED_SOCKET;
        const char *heading = headings[i / 2 % 2];
        g_autofree char *text = g_strdup_printf("%s\n%s\n", heading, cases[i / 4].line);
        g_autofree char *more = g_strdup_printf("%s\n%s\n", heading, cases[i / 4].more);
        struct esys_client *there = come(world, way, MEMBER, STAFF, 0);

        configured_reload(world, text);
        expect(there, cases[i / 4].may);
        expect_of(world, way, MEMBER, STAFF, 0, cases[i / 4].may);
        configured_put_drop_in(world, "10.conf", more);
        configured_read_again(world);
        expect(there, cases[i / 4].then);
        expect_of(world, way, MEMBER, STAFF, 0, cases[i / 4].then);
        /* It is for whom it names. */
        expect_of(world, way, STRANGER, 0, 0, strict);
        if (i / 2 % 2)
            expect_of(world, way, MEMBER, CI, 0, standard);
        configured_put_drop_in(world, "10.conf", "");
        configured_reload(world, "");
        expect(there, standard);
        esys_client_free(there);
    }
}

static void test_R82_sections_hold_from_the_start(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        expect_of(world, way, MEMBER, 0, 0, all);
        /* The user's own allows what the group's refuses, and nothing else. */
        expect_of(world, way, MEMBER, STAFF, 0, (struct may){false, true, false});
        expect_of(world, way, STRANGER, STAFF, 0, (struct may){false, false, false});
        expect_of(world, way, STRANGER, 0, 0, strict);
        /* Whoever is in a group of administrators. */
        expect_of(world, way, STRANGER, STAFF, CI, all);
        expect_of(world, way, MEMBER, CI, STAFF, all);
    }
}

static void test_R82_the_strictest_of_several_groups_counts(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    configured_reload(world, "[Group 4242]\nallow=ClockRateAdjust\n[Group 4243]\npolicy=strict\n");
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        expect_of(world, way, MEMBER, STAFF, 0, all);
        expect_of(world, way, MEMBER, CI, 0, strict);
        expect_of(world, way, MEMBER, CI, STAFF, strict);
        expect_of(world, way, MEMBER, STAFF, CI, strict);
    }
}

static void test_R82_what_is_said_of_all_and_of_groups_lifts_no_guest(void **state)
{
    static const char text[] = "[Default]\npolicy=open\nallow=PCR_Extend\n"
                               "[Group 4242]\npolicy=open\nallow=PCR_Extend\n";
    struct world *world = *state;

    leave_out_without_users();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *guest = come(world, way, STRANGER, STAFF, 0);

        configured_reload(world, text);
        expect_of(world, way, MEMBER, 0, 0, all);
        expect(guest, strict);
        expect_of(world, way, STRANGER, STAFF, 0, strict);
        /* Its own section may, also while it is connected. */
        configured_put_drop_in(world, "10.conf", "[User " STRANGER "]\npolicy=standard\n");
        configured_read_again(world);
        expect(guest, standard);
        configured_put_drop_in(world, "10.conf", "[Daemon]\ndeny=GetRandom\n");
        configured_read_again(world);
        expect(guest, (struct may){false, false, false});
        expect_of(world, way, MEMBER, 0, 0, (struct may){true, true, false});
        configured_put_drop_in(world, "10.conf", "");
        esys_client_free(guest);
    }
}

/* Sections permit nothing of what nobody but administrators may. */
static void test_R82_what_is_denied_to_all_stays_denied(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    configured_reload(world, "[Default]\ndeny=GetRandom\n[User " MEMBER "]\npolicy=open\n"
                             "allow=GetRandom\n[Group 4242]\nallow=GetRandom\n");
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        expect_of(world, way, MEMBER, STAFF, 0, (struct may){true, true, false});
        expect_of(world, way, "root", STAFF, 0, all);
    }
}

static void test_R82_administrators_by_group(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *member = come(world, way, MEMBER, STAFF, 0);
        struct esys_client *guest = come(world, way, STRANGER, CI, STAFF);

        configured_reload(world, "[Daemon]\npolicy=strict\nadmin=1,@4242\ndeny=GetRandom\n");
        expect(member, all);
        expect(guest, all);
        expect_of(world, way, MEMBER, CI, 0, (struct may){false, false, false});
        configured_reload(world, "[Daemon]\nadmin=@4243\n");
        configured_expect_said(world, "changed: policy, deny, admin");
        expect(member, standard);
        expect(guest, all);
        configured_reload(world, "");
        expect(guest, strict);
        esys_client_free(member);
        esys_client_free(guest);
    }
}

/* The response code of the vendor's command, without parameters: without a session, or with one of
 * these attributes. */
static uint32_t send_vendor(struct esys_client *client, uint32_t session, uint8_t attributes)
{
    uint8_t command[HEADER_SIZE + 13], response[4096];
    size_t size = session ? sizeof(command) : HEADER_SIZE, answer = sizeof(response);

    memset(command, 0, sizeof(command));
    header_store(command, session ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, (uint32_t)size, VENDOR);
    store_be32(command + HEADER_SIZE, 9); /* the session, a nonce of no bytes, */
    store_be32(command + HEADER_SIZE + 4, session);
    command[HEADER_SIZE + 10] = attributes; /* and an HMAC of none */
    assert_int_equal(Tss2_Tcti_Transmit(client->tcti, size, command), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_Receive(client->tcti, &answer, response, WORLD_START_MS),
                     TSS2_RC_SUCCESS);
    assert_true(answer >= HEADER_SIZE);
    return header_load(response).code;
}

/* Refused with a password, with a session for an audit, and alone; or it comes to the chip. */
static void expect_vendor(const struct world *world, struct esys_client *client, uint32_t session,
                          bool may)
{
    struct counts before, after;

    counts_read(world->counts, &before);
    expect_one(send_vendor(client, 0, 0), may, "the vendor's command");
    if (!may) {
        assert_int_equal(send_vendor(client, TPM2_RS_PW, 0), DENIED);
        assert_int_equal(
            send_vendor(client, session, TPMA_SESSION_AUDIT | TPMA_SESSION_CONTINUESESSION),
            DENIED);
    }
    counts_read(world->counts, &after);
    assert_int_equal(after.other - before.other, may);
}

static void test_R80_vendors_commands_by_user_and_group_on_both_ways(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    for (unsigned i = 0; i < 4; i++) {
        struct esys_client *client =
            come(world, i % 2 ? SERVED_BUS : SERVED_SOCKET, MEMBER, STAFF, 0);
        g_autofree char *permits = g_strdup_printf("%s\nallow=0x20000001\n", headings[i / 2]);
        g_autofree char *refuses =
            g_strdup_printf("[Daemon]\npolicy=open\n%s\ndeny=0x20000001\n", headings[i / 2]);
        uint32_t handle;
        ESYS_TR session;

        assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_TR_GetTpmHandle(client->esys, session, &handle), TSS2_RC_SUCCESS);
        expect_vendor(world, client, handle, false);
        configured_reload(world, permits);
        expect_vendor(world, client, handle, true);
        configured_reload(world, "[Daemon]\npolicy=open\n");
        expect_vendor(world, client, handle, true);
        configured_reload(world, refuses);
        expect_vendor(world, client, handle, false);
        configured_reload(world, "");
        esys_client_free(client);
    }
}

static void test_R74_a_policy_that_is_wrong_changes_nothing(void **state)
{
    struct world *world = *state;
    struct esys_client *client;

    leave_out_without_users();
    client = come(world, SERVED_BUS, MEMBER, 0, 0);
    configured_reload(world, "[User " MEMBER "]\npolicy=strict\n");
    configured_reload(world, "[User " MEMBER "]\npolicy=open\nallow=Sign,Cleaar\n");
    configured_expect_said(world, "test.conf:3: allow takes names of TPM commands, or numbers");
    configured_expect_said(world, "there is no command \"Cleaar\"; the nearest is \"Clear\"");
    expect(client, strict);
    configured_reload(world, "[Daemon]\nadmin=@no such group\n");
    configured_expect_said(world, "there is no group \"no such group\"");
    expect(client, standard);
    esys_client_free(client);
}

#define sections_test(function) \
    cmocka_unit_test_setup_teardown(function, usual_world, configured_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sections_test(test_R80_guests_with_accounts_of_their_own_are_guests),
        sections_test(test_R80_members_with_sections_are_members),
        sections_test(test_R80_sections_refuse_attacks_on_both_ways),
        sections_test(test_R82_each_key_of_a_section_holds_on_both_ways),
        sections_test(test_R82_the_strictest_of_several_groups_counts),
        sections_test(test_R82_what_is_said_of_all_and_of_groups_lifts_no_guest),
        sections_test(test_R82_what_is_denied_to_all_stays_denied),
        sections_test(test_R82_administrators_by_group),
        sections_test(test_R74_a_policy_that_is_wrong_changes_nothing),
        cmocka_unit_test_setup_teardown(test_R80_vendors_commands_by_user_and_group_on_both_ways,
                                        vendor_world, configured_end),
        cmocka_unit_test_setup_teardown(test_R82_sections_hold_from_the_start, furnished_world,
                                        configured_end),
        cmocka_unit_test_setup_teardown(test_R80_guests_apart_are_guests, apart_world,
                                        configured_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
