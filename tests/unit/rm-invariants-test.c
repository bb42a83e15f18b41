/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of the manager's books says what is wrong with them, and nothing of good ones. */
#include "rm-invariants.h"

#include "esys-jobs.h"
#include "rm-world.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A world with a loaded object and a loaded session. */
static int setup(void **state)
{
    struct rm_world *world;

    rm_world_setup(state);
    world = *state;
    job_primary(world->clients[0].esys, ESYS_TR_RH_OWNER);
    job_session(world->clients[0].esys, false);
    return 0;
}

static struct object *an_object(struct rm_world *world)
{
    return list_entry(world->rm->slots.next, struct object, slot_link);
}

static struct session *a_session(struct rm_world *world)
{
    return list_entry(world->rm->sessions.next, struct session, link);
}

static void expect(const char *said, const char *part)
{
    assert_non_null(said);
    assert_non_null(strstr(said, part));
}

static void test_good_books(void **state)
{
    struct rm_world *world = *state;

    assert_null(rm_invariants_books(world->rm));
    assert_null(rm_invariants_chip(world->rm, &world->chip->tpm));
}

static void test_counts(void **state)
{
    struct rm_world *world = *state;
    struct rm_client *client = world->clients[0].client;
    uint32_t *counts[] = {
        &world->rm->objects_loaded, &world->rm->sessions_loaded, &world->rm->session_count,
        &client->session_count,     &client->user->objects,      &client->user->sessions,
        &client->user->abandoned,   &client->user->answers,      &an_object(world)->references};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ++*counts[i];
        assert_non_null(rm_invariants_books(world->rm));
        --*counts[i];
        assert_null(rm_invariants_books(world->rm));
    }
}

/* What was counted in several ways. */
static void test_statistics(void **state)
{
    struct rm_world *world = *state;
    struct rm_statistics *statistics = &world->rm->statistics;
    uint64_t *counts[] = {
        &world->rm->command_counts[0],
        &world->rm->stats.client_commands,
        &world->rm->stats.chip_commands,
        &statistics->chip_commands[TRACE_OWN],
        &statistics->refusals[RM_REFUSAL_POLICY],
    };

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        *counts[i] += 1000;
        expect(rm_invariants_books(world->rm), i < 2 ? "by code" : i < 4 ? "by kind" : "refused");
        *counts[i] -= 1000;
        assert_null(rm_invariants_books(world->rm));
    }
    statistics->ways[TRACE_WAY_REFUSED] += 1000;
    expect(rm_invariants_books(world->rm), "refused");
    statistics->ways[TRACE_WAY_REFUSED] -= 1000;
}

static void test_what_is_pinned_or_in_a_wrong_state(void **state)
{
    struct rm_world *world = *state;

    an_object(world)->pinned = true;
    expect(rm_invariants_books(world->rm), "is pinned");
    an_object(world)->pinned = false;
    a_session(world)->pinned = true;
    expect(rm_invariants_books(world->rm), "is pinned");
    a_session(world)->pinned = false;
    a_session(world)->state = SESSION_CLIENT_SAVED;
    expect(rm_invariants_books(world->rm), "what its client holds disagree");
    a_session(world)->state = SESSION_DOOMED;
    expect(rm_invariants_books(world->rm), "has an owner");
    a_session(world)->state = SESSION_ACTIVE;
    assert_null(rm_invariants_books(world->rm));
}

static void test_a_chip_that_holds_something_else(void **state)
{
    struct rm_world *world = *state;
    struct rm *rm = world->rm;
    uint32_t handle = an_object(world)->physical;

    an_object(world)->physical = handle + 2;
    expect(rm_invariants_chip(rm, &world->chip->tpm), "the chip has no object");
    /* Nothing is asked of books that are in doubt. */
    rm->books_in_doubt = true;
    assert_null(rm_invariants_chip(rm, &world->chip->tpm));
    rm->books_in_doubt = false;
    an_object(world)->physical = handle;
    a_session(world)->handle++;
    expect(rm_invariants_chip(rm, &world->chip->tpm), "does not have session");
    a_session(world)->handle--;
    assert_null(rm_invariants_chip(rm, &world->chip->tpm));
}

static void test_a_command_with_a_strange_handle(void **state)
{
    struct rm_world *world = *state;
    uint8_t flush[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x65, 0, 0, 0, 0};
    uint8_t read_public[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x80, 0, 0, 0};
    struct rm_client *client = world->clients[0].client;

    rm_world_connect(world, 1, 1001);
    store_be32(read_public + HEADER_SIZE, an_object(world)->physical);
    assert_null(rm_invariants_command(client, flush, sizeof(flush)));
    assert_null(rm_invariants_command(client, read_public, sizeof(read_public)));
    expect(rm_invariants_command(world->clients[1].client, read_public, sizeof(read_public)),
           "which is not the client's");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good_books),
        TEST(test_counts),
        TEST(test_statistics),
        TEST(test_what_is_pinned_or_in_a_wrong_state),
        TEST(test_a_chip_that_holds_something_else),
        TEST(test_a_command_with_a_strange_handle),
    };

    return cmocka_run_group_tests_name("rm invariants", tests, NULL, NULL);
}
