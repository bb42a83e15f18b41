/* SPDX-License-Identifier: BSD-2-Clause */
/* Newcomers become clients by the account of their user, which a user database tells. */
#include "engine/newcomers.h"

#include "base/account.h"
#include "base/log.h"
#include "user-database.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_MS 3600000

struct arrivals {
    struct loop loop;
    struct scheduler scheduler;
    struct desk desk;
    struct clients clients;
    struct newcomers newcomers;
    int end; /* the newcomer's own, of the last one */
};

static void told(void *data)
{
    (void)data;
}

static void begin(struct arrivals *arrivals, const struct newcomers_config *config)
{
    log_threshold = LOG_LEVEL_SILENT;
    assert_int_equal(loop_init(&arrivals->loop), 0);
    scheduler_init(&arrivals->scheduler, client_affinity);
    clients_init(&arrivals->clients, &arrivals->loop, &arrivals->scheduler,
                 &arrivals->newcomers.admission, &arrivals->desk);
    assert_true(desk_open(&arrivals->desk, NULL, 256, 256));
    assert_int_equal(newcomers_init(&arrivals->newcomers, &arrivals->loop, &arrivals->clients,
                                    config, told, NULL),
                     0);
    arrivals->end = -1;
}

/* Users with even numbers are members, once the database says so. */
static int setup(void **state)
{
    static const struct rule rules[] = {
        {.subject = RULE_FOR_USER,
         .id = 1001,
         .said = {[RULE_PRIORITY] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_HIGH}},
        {.subject = RULE_FOR_USER,
         .id = 1003,
         .said = {[RULE_PRIORITY] = true},
         .values = {[RULE_PRIORITY] = SCHEDULER_LOW}},
        {.subject = RULE_FOR_GROUP,
         .id = 50,
         .said = {[RULE_CONNECTIONS_PER_USER] = true, [RULE_PRIORITY] = true},
         .values = {[RULE_CONNECTIONS_PER_USER] = 2, [RULE_PRIORITY] = SCHEDULER_HIGH}},
    };
    static struct arrivals arrivals;
    struct newcomers_config config = {
        .accounts = user_database_config,
        .max_connections = 8,
        .rules = {.connections_per_user = 1, .rules = rules, .count = 3},
    };

    config.accounts.timeout_ms = HOUR_MS;
    user_database_reset(false);
    begin(&arrivals, &config);
    newcomers_open(&arrivals.newcomers);
    *state = &arrivals;
    return 0;
}

static void reap(struct arrivals *arrivals)
{
    struct client_end end;

    while (clients_reap(&arrivals->clients, &end))
        ;
}

static int teardown(void **state)
{
    struct arrivals *arrivals = *state;

    user_database_set(true, false);
    newcomers_close(&arrivals->newcomers);
    clients_close(&arrivals->clients);
    reap(arrivals);
    clients_clear(&arrivals->clients);
    desk_close(&arrivals->desk);
    newcomers_clear(&arrivals->newcomers);
    loop_clear(&arrivals->loop);
    if (arrivals->end >= 0)
        close(arrivals->end);
    return 0;
}

/* A socket whose other end is kept, in place of the one before. */
static int arrive(struct arrivals *arrivals)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (arrivals->end >= 0)
        close(arrivals->end);
    arrivals->end = pair[1];
    return pair[0];
}

static struct client *admit_with(struct arrivals *arrivals, uint32_t uid,
                                 const struct peer_groups *groups)
{
    struct client *client = NULL;

    assert_int_equal(newcomers_admit(&arrivals->newcomers,
                                     &(struct seat_holder){.uid = uid, .groups = groups},
                                     arrive(arrivals), &client),
                     0);
    return client;
}

static struct client *admit(struct arrivals *arrivals, uint32_t uid)
{
    return admit_with(arrivals, uid, &(struct peer_groups){.known = true});
}

static int refused(struct arrivals *arrivals, uint32_t uid)
{
    const struct peer_groups groups = {.known = true};
    struct client *client;
    int fd = arrive(arrivals);
    int error = newcomers_admit(&arrivals->newcomers,
                                &(struct seat_holder){.uid = uid, .groups = &groups}, fd, &client);

    close(fd);
    return error;
}

/* Has the database answer what it was asked. */
static void answer(void)
{
    unsigned asked = user_database_questions();

    user_database_set(true, false);
    user_database_await_answers(asked ? asked : 1);
}

/* Waits until the account of a user is known, and has it looked at. */
static void settle(struct arrivals *arrivals, const struct client *client)
{
    answer();
    for (unsigned i = 0; i < 20000 && client->state == CLIENT_ADMITTED; i++) {
        newcomers_settle(&arrivals->newcomers);
        usleep(1000);
    }
}

static void test_known_user_is_served_at_once(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *client = admit(arrivals, 0);

    assert_int_equal(client->state, CLIENT_ADMITTED);
    newcomers_welcome(&arrivals->newcomers, client);
    assert_int_equal(client->rules.priority, SCHEDULER_NORMAL);
    assert_int_equal(client->state, CLIENT_OPEN);
    assert_true(client->member);
}

/* Its account is known, and whether it is a member is not. */
static void test_R80_user_with_a_rule_waits_to_be_known_as_a_guest(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *first = admit(arrivals, 1001), *second;

    newcomers_welcome(&arrivals->newcomers, first);
    assert_int_equal(first->state, CLIENT_ADMITTED);
    assert_int_equal(first->user->account, 1001);
    settle(arrivals, first);
    assert_int_equal(first->state, CLIENT_OPEN);
    assert_int_equal(first->rules.priority, SCHEDULER_HIGH);
    assert_false(first->member);
    second = admit(arrivals, 1003);
    newcomers_welcome(&arrivals->newcomers, second);
    settle(arrivals, second);
    assert_int_equal(second->rules.priority, SCHEDULER_LOW);
    assert_int_equal(second->user->account, 1003);
    assert_false(second->member);
}

/* And one of whom nothing is known in time is a guest, with its account. */
static void test_R80_user_with_a_rule_is_a_guest_in_the_end(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *client = admit(arrivals, 1001);

    arrivals->newcomers.timeout_ms = 1;
    newcomers_welcome(&arrivals->newcomers, client);
    for (unsigned i = 0; i < 20000 && client->state == CLIENT_ADMITTED; i++)
        loop_run(&arrivals->loop, -1, 1);
    assert_int_equal(client->state, CLIENT_OPEN);
    assert_int_equal(client->user->account, 1001);
    assert_false(client->member);
}

static void test_unknown_user_waits_for_the_database(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *client = admit(arrivals, 1000);

    newcomers_welcome(&arrivals->newcomers, client);
    newcomers_settle(&arrivals->newcomers);
    assert_int_equal(client->state, CLIENT_ADMITTED);
    assert_true(timer_is_armed(&arrivals->newcomers.timeout));
    settle(arrivals, client);
    assert_int_equal(client->state, CLIENT_OPEN);
    assert_int_equal(client->user->account, 1000);
    assert_true(client->member);
}

static void test_timeout_ends(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *client = admit(arrivals, 1000);

    arrivals->newcomers.timeout_ms = 1;
    newcomers_welcome(&arrivals->newcomers, client);
    for (unsigned i = 0; i < 20000 && client->state == CLIENT_ADMITTED; i++)
        loop_run(&arrivals->loop, -1, 1);
    assert_int_equal(client->state, CLIENT_OPEN);
    assert_false(timer_is_armed(&arrivals->newcomers.timeout));
}

/* One that came later has all of its time. */
static void test_timeout_is_each_ones_own(void **state)
{
    struct arrivals *arrivals = *state;
    struct newcomers *newcomers = &arrivals->newcomers;
    struct client *first = admit(arrivals, 1000), *second;

    newcomers_welcome(newcomers, first);
    second = admit(arrivals, 1002);
    newcomers_welcome(newcomers, second);
    first->record.since -= HOUR_MS;
    timer_disarm(&newcomers->timeout);
    newcomers->timeout.due(&newcomers->timeout);
    assert_int_equal(first->state, CLIENT_OPEN);
    assert_int_equal(first->user->account, ACCOUNT_GUESTS);
    assert_int_equal(second->state, CLIENT_ADMITTED);
    assert_true(timer_is_armed(&newcomers->timeout));
    assert_in_range(newcomers->timeout.pause, 1, HOUR_MS);
}

static void test_limits_are_those_of_the_account(void **state)
{
    struct arrivals *arrivals = *state;

    newcomers_welcome(&arrivals->newcomers, admit(arrivals, 1001));
    assert_int_equal(refused(arrivals, 1001), -EDQUOT);
    newcomers_welcome(&arrivals->newcomers, admit(arrivals, 1003));
}

/* What groups may have, their members have: here more connections, and another priority. */
static void test_R75_rules_of_groups_hold_by_the_peers_groups(void **state)
{
    struct arrivals *arrivals = *state;
    gid_t ids[] = {7, 50};
    const struct peer_groups groups = {true, 2, ids};
    struct client *client;

    for (unsigned i = 0; i < 2; i++) {
        client = admit_with(arrivals, 0, &groups);
        newcomers_welcome(&arrivals->newcomers, client);
        assert_int_equal(client->rules.priority, SCHEDULER_HIGH);
        assert_int_equal(client->rules.connections_per_user, 2);
    }
    newcomers_welcome(&arrivals->newcomers, client = admit(arrivals, 0));
    assert_int_equal(client->rules.priority, SCHEDULER_NORMAL);
    /* The user's priority is that of the connection that came last. */
    assert_int_equal(client->user->share.priority, SCHEDULER_NORMAL);
}

static struct rules *rules_of_users(uint32_t uid, enum scheduler_priority priority)
{
    const struct rule rule = {
        .subject = RULE_FOR_USER,
        .id = uid,
        .said = {[RULE_PRIORITY] = true, [RULE_LOCALITIES] = true},
        .values = {[RULE_PRIORITY] = priority, [RULE_LOCALITIES] = 1 << 3},
    };
    const struct rules_config config = {
        .limits.objects_per_client = 5, .connections_per_user = 1, .rules = &rule, .count = 1};

    return rules_new(&config);
}

/* Those who are there, those who wait, and those who come. */
static void test_R74_other_rules_hold_for_all(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *there = admit(arrivals, 1001), *waits, *comes;

    newcomers_welcome(&arrivals->newcomers, there);
    settle(arrivals, there);
    user_database_set(false, false);
    assert_false(client_set_locality(there, 3));
    waits = admit(arrivals, 1000);
    newcomers_welcome(&arrivals->newcomers, waits);
    newcomers_change(&arrivals->newcomers, 8, rules_of_users(1001, SCHEDULER_LOW));
    assert_int_equal(there->rules.priority, SCHEDULER_LOW);
    assert_int_equal(there->user->share.priority, SCHEDULER_LOW);
    assert_int_equal(there->rules.limits.objects_per_client, 5);
    assert_true(client_set_locality(there, 3));
    settle(arrivals, waits);
    assert_int_equal(waits->rules.limits.objects_per_client, 5);
    newcomers_change(&arrivals->newcomers, 8, rules_of_users(1003, SCHEDULER_HIGH));
    assert_int_equal(there->rules.priority, SCHEDULER_NORMAL);
    assert_int_equal(there->locality, 0);
    /* A user that has a rule by now has an account by now. */
    comes = admit(arrivals, 1003);
    newcomers_welcome(&arrivals->newcomers, comes);
    assert_int_equal(comes->user->account, 1003);
    settle(arrivals, comes);
    assert_int_equal(comes->rules.priority, SCHEDULER_HIGH);
}

#define CHANGES 300

/* Another thread, by whose rules newcomers come meanwhile. */
static void *knock(void *data)
{
    struct newcomers *newcomers = data;
    gid_t id = 50;
    const struct peer_groups groups = {true, 1, &id};

    for (unsigned i = 0; i < CHANGES; i++) {
        struct client *client;
        int pair[2];

        if (newcomers_account(newcomers, 1001) != 1001
            || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0
            || newcomers_admit(newcomers, &(struct seat_holder){.uid = 1001, .groups = &groups},
                               pair[0], &client)
                   != 0)
            return data;
        client_free(client);
        close(pair[1]);
    }
    return NULL;
}

static void test_R74_rules_change_while_newcomers_come(void **state)
{
    struct arrivals *arrivals = *state;
    void *failed = NULL;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, knock, &arrivals->newcomers), 0);
    for (unsigned i = 0; i < CHANGES; i++)
        newcomers_change(&arrivals->newcomers, 8, rules_of_users(1001, SCHEDULER_LOW));
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

/* Two that nobody knows are members of one account that may have one connection. */
static void test_account_without_room_turns_away(void **state)
{
    struct arrivals *arrivals = *state;
    struct client *first = admit(arrivals, 1000), *second;

    newcomers_welcome(&arrivals->newcomers, first);
    assert_int_equal(newcomers_accept(&arrivals->newcomers, 1000, arrive(arrivals)), 0);
    second = list_entry(first->link.next, struct client, link);
    assert_int_equal(second->origin, CLIENT_FROM_SOCKET);
    settle(arrivals, second);
    assert_int_equal(first->state, CLIENT_OPEN);
    assert_int_equal(second->state, CLIENT_CLOSED);
    reap(arrivals);
    assert_int_equal(arrivals->clients.count, 1);
}

static void test_closed_to_all_who_wait(void **state)
{
    struct arrivals *arrivals = *state;
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE + 1];

    assert_int_equal(newcomers_accept(&arrivals->newcomers, 1000, arrive(arrivals)), 0);
    newcomers_close(&arrivals->newcomers);
    assert_false(timer_is_armed(&arrivals->newcomers.timeout));
    reap(arrivals);
    assert_int_equal(recv(arrivals->end, reply, sizeof(reply), MSG_WAITALL),
                     CONTROL_FRAME_REPLY_SIZE);
    assert_int_equal(load_be32(reply + HEADER_SIZE), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(refused(arrivals, 1001), -ESHUTDOWN);
}

#define NEWCOMERS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEWCOMERS_TEST(test_known_user_is_served_at_once),
        NEWCOMERS_TEST(test_R80_user_with_a_rule_waits_to_be_known_as_a_guest),
        NEWCOMERS_TEST(test_R80_user_with_a_rule_is_a_guest_in_the_end),
        NEWCOMERS_TEST(test_unknown_user_waits_for_the_database),
        NEWCOMERS_TEST(test_timeout_ends),
        NEWCOMERS_TEST(test_timeout_is_each_ones_own),
        NEWCOMERS_TEST(test_limits_are_those_of_the_account),
        NEWCOMERS_TEST(test_R75_rules_of_groups_hold_by_the_peers_groups),
        NEWCOMERS_TEST(test_R74_other_rules_hold_for_all),
        NEWCOMERS_TEST(test_R74_rules_change_while_newcomers_come),
        NEWCOMERS_TEST(test_account_without_room_turns_away),
        NEWCOMERS_TEST(test_closed_to_all_who_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
