/* SPDX-License-Identifier: BSD-2-Clause */
/* A change of the books that does not get to the journal is found (mirror.h). */
#include "mirror.h"

#include "esys-jobs.h"
#include "rm-world.h"
#include "rm/note.h"

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

/* The mark is as if nobody had touched it. */
static void forget(struct journal_mark *mark)
{
    if (mark->dirty.next)
        list_remove(&mark->dirty);
    mark->dirty = (struct list){0};
}

static void expect(struct rm_world *world, struct journal_mark *mark, const char *part)
{
    const char *said;

    forget(mark);
    said = mirror_check(world->rm);
    assert_non_null(said);
    assert_non_null(strstr(said, part));
    /* And nothing more than that was wrong. */
    journal_touch(world->rm->journal, mark);
    assert_null(mirror_check(world->rm));
}

static void test_nothing_is_said_of_good_books(void **state)
{
    struct rm_world *world = *state;

    assert_null(mirror_check(world->rm));
}

static void test_objects_that_are_not_touched(void **state)
{
    struct rm_world *world = *state;
    struct object *object = an_object(world);
    uint32_t physical = object->physical;

    object_set_name(world->rm, object, (const uint8_t *)"another", 7);
    expect(world, &object->mark, "Name");
    object_set_physical(world->rm, object, 0x80fffff0);
    expect(world, &object->mark, "0x80fffff0");
    object_set_physical(world->rm, object, physical);
    expect(world, &object->mark, "0x80fffff0");
}

static void test_contexts_that_are_not_noted(void **state)
{
    struct rm_world *world = *state;
    struct object *object = an_object(world);

    while (blob_empty(&object->saved))
        assert_int_equal(rm_idle(world->rm, RM_IDLE_SAVE), RM_IDLE_MORE);
    expect(world, &object->mark, "context");
}

static void test_sessions_that_are_not_touched(void **state)
{
    struct rm_world *world = *state;
    struct session *session = a_session(world);

    session_set_loaded(world->rm, session, false);
    forget(&session->mark);
    assert_non_null(mirror_check(world->rm));
    session_set_loaded(world->rm, session, true);
    session_apply(world->rm, session, SESSION_EVENT_GIVE_UP);
    expect(world, &session->mark, "session");
}

static void test_clients_that_are_not_touched(void **state)
{
    struct rm_world *world = *state;
    struct rm_client *client = world->clients[0].client;

    rm_client_set_number(client, 4711);
    expect(world, &client->mark, "4711");
    rm_client_set_cookie(client, 4711);
    expect(world, &client->mark, "it has no client");
}

/* A handle whose cell is forgotten, and one that keeps its cell. */
static void test_handles_without_their_cells(void **state)
{
    struct rm_world *world = *state;
    struct handles *handles = &world->clients[0].client->handles;
    struct handle_entry *entry = &handles->entries[0];
    uint32_t cell = entry->cell;

    journal_give_back(world->rm->journal, cell);
    assert_non_null(mirror_check(world->rm));
    entry->cell = journal_take_cell(world->rm->journal);
    note_handle(world->rm, handles, entry);
    assert_null(mirror_check(world->rm));
    cell = entry->cell;
    entry->cell = 0;
    handles_remove(world->rm, handles, entry->handle);
    assert_non_null(mirror_check(world->rm));
    journal_give_back(world->rm->journal, cell);
    assert_null(mirror_check(world->rm));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_said_of_good_books), TEST(test_objects_that_are_not_touched),
        TEST(test_contexts_that_are_not_noted),   TEST(test_sessions_that_are_not_touched),
        TEST(test_clients_that_are_not_touched),  TEST(test_handles_without_their_cells),
    };

    return cmocka_run_group_tests_name("rm-mirror", tests, NULL, NULL);
}
