/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way of failing over D-Bus, and what is said of it. */
#include <gio/gunixfdlist.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connect-dbus.h"
#include "fake-bus.h"
#include "silence.h"
#include "wire/header.h"

#define BUS "bus_type=session,bus_name=" FAKE_BUS_NAME

static struct fake_bus bus;

static TSS2_RC try_init(const char *conf)
{
    return silence_init(bus.init, conf);
}

/* With the session bus at `address`, or nowhere to be found. */
static TSS2_RC with_bus_at(const char *address)
{
    char *runtime = g_strdup(getenv("XDG_RUNTIME_DIR"));
    TSS2_RC rc;

    unsetenv("XDG_RUNTIME_DIR");
    if (address != NULL)
        setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
    else
        unsetenv("DBUS_SESSION_BUS_ADDRESS");
    rc = try_init(BUS);
    setenv("DBUS_SESSION_BUS_ADDRESS", bus.address, 1);
    if (runtime != NULL)
        setenv("XDG_RUNTIME_DIR", runtime, 1);
    g_free(runtime);
    return rc;
}

static TSS2_RC no_bus(void)
{
    return with_bus_at("unix:path=/nowhere/bus");
}

static TSS2_RC no_bus_address(void)
{
    return with_bus_at(NULL);
}

static TSS2_RC odd_bus_address(void)
{
    return with_bus_at("tcp:host=localhost,port=1");
}

static TSS2_RC nobody_on_the_bus(void)
{
    return try_init("bus_type=session,bus_name=org.example.Nobody");
}

static TSS2_RC daemon_that_the_bus_cannot_start(void)
{
    return try_init("bus_type=session,bus_name=" FAKE_BUS_ACTIVATABLE);
}

/* CreateConnection answered as given. */
static TSS2_RC bus_says(enum fake_bus_reply reply, const char *error)
{
    TSS2_RC rc;

    fake_bus_answer(&bus, reply, error, 0);
    rc = try_init(BUS);
    close(fake_bus_take_server(&bus));
    return rc;
}

static TSS2_RC refused_over_the_bus(void)
{
    return bus_says(FAKE_BUS_ERROR, "com.intel.tss2.Tabrmd.Error.NotPermitted");
}

static TSS2_RC no_descriptor_over_the_bus(void)
{
    return bus_says(FAKE_BUS_NO_FD, NULL);
}

static TSS2_RC odd_reply_over_the_bus(void)
{
    return bus_says(FAKE_BUS_WRONG_TYPE, NULL);
}

static TSS2_RC stopped_daemon_on_the_bus(void)
{
    return bus_says(FAKE_BUS_SILENT, NULL);
}

/* Cancel and SetLocality refused, with a command outstanding and without. */
static TSS2_RC asked_over_the_bus(bool cancel)
{
    static const uint8_t command[HEADER_SIZE] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x7B};
    TSS2_TCTI_CONTEXT *context;
    size_t size = 0;
    TSS2_RC rc;

    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(bus.init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    context = calloc(1, size);
    assert_non_null(context);
    assert_int_equal(bus.init(context, &size, BUS), TSS2_RC_SUCCESS);
    fake_bus_answer(&bus, FAKE_BUS_ERROR, "com.intel.tss2.Tabrmd.Error.NotImplemented", 0);
    if (cancel)
        assert_int_equal(Tss2_Tcti_Transmit(context, sizeof(command), command), TSS2_RC_SUCCESS);
    rc = cancel ? Tss2_Tcti_Cancel(context) : Tss2_Tcti_SetLocality(context, 1);
    Tss2_Tcti_Finalize(context);
    free(context);
    close(fake_bus_take_server(&bus));
    return rc;
}

static TSS2_RC cancel_refused_over_the_bus(void)
{
    return asked_over_the_bus(true);
}

static TSS2_RC locality_refused_over_the_bus(void)
{
    return asked_over_the_bus(false);
}

/* A reply to call `serial` whose sender is no name that a bus gives. */
static void nameless_reply(int fd, guint32 serial, GVariant *body, bool with_fd)
{
    GDBusMessage *reply = g_dbus_message_new();
    GUnixFDList *fds = g_unix_fd_list_new();
    struct iovec part;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    gsize size;
    guchar *blob, *sender;

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    g_dbus_message_set_message_type(reply, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
    g_dbus_message_set_serial(reply, serial);
    g_dbus_message_set_reply_serial(reply, serial);
    g_dbus_message_set_sender(reply, ":1.2");
    g_dbus_message_set_body(reply, body);
    if (with_fd) {
        g_unix_fd_list_append(fds, fd, NULL);
        g_dbus_message_set_unix_fd_list(reply, fds);
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    blob = g_dbus_message_to_blob(reply, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    if (blob != NULL) {
        sender = memmem(blob, size, ":1.2", 4);
        if (sender != NULL)
            memcpy(sender, "a  b", 4);
        part = (struct iovec){blob, size};
        sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    g_free(blob);
    g_object_unref(fds);
    g_object_unref(reply);
}

static void *nameless_run(void *data)
{
    static const char welcome[] = "DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n";
    int fd = accept4(*(int *)data, NULL, NULL, SOCK_CLOEXEC);
    char said[512];

    if (fd < 0)
        return NULL;
    /* The client says its lines, the last of them with Hello, and CreateConnection, each in one
     * piece after the answer to the one before. */
    recv(fd, said, sizeof(said), 0);
    send(fd, welcome, sizeof(welcome) - 1, MSG_NOSIGNAL);
    recv(fd, said, sizeof(said), 0);
    nameless_reply(fd, 1, g_variant_new("(s)", ":1.1"), false);
    recv(fd, said, sizeof(said), 0);
    nameless_reply(fd, 2, g_variant_new("(t)", FAKE_BUS_ID), true);
    close(fd);
    return NULL;
}

static TSS2_RC nameless_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *name;
    pthread_t thread;
    TSS2_RC rc;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/odd", bus.directory);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, nameless_run, &listener), 0);
    name = g_strdup_printf("unix:path=%s", address.sun_path);
    rc = with_bus_at(name);
    g_free(name);
    pthread_join(thread, NULL);
    close(listener);
    unlink(address.sun_path);
    return rc;
}

static const struct silence cases[] = {
    {"test_R67_told_nameless_daemon", nameless_daemon, MR, "nobody on the bus", NULL},
    {"test_R67_told_no_bus", no_bus, NC, "/nowhere/bus", NULL},
    {"test_R67_told_no_bus_address", no_bus_address, NC, "XDG_RUNTIME_DIR", NULL},
    {"test_R67_told_odd_bus_address", odd_bus_address, NC, "tcp:host=localhost", NULL},
    {"test_R67_told_nobody_on_the_bus", nobody_on_the_bus, NC, "org.example.Nobody", NULL},
    {"test_R67_told_bus_cannot_start_it", daemon_that_the_bus_cannot_start, NC, "Spawn", NULL},
    {"test_R67_told_refused_over_the_bus", refused_over_the_bus, NP, "NotPermitted: as the test",
     NULL},
    {"test_R67_told_no_descriptor_over_bus", no_descriptor_over_the_bus, MR, "instead of one",
     NULL},
    {"test_R67_told_odd_reply_over_the_bus", odd_reply_over_the_bus, MR, "another type", NULL},
    {"test_R67_told_stopped_on_the_bus", stopped_daemon_on_the_bus, NC, "no answer in time", NULL},
    {"test_R67_told_cancel_refused_over_bus", cancel_refused_over_the_bus, NI, "did not cancel",
     ""},
    {"test_R67_told_locality_refused_over_bus", locality_refused_over_the_bus, NI,
     "locality 1: com.", ""},
};

static int start(void **state)
{
    (void)state;
    fake_bus_start(&bus);
    return 0;
}

static int stop_bus(void **state)
{
    (void)state;
    fake_bus_stop(&bus);
    return 0;
}

int main(void)
{
    return silence_run("client silence over D-Bus", cases, sizeof(cases) / sizeof(cases[0]), start,
                       stop_bus);
}
