/* SPDX-License-Identifier: BSD-2-Clause */
/* The counting TCTI itself, on a bare swtpm: what it counts and breaks must be so. */
#include "suite.h"

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
    static const char *const bad[] = {
        "", "server", "ctrl=/x", "server=/x,next=device", "mode=1", "server=/x,profile=fast"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        TSS2_TCTI_CONTEXT *tcti = NULL;
        char *conf =
            g_strdup_printf("%s:%s", world_env("TABRMD_TEST_COUNTING", TEST_COUNTING), bad[i]);

        assert_int_not_equal(Tss2_TctiLdr_Initialize(conf, &tcti), TSS2_RC_SUCCESS);
        assert_null(tcti);
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
        suite_empty_test(test_it_stands_on_another_tcti),
        cmocka_unit_test(test_a_bad_configuration_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
