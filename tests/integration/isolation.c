/* SPDX-License-Identifier: BSD-2-Clause */
/* Two connections to one daemon: neither can reach, end or see what is the other's. */
#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"

#include "wire/command.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define RC_HANDLE_0  0xB0910
#define RC_SESSION_0 0xB0918
#define RC_FOREIGN   0xB01CB
#define COMMAND_MAX  64

static TPM2_HANDLE handle_of(struct esys_client *client, ESYS_TR object)
{
    TPM2_HANDLE handle = 0;

    assert_int_equal(Esys_TR_GetTpmHandle(client->esys, object, &handle), TSS2_RC_SUCCESS);
    return handle;
}

/* GetRandom with an audit session, which is no business of the handle area. */
static uint32_t random_with_session(struct raw_client *raw, TPM2_HANDLE session)
{
    uint8_t command[COMMAND_MAX] = {0};
    uint8_t *at = command + HEADER_SIZE;

    store_be32(at, 9);
    store_be32(at + 4, session);
    at[10] = TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT;
    store_be16(at + 13, 8);
    header_store(command, TPM2_ST_SESSIONS, HEADER_SIZE + 15, TPM2_CC_GetRandom);
    return raw_client_transact(raw, command, HEADER_SIZE + 15);
}

/* The handles of one kind as GetCapability shows them to a client. */
static uint32_t count_handles(struct raw_client *raw, uint32_t first)
{
    uint8_t command[COMMAND_OWN_SIZE], response[512];
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, 16);

    assert_true(raw_client_send(raw, command, size));
    assert_true(raw_client_receive(raw, response, sizeof(response)) >= HEADER_SIZE + 9);
    assert_int_equal(header_load(response).code, TPM2_RC_SUCCESS);
    return load_be32(response + HEADER_SIZE + 5);
}

/* A client with a key and a session, and a raw one beside it. */
struct pair {
    struct esys_client *owner;
    struct raw_client *other;
    ESYS_TR key, session;
};

static struct pair make_pair(struct world *world)
{
    struct pair pair = {.owner = esys_client_new()};

    assert_non_null(pair.owner);
    assert_int_equal(esys_client_key(pair.owner, &pair.key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(pair.owner, TPM2_SE_HMAC, &pair.session), TSS2_RC_SUCCESS);
    pair.other = raw_client_new(world);
    assert_non_null(pair.other);
    return pair;
}

/* What was refused changed nothing: the owner goes on. */
static void end_pair(struct pair *pair)
{
    assert_int_equal(esys_client_sign(pair->owner, pair->key, pair->session), TSS2_RC_SUCCESS);
    raw_client_free(pair->other);
    esys_client_free(pair->owner);
}

static void test_R01_a_foreign_object_is_refused_without_the_chip(void **state)
{
    struct world *world = *state;
    struct pair pair = make_pair(world);
    struct counts before, after;

    counts_read(world->counts, &before);
    assert_int_equal(
        raw_client_send_handle(pair.other, TPM2_CC_ReadPublic, handle_of(pair.owner, pair.key)),
        RC_HANDLE_0);
    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_ReadPublic, 0x80000000),
                     RC_HANDLE_0);
    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_ReadPublic, 0x80123456),
                     RC_HANDLE_0);
    counts_read(world->counts, &after);
    /* Beside it the daemon may unload what an idle TPM has. */
    assert_int_equal(counts_between(&before, &after, TPM2_CC_ReadPublic), 0);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_ContextLoad), 0);
    end_pair(&pair);
}

static void test_R02_a_foreign_session_cannot_be_used(void **state)
{
    struct world *world = *state;
    struct pair pair = make_pair(world);
    TPM2_HANDLE session = handle_of(pair.owner, pair.session);
    struct counts before, after;

    counts_read(world->counts, &before);
    assert_int_equal(random_with_session(pair.other, session), RC_SESSION_0);
    assert_int_equal(random_with_session(pair.other, session ^ 0x01000000), RC_SESSION_0);
    counts_read(world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 0);
    end_pair(&pair);
}

static void test_R03_foreign_things_cannot_be_flushed(void **state)
{
    struct pair pair = make_pair(*state);
    TPM2_HANDLE session = handle_of(pair.owner, pair.session);

    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_FlushContext, session), RC_FOREIGN);
    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_FlushContext, session ^ 0x01000000),
                     RC_FOREIGN);
    assert_int_equal(
        raw_client_send_handle(pair.other, TPM2_CC_FlushContext, handle_of(pair.owner, pair.key)),
        RC_FOREIGN);
    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_FlushContext, 0x80FFFFFE),
                     RC_FOREIGN);
    end_pair(&pair);
}

static void test_R04_a_foreign_session_cannot_be_saved(void **state)
{
    struct pair pair = make_pair(*state);

    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_ContextSave,
                                            handle_of(pair.owner, pair.session)),
                     RC_HANDLE_0);
    end_pair(&pair);
}

static void test_R07_equal_handles_of_two_clients_never_meet(void **state)
{
    struct esys_client *first = esys_client_new(), *second = esys_client_new();
    TPM2B_NAME *first_name = NULL, *second_name = NULL, *again = NULL;
    ESYS_TR first_key, second_key;

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(esys_client_key(first, &first_key), TSS2_RC_SUCCESS);
    /* Another seed, another key: the NULL hierarchy. */
    assert_int_equal(esys_client_null_key(second, &second_key), TSS2_RC_SUCCESS);
    assert_int_equal(handle_of(first, first_key), handle_of(second, second_key));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(esys_client_sign(first, first_key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_equal(esys_client_sign(second, second_key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    }
    assert_int_equal(Esys_TR_GetName(first->esys, first_key, &first_name), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_TR_GetName(second->esys, second_key, &second_name), TSS2_RC_SUCCESS);
    assert_memory_not_equal(first_name->name, second_name->name, first_name->size);
    assert_int_equal(Esys_ReadPublic(first->esys, first_key, ESYS_TR_NONE, ESYS_TR_NONE,
                                     ESYS_TR_NONE, NULL, &again, NULL),
                     TSS2_RC_SUCCESS);
    assert_int_equal(again->size, first_name->size);
    assert_memory_equal(again->name, first_name->name, again->size);
    Esys_Free(again);
    Esys_Free(second_name);
    Esys_Free(first_name);
    esys_client_free(second);
    esys_client_free(first);
}

static void test_R08_a_closing_client_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct pair pair = make_pair(world);
    TPM2_HANDLE key = handle_of(pair.owner, pair.key);
    TPM2_HANDLE session = handle_of(pair.owner, pair.session);

    esys_client_free(pair.owner);
    assert_int_equal(raw_client_send_handle(pair.other, TPM2_CC_ReadPublic, key), RC_HANDLE_0);
    assert_int_equal(random_with_session(pair.other, session), RC_SESSION_0);
    raw_client_free(pair.other);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

/* Reads all of a response that is big enough to have its client leave in the middle. */
static void test_R08_clients_that_leave_in_the_middle_leave_nothing(void **state)
{
    static const uint8_t random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};
    struct world *world = *state;

    assert_true(world_set_faults(world, "code=0x17B times=0 delay=50\n"));
    for (size_t cut = 1; cut <= sizeof(random); cut++) {
        struct raw_client *raw = raw_client_new(world);

        assert_non_null(raw);
        assert_true(raw_client_send(raw, random, cut));
        raw_client_free(raw);
    }
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

static void test_R09_cancel_and_locality_are_for_the_creator_alone(void **state)
{
    struct world *world = *state;
    struct raw_client *first = raw_client_new(world), *second = raw_client_new(world);
    uint32_t rc = 0;
    char *error;

    assert_non_null(first);
    assert_non_null(second);
    assert_int_not_equal(first->id, second->id);
    assert_false(raw_client_call(second, "Cancel", g_variant_new("(t)", first->id), &rc, &error));
    assert_non_null(error);
    g_free(error);
    assert_false(
        raw_client_call(second, "SetLocality", g_variant_new("(ty)", first->id, 0), &rc, &error));
    assert_non_null(error);
    g_free(error);
    assert_true(
        raw_client_call(first, "SetLocality", g_variant_new("(ty)", first->id, 0), &rc, &error));
    assert_int_equal(rc, TSS2_RC_SUCCESS);
    raw_client_free(second);
    raw_client_free(first);
}

static void test_R28_each_client_sees_its_own_handles_only(void **state)
{
    struct pair pair = make_pair(*state);

    assert_int_equal(count_handles(pair.other, 0x80000000), 0);
    assert_int_equal(count_handles(pair.other, 0x02000000), 0);
    assert_int_equal(count_handles(pair.other, 0x03000000), 0);
    end_pair(&pair);
}

static unsigned occurrences(const char *text, const char *word)
{
    unsigned count = 0;

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        count++;
    return count;
}

/* Who has all that it may have is told in the log, once for each kind of thing. */
static void test_a_client_that_is_full_is_told_of_in_the_log(void **state)
{
    static const char *const args[] = {"--max-transients=2", "--max-sessions=1", NULL};
    struct world *world = world_new(&(struct world_setup){.args = args});
    struct esys_client *client;
    ESYS_TR made;
    char *log;

    (void)state;
    assert_non_null(world);
    client = esys_client_new();
    assert_non_null(client);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(esys_client_key(client, &made), i < 2 ? TSS2_RC_SUCCESS : 0xB0902);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &made),
                         i < 1 ? TSS2_RC_SUCCESS : 0xB0903);
    log = world_daemon_log(world);
    assert_int_equal(occurrences(log, "0xB0902"), 1);
    assert_non_null(strstr(log, "--max-transients"));
    assert_int_equal(occurrences(log, "0xB0903"), 1);
    assert_non_null(strstr(log, "--max-sessions"));
    g_free(log);
    esys_client_free(client);
    assert_true(world_free(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_test(test_R01_a_foreign_object_is_refused_without_the_chip),
        suite_test(test_R02_a_foreign_session_cannot_be_used),
        suite_test(test_R03_foreign_things_cannot_be_flushed),
        suite_test(test_R04_a_foreign_session_cannot_be_saved),
        suite_test(test_R07_equal_handles_of_two_clients_never_meet),
        suite_test(test_R08_a_closing_client_leaves_nothing),
        suite_test(test_R08_clients_that_leave_in_the_middle_leave_nothing),
        suite_test(test_R09_cancel_and_locality_are_for_the_creator_alone),
        suite_test(test_R28_each_client_sees_its_own_handles_only),
        cmocka_unit_test(test_a_client_that_is_full_is_told_of_in_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
