/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of objects when a hierarchy changes or goes, and of contexts that are loaded and
 * saved by clients. */
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

#define OBJECT(n) (UINT32_C(0x80000000) + (n))

#define KEPT(number) (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})
#define KEPT_IN(number, hierarchy) \
    (&(const struct script_context){number, CONTEXT_OBJECT, hierarchy})
#define ST_CLEAR(number) (&(const struct script_context){number, CONTEXT_STCLEAR, TPM2_RH_NULL})

static const uint32_t hierarchies[] = {TPM2_RH_OWNER, TPM2_RH_ENDORSEMENT, TPM2_RH_PLATFORM,
                                       TPM2_RH_NULL};
#define HIERARCHIES 4

/* Objects of all hierarchies, out of the chip with their contexts; their handles. */
static void keep_objects(struct rm_script *script, uint32_t handles[HIERARCHIES])
{
    for (uint32_t i = 0; i < HIERARCHIES; i++) {
        handles[i] = rm_script_make(script, 0, OBJECT(i));
        expect_save(script, OBJECT(i), KEPT_IN(5 + i, hierarchies[i]));
        expect_flush(&script->chip, OBJECT(i), TPM2_RC_SUCCESS);
        while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
            ;
    }
    rm_script_end(script);
}

/* A command on a hierarchy, with `size` bytes of parameters that are there. */
static void change(struct rm_script *script, uint32_t code, uint32_t enable, uint8_t state,
                   size_t size)
{
    struct exchange *exchange = chip_script_next(&script->chip);
    uint8_t command[HEADER_SIZE + 4 + 6] = {0};

    header_store(command, TPM2_ST_NO_SESSIONS, (uint32_t)(HEADER_SIZE + 4 + size), code);
    store_be32(command + HEADER_SIZE, TPM2_RH_PLATFORM);
    store_be32(command + HEADER_SIZE + 4, enable);
    command[HEADER_SIZE + 8] = state;
    memcpy(exchange->command, command, HEADER_SIZE + 4 + size);
    exchange->command_size = HEADER_SIZE + 4 + size;
    exchange_answer_code(exchange, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_send(script, 0, command, HEADER_SIZE + 4 + size), TPM2_RC_SUCCESS);
    rm_script_end(script);
}

static void test_R19_objects_go_with_their_hierarchy(void **state)
{
    static const struct {
        uint32_t code, enable;
        uint8_t state, size;
        unsigned gone; /* a bit for each of the hierarchies */
    } cases[] = {
        {TPM2_CC_Clear, 0, 0, 0, 3},
        {TPM2_CC_ChangePPS, 0, 0, 0, 4},
        {TPM2_CC_ChangeEPS, 0, 0, 0, 2},
        {TPM2_CC_HierarchyControl, TPM2_RH_OWNER, 0, 5, 1},
        {TPM2_CC_HierarchyControl, TPM2_RH_ENDORSEMENT, 0, 5, 2},
        {TPM2_CC_HierarchyControl, TPM2_RH_PLATFORM, 0, 5, 4},
        {TPM2_CC_HierarchyControl, TPM2_RH_OWNER, 1, 5, 0},
        {TPM2_CC_HierarchyControl, TPM2_RH_PLATFORM_NV, 0, 5, 0},
        {TPM2_CC_HierarchyControl, TPM2_RH_OWNER, 0, 6, 0},
        {TPM2_CC_HierarchyControl, TPM2_RH_OWNER, 0, 4, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rm_script *script = *state;
        uint32_t handles[HIERARCHIES];

        keep_objects(script, handles);
        change(script, cases[i].code, cases[i].enable, cases[i].state, cases[i].size);
        for (unsigned k = 0; k < HIERARCHIES; k++)
            assert_int_equal(rm_script_object(script, 0, handles[k]) == NULL,
                             cases[i].gone >> k & 1);
        /* Part 3, TPM2_Clear: the chip counts its resets anew. */
        assert_int_equal(script->rm->chip.reset_count, cases[i].code == TPM2_CC_Clear ? 0 : 7);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
    }
}

/* What is loaded goes with it, too, and its slot is free then. */
static void test_R19_loaded_objects_go_with_their_hierarchy(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(1));

    expect_save(script, OBJECT(1), KEPT(5));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0), TPM2_RC_SUCCESS);
    rm_script_end(script);
    change(script, TPM2_CC_Clear, 0, 0, 0);
    assert_null(rm_script_object(script, 0, handle));
    assert_int_equal(script->rm->objects_loaded, 0);
    assert_true(list_empty(&script->rm->objects));
}

/* Of what is loaded without a context the chip alone knows the hierarchy. */
static void test_R19_the_chip_knows_what_it_dropped(void **state)
{
    struct rm_script *script = *state;
    uint32_t stays = rm_script_make(script, 0, OBJECT(1)),
             goes = rm_script_make(script, 0, OBJECT(2));

    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_SUCCESS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false, WORDS(OBJECT(1)));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_SUCCESS);
    assert_non_null(rm_script_object(script, 0, stays));
    assert_null(rm_script_object(script, 0, goes));
    assert_int_equal(script->rm->objects_loaded, 1);
    assert_false(script->rm->books_in_doubt);
    rm_script_end(script);
    /* It does not tell: then nothing is known for certain. */
    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_SUCCESS);
    exchange_answer_code(
        expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false, NO_WORDS),
        TPM2_RC_RETRY);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_SUCCESS);
    assert_non_null(rm_script_object(script, 0, stays));
    assert_true(script->rm->books_in_doubt);
    rm_script_end(script);
}

/* A list without end is cut, at a number that no chip has loaded. */
static void test_R19_list_of_objects_is_cut(void **state)
{
    enum { PAGE = 254, MOST = 1024 };
    struct rm_script *script = *state;
    uint32_t last = rm_script_make(script, 0, OBJECT(MOST - 1)),
             beyond = rm_script_make(script, 0, OBJECT(MOST)), page[PAGE];

    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_SUCCESS);
    for (uint32_t first = 0; first < MOST; first += PAGE) {
        for (uint32_t i = 0; i < PAGE; i++)
            page[i] = OBJECT(first + i);
        expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(first), true, page, PAGE);
    }
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_SUCCESS);
    assert_non_null(rm_script_object(script, 0, last));
    assert_null(rm_script_object(script, 0, beyond));
    rm_script_end(script);
}

/* Another command, or one that failed, changes nothing. */
static void test_R19_failures_change_nothing(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[HIERARCHIES];

    keep_objects(script, handles);
    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_DISABLED);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_DISABLED);
    for (unsigned i = 0; i < HIERARCHIES; i++)
        assert_non_null(rm_script_object(script, 0, handles[i]));
    assert_int_equal(script->rm->chip.reset_count, 7);
    rm_script_end(script);
}

/* A context with stClear set may depend on what TPM2_Clear counts anew: while the object is loaded
 * it is made again. */
/* Such a context is made again at once: an object whose Name is not known would be lost without a
 * context when the daemon dies. What the chip does not save is in its slot alone. */
static void check_clear_count(struct rm_script *script, bool saves)
{
    uint32_t loaded = rm_script_make(script, 0, OBJECT(1)),
             out = rm_script_make(script, 0, OBJECT(2));
    uint32_t plain = rm_script_make(script, 0, OBJECT(3));

    expect_save(script, OBJECT(1), ST_CLEAR(5));
    rm_script_name(script, 0, TPM2_CC_ContextSave, 1, loaded, 0);
    expect_save(script, OBJECT(3), KEPT_IN(7, TPM2_RH_NULL));
    rm_script_name(script, 0, TPM2_CC_ContextSave, 1, plain, 0);
    expect_save(script, OBJECT(2), ST_CLEAR(6));
    rm_script_name(script, 0, TPM2_CC_ContextSave, 1, out, 0);
    object_set_physical(script->rm, rm_script_object(script, 0, out), OBJECT_NOT_LOADED);
    assert_true(rm_script_object(script, 0, loaded)->st_clear);
    expect_named(script, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0, TPM2_RC_SUCCESS);
    if (saves) {
        expect_save(script, OBJECT(1), ST_CLEAR(8));
    } else {
        exchange_answer_code(expect_save(script, OBJECT(1), ST_CLEAR(8)),
                             TPM2_RC_TOO_MANY_CONTEXTS);
        expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false,
                     WORDS(OBJECT(1), OBJECT(3)));
    }
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_Clear, 1, TPM2_RH_LOCKOUT, 0),
                     TPM2_RC_SUCCESS);
    rm_script_end(script);
    if (saves)
        assert_int_equal(load_be64(rm_script_object(script, 0, loaded)->saved.bytes), 8);
    else
        assert_true(blob_empty(&rm_script_object(script, 0, loaded)->saved));
    assert_false(blob_empty(&rm_script_object(script, 0, plain)->saved));
    assert_false(blob_empty(&rm_script_object(script, 0, out)->saved));
}

static void test_R19_contexts_that_depend_on_the_clear_count(void **state)
{
    check_clear_count(*state, true);
}

static void test_R19_contexts_that_cannot_be_made_again(void **state)
{
    check_clear_count(*state, false);
}

/* Only what can be an object's context is one. */
static void test_contexts_of_objects(void **state)
{
    static const struct {
        uint32_t saved_handle;
        bool taken, immutable, st_clear;
    } cases[] = {{CONTEXT_OBJECT, true, true, false},
                 {CONTEXT_SEQUENCE, true, false, false},
                 {CONTEXT_STCLEAR, true, true, true},
                 {CONTEXT_OBJECT - 1, false, false, false},
                 {CONTEXT_STCLEAR + 1, false, false, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rm_script *script = *state;
        uint32_t handle = rm_script_make(script, 0, OBJECT(1));
        struct object *object = rm_script_object(script, 0, handle);
        uint8_t bytes[SCRIPT_CONTEXT];
        const struct script_context context = {9, cases[i].saved_handle, TPM2_RH_OWNER};

        expect_save(script, OBJECT(1), &context);
        assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0),
                         cases[i].taken ? TPM2_RC_SUCCESS : RM_RC_FAILURE);
        script_context_store(bytes, &context);
        assert_int_equal(!blob_empty(&object->saved), cases[i].taken);
        assert_int_equal(object->immutable, cases[i].immutable);
        assert_int_equal(object->st_clear, cases[i].st_clear);
        assert_int_equal(object_find_content(script->rm, bytes, sizeof(bytes)) == object,
                         cases[i].immutable);
        /* A use makes the context of a sequence void, and of nothing else. */
        expect_named(script, CC_USE, 1, OBJECT(1), 0, TPM2_RC_SUCCESS);
        assert_int_equal(rm_script_name(script, 0, CC_USE, 1, handle, 0), TPM2_RC_SUCCESS);
        assert_int_equal(!blob_empty(&object->saved), cases[i].immutable);
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
    }
}

static bool take_context(struct rm_script *script, struct object *object,
                         const struct script_context *of)
{
    uint8_t bytes[SCRIPT_CONTEXT];
    struct blob context = {0};

    script_context_store(bytes, of);
    assert_true(blob_set(&context, bytes, sizeof(bytes)));
    assert_true(object_take_context(script->rm, object, &context));
    return object_find_content(script->rm, bytes, sizeof(bytes)) == object;
}

/* An object is found by its last context only. */
static void test_contexts_that_are_made_anew(void **state)
{
    struct rm_script *script = *state;
    struct list *contents = script->rm->contents;
    struct object *object = object_new(script->rm);

    assert_true(take_context(script, object, KEPT(5)));
    assert_false(list_empty(&contents[5]));
    assert_true(take_context(script, object, KEPT(6)));
    assert_true(list_empty(&contents[5]));
    assert_true(take_context(script, object, KEPT(6)));
    assert_ptr_equal(contents[6].next, &object->content_link);
    assert_ptr_equal(object->content_link.next, &contents[6]);
    assert_true(take_context(script, object, KEPT(6 + RM_CONTENT_BUCKETS)));
    object_free(script->rm, object);
    assert_true(list_empty(&contents[6]));
}

/* A context that does not fit into an answer is none: nobody could be given it. */
static void test_greatest_context_of_an_object(void **state)
{
    struct rm_script *script = *state;
    const size_t most = rm_response_capacity(script->rm) - HEADER_SIZE;

    for (size_t size = most; size <= most + 1; size++) {
        struct object *object = object_new(script->rm);
        struct blob context = {.bytes = calloc(1, size), .size = size};

        assert_non_null(context.bytes);
        script_context_store(context.bytes, KEPT(5));
        store_be16(context.bytes + 16, (uint16_t)(size - CONTEXT_HEADER_BYTES));
        assert_int_equal(object_take_context(script->rm, object, &context), size == most);
        assert_true(blob_empty(&context));
        object_free(script->rm, object);
    }
}

/* A context whose object is known gives a handle without the chip; another goes to it. */
static void test_R18_contexts_that_are_known(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(1));
    uint8_t command[EXCHANGE_COMMAND], context[SCRIPT_CONTEXT];
    size_t size;

    expect_save(script, OBJECT(1), KEPT(5));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0), TPM2_RC_SUCCESS);
    script_context_store(context, KEPT(5));
    assert_memory_equal(script->response + HEADER_SIZE, context, sizeof(context));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handle, 0), TPM2_RC_SUCCESS);
    assert_memory_equal(script->response + HEADER_SIZE, context, sizeof(context));
    size = command_build_context_load(command, context, sizeof(context));
    assert_int_equal(rm_script_send(script, 1, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), OBJECT(0));
    assert_int_equal(script->size, HEADER_SIZE + 4);
    assert_int_equal(rm_script_object(script, 0, handle)->references, 2);
    script->rm->limits.objects_per_client = 1;
    rm_script_limit(script);
    assert_int_equal(rm_script_send(script, 1, command, size), RM_RC_OBJECT_MEMORY);
    script->rm->limits.objects_per_client = 16;
    rm_script_limit(script);
    rm_script_end(script);

    script_context_store(context, KEPT(6));
    size = command_build_context_load(command, context, sizeof(context));
    expect_load(script, KEPT(6), OBJECT(2));
    assert_int_equal(rm_script_send(script, 1, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), OBJECT(1));
    /* What was loaded from a context has it. */
    assert_int_equal(rm_script_name(script, 1, TPM2_CC_ContextSave, 1, OBJECT(1), 0),
                     TPM2_RC_SUCCESS);
    assert_memory_equal(script->response + HEADER_SIZE, context, sizeof(context));
    /* Audited, the command must reach the chip. */
    script->rm->chip.audited[command_table_find(&script->rm->chip.commands, TPM2_CC_ContextLoad)] =
        true;
    expect_load(script, KEPT(6), OBJECT(3));
    assert_int_equal(rm_script_send(script, 1, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 3);
    rm_script_end(script);
}

/* An audited flush reaches the chip, and costs another client nothing: what has no context gets one
 * before. */
static void test_R69_audited_flush_of_what_is_shared(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(1));
    struct object *object = rm_script_object(script, 0, handle);
    int index = command_table_find(&script->rm->chip.commands, TPM2_CC_FlushContext);
    uint32_t twin;

    assert_true(handles_reserve(script->rm, &script->clients[1]->handles));
    twin = handles_add(script->rm, &script->clients[1]->handles, object);
    script->rm->chip.audited[index] = true;
    expect_save(script, OBJECT(1), KEPT(5));
    expect_flush(&script->chip, OBJECT(1), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_flush(script, 0, handle), TPM2_RC_SUCCESS);
    assert_null(rm_script_object(script, 0, handle));
    assert_ptr_equal(rm_script_object(script, 1, twin), object);
    assert_int_equal(object->physical, OBJECT_NOT_LOADED);
    /* The last one needs no context, but must be in the chip to be flushed. */
    expect_load(script, KEPT(5), OBJECT(2));
    expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_flush(script, 1, twin), TPM2_RC_SUCCESS);
    assert_true(list_empty(&script->rm->objects));
    rm_script_end(script);
}

/* Parameters that such a command does not have. */
static void test_R13_sizes_of_context_commands(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, OBJECT(1));
    uint8_t command[HEADER_SIZE + 5] = {0};

    rm_script_end(script);
    store_be32(command + HEADER_SIZE, handle);
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_ContextSave);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), RM_RC(TPM2_RC_SIZE));
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_FlushContext);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command)), RM_RC(TPM2_RC_SIZE));
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command) - 2, TPM2_CC_FlushContext);
    assert_int_equal(rm_script_send(script, 0, command, sizeof(command) - 2),
                     RM_RC(TPM2_RC_INSUFFICIENT + TPM2_RC_P + TPM2_RC_1));
    assert_non_null(rm_script_object(script, 0, handle));
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R13_sizes_of_context_commands),
        TEST(test_R18_contexts_that_are_known),
        TEST(test_R19_contexts_that_cannot_be_made_again),
        TEST(test_R19_contexts_that_depend_on_the_clear_count),
        TEST(test_R19_failures_change_nothing),
        TEST(test_R19_loaded_objects_go_with_their_hierarchy),
        TEST(test_R19_list_of_objects_is_cut),
        TEST(test_R19_objects_go_with_their_hierarchy),
        TEST(test_R19_the_chip_knows_what_it_dropped),
        TEST(test_R69_audited_flush_of_what_is_shared),
        TEST(test_contexts_of_objects),
        TEST(test_contexts_that_are_made_anew),
        TEST(test_greatest_context_of_an_object),
    };

    return cmocka_run_group_tests_name("rm-hierarchies", tests, NULL, NULL);
}
