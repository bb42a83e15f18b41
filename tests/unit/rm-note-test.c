/* SPDX-License-Identifier: BSD-2-Clause */
/* What the journal has of the books: the record of each thing is what is known of it, and when
 * there is no room for it, nothing is lost. */
#include "mirror.h"
#include "rm-script.h"
#include "rm/rc.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION(n) (UINT32_C(0x03000000) + (n))
#define OBJECT(n)  (UINT32_C(0x80000000) + (n))

#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
#define KEPT(number)     (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})
#define SEQUENCE(number) (&(const struct script_context){number, CONTEXT_SEQUENCE, TPM2_RH_NULL})

static struct journal_image open_image(struct rm_script *script)
{
    struct journal_image image;

    journal_commit(script->rm->journal);
    assert_true(mirror_read(script->rm, &image));
    return image;
}

/* The record in the cell, which must be of the kind and of the cell's time. */
static void read_record(struct rm_script *script, struct journal_ref cell, enum journal_kind kind,
                        void *record, size_t size)
{
    struct journal_image image = open_image(script);
    enum journal_kind found;
    uint32_t serial;
    const void *payload = journal_image_record(&image, cell.cell, &found, &serial);

    assert_non_null(payload);
    assert_int_equal(found, kind);
    assert_int_equal(serial, cell.serial);
    memcpy(record, payload, size);
}

static struct record_object object_record(struct rm_script *script, const struct object *object)
{
    struct record_object record;

    read_record(script, object->mark.cell, JOURNAL_OBJECT, &record, sizeof(record));
    return record;
}

static struct record_session session_record(struct rm_script *script, uint32_t handle)
{
    const struct session *session = rm_script_session(script, handle);
    struct record_session record;

    read_record(script, session->mark.cell, JOURNAL_SESSION, &record, sizeof(record));
    assert_int_equal(record.handle, handle);
    return record;
}

static struct record_holder holder_record(struct rm_script *script, unsigned client)
{
    struct record_holder record;

    read_record(script, script->clients[client]->mark.cell, JOURNAL_HOLDER, &record,
                sizeof(record));
    return record;
}

/* Records of a kind. */
static unsigned count_records(struct rm_script *script, enum journal_kind kind)
{
    struct journal_image image = open_image(script);
    enum journal_kind found;
    unsigned count = 0;
    uint32_t serial;

    for (uint32_t cell = 1; cell <= image.cells; cell++)
        count += journal_image_record(&image, cell, &found, &serial) && found == kind;
    return count;
}

/* The extent has this context. */
static void expect_context(struct rm_script *script, uint32_t line, struct journal_ref cell,
                           const struct script_context *context)
{
    struct journal_image image = open_image(script);
    uint8_t bytes[SCRIPT_CONTEXT];
    const uint8_t *found;
    size_t size;

    script_context_store(bytes, context);
    found = journal_image_extent(&image, line, cell.cell, &size);
    assert_non_null(found);
    assert_int_equal(size, SCRIPT_CONTEXT);
    assert_memory_equal(found, bytes, SCRIPT_CONTEXT);
}

static void idle_step(struct rm_script *script, enum rm_idle_goal goal)
{
    assert_int_equal(rm_idle(script->rm, goal), RM_IDLE_MORE);
    rm_script_end(script);
}

static void test_the_way_of_a_key(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(7)), line;
    const struct object *object = rm_script_object(script, 0, key);
    struct record_object record = object_record(script, object);

    assert_int_equal(record.physical, OBJECT(7));
    assert_int_equal(record.saved | record.immutable | record.sequence | record.name_size, 0);
    expect_save(script, OBJECT(7), KEPT(5));
    idle_step(script, RM_IDLE_SAVE);
    record = object_record(script, object);
    line = record.saved;
    assert_int_equal(record.physical, OBJECT(7));
    assert_int_equal(record.immutable, 1);
    expect_context(script, line, object->mark.cell, KEPT(5));

    expect_flush(&script->chip, OBJECT(7), TPM2_RC_SUCCESS);
    idle_step(script, RM_IDLE_EMPTY);
    record = object_record(script, object);
    assert_int_equal(record.physical, OBJECT_NOT_LOADED);
    /* The bytes stay where they are. */
    assert_int_equal(record.saved, line);

    expect_load(script, KEPT(5), OBJECT(8));
    expect_named(script, CC_USE, 1, OBJECT(8), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, key, 0), TPM2_RC_SUCCESS);
    assert_int_equal(object_record(script, object).physical, OBJECT(8));
    assert_int_equal(object_record(script, object).saved, line);

    /* An orphan first, and then nothing. */
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    assert_int_equal(count_records(script, JOURNAL_HANDLE), 0);
    assert_int_equal(count_records(script, JOURNAL_OBJECT), 1);
    expect_flush(&script->chip, OBJECT(8), TPM2_RC_SUCCESS);
    idle_step(script, RM_IDLE_EMPTY);
    assert_int_equal(count_records(script, JOURNAL_OBJECT), 0);
}

/* Its context is void from its use on, and before the chip is asked. */
static uint32_t look_at_sequence(void *data)
{
    struct rm_script *script = data;

    return object_record(script, rm_script_object(script, 0, OBJECT(0))).saved;
}

static void test_the_way_of_a_sequence(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange = expect_named(script, TPM2_CC_HMAC_Start, 0, 0, 0, TPM2_RC_SUCCESS);
    const struct object *object;
    uint32_t sequence;

    store_be32(exchange->response + HEADER_SIZE, OBJECT(3));
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_HMAC_Start, 0, 0, 0), TPM2_RC_SUCCESS);
    sequence = load_be32(script->response + HEADER_SIZE);
    object = rm_script_object(script, 0, sequence);
    assert_int_equal(object_record(script, object).sequence, 1);
    expect_save(script, OBJECT(3), SEQUENCE(5));
    idle_step(script, RM_IDLE_SAVE);
    expect_context(script, object_record(script, object).saved, object->mark.cell, SEQUENCE(5));
    assert_int_equal(object_record(script, object).immutable, 0);
    exchange = expect_named(script, CC_USE, 1, OBJECT(3), 0, TPM2_RC_SUCCESS);
    script->chip.look = look_at_sequence;
    script->chip.look_data = script;
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, sequence, 0), TPM2_RC_SUCCESS);
    assert_int_equal(exchange->watched, 0);
    script->chip.look = NULL;
    assert_int_equal(object_record(script, object).saved, 0);
    assert_int_equal(object_record(script, object).physical, OBJECT(3));
}

static void test_holders_and_handles(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 1, OBJECT(7));
    const struct rm_client *client = script->clients[1];
    const struct handle_entry *entry = &client->handles.entries[0];
    struct record_handle record;
    struct record_holder holder;
    uint8_t bytes[HEADER_SIZE + SCRIPT_CONTEXT];

    assert_int_equal(count_records(script, JOURNAL_HOLDER), RM_SCRIPT_CLIENTS);
    rm_client_set_number(script->clients[1], 77);
    rm_client_set_cookie(script->clients[1], UINT64_C(0x1234567890));
    holder = holder_record(script, 1);
    assert_int_equal(holder.number, 77);
    assert_true(holder.cookie == UINT64_C(0x1234567890));
    assert_int_equal(holder.uid, 1001);
    assert_int_equal(holder.account, 1001);
    assert_int_equal(holder.next, 1);

    read_record(script, (struct journal_ref){entry->cell, 1}, JOURNAL_HANDLE, &record,
                sizeof(record));
    assert_int_equal(record.handle, key);
    assert_memory_equal(&record.holder, &client->mark.cell, sizeof(record.holder));
    assert_memory_equal(&record.object, &entry->object->mark.cell, sizeof(record.object));

    /* The bytes of its context give another client a handle of its own. */
    expect_save(script, OBJECT(7), KEPT(5));
    assert_int_equal(rm_script_name(script, 1, TPM2_CC_ContextSave, 1, key, 0), TPM2_RC_SUCCESS);
    memcpy(bytes, script->response, sizeof(bytes));
    header_store(bytes, TPM2_ST_NO_SESSIONS, sizeof(bytes), TPM2_CC_ContextLoad);
    assert_int_equal(rm_script_send(script, 2, bytes, sizeof(bytes)), TPM2_RC_SUCCESS);
    assert_int_equal(count_records(script, JOURNAL_HANDLE), 2);
    assert_int_equal(count_records(script, JOURNAL_OBJECT), 1);
    assert_int_equal(holder_record(script, 2).next, 1);
    rm_client_free(script->clients[2]);
    script->clients[2] = NULL;
    assert_int_equal(count_records(script, JOURNAL_HOLDER), RM_SCRIPT_CLIENTS - 1);
    assert_int_equal(count_records(script, JOURNAL_HANDLE), 1);
}

static void load_session(struct rm_script *script, unsigned client,
                         const struct script_context *context)
{
    uint8_t bytes[HEADER_SIZE + SCRIPT_CONTEXT];

    header_store(bytes, TPM2_ST_NO_SESSIONS, sizeof(bytes), TPM2_CC_ContextLoad);
    script_context_store(bytes + HEADER_SIZE, context);
    assert_int_equal(rm_script_send(script, client, bytes, sizeof(bytes)), TPM2_RC_SUCCESS);
}

static void test_the_way_of_a_session(void **state)
{
    struct rm_script *script = *state;
    struct record_session record;
    struct journal_ref cell;

    rm_script_start(script, 0, SESSION(4));
    cell = rm_script_session(script, SESSION(4))->mark.cell;
    record = session_record(script, SESSION(4));
    assert_int_equal(record.state, SESSION_ACTIVE);
    assert_int_equal(record.loaded, 1);
    assert_memory_equal(&record.owner, &script->clients[0]->mark.cell, sizeof(record.owner));
    assert_int_equal(record.uid, 1000);
    assert_int_equal(record.account, 1000);
    assert_int_equal(record.saved | record.held | record.used_up, 0);

    rm_script_save(script, 0, SESSION(4), SAVED(4, 40));
    record = session_record(script, SESSION(4));
    assert_int_equal(record.state, SESSION_CLIENT_SAVED);
    assert_int_equal(record.loaded, 0);
    assert_int_equal(record.held_since, script->rm->clock);
    assert_true(record.saved != record.held);
    expect_context(script, record.saved, cell, SAVED(4, 40));
    expect_context(script, record.held, cell, SAVED(4, 40));

    rm_client_free(script->clients[0]);
    script->clients[0] = NULL;
    record = session_record(script, SESSION(4));
    assert_int_equal(record.state, SESSION_ABANDONED);
    assert_int_equal(record.owner.cell, 0);
    assert_int_equal(record.account, 1000);

    load_session(script, 2, SAVED(4, 40));
    record = session_record(script, SESSION(4));
    assert_int_equal(record.state, SESSION_ACTIVE);
    assert_memory_equal(&record.owner, &script->clients[2]->mark.cell, sizeof(record.owner));
    assert_int_equal(record.uid, 1002);
    assert_int_equal(record.account, 1002);
    assert_int_equal(record.used_up, 1);
    assert_int_equal(record.held, 0);
    assert_true(record.saved > 0);

    expect_load(script, SAVED(4, 40), SESSION(4));
    expect_named(script, CC_PEEK, 1, SESSION(4), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 2, CC_PEEK, 1, SESSION(4), 0), TPM2_RC_SUCCESS);
    record = session_record(script, SESSION(4));
    assert_int_equal(record.loaded, 1);
    assert_int_equal(record.saved | record.used_up, 0);

    assert_int_equal(rm_script_flush(script, 2, SESSION(4)), TPM2_RC_SUCCESS);
    record = session_record(script, SESSION(4));
    assert_int_equal(record.state, SESSION_DOOMED);
    assert_int_equal(record.owner.cell, 0);
    expect_flush(&script->chip, SESSION(4), TPM2_RC_SUCCESS);
    idle_step(script, RM_IDLE_TIDY);
    assert_int_equal(count_records(script, JOURNAL_SESSION), 0);
}

/* What a refused command was to make takes nothing for good. */
static void test_refused_commands_leave_nothing(void **state)
{
    struct rm_script *script = *state;
    uint32_t cells = open_image(script).cells;

    for (unsigned i = 0; i < 3 * cells; i++) {
        expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_VALUE);
        assert_int_equal(rm_script_name(script, 0, CC_MAKE, 0, 0, 0), TPM2_RC_VALUE);
        expect_named(script, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL,
                     TPM2_RC_VALUE);
        assert_int_equal(
            rm_script_name(script, 0, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL),
            TPM2_RC_VALUE);
        rm_script_end(script);
    }
    assert_int_equal(count_records(script, JOURNAL_OBJECT), 0);
    assert_int_equal(count_records(script, JOURNAL_SESSION), 0);
    assert_int_equal(open_image(script).cells, cells);
}

static struct record_chip chip_record(struct rm_script *script)
{
    struct record_chip record;

    read_record(script, (struct journal_ref){JOURNAL_CHIP, 0}, JOURNAL_CHIP, &record,
                sizeof(record));
    return record;
}

static void test_the_chips_resets(void **state)
{
    struct rm_script *script = *state;

    assert_int_equal(chip_record(script).reset_count, 7);
    assert_int_equal(chip_record(script).object_slots, RM_SCRIPT_SLOTS);
    assert_int_equal(chip_record(script).session_slots, RM_SCRIPT_SLOTS);
    expect_named(script, CC_PLAIN, 0, 0, 0, TPM2_RC_INITIALIZE);
    expect_startup(&script->chip, TPM2_RC_SUCCESS);
    expect_clock(&script->chip, 8);
    expect_query(&script->chip, TPM2_CAP_HANDLES, 0x02000000, false, NO_WORDS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, 0x03000000, false, NO_WORDS);
    expect_named(script, CC_PLAIN, 0, 0, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_PLAIN, 0, 0, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(chip_record(script).reset_count, 8);
    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_SUCCESS);
    assert_int_equal(chip_record(script).reset_count, 0);
}

/* What has no context loses none, so the use of a key that was never saved costs no note. */
static void test_a_use_notes_nothing_of_a_key(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(7));
    uint64_t before;

    expect_named(script, CC_USE, 1, OBJECT(7), 0, TPM2_RC_SUCCESS);
    before = open_image(script).committed;
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, key, 0), TPM2_RC_SUCCESS);
    assert_true(open_image(script).committed == before);
    rm_script_end(script);
}

/* Takes all the room that there is. */
static void fill(struct rm_script *script)
{
    mirror_limit(script->rm, 0);
    while (journal_take_cell(script->rm->journal) != 0)
        ;
}

/* Who wants more is told so, and has all that it had. */
static void test_without_room_nothing_is_lost(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(7));

    rm_script_start(script, 0, SESSION(4));
    fill(script);
    assert_null(rm_client_new(script->rm, rm_user_get(script->rm, 5), 5));
    assert_int_equal(rm_script_name(script, 0, CC_MAKE, 0, 0, 0), RM_RC_MEMORY);
    assert_int_equal(
        rm_script_name(script, 0, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL),
        RM_RC_MEMORY);
    expect_named(script, CC_USE, 1, OBJECT(7), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, key, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
    assert_int_equal(count_records(script, JOURNAL_OBJECT), 1);
    assert_int_equal(count_records(script, JOURNAL_SESSION), 1);
    /* It can give up what it has, and there is room for something else. */
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    assert_int_equal(count_records(script, JOURNAL_HANDLE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_way_of_a_key),
        TEST(test_the_way_of_a_sequence),
        TEST(test_holders_and_handles),
        TEST(test_the_way_of_a_session),
        TEST(test_refused_commands_leave_nothing),
        TEST(test_a_use_notes_nothing_of_a_key),
        TEST(test_the_chips_resets),
        TEST(test_without_room_nothing_is_lost),
    };

    return cmocka_run_group_tests_name("rm-note", tests, NULL, NULL);
}
