/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus-attacker.h"

#include "swtpm-ctrl.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUS_NAME    "com.intel.tss2.Tabrmd"
#define OBJECT_PATH "/com/intel/tss2/Tabrmd/Tcti"
#define INTERFACE   "com.intel.tss2.TctiTabrmd"

#define TIMEOUT_MS   180000
#define HEAD_SIZE    16
#define BODY_SIZE_AT 4
#define SERIAL_AT    8
#define BATCH        32

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

static uint8_t *to_blob(GDBusMessage *message, size_t *size)
{
    uint8_t *blob;

    g_dbus_message_set_byte_order(message, G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN);
    g_dbus_message_set_serial(message, 1);
    blob = g_dbus_message_to_blob(message, size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    g_object_unref(message);
    return blob;
}

uint8_t *bus_attacker_call(const char *method, GVariant *body, GDBusMessageFlags flags,
                           size_t *size)
{
    GDBusMessage *message =
        g_dbus_message_new_method_call(BUS_NAME, OBJECT_PATH, INTERFACE, method);

    g_dbus_message_set_flags(message, flags);
    if (body)
        g_dbus_message_set_body(message, body);
    return to_blob(message, size);
}

uint8_t *bus_attacker_introspection(size_t *size)
{
    return to_blob(g_dbus_message_new_method_call(
                       BUS_NAME, OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Introspect"),
                   size);
}

uint8_t *bus_attacker_large_call(uint32_t count, size_t *size)
{
    static const uint8_t variant[4] = {1, 'y', 0, 7};
    size_t short_size;
    uint8_t *empty = bus_attacker_call("CreateConnection", g_variant_new_parsed("(@av [],)"),
                                       G_DBUS_MESSAGE_FLAGS_NONE, &short_size);
    uint8_t *call = g_malloc(short_size + sizeof(variant) * count);

    memcpy(call, empty, short_size);
    put_u32(call + BODY_SIZE_AT, 4 + (uint32_t)sizeof(variant) * count);
    put_u32(call + short_size - 4, (uint32_t)sizeof(variant) * count);
    for (uint32_t i = 0; i < count; i++)
        memcpy(call + short_size + sizeof(variant) * i, variant, sizeof(variant));
    *size = short_size + sizeof(variant) * count;
    g_free(empty);
    return call;
}

bool bus_attacker_send(int fd, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const uint8_t *)bytes + sent, size - sent, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

void bus_attacker_set_serial(uint8_t *call, uint32_t serial)
{
    put_u32(call + SERIAL_AT, serial);
}

static bool receive(int fd, uint8_t *bytes, size_t size)
{
    for (size_t got = 0; got < size;) {
        struct pollfd input = {.fd = fd, .events = POLLIN};
        ssize_t n = poll(&input, 1, TIMEOUT_MS) == 1 ? recv(fd, bytes + got, size - got, 0) : -1;

        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

/* A line of the authentication, which must begin like this. */
static bool receive_line(int fd, const char *beginning)
{
    char line[128] = "";

    for (size_t at = 0; at < sizeof(line) - 1; at++)
        if (!receive(fd, (uint8_t *)line + at, 1) || line[at] == '\n')
            break;
    return g_str_has_prefix(line, beginning);
}

static bool send_line(int fd, const char *line)
{
    return bus_attacker_send(fd, line, strlen(line));
}

/* The user as EXTERNAL wants it: the digits' codes in hexadecimal. */
static bool authenticate(int fd)
{
    char number[16], line[80] = "AUTH EXTERNAL ";
    size_t at = strlen(line);

    snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
    for (const char *digit = number; *digit; digit++, at += 2)
        snprintf(line + at, sizeof(line) - at, "%02x", (unsigned)*digit);
    snprintf(line + at, sizeof(line) - at, "\r\n");
    return bus_attacker_send(fd, "", 1) && send_line(fd, line) && receive_line(fd, "OK ")
           && send_line(fd, "NEGOTIATE_UNIX_FD\r\n") && receive_line(fd, "AGREE_UNIX_FD")
           && send_line(fd, "BEGIN\r\n");
}

static uint8_t *hello_call(size_t *size)
{
    return to_blob(g_dbus_message_new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                  "org.freedesktop.DBus", "Hello"),
                   size);
}

static int join(const char *path, const uint8_t *hello, size_t size)
{
    int fd = swtpm_connect(path);

    if (fd >= 0 && authenticate(fd) && bus_attacker_send(fd, hello, size))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int bus_attacker_join(const char *path)
{
    size_t size;
    uint8_t *hello = hello_call(&size);
    int fd = join(path, hello, size);

    g_free(hello);
    return fd;
}

int bus_attacker_connect(const struct world *world)
{
    char *path = world_path(world, "bus");
    int fd = bus_attacker_join(path);

    g_free(path);
    return fd;
}

GDBusMessage *bus_attacker_receive(int fd)
{
    uint8_t head[HEAD_SIZE], *blob;
    GDBusMessage *message = NULL;
    gssize size;

    if (!receive(fd, head, sizeof(head)))
        return NULL;
    size = g_dbus_message_bytes_needed(head, sizeof(head), NULL);
    if (size < HEAD_SIZE)
        return NULL;
    blob = g_malloc((size_t)size);
    memcpy(blob, head, sizeof(head));
    if (receive(fd, blob + sizeof(head), (size_t)size - sizeof(head)))
        message =
            g_dbus_message_new_from_blob(blob, (size_t)size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    g_free(blob);
    return message;
}

char *bus_attacker_refusal(int fd)
{
    char *name = NULL;

    for (;;) {
        GDBusMessage *message = bus_attacker_receive(fd);
        bool error = message && g_dbus_message_get_error_name(message);

        if (error)
            name = g_strdup(g_dbus_message_get_error_name(message));
        if (message)
            g_object_unref(message);
        if (error || !message)
            return name;
    }
}

static uint8_t *new_batch(const uint8_t *call, size_t size)
{
    uint8_t *batch = g_malloc(BATCH * size);

    for (unsigned i = 0; i < BATCH; i++)
        memcpy(batch + i * size, call, size);
    return batch;
}

static bool send_batch(int fd, uint8_t *batch, size_t size, uint32_t *serial)
{
    for (unsigned i = 0; i < BATCH; i++)
        put_u32(batch + i * size + SERIAL_AT, (*serial)++);
    return bus_attacker_send(fd, batch, BATCH * size);
}

bool bus_attacker_send_calls(int fd, const uint8_t *call, size_t size, unsigned count)
{
    uint8_t *batch = new_batch(call, size);
    uint32_t serial = 2;
    bool sent = true;

    for (unsigned i = 0; i < count && sent; i += BATCH)
        sent = send_batch(fd, batch, size, &serial);
    g_free(batch);
    return sent;
}

/* In the child, until the bus hangs up; memory was made before. */
static _Noreturn void flood(int fd, uint8_t *batch, size_t size)
{
    uint32_t serial = 2;

    while (send_batch(fd, batch, size, &serial))
        ;
    _exit(1);
}

pid_t bus_attacker_flood(const struct world *world, const char *user, const uint8_t *call,
                         size_t size)
{
    const struct passwd *entry = user ? getpwnam(user) : NULL;
    char *path = world_path(world, "bus");
    uint8_t *batch = new_batch(call, size), *hello;
    size_t hello_size;
    pid_t child = -1;
    int fd;

    hello = hello_call(&hello_size);
    if (!user || entry)
        child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (entry && (setgroups(0, NULL) || setgid(entry->pw_gid) || setuid(entry->pw_uid)))
            _exit(2);
        fd = join(path, hello, hello_size);
        if (fd < 0)
            _exit(3);
        flood(fd, batch, size);
    }
    g_free(hello);
    g_free(batch);
    g_free(path);
    return child;
}

bool bus_attacker_end(pid_t child)
{
    int status;

    if (child <= 0)
        return false;
    kill(child, SIGKILL);
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status)
           && WTERMSIG(status) == SIGKILL;
}
