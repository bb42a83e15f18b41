/* SPDX-License-Identifier: BSD-2-Clause */
/* Users as the engine serves them: one object for each, and how long it is known. */
#include "engine-crowd.h"
#include "rm-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

struct town {
    struct rm_world *world;
    struct crowd crowd;
};

static int setup(void **state)
{
    static struct town town;

    town.world = rm_world_new(NULL);
    crowd_init(&town.crowd, rm_command_capacity(town.world->rm));
    *state = &town;
    return 0;
}

static int teardown(void **state)
{
    struct town *town = *state;

    crowd_clear(&town->crowd);
    rm_world_free(town->world);
    return 0;
}

static struct client *join(struct town *town, unsigned index, uint32_t uid)
{
    return crowd_join(&town->crowd, index, uid, CLIENT_FROM_SOCKET);
}

static void leave(struct town *town, struct client *client)
{
    struct client_end end;

    client_close(client);
    while (clients_reap(&town->crowd.clients, &end))
        ;
}

static bool is_known(struct town *town, uint32_t account)
{
    return users_find(&town->crowd.users, account);
}

/* A turn of the client that costs so much. */
static void serve(struct town *town, struct client *client, uint64_t cost)
{
    scheduler_ready(&town->crowd.scheduler, &client->turn);
    assert_ptr_equal(scheduler_pick(&town->crowd.scheduler), &client->turn);
    scheduler_charge(&town->crowd.scheduler, cost);
}

static void test_connections_of_a_user_share_one_object(void **state)
{
    struct town *town = *state;
    struct client *first = join(town, 0, 1000), *second = join(town, 1, 1000);
    struct client *other = join(town, 2, 1001);

    assert_ptr_equal(first->user, second->user);
    assert_ptr_not_equal(first->user, other->user);
    assert_ptr_equal(first->turn.user, &first->user->share);
    assert_int_equal(first->user->connections, 2);
    assert_int_equal(first->user->share.clients, 2);
    leave(town, first);
    assert_int_equal(second->user->connections, 1);
    assert_true(client_prepare(second, town->world->rm) && client_prepare(other, town->world->rm));
    assert_false(rm_user_is_idle(second->user->holdings));
    assert_ptr_not_equal(second->user->holdings, other->user->holdings);
}

static void test_user_that_was_never_served_goes_with_its_connection(void **state)
{
    struct town *town = *state;
    struct client *client = crowd_admit(&town->crowd, 0, 1000, CLIENT_FROM_SOCKET);

    assert_true(is_known(town, 1000));
    client_free(client);
    assert_false(is_known(town, 1000));
}

static void test_user_that_owes_nothing_is_forgotten(void **state)
{
    struct town *town = *state;

    leave(town, join(town, 0, 1000));
    /* What it was charged for coming is its debt. */
    assert_true(is_known(town, 1000));
    serve(town, join(town, 1, 1001), CLIENT_COST_MIN);
    serve(town, join(town, 2, 1001), CLIENT_COST_MIN);
    serve(town, join(town, 3, 1001), CLIENT_COST_MIN);
    assert_true(is_known(town, 1000));
    join(town, 4, 1002);
    assert_false(is_known(town, 1000));
}

static void test_user_that_owes_is_known_when_it_comes_back(void **state)
{
    struct town *town = *state;
    struct client *client = join(town, 0, 1000);
    struct user *user = client->user;
    uint64_t time;

    serve(town, client, 100 * MS);
    time = user->share.virtual_time;
    assert_true(time >= 100 * MS);
    leave(town, client);
    join(town, 1, 1001);
    client = join(town, 2, 1000);
    assert_ptr_equal(client->user, user);
    assert_true(user->share.virtual_time >= time);
}

/* Here a session that it saved, say. */
static void test_user_that_holds_something_is_known(void **state)
{
    struct town *town = *state;
    struct client *client = join(town, 0, 1000), *rich;
    struct rm_user *held;

    assert_true(client_prepare(client, town->world->rm));
    held = rm_user_reference(client->user->holdings);
    leave(town, client);
    rich = join(town, 1, 1001);
    for (unsigned i = 0; i < 3; i++)
        serve(town, rich, CLIENT_COST_MIN);
    join(town, 2, 1002);
    assert_true(is_known(town, 1000));
    client = join(town, 3, 1000);
    assert_ptr_equal(client->user->holdings, held);
    leave(town, client);
    rm_user_unreference(held);
    for (unsigned i = 0; i < 6; i++)
        serve(town, rich, CLIENT_COST_MIN);
    join(town, 4, 1003);
    assert_false(is_known(town, 1000));
}

/* The manager may be freed then. */
static void test_users_leave_the_manager(void **state)
{
    struct town *town = *state;
    struct client *client = join(town, 0, 1000);
    struct rm_user *held;

    assert_true(client_prepare(client, town->world->rm));
    held = rm_user_reference(client->user->holdings);
    leave(town, client);
    users_leave_manager(&town->crowd.users);
    assert_true(rm_user_is_idle(held));
    rm_user_unreference(held);
    client = join(town, 1, 1000);
    assert_null(client->user->holdings);
}

/* Who has no connection is charged too, and known until that is made up for. */
static void test_a_user_without_connections_is_charged(void **state)
{
    struct town *town = *state;
    struct client *other = join(town, 0, 1001);
    uint64_t before;

    users_charge(&town->crowd.users, 1000, &town->crowd.scheduler, 500 * MS);
    assert_true(is_known(town, 1000));
    leave(town, join(town, 1, 1002));
    assert_true(is_known(town, 1000));
    /* Its first command waits for what others get meanwhile. */
    serve(town, other, 501 * MS);
    serve(town, other, MS);
    leave(town, join(town, 1, 1002));
    leave(town, join(town, 1, 1003));
    assert_false(is_known(town, 1000));
    before = other->user->share.virtual_time;
    users_charge(&town->crowd.users, 1001, &town->crowd.scheduler, MS);
    assert_int_equal(other->user->share.virtual_time, before + MS);
}

#define USER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        USER_TEST(test_connections_of_a_user_share_one_object),
        USER_TEST(test_user_that_was_never_served_goes_with_its_connection),
        USER_TEST(test_user_that_owes_nothing_is_forgotten),
        USER_TEST(test_user_that_owes_is_known_when_it_comes_back),
        USER_TEST(test_user_that_holds_something_is_known),
        USER_TEST(test_users_leave_the_manager),
        USER_TEST(test_a_user_without_connections_is_charged),
    };

    return cmocka_run_group_tests_name("engine-user", tests, NULL, NULL);
}
