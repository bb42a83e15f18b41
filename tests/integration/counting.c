/* SPDX-License-Identifier: BSD-2-Clause */
/* The counting TCTI itself, on a bare swtpm: what it counts and breaks must be so. */
#include "suite.h"

#include "wire/capability.h"
#include "wire/command.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#define GET_CAPABILITY TPM2_CC_GetCapability
#define ANSWER_MS      30000

static TSS2_TCTI_CONTEXT *open_tcti(struct world *world)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    uint8_t startup[COMMAND_OWN_SIZE], answer[HEADER_SIZE];
    size_t size = sizeof(answer);

    assert_int_equal(Tss2_TctiLdr_Initialize(world->tcti, &tcti), TSS2_RC_SUCCESS);
    assert_int_equal(
        Tss2_Tcti_Transmit(tcti, command_build_startup(startup, TPM2_SU_CLEAR), startup), 0);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, ANSWER_MS), 0);
    return tcti;
}

/* Sends a GetCapability of fixed size. */
static TSS2_RC send_one(TSS2_TCTI_CONTEXT *tcti)
{
    uint8_t command[COMMAND_OWN_SIZE];
    size_t size =
        command_build_get_capability(command, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 1);

    return Tss2_Tcti_Transmit(tcti, size, command);
}

/* The code of the answer to a GetCapability; *size gets its size. */
static uint32_t transact(TSS2_TCTI_CONTEXT *tcti, size_t *size)
{
    uint8_t answer[256] = {0};

    *size = sizeof(answer);
    assert_int_equal(send_one(tcti), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_Receive(tcti, size, answer, ANSWER_MS), TSS2_RC_SUCCESS);
    return header_load(answer).code;
}

static void test_commands_are_counted_by_code(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    struct counts before, after;
    size_t size;

    counts_read(world->counts, &before);
    assert_int_equal(before.total, 1);
    assert_int_equal(transact(tcti, &size), 0);
    assert_int_equal(transact(tcti, &size), 0);
    counts_read(world->counts, &after);
    assert_int_equal(counts_between(&before, &after, GET_CAPABILITY), 2);
    assert_int_equal(counts_total_between(&before, &after), 2);
    assert_int_equal(counts_context_between(&before, &after), 0);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_counts_go_on_when_the_tpm_is_opened_again(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    struct counts counts;
    size_t size;

    Tss2_TctiLdr_Finalize(&tcti);
    tcti = open_tcti(world);
    assert_int_equal(transact(tcti, &size), 0);
    counts_read(world->counts, &counts);
    assert_int_equal(counts.total, 3);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_a_code_is_injected_for_the_nth_commands(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    size_t size;

    assert_true(world_set_faults(world, "# busy\ncode=0x17A nth=2 times=2 rc=0x922\n"));
    assert_int_equal(transact(tcti, &size), 0);
    assert_int_equal(transact(tcti, &size), TPM2_RC_RETRY);
    assert_int_equal(size, HEADER_SIZE);
    assert_int_equal(transact(tcti, &size), TPM2_RC_RETRY);
    assert_int_equal(transact(tcti, &size), 0);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_answers_are_cut_and_spoilt(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    size_t size, whole;

    assert_int_equal(transact(tcti, &whole), 0);
    assert_true(world_set_faults(world, "code=* cut=5\ncode=* nth=2 garbage\n"));
    (void)transact(tcti, &size);
    assert_int_equal(size, 5);
    assert_int_not_equal(transact(tcti, &size), 0);
    assert_int_equal(size, whole);
    assert_int_equal(transact(tcti, &size), 0);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_a_broken_transport_stays_broken_until_it_is_opened_again(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    uint8_t answer[256];
    size_t size = sizeof(answer);

    assert_true(world_set_faults(world, "code=* drop\n"));
    assert_int_equal(send_one(tcti), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, ANSWER_MS), TSS2_TCTI_RC_IO_ERROR);
    assert_int_equal(send_one(tcti), TSS2_TCTI_RC_IO_ERROR);
    assert_true(world_set_faults(world, ""));
    assert_int_equal(send_one(tcti), TSS2_TCTI_RC_IO_ERROR);
    Tss2_TctiLdr_Finalize(&tcti);
    tcti = open_tcti(world);
    assert_int_equal(transact(tcti, &size), 0);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_the_poll_handle_tells_when_the_answer_is_there(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    TSS2_TCTI_POLL_HANDLE handle;
    uint8_t answer[256];
    size_t count = 1, size = sizeof(answer);
    TSS2_RC rc;

    assert_int_equal(Tss2_Tcti_GetPollHandles(tcti, &handle, &count), TSS2_RC_SUCCESS);
    assert_int_equal(count, 1);
    assert_int_equal(handle.events, POLLIN);
    assert_true(world_set_faults(world, "code=* delay=3600000\n"));
    assert_int_equal(send_one(tcti), TSS2_RC_SUCCESS);
    assert_int_equal(poll(&handle, 1, 0), 0);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, 0), TSS2_TCTI_RC_TRY_AGAIN);
    assert_int_equal(Tss2_Tcti_Cancel(tcti), TSS2_RC_SUCCESS);
    do {
        assert_int_equal(poll(&handle, 1, ANSWER_MS), 1);
        size = sizeof(answer);
        rc = Tss2_Tcti_Receive(tcti, &size, answer, 0);
    } while (rc == TSS2_TCTI_RC_TRY_AGAIN);
    assert_int_equal(rc, TSS2_RC_SUCCESS);
    assert_int_equal(poll(&handle, 1, 0), 0);
    assert_int_equal(transact(tcti, &size), 0);
    Tss2_TctiLdr_Finalize(&tcti);
}

static void test_the_localities_of_the_chip_can_be_chosen(void **state)
{
    /* PCR_Reset(20), which the chip allows from locality 2 on. */
    static const uint8_t reset[] = {0x80, 0x02, 0, 0, 0,    27, 0, 0, 0x01, 0x3D, 0, 0, 0, 20,
                                    0,    0,    0, 9, 0x40, 0,  0, 9, 0,    0,    0, 0, 0};
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    uint8_t answer[64];
    size_t size = sizeof(answer);

    assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(reset), reset), 0);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, ANSWER_MS), 0);
    assert_int_equal(header_load(answer).code, TPM2_RC_LOCALITY);
    assert_int_equal(Tss2_Tcti_SetLocality(tcti, 2), TSS2_RC_SUCCESS);
    size = sizeof(answer);
    assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(reset), reset), 0);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, ANSWER_MS), 0);
    assert_int_equal(header_load(answer).code, TPM2_RC_SUCCESS);
    Tss2_TctiLdr_Finalize(&tcti);
}

/* The code of the answer to a command, of which `answer` gets what is read. */
static uint32_t run(TSS2_TCTI_CONTEXT *tcti, const uint8_t *command, size_t size, uint8_t *answer,
                    size_t capacity)
{
    assert_int_equal(Tss2_Tcti_Transmit(tcti, size, command), TSS2_RC_SUCCESS);
    assert_int_equal(Tss2_Tcti_Receive(tcti, &capacity, answer, ANSWER_MS), TSS2_RC_SUCCESS);
    return header_load(answer).code;
}

/* What the chip tells of one of its properties. */
static uint32_t property(TSS2_TCTI_CONTEXT *tcti, uint32_t which)
{
    uint8_t command[COMMAND_OWN_SIZE], answer[64] = {0};
    size_t size = command_build_get_capability(command, TPM2_CAP_TPM_PROPERTIES, which, 1);
    struct capability_list list;

    assert_int_equal(run(tcti, command, size, answer, sizeof(answer)), 0);
    assert_true(
        capability_list_parse(&list, answer, header_load(answer).size, TPM2_CAP_TPM_PROPERTIES, 8));
    assert_int_equal(list.count, 1);
    assert_int_equal(load_be32(list.items), which);
    return load_be32(list.items + 4);
}

static int fewer_slots_world(void **state)
{
    *state = world_new(&(struct world_setup){.no_daemon = true, .tcti = "fewer=1"});
    return *state ? 0 : -1;
}

/* Makes things until there is no more room, which is told with `full`; then ends one of them, and
 * there is room again. */
static void fill_slots(TSS2_TCTI_CONTEXT *tcti, const uint8_t *make, size_t size, uint32_t least,
                       uint32_t left, uint32_t full)
{
    uint8_t answer[512], flush[COMMAND_OWN_SIZE];
    uint32_t handle = 0;

    assert_int_equal(property(tcti, least), WORLD_SLOTS - 1);
    for (unsigned made = 0; made < WORLD_SLOTS - 1; made++) {
        assert_int_equal(property(tcti, left), WORLD_SLOTS - 1 - made);
        assert_int_equal(run(tcti, make, size, answer, sizeof(answer)), 0);
        handle = load_be32(answer + HEADER_SIZE);
    }
    assert_int_equal(property(tcti, left), 0);
    assert_int_equal(run(tcti, make, size, answer, sizeof(answer)), full);
    size_t flush_size = command_build_flush_context(flush, handle);

    assert_int_equal(run(tcti, flush, flush_size, answer, sizeof(answer)), 0);
    assert_int_equal(run(tcti, make, size, answer, sizeof(answer)), 0);
    assert_int_equal(run(tcti, make, size, answer, sizeof(answer)), full);
}

static void test_a_chip_with_fewer_slots_says_so_and_takes_no_more(void **state)
{
    /* HashSequenceStart with an empty authorization and SHA-256, and StartAuthSession without a
     * key, sixteen bytes of nonce, an HMAC session without encryption, with SHA-256. */
    static const uint8_t object[] = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x86, 0, 0, 0, 0x0B};
    static const uint8_t session[] = {
        0x80, 0x01, 0, 0, 0, 43, 0, 0, 0x01, 0x76, 0x40, 0, 0, 7, 0x40, 0, 0, 7, 0,    16, 1,   2,
        3,    4,    5, 6, 7, 8,  9, 0, 1,    2,    3,    4, 5, 6, 0,    0, 0, 0, 0x10, 0,  0x0B};
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = open_tcti(world);
    uint32_t handles[8];

    fill_slots(tcti, object, sizeof(object), TPM2_PT_HR_TRANSIENT_MIN, TPM2_PT_HR_TRANSIENT_AVAIL,
               TPM2_RC_OBJECT_MEMORY);
    fill_slots(tcti, session, sizeof(session), TPM2_PT_HR_LOADED_MIN, TPM2_PT_HR_LOADED_AVAIL,
               TPM2_RC_SESSION_MEMORY);
    Tss2_TctiLdr_Finalize(&tcti);
    assert_int_equal(world_chip_handles(world, 0x80000000, handles, 8), WORLD_SLOTS - 1);
    assert_int_equal(world_chip_handles(world, 0x02000000, handles, 8), WORLD_SLOTS - 1);
}

static void test_it_stands_on_another_tcti(void **state)
{
    struct world *world = *state;
    TSS2_TCTI_CONTEXT *tcti = NULL;
    char *counts = world_path(world, "outer"), *conf = NULL;
    struct counts *outer;
    size_t size;

    conf = g_strdup_printf("%s:counts=%s,next=%s", world_env("TABRMD_TEST_COUNTING", TEST_COUNTING),
                           counts, world->tcti);
    tcti = open_tcti(world);
    Tss2_TctiLdr_Finalize(&tcti);
    assert_int_equal(Tss2_TctiLdr_Initialize(conf, &tcti), TSS2_RC_SUCCESS);
    assert_int_equal(transact(tcti, &size), 0);
    outer = counts_open(counts);
    assert_non_null(outer);
    assert_int_equal(outer->total, 1);
    assert_int_equal(world->counts->total, 2);
    counts_close(outer);
    Tss2_TctiLdr_Finalize(&tcti);
    g_free(conf);
    g_free(counts);
}

static void test_a_bad_configuration_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "server",
                                      "ctrl=/x",
                                      "server=/x,next=device",
                                      "mode=1",
                                      "server=/x,profile=fast",
                                      "server=/x,fewer=0",
                                      "server=/x,fewer=10"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        TSS2_TCTI_CONTEXT *tcti = NULL;
        char *conf =
            g_strdup_printf("%s:%s", world_env("TABRMD_TEST_COUNTING", TEST_COUNTING), bad[i]);

        assert_int_not_equal(Tss2_TctiLdr_Initialize(conf, &tcti), TSS2_RC_SUCCESS);
        g_free(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_commands_are_counted_by_code),
        suite_empty_test(test_counts_go_on_when_the_tpm_is_opened_again),
        suite_empty_test(test_a_code_is_injected_for_the_nth_commands),
        suite_empty_test(test_answers_are_cut_and_spoilt),
        suite_empty_test(test_a_broken_transport_stays_broken_until_it_is_opened_again),
        suite_empty_test(test_the_poll_handle_tells_when_the_answer_is_there),
        suite_empty_test(test_the_localities_of_the_chip_can_be_chosen),
        cmocka_unit_test_setup_teardown(test_a_chip_with_fewer_slots_says_so_and_takes_no_more,
                                        fewer_slots_world, suite_end_world),
        suite_empty_test(test_it_stands_on_another_tcti),
        cmocka_unit_test(test_a_bad_configuration_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
