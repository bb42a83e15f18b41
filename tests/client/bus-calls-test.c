/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls over a bus whose answers are the test's: their serials, and an answer that never comes. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
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
        cmocka_unit_test(test_R47_a_bus_that_closes_for_an_answer),
    };
    int failed;

    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client bus calls", tests, NULL, NULL);
    canned_bus_stop(&bus);
    return failed;
}
