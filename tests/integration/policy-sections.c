/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is of which class, and what sections of the configuration say that a user may send: on both
 * ways in, by user and by group, from a file, a drop-in and after a reload, for clients that were
 * connected before it.
 */
#include "configured.h"
#include "policy-attacks.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEMBER   "tss"    /* a member of the socket's group by the user database */
#define STRANGER "nobody" /* and none */

#define DENIED 0xB0120

static int usual_world(void **state)
{
    return configured_world(state, "[Daemon]\nidle-release=never\n");
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

static TSS2_RC extend_pcr(struct esys_client *client)
{
    return attack_extend_pcr(&(struct hand){client, ESYS_TR_NONE});
}

static TSS2_RC adjust_clock(struct esys_client *client)
{
    return attack_adjust_clock(&(struct hand){client, ESYS_TR_NONE});
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
        assert_int_equal(extend_pcr(client), DENIED);
        configured_reload(world, "[Daemon]\nguest-policy=standard\n");
        assert_int_equal(extend_pcr(client), TSS2_RC_SUCCESS);
        assert_int_equal(adjust_clock(client), DENIED);
        esys_client_free(client);
    }
}

static void test_R80_members_with_sections_are_members(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    configured_reload(world, "[Daemon]\nlow-priority=" MEMBER "\n[User " MEMBER "]\n"
                             "max-sessions=8\n");
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *client = come(world, way, MEMBER, 0, 0);

        assert_int_equal(extend_pcr(client), TSS2_RC_SUCCESS);
        assert_int_equal(adjust_clock(client), DENIED);
        esys_client_free(client);
    }
}

static void test_R80_guests_apart_are_guests(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    for (enum served_way way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *guest = come(world, way, STRANGER, 0, 0);
        struct esys_client *member = come(world, way, MEMBER, 0, 0);

        assert_int_equal(extend_pcr(guest), DENIED);
        assert_int_equal(extend_pcr(member), TSS2_RC_SUCCESS);
        esys_client_free(guest);
        esys_client_free(member);
    }
}

#define sections_test(function) \
    cmocka_unit_test_setup_teardown(function, usual_world, configured_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sections_test(test_R80_guests_with_accounts_of_their_own_are_guests),
        sections_test(test_R80_members_with_sections_are_members),
        cmocka_unit_test_setup_teardown(test_R80_guests_apart_are_guests, apart_world,
                                        configured_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
