/* SPDX-License-Identifier: BSD-2-Clause */
/* Books from a journal: all that its records tell. */
#include "base/log.h"
#include "restore-story.h"
#include "rm-invariants.h"
#include "wire/tpms-context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scene {
    struct story story;
    struct journal_image image;
    struct rm *rm;
};

static int setup(void **state)
{
    static struct scene scene;

    log_threshold = LOG_LEVEL_SILENT;
    story_begin(&scene.story);
    scene.rm = story_manager();
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    restore_undo(scene->rm);
    rm_free(scene->rm);
    story_end(&scene->story);
    return 0;
}

static void restore(struct scene *scene)
{
    const char *said;

    story_tell(&scene->story, &scene->image);
    assert_int_equal(restore_check(&scene->image), JOURNAL_GOOD);
    assert_true(restore_books(scene->rm, &scene->image));
    said = rm_invariants_books(scene->rm);
    if (said)
        fail_msg("%s", said);
}

static struct rm_client *client_of(const struct scene *scene, unsigned holder)
{
    struct rm_client *client = rm_find_client(scene->rm, STORY_COOKIE(holder));

    assert_non_null(client);
    return client;
}

static struct object *object_at(const struct scene *scene, unsigned holder, unsigned handle)
{
    return handles_find(&client_of(scene, holder)->handles, STORY_HANDLE(handle));
}

static void test_clients_are_who_they_were(void **state)
{
    struct scene *scene = *state;

    restore(scene);
    for (unsigned i = 0; i < STORY_HOLDERS; i++) {
        const struct rm_client *client = client_of(scene, i);

        assert_int_equal(client->uid, 1000 + i);
        assert_int_equal(client->user->uid, 1000);
        assert_int_equal(client->number, 70 + i);
        assert_int_equal(client->handles.next, 0x200 + i);
        assert_int_equal(client->handles.count, 3);
    }
    assert_null(rm_find_client(scene->rm, 77));
    /* Numbers and handles are not given out again. */
    assert_int_equal(scene->rm->client_number, 71);
}

static void test_slots_are_the_greater_of_what_is_known(void **state)
{
    struct scene *scene = *state;

    restore(scene);
    assert_int_equal(scene->rm->chip.object_slots, 5);
    assert_int_equal(scene->rm->chip.session_slots, 3);
    /* That there was a reset meanwhile shows by the former count. */
    assert_int_equal(scene->rm->chip.reset_count, 9);
}

static void check_context(const struct blob *blob, const struct story_note *note, unsigned which)
{
    assert_int_equal(blob->size, note->sizes[which]);
    if (blob->size > 0)
        assert_memory_equal(blob->bytes, note->bytes[which], blob->size);
}

static void test_objects_are_where_they_were(void **state)
{
    static const unsigned of[] = {BARE, CLEAN, OUT, OUT, SEQUENCE, SAVED_SEQUENCE};
    struct scene *scene = *state;

    restore(scene);
    for (unsigned i = 0; i < STORY_HANDLES; i++) {
        const struct object *object = object_at(scene, i < BOB_OUT ? ALICE : BOB, i);
        const struct story_note *note = &scene->story.objects[of[i]];
        const struct record_object *record = &note->object;

        assert_non_null(object);
        assert_int_equal(object->physical, record->physical);
        assert_int_equal(object->immutable, record->immutable);
        assert_int_equal(object->sequence, record->sequence);
        assert_int_equal(object->name_size, record->name_size);
        assert_memory_equal(object->name, record->name, record->name_size);
        assert_int_equal(object->references, of[i] == OUT ? 2 : 1);
        assert_int_equal(object->client, 70 + (i >= ALICE_OUT));
        check_context(&object->saved, note, 0);
    }
    assert_ptr_equal(object_at(scene, ALICE, ALICE_OUT), object_at(scene, BOB, BOB_OUT));
    assert_true(object_at(scene, ALICE, ALICE_OUT)->st_clear);
    assert_int_equal(object_at(scene, ALICE, ALICE_OUT)->hierarchy, TPM2_RH_OWNER);
    assert_int_equal(scene->rm->objects_loaded, 4);
}

/* The next process of a pipeline may load it again. */
static void test_an_orphan_is_found_by_its_context(void **state)
{
    struct scene *scene = *state;
    const struct story_note *note = &scene->story.objects[ORPHAN];
    const struct object *object;

    restore(scene);
    object = object_find_content(scene->rm, note->bytes[0], note->sizes[0]);
    assert_non_null(object);
    assert_int_equal(object->references, 0);
    assert_null(object_find_content(scene->rm, scene->story.objects[SAVED_SEQUENCE].bytes[0],
                                    STORY_CONTEXT));
}

static void test_sessions_are_whose_they_were(void **state)
{
    struct scene *scene = *state;

    restore(scene);
    for (unsigned i = 0; i < UNSTARTED; i++) {
        const struct session *session = session_find(scene->rm, STORY_SESSION(i));
        const struct record_session *record = &scene->story.sessions[i].session;

        assert_non_null(session);
        assert_int_equal(session->handle, record->handle);
        assert_int_equal(session->state, record->state);
        assert_int_equal(session->loaded, record->loaded);
        assert_int_equal(session->context_used_up, record->used_up);
        assert_int_equal(session->uid, 1001);
        assert_ptr_equal(session->owner, record->owner.cell ? client_of(scene, BOB) : NULL);
        assert_int_equal(session->held_since, record->held_since);
        check_context(&session->saved, &scene->story.sessions[i], 0);
        check_context(&session->held, &scene->story.sessions[i], 1);
    }
    assert_int_equal(scene->rm->session_count, UNSTARTED);
    assert_int_equal(client_of(scene, BOB)->session_count, 4);
    assert_int_equal(client_of(scene, BOB)->user->abandoned, 1);
    /* The time goes on: what was saved last is younger than all that will be saved. */
    assert_int_equal(scene->rm->clock, STORY_HELD_SINCE(LOST) + 1);
    assert_int_equal(scene->rm->newest_sequence, 100 - AWAY);
}

static void test_sessions_stand_in_the_order_of_their_saving(void **state)
{
    struct scene *scene = *state;
    uint64_t before = 0;

    restore(scene);
    list_for_each (link, &scene->rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        if (session->loaded || session->state == SESSION_DOOMED)
            continue;
        assert_true(session->sequence > before);
        before = session->sequence;
    }
    assert_int_equal(before, 100 - AWAY);
}

static unsigned count_in(const struct ledger *ledger, uint32_t handle)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LEDGER_SESSIONS; i++)
        count += ledger->sessions[i] == handle;
    return count;
}

static void test_a_ledger_gets_all_sessions(void **state)
{
    struct scene *scene = *state;
    static struct ledger ledger = {.magic = 1, .sessions = {STORY_SESSION(55)}};

    restore(scene);
    restore_ledger(scene->rm, &ledger);
    assert_true(ledger_is_valid(&ledger));
    assert_int_equal(count_in(&ledger, STORY_SESSION(55)), 0);
    for (unsigned i = 0; i < UNSTARTED; i++)
        assert_int_equal(count_in(&ledger, STORY_SESSION(i)), 1);
    session_apply(scene->rm, session_find(scene->rm, STORY_SESSION(HELD)), SESSION_EVENT_ENDED);
    assert_int_equal(count_in(&ledger, STORY_SESSION(HELD)), 0);
    /* Nothing in the chip ends because books are given up. */
    restore_undo(scene->rm);
    assert_int_equal(count_in(&ledger, STORY_SESSION(HERE)), 1);
}

/* Sessions and sequence objects that the command named end, as when the answer is lost to a daemon
 * that goes on; keys do not. */
static void test_what_a_lost_answer_named_ends(void **state)
{
    uint8_t command[] = {0x80, 0x02, 0, 0, 0, 27, 0, 0, 0x01, 0x5C, 0, 0, 0, 0,
                         0,    0,    0, 9, 0, 0,  0, 0, 0,    0,    1, 0, 0};
    struct scene *scene = *state;

    restore(scene);
    store_be32(command + 10, STORY_HANDLE(BOB_SEQUENCE));
    store_be32(command + 18, STORY_SESSION(HERE));
    restore_lost_answer(client_of(scene, BOB), command, sizeof(command));
    assert_null(object_at(scene, BOB, BOB_SEQUENCE));
    assert_int_equal(session_find(scene->rm, STORY_SESSION(HERE))->state, SESSION_DOOMED);
    assert_int_equal(session_find(scene->rm, STORY_SESSION(AWAY))->state, SESSION_ACTIVE);

    store_be32(command + 10, STORY_HANDLE(ALICE_BARE));
    restore_lost_answer(client_of(scene, ALICE), command, sizeof(command));
    assert_non_null(object_at(scene, ALICE, ALICE_BARE));
    /* Bytes that are no command name nothing. */
    restore_lost_answer(client_of(scene, BOB), command, 11);
}

/* One extent for two records, or twice in one: journal_image_open() sees to it, so that it is the
 * bytes of the journal that are changed. */
static void test_an_extent_has_one_owner(void **state)
{
    struct scene *scene = *state;
    struct journal *journal = scene->story.plain.journal;
    struct record_session record;
    struct journal_image image;

    restore(scene);
    memcpy(&record, (&scene->story.sessions[AWAY].session), sizeof(record));
    record.saved = scene->story.sessions[HELD].lines[0];
    journal_put(journal, scene->story.sessions[AWAY].mark.cell.cell, JOURNAL_SESSION, &record,
                sizeof(record));
    journal_commit(journal);
    assert_int_equal(journal_image_open(&image, scene->story.plain.memory.bytes,
                                        scene->story.plain.memory.capacity, PLAIN_JOURNAL_OWNER),
                     JOURNAL_DAMAGED);
}

static void test_an_empty_journal_is_good(void **state)
{
    static const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .desk = 4096};
    struct scene *scene = *state;
    struct plain_journal plain;
    struct journal_image image;

    plain_journal_init(&plain, 4096 * 1024, &config);
    journal_complete(plain.journal);
    assert_int_equal(
        journal_image_open(&image, plain.memory.bytes, plain.memory.capacity, PLAIN_JOURNAL_OWNER),
        JOURNAL_GOOD);
    assert_true(restore_books(scene->rm, &image));
    assert_true(list_empty(&scene->rm->clients) && list_empty(&scene->rm->sessions));
    plain_journal_clear(&plain);
}

/* A context that no command of this chip's can take back. */
static void test_a_context_larger_than_a_command_is_refused(void **state)
{
    struct scene *scene = *state;

    scene->rm->response_capacity = HEADER_SIZE + STORY_CONTEXT - 1;
    story_tell(&scene->story, &scene->image);
    assert_false(restore_books(scene->rm, &scene->image));
}

/* A session that its client saved may have stayed in its slot when it was refreshed. It has no
 * context then that could be used up. */
static void test_a_saved_session_in_a_slot_has_no_context_to_use_up(void **state)
{
    struct scene *scene = *state;
    struct session *session;

    scene->story.sessions[REFRESHED].session.loaded = 1;
    scene->story.sessions[REFRESHED].sizes[0] = 0;
    restore(scene);
    session = session_find(scene->rm, STORY_SESSION(REFRESHED));
    assert_true(session->loaded);
    session_loaded_by_client(scene->rm, session, client_of(scene, ALICE));
    assert_false(session->context_used_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clients_are_who_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slots_are_the_greater_of_what_is_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_objects_are_where_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_orphan_is_found_by_its_context, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sessions_are_whose_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sessions_stand_in_the_order_of_their_saving, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_ledger_gets_all_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_lost_answer_named_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_saved_session_in_a_slot_has_no_context_to_use_up,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_extent_has_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_empty_journal_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_context_larger_than_a_command_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
