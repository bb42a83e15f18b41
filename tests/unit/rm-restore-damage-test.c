/* SPDX-License-Identifier: BSD-2-Clause */
/* A journal whose records do not agree, for each rule that they may break: nothing is made of it.
 */
#include "restore-story.h"
#include "wire/bytes.h"
#include "wire/tpms-context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is wrong with a journal whose checks are right. */
struct damage {
    const char *what;
    void (*spoil)(struct story *story);
};

#define DAMAGE(name, statement)                   \
    static void spoil_##name(struct story *story) \
    {                                             \
        statement;                                \
    }
#define OBJECT(which)     (&story->objects[which].object)
#define SESSION(which)    (&story->sessions[which].session)
#define HANDLE(which)     (&story->handles[which].handle)
#define HOLDER(which)     (&story->holders[which].holder)
#define CONNECTION(which) (&story->connections[which].connection)

DAMAGE(cookie, HOLDER(ALICE)->cookie = 0)
DAMAGE(cookies, HOLDER(ALICE)->cookie = STORY_COOKIE(BOB))
DAMAGE(number, HOLDER(ALICE)->number = UINT64_MAX)
DAMAGE(next, HOLDER(ALICE)->next = 0x1000000)
DAMAGE(physical, OBJECT(BARE)->physical = 0x81000001)
DAMAGE(physicals, OBJECT(BARE)->physical = STORY_PHYSICAL(CLEAN))
DAMAGE(immutable, OBJECT(BARE)->immutable = 2)
DAMAGE(sequence, OBJECT(BARE)->sequence = 2)
DAMAGE(name, OBJECT(BARE)->name_size = RECORD_NAME + 1)
DAMAGE(nowhere, OBJECT(BARE)->physical = 0)
DAMAGE(nobodys, OBJECT(ORPHAN)->physical = 0)
DAMAGE(changing, OBJECT(OUT)->immutable = 0)
DAMAGE(unchanging, OBJECT(SAVED_SEQUENCE)->immutable = 1)
DAMAGE(session_for_object, story_keep(&story->objects[OUT], 0, 6, STORY_SESSION(0)))
DAMAGE(object_size, store_be16(story->objects[OUT].bytes[0] + 16, 7))
DAMAGE(object_short, story->objects[OUT].sizes[0] = CONTEXT_HEADER_BYTES - 1)
DAMAGE(holder_serial, HANDLE(ALICE_OUT)->holder.serial++)
DAMAGE(holder_cell, HANDLE(ALICE_OUT)->holder.cell = 0)
DAMAGE(holder_far, HANDLE(ALICE_OUT)->holder.cell = UINT32_MAX)
DAMAGE(holder_kind, HANDLE(ALICE_OUT)->holder = story->objects[OUT].mark.cell)
DAMAGE(object_serial, HANDLE(ALICE_OUT)->object.serial++)
DAMAGE(object_cell, HANDLE(ALICE_OUT)->object.cell = 0)
DAMAGE(object_kind, HANDLE(ALICE_OUT)->object = story->holders[ALICE].mark.cell)
DAMAGE(unmade, HANDLE(ALICE_OUT)->object = story->objects[UNMADE].mark.cell)
DAMAGE(handle, HANDLE(ALICE_OUT)->handle = STORY_SESSION(0))
DAMAGE(handles, HANDLE(ALICE_OUT)->handle = STORY_HANDLE(ALICE_BARE))
DAMAGE(no_session, SESSION(HERE)->handle = STORY_PHYSICAL(0))
DAMAGE(sessions, SESSION(HERE)->handle = STORY_SESSION(AWAY) ^ 0x01000000)
DAMAGE(state, SESSION(HERE)->state = SESSION_GONE)
DAMAGE(loaded, SESSION(HERE)->loaded = 2)
DAMAGE(loaded_and_saved, SESSION(AWAY)->loaded = 1; SESSION(AWAY)->used_up = 0)
DAMAGE(loaded_and_used, SESSION(HERE)->used_up = 1)
DAMAGE(used_up, SESSION(AWAY)->used_up = 2)
DAMAGE(neither, SESSION(HERE)->loaded = 0)
DAMAGE(held_since, SESSION(HERE)->held_since = UINT64_MAX)
DAMAGE(no_owner, SESSION(HERE)->owner = (struct journal_ref){0})
DAMAGE(owner_serial, SESSION(HERE)->owner.serial++)
DAMAGE(owner_kind, SESSION(HERE)->owner = story->objects[BARE].mark.cell)
DAMAGE(owner_of_doomed, SESSION(ENDING)->owner = story->holders[BOB].mark.cell)
DAMAGE(owner_of_left, SESSION(LEFT)->owner = story->holders[BOB].mark.cell)
DAMAGE(owner_uid, SESSION(HERE)->uid++)
DAMAGE(owner_account, SESSION(HERE)->account++)
DAMAGE(not_held, story->sessions[HELD].sizes[1] = 0)
DAMAGE(not_held_loaded, story->sessions[HELD].sizes[1] = story->sessions[HELD].sizes[0] = 0;
       SESSION(HELD)->loaded = 1)
DAMAGE(held, story_keep(&story->sessions[AWAY], 1, 3, STORY_SESSION(AWAY)))
DAMAGE(held_loaded, story_keep(&story->sessions[HERE], 1, 3, STORY_SESSION(HERE)))
DAMAGE(of_another, story_keep(&story->sessions[AWAY], 0, 3, STORY_SESSION(HELD)))
DAMAGE(of_another_held, story_keep(&story->sessions[HELD], 1, 3, STORY_SESSION(AWAY)))
DAMAGE(objects_context, story_keep(&story->sessions[AWAY], 0, 3, CONTEXT_OBJECT | AWAY))
DAMAGE(session_size, store_be16(story->sessions[AWAY].bytes[0] + 16, 7))
DAMAGE(unstarted_owner, SESSION(UNSTARTED)->owner = story->holders[BOB].mark.cell)
DAMAGE(unstarted_loaded, SESSION(UNSTARTED)->loaded = 1)
DAMAGE(unstarted_saved, story_keep(&story->sessions[UNSTARTED], 0, 3, 0x02000000))
DAMAGE(unstarted_held, story_keep(&story->sessions[UNSTARTED], 1, 3, 0x02000000))
DAMAGE(connection, CONNECTION(ALICE)->cookie = 0)
DAMAGE(connections, CONNECTION(ALICE)->cookie = STORY_COOKIE(BOB))
DAMAGE(connection_number, CONNECTION(ALICE)->number = UINT64_MAX)
DAMAGE(member, CONNECTION(ALICE)->member = 2)
DAMAGE(locality, CONNECTION(ALICE)->locality = 5)
DAMAGE(phase, story->run.phase = RUN_ANSWERED + 1)
DAMAGE(receive, story->in.buffer = DESK_BUFFERS)
DAMAGE(send, story->out.buffer = DESK_BUFFERS)

static const struct damage damages[] = {
    {"no cookie", spoil_cookie},
    {"a cookie twice", spoil_cookies},
    {"a number of a client that cannot be", spoil_number},
    {"a next handle that cannot be", spoil_next},
    {"a physical handle that is none", spoil_physical},
    {"a physical handle twice", spoil_physicals},
    {"neither immutable nor not", spoil_immutable},
    {"neither a sequence nor not", spoil_sequence},
    {"a Name too long", spoil_name},
    {"a handle for an object that is nowhere", spoil_nowhere},
    {"an object of nobody outside of the chip", spoil_nobodys},
    {"a key that is not immutable", spoil_changing},
    {"a sequence that is immutable", spoil_unchanging},
    {"a session's context for an object", spoil_session_for_object},
    {"an object's context with another size", spoil_object_size},
    {"an object's context without a header", spoil_object_short},
    {"a handle of another holder's former cell", spoil_holder_serial},
    {"a handle of nobody", spoil_holder_cell},
    {"a handle of a holder beyond all cells", spoil_holder_far},
    {"a handle of an object", spoil_holder_kind},
    {"a handle for another object's former cell", spoil_object_serial},
    {"a handle for nothing", spoil_object_cell},
    {"a handle for a client", spoil_object_kind},
    {"a handle for what was not made", spoil_unmade},
    {"a virtual handle that is none", spoil_handle},
    {"a virtual handle twice", spoil_handles},
    {"a session's handle that is none", spoil_no_session},
    {"an index of a session twice", spoil_sessions},
    {"a state of a session that is none", spoil_state},
    {"neither loaded nor not", spoil_loaded},
    {"a session in a slot and in a context", spoil_loaded_and_saved},
    {"a loaded session with a context that is used up", spoil_loaded_and_used},
    {"neither used up nor not", spoil_used_up},
    {"a session that is nowhere", spoil_neither},
    {"a time that cannot be", spoil_held_since},
    {"a session of nobody", spoil_no_owner},
    {"a session of a former holder", spoil_owner_serial},
    {"a session of an object", spoil_owner_kind},
    {"an owner of a doomed session", spoil_owner_of_doomed},
    {"an owner of an abandoned session", spoil_owner_of_left},
    {"another user than the owner", spoil_owner_uid},
    {"another account than the owner's", spoil_owner_account},
    {"a saved session that its client does not have", spoil_not_held},
    {"the same, refreshed", spoil_not_held_loaded},
    {"a context of a session in use that its client has", spoil_held},
    {"the same, loaded", spoil_held_loaded},
    {"the context of another session", spoil_of_another},
    {"the same, of its client's", spoil_of_another_held},
    {"an object's context for a session", spoil_objects_context},
    {"a session's context with another size", spoil_session_size},
    {"an owner of what was not started", spoil_unstarted_owner},
    {"loaded and not started", spoil_unstarted_loaded},
    {"saved and not started", spoil_unstarted_saved},
    {"held and not started", spoil_unstarted_held},
    {"a connection without cookie", spoil_connection},
    {"a connection twice", spoil_connections},
    {"a number of a connection that cannot be", spoil_connection_number},
    {"neither a member nor not", spoil_member},
    {"a locality that is none", spoil_locality},
    {"a phase that is none", spoil_phase},
    {"a receive to no buffer", spoil_receive},
    {"a send from no buffer", spoil_send},
};

static void test_records_that_disagree_are_refused(void **state)
{
    static struct story story;

    (void)state;
    for (size_t i = 0; i < COUNT(damages); i++) {
        struct journal_image image;
        struct rm *rm = story_manager();

        story_begin(&story);
        damages[i].spoil(&story);
        story_tell(&story, &image);
        if (restore_check(&image) != JOURNAL_DAMAGED || restore_books(rm, &image))
            fail_msg("%s is taken for good", damages[i].what);
        assert_true(list_empty(&rm->clients) && list_empty(&rm->objects));
        rm_free(rm);
        story_end(&story);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_that_disagree_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
