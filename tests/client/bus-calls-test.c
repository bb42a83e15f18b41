/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls over a bus whose answers are the test's: their serials, and an answer that never comes. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "canned-bus.h"
#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct canned_bus bus;

/* Calls of children over one connection to the bus have one row of serials: an answer that comes
 * late is nobody else's. */
static void test_R46_serials_over_dbus(void **state)
{
    uint32_t serials[3] = {0};
    struct canned_link opened;
    pid_t child;
    int i;

    (void)state;
    canned_bus_connect(&bus, Tss2_Tcti_Tabrmd_Init, &opened);
    for (i = 0; i < 3; i++) {
        child = children_start();
        if (child == 0)
            _exit(Tss2_Tcti_SetLocality(opened.link.tcti, 0) == TSS2_RC_SUCCESS ? 0 : 1);
        assert_true(canned_bus_agree(opened.bus, &serials[i]));
        children_expect_end(child);
    }
    assert_int_equal(serials[1], serials[0] + 1);
    assert_int_equal(serials[2], serials[1] + 1);
    fake_link_close(&opened.link);
    close(opened.bus);
}

struct agreeing {
    int bus;
    uint32_t serial;
    bool good;
};

static void *agree(void *data)
{
    struct agreeing *agreeing = data;

    agreeing->good = canned_bus_agree(agreeing->bus, &agreeing->serial);
    return NULL;
}

/* The serial of a call that succeeds: Cancel where a command is outstanding, or SetLocality. */
static uint32_t call_well(const struct canned_link *opened,
                          TSS2_RC (*call)(TSS2_TCTI_CONTEXT *tcti))
{
    struct agreeing agreeing = {.bus = opened->bus};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, agree, &agreeing), 0);
    assert_int_equal(call(opened->link.tcti), TSS2_RC_SUCCESS);
    pthread_join(thread, NULL);
    assert_true(agreeing.good);
    return agreeing.serial;
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *tcti)
{
    return Tss2_Tcti_Cancel(tcti);
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *tcti)
{
    return Tss2_Tcti_SetLocality(tcti, 1);
}

static uint32_t call_well_in_a_child(const struct canned_link *opened)
{
    uint32_t serial = 0;
    pid_t child = children_start();

    if (child == 0)
        _exit(set_locality(opened->link.tcti) == TSS2_RC_SUCCESS ? 0 : 1);
    assert_true(canned_bus_agree(opened->bus, &serial));
    children_expect_end(child);
    return serial;
}

/* A cancel has its place in that row. */
static void test_R46_serials_of_a_cancel(void **state)
{
    uint8_t response[20], buffer[64];
    size_t size = sizeof(buffer);
    struct canned_link opened;
    uint32_t serial;

    (void)state;
    canned_bus_connect(&bus, Tss2_Tcti_Tabrmd_Init, &opened);
    serial = call_well_in_a_child(&opened);
    fake_link_command(&opened.link, 20, 1);
    assert_int_equal(call_well(&opened, cancel), serial + 1);
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&opened.link, response, sizeof(response));
    assert_int_equal(Tss2_Tcti_Receive(opened.link.tcti, &size, buffer, 0), TSS2_RC_SUCCESS);
    assert_int_equal(call_well_in_a_child(&opened), serial + 2);
    fake_link_close(&opened.link);
    close(opened.bus);
}

/* A child that dies in the middle of a call takes the bus from all others, whoever asks first. */
static void test_R46_the_bus_is_lost_to_all(void **state)
{
    struct canned_link opened;
    pid_t late, dying;
    int go[2], said;
    char byte;

    (void)state;
    setenv("TSS2_LOG", "tcti+warning", 1);
    canned_bus_connect(&bus, Tss2_Tcti_Tabrmd_Init, &opened);
    unsetenv("TSS2_LOG");
    assert_int_equal(pipe(go), 0);
    late = children_start_heard(&said);
    if (late == 0)
        _exit(read(go[0], &byte, 1) == 1
                      && set_locality(opened.link.tcti) == TSS2_TCTI_RC_NO_CONNECTION
                  ? 0
                  : 1);
    dying = children_start();
    if (dying == 0) {
        set_locality(opened.link.tcti);
        _exit(1);
    }
    children_await_sleep(dying, 1);
    children_kill(dying);
    assert_int_equal(set_locality(opened.link.tcti), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(write(go[1], "", 1), 1);
    children_expect_said(late, said, "locality 1: the connection to the bus is lost", 1);
    close(go[0]);
    close(go[1]);
    fake_link_close(&opened.link);
    close(opened.bus);
}

/* Where the kernel cannot share a connection, its maker has the bus as ever. */
static void test_R46_calls_without_shared_memory(void **state)
{
    struct children_call call = {CHILDREN_MMAP, 3, MAP_SHARED | MAP_ANONYMOUS, ENOMEM, false};
    struct canned_link opened;
    uint32_t serial;
    pid_t child;

    (void)state;
    children_need_seccomp();
    child = children_start();
    if (child == 0) {
        if (!children_forbid(call) || !canned_bus_try_connect(&bus, Tss2_Tcti_Tabrmd_Init, &opened))
            _exit(1);
        serial = call_well(&opened, set_locality);
        _exit(call_well(&opened, set_locality) == serial + 1 ? 0 : 2);
    }
    children_expect_end(child);
}

static void *hear_and_close(void *data)
{
    const struct canned_link *opened = data;
    char call[512];

    recv(opened->bus, call, sizeof(call), 0);
    shutdown(opened->bus, SHUT_RDWR);
    return NULL;
}

/* A bus that goes in the middle of a call is lost; commands go on. */
static void test_R47_a_bus_that_closes_for_an_answer(void **state)
{
    struct canned_link opened;
    pthread_t thread;

    (void)state;
    canned_bus_connect(&bus, Tss2_Tcti_Tabrmd_Init, &opened);
    assert_int_equal(pthread_create(&thread, NULL, hear_and_close, &opened), 0);
    assert_int_equal(Tss2_Tcti_SetLocality(opened.link.tcti, 1), TSS2_TCTI_RC_IO_ERROR);
    pthread_join(thread, NULL);
    assert_int_equal(Tss2_Tcti_SetLocality(opened.link.tcti, 1), TSS2_TCTI_RC_NO_CONNECTION);
    fake_link_exchange(&opened.link, 1);
    fake_link_close(&opened.link);
    close(opened.bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_serials_over_dbus),
        cmocka_unit_test(test_R46_serials_of_a_cancel),
        cmocka_unit_test(test_R46_the_bus_is_lost_to_all),
        cmocka_unit_test(test_R46_calls_without_shared_memory),
        cmocka_unit_test(test_R47_a_bus_that_closes_for_an_answer),
    };
    int failed;

    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client bus calls", tests, NULL, NULL);
    canned_bus_stop(&bus);
    return failed;
}
