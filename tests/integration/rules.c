/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sections of the configuration say of users is in force: for each key, on both ways in, by
 * user and by group, from a file, a drop-in and after a reload. The test's own user comes with
 * groups that it takes for the moment of connecting.
 */
#include "configured.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAFF 4242
#define CI    4243
#define GUEST "nobody"

#define MOST 4 /* what a client tries to have */

static int empty_world(void **state)
{
    return configured_world(state, "[Daemon]\nidle-release=never\n");
}

/* Only root can have the groups and be the users that it likes. */
static void leave_out_without_root(void)
{
    if (geteuid() == 0 && getpwnam(GUEST))
        return;
    print_message("left out: this takes root, and user " GUEST "\n");
    skip();
}

static struct esys_client *come(const struct world *world, enum served_way way, gid_t one,
                                gid_t other)
{
    struct esys_client *client = configured_come_as(world, way, 0, one, other, NULL);

    assert_non_null(client);
    return client;
}

static bool take_object(struct esys_client *client)
{
    ESYS_TR key;

    return esys_client_key(client, &key) == TSS2_RC_SUCCESS;
}

static bool take_session(struct esys_client *client)
{
    ESYS_TR session;

    return esys_client_session(client, TPM2_SE_HMAC, &session) == TSS2_RC_SUCCESS;
}

/* How many more the clients get, in turn. */
static unsigned take_all(bool (*take)(struct esys_client *client), struct esys_client *const *by,
                         unsigned clients)
{
    unsigned count = 0;

    while (count < MOST && take(by[count % clients]))
        count++;
    return count;
}

/* Each limit of what is in the TPM, of one connection or of two together. */
static const struct {
    const char *key;
    bool (*take)(struct esys_client *client);
    unsigned clients;
} limits[] = {
    {"max-transients", take_object, 1},
    {"max-transients-per-user", take_object, 2},
    {"max-sessions", take_session, 1},
    {"max-sessions-per-user", take_session, 2},
};

/* Clients that are there get more when a reload lets them, and keep what they have when it does
 * not. */
static void try_limit(struct world *world, enum served_way way, const char *heading, size_t i)
{
    g_autofree char *two = g_strdup_printf("%s\n%s=2\n", heading, limits[i].key);
    g_autofree char *three = g_strdup_printf("%s\n%s=3\n", heading, limits[i].key);
    struct esys_client *clients[2];

    configured_reload(world, two);
    for (unsigned k = 0; k < 2; k++)
        clients[k] = come(world, way, STAFF, 0);
    assert_int_equal(take_all(limits[i].take, clients, limits[i].clients), 2);
    configured_put_drop_in(world, "10.conf", three);
    configured_read_again(world);
    assert_int_equal(take_all(limits[i].take, clients, limits[i].clients), 1);
    configured_put_drop_in(world, "10.conf", "");
    configured_read_again(world);
    assert_int_equal(take_all(limits[i].take, clients, limits[i].clients), 0);
    assert_int_equal(esys_client_random(clients[0], 8), TSS2_RC_SUCCESS);
    for (unsigned k = 0; k < 2; k++)
        esys_client_free(clients[k]);
}

static void test_R75_limits_by_user_and_group_on_both_ways(void **state)
{
    static const char *const headings[] = {"[User root]", "[Group 4242]", "[Default]"};

    leave_out_without_root();
    for (unsigned i = 0; i < G_N_ELEMENTS(limits) * G_N_ELEMENTS(headings); i++) {
        try_limit(*state, SERVED_BUS, headings[i % 3], i / 3);
        try_limit(*state, SERVED_SOCKET, headings[i % 3], i / 3);
    }
}

static void test_R75_a_rule_is_for_whom_it_names(void **state)
{
    static const char text[] = "[User 1]\nmax-transients=1\n"
                               "[Group 4242]\nmax-transients=3\n"
                               "[Group 4243]\nmax-transients=2\n";
    static const struct {
        gid_t one, other;
        unsigned gets;
    } cases[] = {{0, 0, MOST}, {STAFF, 0, 3}, {CI, 0, 2}, {CI, STAFF, 2}, {STAFF, CI, 2}};
    struct world *world = *state;

    leave_out_without_root();
    configured_reload(world, text);
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        struct esys_client *client =
            come(world, i % 2 ? SERVED_BUS : SERVED_SOCKET, cases[i / 2].one, cases[i / 2].other);

        assert_int_equal(take_all(take_object, &client, 1), cases[i / 2].gets);
        esys_client_free(client);
    }
    /* The user's own section is stronger than those of its groups. */
    configured_put_drop_in(world, "10.conf", "[User 0]\nmax-transients=4\n");
    configured_read_again(world);
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *client = come(world, way, STAFF, CI);

        assert_int_equal(take_all(take_object, &client, 1), 4);
        esys_client_free(client);
    }
}

/* A saved session outlives its connection as far as the user's limit lets it. */
static bool leaves_a_session(struct world *world, enum served_way way)
{
    struct esys_client *client = come(world, way, 0, 0);
    TPMS_CONTEXT *context;
    ESYS_TR session;
    bool loaded;

    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(client->esys, session, &context), TSS2_RC_SUCCESS);
    esys_client_free(client);
    client = come(world, way, 0, 0);
    loaded = Esys_ContextLoad(client->esys, context, &session) == TSS2_RC_SUCCESS;
    esys_client_free(client);
    Esys_Free(context);
    return loaded;
}

static void test_R75_abandoned_sessions_by_user(void **state)
{
    leave_out_without_root();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        configured_reload(*state, "[User root]\nmax-abandoned-per-user=0\n");
        assert_false(leaves_a_session(*state, way));
        configured_reload(*state, "[User root]\nmax-abandoned-per-user=1\n");
        assert_true(leaves_a_session(*state, way));
    }
}

/* A user with a section has an account of its own, of which its connections are counted. */
static void test_R75_connections_by_user_and_group(void **state)
{
    static const char *const headings[] = {"[User " GUEST "]", "[Group 4242]"};
    struct world *world = *state;
    TSS2_RC rc;

    leave_out_without_root();
    if (!getgrnam("tss"))
        skip();
    for (unsigned i = 0; i < 4; i++) {
        const uid_t uid = getpwnam(GUEST)->pw_uid;
        enum served_way way = i % 2 ? SERVED_BUS : SERVED_SOCKET;
        g_autofree char *one = g_strdup_printf("%s\nmax-connections-per-user=1\n", headings[i / 2]);
        g_autofree char *two = g_strdup_printf("%s\nmax-connections-per-user=2\n", headings[i / 2]);
        struct esys_client *first, *second;

        configured_reload(world, one);
        first = configured_come_as(world, way, uid, STAFF, 0, &rc);
        assert_non_null(first);
        assert_int_equal(esys_client_random(first, 8), TSS2_RC_SUCCESS);
        assert_null(configured_come_as(world, way, uid, STAFF, 0, &rc));
        configured_reload(world, two);
        second = configured_come_as(world, way, uid, STAFF, 0, &rc);
        assert_non_null(second);
        esys_client_free(second);
        esys_client_free(first);
    }
}

static void test_R75_localities_by_user_and_group(void **state)
{
    static const struct {
        const char *text;
        gid_t group;
        uint8_t mask; /* of those that may be set */
    } cases[] = {
        {"", 0, 0x07},
        {"[Default]\nlocalities=0\n", 0, 0x01},
        {"[Default]\nlocalities=1,4\n", 0, 0x13},
        {"[User root]\nlocalities=3\n[Default]\nlocalities=1\n", 0, 0x09},
        {"[Group 4242]\nlocalities=2\n", STAFF, 0x05},
        {"[Group 4242]\nlocalities=2\n", 0, 0x07},
    };
    struct world *world = *state;

    leave_out_without_root();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        struct esys_client *client;

        configured_reload(world, cases[i / 2].text);
        client = come(world, i % 2 ? SERVED_BUS : SERVED_SOCKET, cases[i / 2].group, 0);
        for (uint8_t locality = 0; locality < 5; locality++) {
            TSS2_RC rc = Tss2_Tcti_SetLocality(client->tcti, locality);

            assert_int_equal(rc == TSS2_RC_SUCCESS, cases[i / 2].mask >> locality & 1);
            assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
        }
        esys_client_free(client);
    }
}

/* What a client may no longer have, it has no longer. */
static void test_R74_localities_change_for_connected_clients(void **state)
{
    struct world *world = *state;
    struct esys_client *client;

    leave_out_without_root();
    client = come(world, SERVED_SOCKET, 0, 0);
    assert_int_equal(Tss2_Tcti_SetLocality(client->tcti, 2), TSS2_RC_SUCCESS);
    configured_reload(world, "[Default]\nlocalities=0\n");
    assert_int_not_equal(Tss2_Tcti_SetLocality(client->tcti, 2), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    configured_reload(world, "[User 0]\nlocalities=2\n");
    assert_int_equal(Tss2_Tcti_SetLocality(client->tcti, 2), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

static void test_R74_sections_that_change_are_named(void **state)
{
    struct world *world = *state;

    configured_reload(world, "[User 0]\npriority=low\n[Group 1]\npriority=high\n");
    configured_expect_said(world, "[User 0], [Group 1]\n");
    configured_reload(world, "[User 0]\npriority=high\n[Group 1]\npriority=high\n"
                             "[Default]\nlocalities=0\n");
    configured_expect_said(world, "changed: [User 0], [Default]\n");
    configured_reload(world, "[Default]\nlocalities=0\n[User no such user]\npriority=low\n");
    configured_expect_said(world, "there is no user \"no such user\"");
    configured_expect_said(world, "changed: [User 0], [Group 1], [User no such user]\n");
}

static void test_R74_a_section_that_is_wrong_changes_nothing(void **state)
{
    struct world *world = *state;
    struct esys_client *client;

    leave_out_without_root();
    client = come(world, SERVED_BUS, STAFF, 0);
    configured_reload(world, "[Group 4242]\nmax-transients=1\n");
    configured_reload(world, "[Group 4242]\nmax-transients=3\nlatency=low\n");
    configured_expect_said(world, "test.conf:3: there is no key \"latency\" of [Group 4242]; the "
                                  "nearest is ");
    configured_expect_said(world, "what was in force stays");
    assert_int_equal(take_all(take_object, &client, 1), 1);
    esys_client_free(client);
}

#define rules_test(function) cmocka_unit_test_setup_teardown(function, empty_world, configured_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rules_test(test_R75_limits_by_user_and_group_on_both_ways),
        rules_test(test_R75_a_rule_is_for_whom_it_names),
        rules_test(test_R75_abandoned_sessions_by_user),
        rules_test(test_R75_connections_by_user_and_group),
        rules_test(test_R75_localities_by_user_and_group),
        rules_test(test_R74_localities_change_for_connected_clients),
        rules_test(test_R74_sections_that_change_are_named),
        rules_test(test_R74_a_section_that_is_wrong_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
