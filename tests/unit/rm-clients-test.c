/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client may hold and is told of it, what its next command will find, and what stays of it
 * when it goes. */
#include "base/account.h"
#include "log-capture.h"
#include "rm-script.h"
#include "rm/rc.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

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

static void start_some(struct rm_script *script, unsigned client, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        rm_script_start(script, client, SESSION(first + i));
    rm_script_end(script);
}

/* Objects 1 to 3 of client 0, of which the first is out of the chip. */
static uint32_t one_out(struct rm_script *script)
{
    uint32_t handle = rm_script_make(script, 0, OBJECT(1));

    expect_save(script, OBJECT(1), KEPT(5));
    expect_flush(&script->chip, OBJECT(1), TPM2_RC_SUCCESS);
    while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    rm_script_make(script, 0, OBJECT(2));
    rm_script_make(script, 0, OBJECT(3));
    rm_script_end(script);
    return handle;
}

static void test_R38_affinity_of_objects(void **state)
{
    struct rm_script *script = *state;
    struct rm_client *client = script->clients[0];
    uint32_t out = one_out(script);

    client->last = (struct last_needs){.handles = {out}, .count = 1};
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_NEUTRAL);
    /* One slot is free: not for two, whatever the second one is. */
    client->last.made_objects = 1;
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_WOULD_EVICT);
    client->last.made_objects = 0;
    client->last.scratch_objects = 1;
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_WOULD_EVICT);
    client->last.scratch_objects = 0;
    rm_set_reserve(script->rm, &(struct rm_reserve){.objects = 1});
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_WOULD_EVICT);
    /* What runs may take the reserve. */
    script->rm->chip.object_slots = 4;
    client->last.scratch_objects = 1;
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_NEUTRAL);
    /* What is there is resident, whatever else is made; what is gone counts for nothing. */
    client->last = (struct last_needs){.handles = {OBJECT(1)}, .count = 1, .made_objects = 9};
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_RESIDENT);
    client->last.handles[0] = OBJECT(77);
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_RESIDENT);
    client->last.count = 0;
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_NEUTRAL);
    /* As much as a command can name. */
    client->last.count = sizeof(client->last.handles) / sizeof(client->last.handles[0]);
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_RESIDENT);
}

static void test_R38_affinity_of_sessions(void **state)
{
    struct rm_script *script = *state;
    struct rm_client *client = script->clients[0];

    rm_script_start(script, 0, SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 20));
    while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    rm_script_start(script, 0, SESSION(2));
    rm_script_start(script, 0, SESSION(3));
    rm_script_end(script);
    client->last = (struct last_needs){.handles = {SESSION(1)}, .count = 1};
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_NEUTRAL);
    client->last.made_sessions = 1;
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_WOULD_EVICT);
    client->last.made_sessions = 0;
    rm_set_reserve(script->rm, &(struct rm_reserve){.sessions = 1});
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_WOULD_EVICT);
    client->last.handles[0] = SESSION(2);
    assert_int_equal(rm_client_affinity(client), RM_AFFINITY_RESIDENT);
    /* One of another client is none. */
    script->clients[1]->last = (struct last_needs){.handles = {SESSION(1)}, .count = 1};
    assert_int_equal(rm_client_affinity(script->clients[1]), RM_AFFINITY_RESIDENT);
}

/* What a command named is what the next one will likely name. */
static void test_R38_commands_are_remembered(void **state)
{
    struct rm_script *script = *state;
    const struct last_needs *last = &script->clients[0]->last;
    uint32_t key = rm_script_make(script, 0, OBJECT(1));

    assert_int_equal(last->count, 0);
    assert_int_equal(last->made_objects, 1);
    rm_script_start(script, 0, SESSION(1));
    assert_int_equal(last->made_objects, 0);
    assert_int_equal(last->made_sessions, 1);
    expect_named(script, CC_BOTH, 2, OBJECT(1), SESSION(1), TPM2_RC_SUCCESS);
    rm_script_name(script, 0, CC_BOTH, 2, key, SESSION(1));
    assert_int_equal(last->count, 2);
    assert_int_equal(last->handles[0], key);
    assert_int_equal(last->handles[1], SESSION(1));
    assert_int_equal(last->made_objects + last->made_sessions + last->scratch_objects, 0);
    expect_named(script, CC_BOTH, 2, SESSION(1), OBJECT(1), TPM2_RC_SUCCESS);
    rm_script_name(script, 0, CC_BOTH, 2, SESSION(1), key);
    assert_int_equal(last->count, 2);
    assert_int_equal(last->handles[0], key);
    assert_int_equal(last->handles[1], SESSION(1));
    expect_named(script, CC_BOTH, 2, 0x81000001, 0x81000002, TPM2_RC_SUCCESS);
    rm_script_name(script, 0, CC_BOTH, 2, 0x81000001, 0x81000002);
    assert_int_equal(last->count, 0);
    assert_int_equal(last->scratch_objects, 2);
    rm_script_end(script);
}

static uint32_t make(struct rm_script *script, unsigned client)
{
    return rm_script_name(script, client, CC_MAKE, 0, 0, 0);
}

static uint32_t start(struct rm_script *script, unsigned client)
{
    return rm_script_name(script, client, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL);
}

/* A limit is met at its number, and the log says so once for a connection and a kind of thing. */
static void test_R16_limits_are_told_once(void **state)
{
    struct rm_script *script = *state;
    struct log_capture *log;
    char lines[4][256];

    script->rm->limits.objects_per_client = 2;
    script->rm->limits.sessions_per_client = 2;
    rm_script_limit(script);
    rm_script_make(script, 0, OBJECT(1));
    rm_script_make(script, 0, OBJECT(2));
    start_some(script, 0, 1, 2);
    log = log_capture_begin(LOG_LEVEL_INFO);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(make(script, 0), RM_RC_OBJECT_MEMORY);
        assert_int_equal(start(script, 0), RM_RC_SESSION_MEMORY);
    }
    log_capture_end(log);
    for (unsigned i = 0; i < 4; i++)
        strncpy(lines[i], log_capture_line(log), sizeof(lines[i]) - 1);
    log_capture_free(log);
    log_threshold = LOG_LEVEL_SILENT;
    assert_non_null(strstr(lines[0], "user 1000 gets no more objects (0xB0902)"));
    assert_non_null(strstr(lines[0], "--max-transients\n"));
    assert_non_null(strstr(lines[1], "user 1000 gets no more sessions (0xB0903)"));
    assert_non_null(strstr(lines[1], "--max-sessions\n"));
    assert_string_equal(lines[2], "");
    rm_script_end(script);
}

/* What is taken back is gone, and there is room for more. */
static void test_handles_that_are_taken_back(void **state)
{
    struct rm_script *script = *state;
    struct handles *handles = &script->clients[0]->handles;

    for (uint32_t i = 0; i < 2; i++)
        rm_script_make(script, 0, OBJECT(1 + i));
    handles_clear(script->rm, handles);
    assert_int_equal(handles->count, 0);
    assert_int_equal(handles->capacity, 0);
    assert_null(handles->entries);
    assert_int_equal(handles->user->objects, 0);
    assert_int_equal(rm_script_make(script, 0, OBJECT(3)), OBJECT(2));
    rm_script_end(script);
}

/* All connections of a user together have a limit of their own, if it is not 0. */
static void test_R41_limits_of_users(void **state)
{
    struct rm_script *script = *state;
    struct rm_client *second = rm_script_connect(script, 1000);

    rm_client_free(script->clients[1]);
    script->clients[1] = second;
    script->rm->limits.objects_per_uid = 2;
    script->rm->limits.sessions_per_uid = 2;
    rm_script_limit(script);
    rm_script_make(script, 0, OBJECT(1));
    rm_script_make(script, 1, OBJECT(2));
    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 1, SESSION(2));
    assert_int_equal(make(script, 0), RM_RC_OBJECT_MEMORY);
    assert_int_equal(make(script, 1), RM_RC_OBJECT_MEMORY);
    assert_int_equal(start(script, 0), RM_RC_SESSION_MEMORY);
    rm_script_make(script, 2, OBJECT(3));
    rm_script_start(script, 2, SESSION(3));
    script->rm->limits.sessions_per_uid = 0;
    rm_script_limit(script);
    expect_save(script, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 0, SESSION(4));
    rm_script_end(script);
}

/* Two connections of one user may have different limits: each is asked for its own, also where the
 * user's total counts. */
static void test_R75_limits_are_of_a_connection(void **state)
{
    struct rm_script *script = *state;
    struct rm_limits few = script->rm->limits;
    struct rm_client *second = rm_script_connect(script, 1000);

    rm_client_free(script->clients[1]);
    script->clients[1] = second;
    few.objects_per_client = 1;
    few.objects_per_uid = 2;
    rm_client_set_limits(second, &few);
    rm_script_make(script, 1, OBJECT(1));
    assert_int_equal(make(script, 1), RM_RC_OBJECT_MEMORY);
    few.objects_per_client = 4;
    rm_client_set_limits(second, &few);
    rm_script_make(script, 1, OBJECT(2));
    assert_int_equal(make(script, 1), RM_RC_OBJECT_MEMORY);
    rm_script_make(script, 0, OBJECT(3));
    /* Who has more than a new limit keeps it. */
    few.objects_per_client = 1;
    rm_client_set_limits(second, &few);
    assert_int_equal(second->handles.count, 2);
    rm_script_end(script);
}

/* Saved sessions of closed connections, up to a number for each user; of more the one that was
 * saved longest ago goes. */
static void test_R08_what_closed_connections_leave(void **state)
{
    struct rm_script *script = *state;

    script->rm->limits.abandoned_per_uid = 1;
    rm_script_limit(script);
    start_some(script, 0, 1, 3);
    rm_script_save(script, 0, SESSION(2), SAVED(2, 20));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 21));
    rm_script_start(script, 1, SESSION(4));
    rm_script_save(script, 1, SESSION(4), SAVED(4, 22));
    rm_script_end(script);
    rm_client_free(script->clients[0]);
    rm_client_free(script->clients[1]);
    script->clients[0] = script->clients[1] = NULL;
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_ABANDONED);
    assert_int_equal(rm_script_session(script, SESSION(2))->state, SESSION_DOOMED);
    assert_int_equal(rm_script_session(script, SESSION(3))->state, SESSION_DOOMED);
    assert_int_equal(rm_script_session(script, SESSION(4))->state, SESSION_ABANDONED);
    assert_int_equal(rm_script_session(script, SESSION(1))->user->abandoned, 1);
    assert_int_equal(rm_script_session(script, SESSION(1))->user->sessions, 0);
    assert_null(rm_script_session(script, SESSION(2))->user);
}

/* Its bytes load a session once, in any connection, whose it is then. */
static void test_R06_session_changes_hands(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[EXCHANGE_COMMAND], context[SCRIPT_CONTEXT];
    const struct session *session;
    size_t size;

    start_some(script, 0, 1, 1);
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    script_context_store(context, SAVED(1, 20));
    size = command_build_context_load(command, context, sizeof(context));
    rm_client_free(script->clients[0]);
    script->clients[0] = NULL;
    assert_int_equal(rm_script_send(script, 1, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), SESSION(1));
    session = rm_script_session(script, SESSION(1));
    assert_ptr_equal(session->owner, script->clients[1]);
    assert_int_equal(session->uid, 1001);
    assert_int_equal(session->state, SESSION_ACTIVE);
    assert_false(session->loaded);
    assert_true(session->context_used_up);
    assert_true(blob_empty(&session->held));
    assert_int_equal(script->clients[1]->session_count, 1);
    assert_int_equal(rm_script_send(script, 1, command, size), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(rm_script_send(script, 2, command, size), RM_RC_PARAMETER_HANDLE);
    /* Bytes that were loaded are never given again: another saving makes others. */
    expect_load(script, SAVED(1, 20), SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 21));
    assert_int_equal(rm_script_name(script, 1, TPM2_CC_ContextSave, 1, SESSION(1), 0),
                     TPM2_RC_SUCCESS);
    assert_false(session->context_used_up);
    rm_script_end(script);
}

/* The session that is saved is none of those that make room for it. */
static void test_save_that_wants_room(void **state)
{
    struct rm_script *script = *state;

    start_some(script, 0, 1, 2);
    exchange_answer_code(expect_save(script, SESSION(1), SAVED(1, 20)), TPM2_RC_SESSION_MEMORY);
    expect_save(script, SESSION(2), SAVED(2, 20));
    expect_save(script, SESSION(1), SAVED(1, 21));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, SESSION(1), 0),
                     TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_CLIENT_SAVED);
    assert_int_equal(rm_script_session(script, SESSION(2))->state, SESSION_ACTIVE);
    assert_false(rm_script_session(script, SESSION(2))->loaded);
    assert_false(rm_script_session(script, SESSION(1))->pinned);
    rm_script_end(script);
    /* Without room that can be made the client is told, and has its session. */
    rm_script_start(script, 1, SESSION(3));
    exchange_answer_code(expect_save(script, SESSION(3), SAVED(3, 22)), TPM2_RC_SESSION_MEMORY);
    assert_int_equal(rm_script_name(script, 1, TPM2_CC_ContextSave, 1, SESSION(3), 0),
                     TPM2_RC_SESSION_MEMORY);
    assert_int_equal(rm_script_session(script, SESSION(3))->state, SESSION_ACTIVE);
    assert_true(rm_script_session(script, SESSION(3))->loaded);
    assert_false(rm_script_session(script, SESSION(3))->pinned);
    rm_script_end(script);
}

/* Its own, to which the limit does not apply: it has it already. */
static void test_R06_own_session_loads_at_the_limit(void **state)
{
    struct rm_script *script = *state;
    uint8_t command[EXCHANGE_COMMAND], context[SCRIPT_CONTEXT];
    size_t size;

    script->rm->limits.sessions_per_client = 1;
    rm_script_limit(script);
    start_some(script, 0, 1, 1);
    start_some(script, 1, 2, 1);
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    script_context_store(context, SAVED(1, 20));
    size = command_build_context_load(command, context, sizeof(context));
    assert_int_equal(rm_script_send(script, 1, command, size), RM_RC_SESSION_MEMORY);
    assert_int_equal(rm_script_send(script, 0, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(script->clients[0]->session_count, 1);
    rm_script_end(script);
}

/* Shares of the chip's sessions, of which root gets what there is. */
static void test_R54_shares_of_sessions(void **state)
{
    struct rm_script *script = *state;

    rm_client_free(script->clients[1]);
    script->clients[1] = rm_script_connect(script, ACCOUNT_ROOT);
    script->rm->limits.share_sessions = true;
    script->rm->chip.active_sessions = 8;
    script->rm->chip.session_slots = 8;
    /* Of 8 two are root's, and one is for who has none. */
    start_some(script, 0, 1, 3);
    assert_int_equal(start(script, 0), RM_RC_SESSION_MEMORY);
    start_some(script, 2, 4, 2);
    assert_int_equal(start(script, 2), RM_RC_SESSION_MEMORY);
    start_some(script, 3, 6, 1);
    start_some(script, 1, 7, 2);
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R06_own_session_loads_at_the_limit), TEST(test_R06_session_changes_hands),
        TEST(test_R08_what_closed_connections_leave),  TEST(test_R16_limits_are_told_once),
        TEST(test_R38_commands_are_remembered),        TEST(test_R38_affinity_of_objects),
        TEST(test_R38_affinity_of_sessions),           TEST(test_R41_limits_of_users),
        TEST(test_R75_limits_are_of_a_connection),     TEST(test_R54_shares_of_sessions),
        TEST(test_handles_that_are_taken_back),        TEST(test_save_that_wants_room),
    };

    return cmocka_run_group_tests_name("rm-clients", tests, NULL, NULL);
}
