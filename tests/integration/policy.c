/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may send which command, tried by users of the machine on both ways in: what a member of the
 * socket's group can do to a TPM with empty authorizations under `open`, each time the policy that
 * refuses it, and that a refused command never comes to the TPM. Policies change by reload, so the
 * clients are connected before they do.
 */
#include "policy-attacks.h"
#include "served.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUS_NAME "com.intel.tss2.Tabrmd"
#define GROUP    "tss"
#define STRANGER "nobody" /* no member of the group by the user database */

#define DENIED  ATTACK_DENIED
#define USED_UP 0xB0921

static char runtime_word[64], config_word[64];
static const char *const env[] = {runtime_word, NULL};
static const char *const args[] = {config_word, "--idle-release=never", NULL};

static void put_policy(const struct world *world, const char *lines)
{
    g_autofree char *path = world_path(world, "policy.conf");
    g_autofree char *text = g_strdup_printf("[Daemon]\n%s\n", lines);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static unsigned reloads_told(const struct world *world)
{
    g_autofree char *log = world_daemon_log(world);
    unsigned count = 0;

    for (const char *at = log; (at = strstr(at, "configuration read again")); at++)
        count++;
    return count;
}

struct reloading {
    const struct world *world;
    unsigned before;
};

static bool is_reloaded(void *argument)
{
    const struct reloading *reloading = argument;

    return reloads_told(reloading->world) > reloading->before;
}

/* The engine has the policy then: the query goes to it by the same way, later. */
static void set_policy(struct world *world, const char *lines)
{
    struct reloading reloading = {world, reloads_told(world)};
    g_autoptr(GVariant) status = NULL;

    put_policy(world, lines);
    process_signal(&world->daemon, SIGHUP);
    assert_true(world_poll(is_reloaded, &reloading, WORLD_START_MS));
    status = g_dbus_connection_call_sync(world->bus, BUS_NAME, "/org/tabrmd/Manager",
                                         "org.tabrmd.Manager1", "GetStatus", NULL, NULL,
                                         G_DBUS_CALL_FLAGS_NONE, WORLD_START_MS, NULL, NULL);
    assert_non_null(status);
}

static int policy_world(void **state)
{
    struct world *world = world_new(&(struct world_setup){
        .args = args, .env = env, .bus_rules = "<allow user='*'/>", .no_daemon = true});
    g_autofree char *directory = world ? world_path(world, "run") : NULL;

    *state = world;
    if (!world)
        return -1;
    snprintf(runtime_word, sizeof(runtime_word), "RUNTIME_DIRECTORY=%s", directory);
    snprintf(config_word, sizeof(config_word), "--config=%s/policy.conf", world->dir);
    put_policy(world, "policy=open");
    if (mkdir(directory, 0755) < 0 || chmod(world->dir, 0711) < 0)
        return -1;
    return world_start_daemon(world) ? 0 : -1;
}

static void leave_out_without_users(void)
{
    if (geteuid() == 0 && getgrnam(GROUP) && getpwnam(GROUP) && getpwnam(STRANGER))
        return;
    print_message("left out: it takes root, user and group " GROUP ", and user " STRANGER "\n");
    skip();
}

static uint32_t member(void)
{
    return getpwnam(GROUP)->pw_uid;
}

static uint32_t guest(void)
{
    return getpwnam(STRANGER)->pw_uid;
}

/* A client of the library that connects as somebody in the group. */
static struct esys_client *enter(const struct world *world, enum served_way way, uint32_t uid)
{
    struct esys_client *client;

    assert_int_equal(setegid(getgrnam(GROUP)->gr_gid), 0);
    assert_int_equal(seteuid(uid), 0);
    client = served_client(world, way, NULL);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_non_null(client);
    return client;
}

/* The authorization of a hierarchy is the empty one. */
static TSS2_RC forget_auth(struct esys_client *client, ESYS_TR hierarchy)
{
    return Esys_TR_SetAuth(client->esys, hierarchy, &(TPM2B_AUTH){0});
}

/* What root has in the TPM, for others to spoil. */
static void furnish(const struct world *world)
{
    struct esys_client *root = served_client(world, SERVED_SOCKET, NULL);

    assert_non_null(root);
    assert_int_equal(attack_furnish(root), TSS2_RC_SUCCESS);
    esys_client_free(root);
}

static void test_R80_attacks_are_refused_on_both_ways(void **state)
{
    static const char *const policies[] = {"standard", "guarded", "strict"};
    struct world *world = *state;
    struct esys_client *clients[2];

    leave_out_without_users();
    furnish(world);
    for (unsigned way = SERVED_BUS; way <= SERVED_SOCKET; way++)
        clients[way] = enter(world, (enum served_way)way, member());
    for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        g_autofree char *line = g_strdup_printf("policy=%s", policies[i]);

        set_policy(world, line);
        for (unsigned way = SERVED_BUS; way <= SERVED_SOCKET; way++)
            attack_expect_refusals(world, clients[way], policies[i]);
    }
    for (unsigned way = SERVED_BUS; way <= SERVED_SOCKET; way++)
        esys_client_free(clients[way]);
}

static void test_R80_guests_are_strict_by_default(void **state)
{
    struct world *world = *state;

    leave_out_without_users();
    furnish(world);
    for (unsigned way = SERVED_BUS; way <= SERVED_SOCKET; way++) {
        struct esys_client *client = enter(world, (enum served_way)way, guest());

        attack_expect_refusals(world, client, "strict");
        esys_client_free(client);
    }
}

/* What tabrmd guards against is there: each attack of a member succeeds where nothing is refused.
 */
static void test_attacks_succeed_where_all_is_permitted(void **state)
{
    struct world *world = *state;
    struct esys_client *client;

    leave_out_without_users();
    furnish(world);
    client = enter(world, SERVED_SOCKET, member());
    for (unsigned i = 0; i < ATTACKS; i++) {
        TSS2_RC rc = attacks[i].run(&(struct hand){.client = client, .more = ESYS_TR_NONE});

        if (rc != TSS2_RC_SUCCESS)
            fprintf(stderr, "a user who %s gets 0x%x\n", attacks[i].what, rc);
        assert_int_equal(rc, TSS2_RC_SUCCESS);
    }
    esys_client_free(client);
}

static void test_R81_who_sets_an_authorization_may_be_asked_for_it(void **state)
{
    struct world *world = *state;
    struct esys_client *root, *client;
    struct hand hand;

    leave_out_without_users();
    set_policy(world, "policy=guarded");
    root = served_client(world, SERVED_SOCKET, NULL);
    client = enter(world, SERVED_BUS, member());
    hand = (struct hand){.client = client, .more = ESYS_TR_NONE};
    assert_non_null(root);
    assert_int_equal(attack_reset_lockout(&hand), DENIED);
    assert_int_equal(attack_take_lockout(&(struct hand){.client = root, .more = ESYS_TR_NONE}),
                     TSS2_RC_SUCCESS);
    /* Who knows it may, and the TPM judges who does not. */
    assert_int_equal(Esys_TR_SetAuth(client->esys, ESYS_TR_RH_LOCKOUT, &(TPM2B_AUTH){1, "x"}),
                     TSS2_RC_SUCCESS);
    assert_int_equal(attack_reset_lockout(&hand), TSS2_RC_SUCCESS);
    assert_int_equal(attack_clear(&hand), TSS2_RC_SUCCESS);
    /* It is empty again. */
    assert_int_equal(forget_auth(client, ESYS_TR_RH_LOCKOUT), TSS2_RC_SUCCESS);
    assert_int_equal(attack_reset_lockout(&hand), DENIED);
    esys_client_free(client);
    esys_client_free(root);
}

static TSS2_RC sign_with(struct esys_client *client, const char *password)
{
    TPM2B_AUTH auth = {.size = (uint16_t)strlen(password)};
    ESYS_TR key;
    TSS2_RC rc = Esys_TR_FromTPMPublic(client->esys, ATTACK_KEY, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &key);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    memcpy(auth.buffer, password, auth.size);
    rc = Esys_TR_SetAuth(client->esys, key, &auth);
    if (rc == TSS2_RC_SUCCESS)
        rc = esys_client_sign(client, key, ESYS_TR_PASSWORD);
    Esys_TR_Close(client->esys, &key);
    return rc;
}

#define WRONG (TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1)

/* swtpm permits three in a quarter of an hour. */
static void test_R83_who_tries_passwords_locks_itself_out(void **state)
{
    struct world *world = *state;
    struct esys_client *guesser, *other, *root;

    leave_out_without_users();
    furnish(world);
    root = served_client(world, SERVED_SOCKET, NULL);
    assert_non_null(root);
    set_policy(world, "policy=standard\nguest-policy=standard");
    guesser = enter(world, SERVED_SOCKET, member());
    other = enter(world, SERVED_BUS, guest());
    assert_int_equal(sign_with(guesser, "wrong"), WRONG);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(sign_with(guesser, "wrong"), USED_UP);
    esys_client_free(guesser);
    guesser = enter(world, SERVED_BUS, member());
    assert_int_equal(sign_with(guesser, "key"), USED_UP);
    assert_int_equal(sign_with(other, "key"), TSS2_RC_SUCCESS);
    assert_int_equal(sign_with(root, "key"), TSS2_RC_SUCCESS);
    /* Where nothing is counted, everybody is locked out. */
    set_policy(world, "policy=open");
    while (sign_with(guesser, "wrong") == WRONG)
        ;
    assert_int_equal(sign_with(root, "key"), TPM2_RC_LOCKOUT);
    esys_client_free(other);
    esys_client_free(guesser);
    esys_client_free(root);
}

static void test_R82_keys_and_administrators(void **state)
{
    struct world *world = *state;
    struct esys_client *client;
    struct hand hand;
    g_autofree char *named = NULL;

    leave_out_without_users();
    client = enter(world, SERVED_SOCKET, member());
    hand = (struct hand){.client = client, .more = ESYS_TR_NONE};
    set_policy(world, "policy=standard\nallow=TPM2_ClockSet\ndeny=PCR_Extend,GetRandom");
    assert_int_equal(attack_set_clock(&hand), TSS2_RC_SUCCESS);
    assert_int_equal(attack_adjust_clock(&hand), DENIED);
    assert_int_equal(attack_extend_pcr(&hand), DENIED);
    assert_int_equal(esys_client_random(client, 8), DENIED);
    named = g_strdup_printf("policy=strict\nadmin=%s", GROUP);
    set_policy(world, named);
    assert_int_equal(attack_adjust_clock(&hand), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
    /* A wrong name leaves all as it was. */
    put_policy(world, "policy=strict\ndeny=Cleaar");
    process_signal(&world->daemon, SIGHUP);
    set_policy(world, named);
    assert_int_equal(attack_adjust_clock(&hand), TSS2_RC_SUCCESS);
    esys_client_free(client);
}

static bool says(const struct world *world, const char *text)
{
    g_autofree char *log = world_daemon_log(world);

    return strstr(log, text) != NULL;
}

static void test_R84_the_log_names_command_and_user(void **state)
{
    struct world *world = *state;
    struct esys_client *client;
    g_autofree char *line = NULL;

    leave_out_without_users();
    assert_true(says(world, "authorizations of the TPM are empty (owner, endorsement, lockout)"));
    client = enter(world, SERVED_SOCKET, member());
    set_policy(world, "policy=standard");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            attack_adjust_clock(&(struct hand){.client = client, .more = ESYS_TR_NONE}), DENIED);
    line = g_strdup_printf("user %u may not send ClockRateAdjust (0x130), 0xB0120", member());
    assert_true(says(world, line));
    esys_client_free(client);
}

#define policy_test(function) \
    cmocka_unit_test_setup_teardown(function, policy_world, suite_end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        policy_test(test_R80_attacks_are_refused_on_both_ways),
        policy_test(test_R80_guests_are_strict_by_default),
        policy_test(test_attacks_succeed_where_all_is_permitted),
        policy_test(test_R81_who_sets_an_authorization_may_be_asked_for_it),
        policy_test(test_R82_keys_and_administrators),
        policy_test(test_R83_who_tries_passwords_locks_itself_out),
        policy_test(test_R84_the_log_names_command_and_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
