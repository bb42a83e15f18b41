/* SPDX-License-Identifier: BSD-2-Clause */
/* A program without a standard input: the first descriptor that the library opens is 0, and as good
 * as any. Each case is a process of its own. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canned-bus.h"
#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;
static struct canned_bus bus;

static void in_a_process(void (*use)(void))
{
    pid_t child = children_start();
    size_t fds;

    if (child > 0) {
        children_expect_end(child);
        return;
    }
    close(STDIN_FILENO);
    fds = fake_count_fds();
    use();
    _exit(fake_count_fds() == fds && fcntl(STDIN_FILENO, F_GETFD) < 0 ? 0 : 3);
}

static bool is_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

static void use_the_socket(void)
{
    struct fake_link link;

    if (fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link) != TSS2_RC_SUCCESS
        || children_fd(&link) != STDIN_FILENO)
        _exit(1);
    fake_link_close(&link);
}

static void be_refused_at_the_socket(void)
{
    struct fake_link link;

    if (fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, TSS2_TCTI_RC_NOT_PERMITTED, &link)
        != TSS2_TCTI_RC_NOT_PERMITTED)
        _exit(1);
}

static void *agree_twice(void *data)
{
    const struct canned_link *connected = data;

    return canned_bus_agree(connected->bus, NULL) && canned_bus_agree(connected->bus, NULL) ? data
                                                                                            : NULL;
}

static void use_the_bus(void)
{
    struct canned_link connected;
    pthread_t thread;
    void *agreed = NULL;

    if (!canned_bus_try_connect(&bus, Tss2_Tcti_Tabrmd_Init, &connected) || !is_socket(STDIN_FILENO)
        || children_fd(&connected.link) == STDIN_FILENO)
        _exit(1);
    /* Each call finds that the one before it was over. */
    if (pthread_create(&thread, NULL, agree_twice, &connected) != 0
        || Tss2_Tcti_SetLocality(connected.link.tcti, 1) != TSS2_RC_SUCCESS
        || Tss2_Tcti_SetLocality(connected.link.tcti, 1) != TSS2_RC_SUCCESS)
        _exit(2);
    pthread_join(thread, &agreed);
    if (agreed == NULL)
        _exit(4);
    fake_link_close(&connected.link);
    close(connected.bus);
}

static void test_R45_the_socket_is_descriptor_0(void **state)
{
    (void)state;
    in_a_process(use_the_socket);
}

static void test_R45_a_refusal_leaves_no_descriptor_0(void **state)
{
    (void)state;
    in_a_process(be_refused_at_the_socket);
}

static void test_R45_the_bus_is_descriptor_0(void **state)
{
    (void)state;
    in_a_process(use_the_bus);
}

/* A bus that takes connections and says nothing good. */
static void be_refused_by_the_bus(void)
{
    char address[80];
    size_t size = 0;
    void *context;

    snprintf(address, sizeof(address), "unix:path=%s", daemon_.path);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL);
    context = calloc(1, size);
    if (Tss2_Tcti_Tabrmd_Init(context, &size, "bus_type=system") != TSS2_TCTI_RC_NO_CONNECTION)
        _exit(1);
    free(context);
}

static void test_R45_a_bus_without_an_answer_leaves_no_descriptor_0(void **state)
{
    (void)state;
    in_a_process(be_refused_by_the_bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R45_the_socket_is_descriptor_0),
        cmocka_unit_test(test_R45_a_refusal_leaves_no_descriptor_0),
        cmocka_unit_test(test_R45_the_bus_is_descriptor_0),
        cmocka_unit_test(test_R45_a_bus_without_an_answer_leaves_no_descriptor_0),
    };
    int failed;

    fake_daemon_start(&daemon_);
    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client descriptor 0", tests, NULL, NULL);
    canned_bus_stop(&bus);
    fake_daemon_stop(&daemon_);
    return failed;
}
