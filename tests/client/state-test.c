/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call of a TCTI in every state of a context. Each cell is a test of its own: a fresh
 * connection is brought to the state, the call made, its answer checked, and that the state is what
 * it should be afterwards.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

enum state { IDLE, SENT, SIZED, TOO_SMALL, PARTIAL, BROKEN, FORKED, FINALIZED, STATES };
enum call { TRANSMIT, RECEIVE, CANCEL, POLL_HANDLES, SET_LOCALITY, MAKE_STICKY, FINALIZE, CALLS };

static const char *const state_names[STATES] = {
    "idle", "sent", "sized", "too_small", "partial", "broken", "forked", "finalized",
};
static const char *const call_names[CALLS] = {
    "transmit", "receive", "cancel", "poll_handles", "set_locality", "make_sticky", "finalize",
};

#define OK TSS2_RC_SUCCESS
#define BS TSS2_TCTI_RC_BAD_SEQUENCE
#define NC TSS2_TCTI_RC_NO_CONNECTION
#define NI TSS2_TCTI_RC_NOT_IMPLEMENTED
#define BC TSS2_TCTI_RC_BAD_CONTEXT

static const TSS2_RC expected[STATES][CALLS] = {
    /*             transmit receive cancel poll locality sticky finalize */
    [IDLE] = {OK, BS, BS, OK, OK, NI, OK},    [SENT] = {BS, OK, OK, OK, BS, NI, OK},
    [SIZED] = {BS, OK, OK, OK, BS, NI, OK},   [TOO_SMALL] = {BS, OK, OK, OK, BS, NI, OK},
    [PARTIAL] = {BS, OK, OK, OK, BS, NI, OK}, [BROKEN] = {NC, NC, NC, NC, NC, NI, OK},
    [FORKED] = {OK, BS, BS, OK, OK, NI, OK},  [FINALIZED] = {BC, BC, BC, BC, BC, BC, OK},
};

struct cell {
    enum state state;
    enum call call;
    char name[64];
};

#define RESPONSE_SIZE 50

static uint8_t response[RESPONSE_SIZE];
static struct fake_daemon daemon_;

/* The functions of a context, kept where finalize does not wipe them. */
static TSS2_TCTI_CONTEXT_COMMON_V2 functions;

static TSS2_RC receive(struct fake_link *link, uint8_t *buffer, size_t *size, int32_t timeout)
{
    return functions.v1.receive(link->tcti, size, buffer, timeout);
}

static void reach_state(struct fake_link *link, enum state state)
{
    uint8_t buffer[RESPONSE_SIZE];
    size_t size = 20;

    if (state == IDLE || state == FORKED)
        return;
    if (state == FINALIZED) {
        Tss2_Tcti_Finalize(link->tcti);
        return;
    }
    fake_link_command(link, 20, 3);
    if (state == BROKEN) {
        close(link->server);
        link->server = -1;
        assert_int_equal(receive(link, buffer, &size, 0), TSS2_TCTI_RC_IO_ERROR);
        return;
    }
    fake_link_write(link, response, state == PARTIAL ? 30 : RESPONSE_SIZE);
    if (state == SIZED) {
        assert_int_equal(receive(link, NULL, &size, 0), OK);
        assert_int_equal(size, RESPONSE_SIZE);
    } else if (state == TOO_SMALL) {
        assert_int_equal(receive(link, buffer, &size, 0), TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
        assert_int_equal(size, RESPONSE_SIZE);
    } else if (state == PARTIAL) {
        size = sizeof(buffer);
        assert_int_equal(receive(link, buffer, &size, 0), TSS2_TCTI_RC_TRY_AGAIN);
        assert_int_equal(size, sizeof(buffer));
        fake_link_write(link, response + 30, RESPONSE_SIZE - 30);
    }
}

static void check_response(struct fake_link *link)
{
    uint8_t buffer[2 * RESPONSE_SIZE];
    size_t size = sizeof(buffer);

    assert_int_equal(receive(link, buffer, &size, TSS2_TCTI_TIMEOUT_BLOCK), OK);
    assert_int_equal(size, RESPONSE_SIZE);
    assert_memory_equal(buffer, response, RESPONSE_SIZE);
}

static TSS2_RC make_call(struct fake_link *link, enum call call)
{
    uint8_t buffer[2 * RESPONSE_SIZE] = {0};
    TSS2_TCTI_POLL_HANDLE handle = {.fd = -1};
    size_t size = sizeof(buffer), handles = 1;
    TPM2_HANDLE sticky = 0x80000000;
    TSS2_RC rc = OK;

    switch (call) {
    case TRANSMIT:
        fake_frame(buffer, 20, 9);
        return functions.v1.transmit(link->tcti, 20, buffer);
    case RECEIVE:
        rc = receive(link, buffer, &size, 0);
        if (rc == OK)
            assert_memory_equal(buffer, response, RESPONSE_SIZE);
        return rc;
    case CANCEL:
        return functions.v1.cancel(link->tcti);
    case POLL_HANDLES:
        rc = functions.v1.getPollHandles(link->tcti, &handle, &handles);
        if (rc == OK) {
            assert_int_equal(handles, 1);
            assert_true(handle.fd >= 0);
            assert_int_equal(handle.events, POLLIN);
        }
        return rc;
    case SET_LOCALITY:
        return functions.v1.setLocality(link->tcti, 1);
    case MAKE_STICKY:
        return functions.makeSticky(link->tcti, &sticky, 1);
    case FINALIZE:
        functions.v1.finalize(link->tcti);
        break;
    case CALLS:
        break;
    }
    return rc;
}

/* What the daemon got of a call that went through, and what the context can do next. */
static void check_after(struct fake_link *link, const struct cell *cell)
{
    bool forked = cell->state == FORKED, idle = cell->state == IDLE || forked;
    bool outstanding = cell->state == SENT || cell->state == SIZED || cell->state == TOO_SMALL
                       || cell->state == PARTIAL;
    uint8_t seen[32], frame[CONTROL_FRAME_MAX_REQUEST];

    if ((cell->call == FINALIZE && !forked) || cell->state == FINALIZED) {
        assert_int_equal(functions.v1.transmit(link->tcti, 0, NULL), BC);
        return;
    }
    if (cell->state == BROKEN) {
        assert_int_equal(make_call(link, TRANSMIT), NC);
        return;
    }
    if (idle && cell->call == TRANSMIT) {
        fake_link_read(link, seen, 20);
        fake_link_write(link, response, RESPONSE_SIZE);
        outstanding = cell->state == IDLE;
    } else if (idle && cell->call == SET_LOCALITY) {
        fake_link_read(link, seen,
                       control_frame_request_store(frame, CONTROL_FRAME_SET_LOCALITY, 1));
        assert_memory_equal(seen, frame, HEADER_SIZE + 1);
    } else if (outstanding && cell->call == CANCEL) {
        fake_link_read(link, seen, control_frame_request_store(frame, CONTROL_FRAME_CANCEL, 0));
        assert_memory_equal(seen, frame, HEADER_SIZE);
        fake_link_reply(link, CONTROL_FRAME_CANCEL, 0);
    } else if (outstanding && cell->call == RECEIVE) {
        outstanding = false;
    }
    if (outstanding)
        check_response(link);
    fake_link_exchange(link, 77);
}

/* The call in a child process, which then ends: with a command outstanding, if it sent one. */
static TSS2_RC call_in_child(struct fake_link *link, enum call call)
{
    TSS2_RC rc = 0;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rc = make_call(link, call);
        _exit(write(ends[1], &rc, sizeof(rc)) == (ssize_t)sizeof(rc) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &rc, sizeof(rc)), sizeof(rc));
    close(ends[0]);
    close(ends[1]);
    return rc;
}

static void test_cell(void **state)
{
    const struct cell *cell = *state;
    struct fake_link link;
    TSS2_RC rc;

    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link), OK);
    memcpy(&functions, link.tcti, sizeof(functions));
    reach_state(&link, cell->state);
    if (cell->call == SET_LOCALITY && (cell->state == IDLE || cell->state == FORKED))
        fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, 0);
    rc = cell->state == FORKED ? call_in_child(&link, cell->call) : make_call(&link, cell->call);
    assert_int_equal(rc, expected[cell->state][cell->call]);
    check_after(&link, cell);
    fake_link_close(&link);
}

static void test_R48_version_and_function_table(void **state)
{
    struct fake_link link;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link), OK);
    assert_int_equal(TSS2_TCTI_VERSION(link.tcti), 2);
    assert_non_null(TSS2_TCTI_MAKE_STICKY(link.tcti));
    memcpy(&functions, link.tcti, sizeof(functions));
    TSS2_TCTI_VERSION(link.tcti) = 1;
    assert_int_equal(make_call(&link, TRANSMIT), BC);
    TSS2_TCTI_VERSION(link.tcti) = 2;
    TSS2_TCTI_MAGIC(link.tcti) ^= 1;
    assert_int_equal(make_call(&link, TRANSMIT), BC);
    TSS2_TCTI_MAGIC(link.tcti) ^= 1;
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

static void test_R48_bad_references_and_values(void **state)
{
    uint8_t command[20], buffer[20];
    TSS2_TCTI_POLL_HANDLE handle;
    size_t size = sizeof(buffer), handles = 0;
    struct fake_link link;
    unsigned locality;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link), OK);
    memcpy(&functions, link.tcti, sizeof(functions));
    fake_frame(command, sizeof(command), 1);

    assert_int_equal(functions.v1.transmit(NULL, 20, command), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.receive(NULL, &size, buffer, 0), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.cancel(NULL), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.getPollHandles(NULL, &handle, &handles),
                     TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.setLocality(NULL, 0), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.makeSticky(NULL, NULL, 0), TSS2_TCTI_RC_BAD_REFERENCE);
    functions.v1.finalize(NULL);

    assert_int_equal(functions.v1.transmit(link.tcti, 20, NULL), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.transmit(link.tcti, 9, command), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(functions.v1.transmit(link.tcti, 19, command), TSS2_TCTI_RC_BAD_VALUE);
    header_store(command, CONTROL_FRAME_TAG, sizeof(command), 1);
    assert_int_equal(functions.v1.transmit(link.tcti, 20, command), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(functions.v1.getPollHandles(link.tcti, &handle, NULL),
                     TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.getPollHandles(link.tcti, &handle, &handles),
                     TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
    assert_int_equal(handles, 1);
    handles = 7;
    assert_int_equal(functions.v1.getPollHandles(link.tcti, NULL, &handles), OK);
    assert_int_equal(handles, 1);
    for (locality = 5; locality < 32; locality++)
        assert_int_equal(functions.v1.setLocality(link.tcti, (uint8_t)locality),
                         TSS2_TCTI_RC_BAD_VALUE);

    fake_link_command(&link, 20, 3);
    assert_int_equal(functions.v1.receive(link.tcti, NULL, buffer, 0), TSS2_TCTI_RC_BAD_REFERENCE);
    assert_int_equal(functions.v1.receive(link.tcti, &size, buffer, -2), TSS2_TCTI_RC_BAD_VALUE);
    fake_link_write(&link, response, RESPONSE_SIZE);
    check_response(&link);
    fake_link_close(&link);
}

static void test_R48_two_call_init(void **state)
{
    size_t size = 0, small;
    char *context;

    (void)state;
    assert_int_equal(Tss2_Tcti_Tabrmd_Init(NULL, NULL, NULL), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL), OK);
    assert_true(size >= sizeof(TSS2_TCTI_CONTEXT_COMMON_V2));
    context = malloc(size);
    assert_non_null(context);
    assert_int_equal(Tss2_Tcti_Tabrmd_Init((TSS2_TCTI_CONTEXT *)(void *)context, NULL, NULL),
                     TSS2_TCTI_RC_BAD_VALUE);
    small = size - 1;
    assert_int_equal(Tss2_Tcti_Tabrmd_Init((TSS2_TCTI_CONTEXT *)(void *)context, &small, NULL),
                     TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
    assert_int_equal(
        Tss2_Tcti_Tabrmd_Init((TSS2_TCTI_CONTEXT *)(void *)context, &size, "bus_type=nonsense"),
        TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(Tss2_Tcti_Tabrmd_Init((TSS2_TCTI_CONTEXT *)(void *)context, &size,
                                           "socket=/nowhere/at.all"),
                     NC);
    free(context);
}

int main(void)
{
    static struct cell cells[STATES * CALLS];
    struct CMUnitTest tests[STATES * CALLS + 3] = {
        cmocka_unit_test(test_R48_version_and_function_table),
        cmocka_unit_test(test_R48_bad_references_and_values),
        cmocka_unit_test(test_R48_two_call_init),
    };
    int i, failed;

    fake_frame(response, sizeof(response), 42);
    fake_daemon_start(&daemon_);
    for (i = 0; i < STATES * CALLS; i++) {
        cells[i].state = (enum state)(i / CALLS);
        cells[i].call = (enum call)(i % CALLS);
        snprintf(cells[i].name, sizeof(cells[i].name), "test_R48_%s_%s",
                 state_names[cells[i].state], call_names[cells[i].call]);
        tests[3 + i] = (struct CMUnitTest){
            .name = cells[i].name, .test_func = test_cell, .initial_state = &cells[i]};
    }
    failed = cmocka_run_group_tests_name("client states", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
