/* SPDX-License-Identifier: BSD-2-Clause */
#include "raw-client.h"

#include "swtpm-ctrl.h"
#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define TIMEOUT_MS  60000
#define BUS_NAME    "com.intel.tss2.Tabrmd"
#define OBJECT_PATH "/com/intel/tss2/Tabrmd/Tcti"
#define INTERFACE   "com.intel.tss2.TctiTabrmd"

/* Takes the one descriptor that is attached to the reply. */
static int take_descriptor(GUnixFDList *list)
{
    int fd = -1;

    if (list && g_unix_fd_list_get_length(list) == 1)
        fd = g_unix_fd_list_get(list, 0, NULL);
    return fd;
}

struct raw_client *raw_client_new(struct world *world)
{
    struct raw_client *raw = g_new0(struct raw_client, 1);
    GUnixFDList *list = NULL;
    GVariant *reply = NULL;
    GError *error = NULL;

    raw->fd = -1;
    raw->bus =
        g_dbus_connection_new_for_address_sync(world->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    if (raw->bus)
        reply = g_dbus_connection_call_with_unix_fd_list_sync(
            raw->bus, BUS_NAME, OBJECT_PATH, INTERFACE, "CreateConnection", NULL,
            G_VARIANT_TYPE("(t)"), G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS, NULL, &list, NULL, &error);
    if (reply) {
        g_variant_get(reply, "(t)", &raw->id);
        g_variant_unref(reply);
        raw->fd = take_descriptor(list);
    }
    g_clear_object(&list);
    if (raw->fd < 0) {
        fprintf(stderr, "raw client: %s\n", error ? error->message : "not one descriptor came");
        g_clear_error(&error);
        raw_client_free(raw);
        return NULL;
    }
    fcntl(raw->fd, F_SETFL, fcntl(raw->fd, F_GETFL) | O_NONBLOCK);
    return raw;
}

struct raw_client *raw_client_connect(const char *socket)
{
    struct raw_client *raw = g_new0(struct raw_client, 1);

    raw->fd = swtpm_connect(socket);
    if (raw->fd >= 0) {
        fcntl(raw->fd, F_SETFL, fcntl(raw->fd, F_GETFL) | O_NONBLOCK);
        return raw;
    }
    g_free(raw);
    return NULL;
}

void raw_client_free(struct raw_client *raw)
{
    if (!raw)
        return;
    if (raw->fd >= 0)
        close(raw->fd);
    if (raw->bus) {
        g_dbus_connection_close_sync(raw->bus, NULL, NULL);
        g_object_unref(raw->bus);
    }
    g_free(raw);
}

static bool wait_for(struct raw_client *raw, short events)
{
    struct pollfd pollfd = {.fd = raw->fd, .events = events};
    int ready;

    do
        ready = poll(&pollfd, 1, TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool raw_client_send(struct raw_client *raw, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        ssize_t wrote = send(raw->fd, at, size, MSG_NOSIGNAL);

        if (wrote < 0 && errno == EAGAIN && wait_for(raw, POLLOUT))
            continue;
        if (wrote < 0)
            return false;
        at += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

/* Reads exactly `size` bytes: 1, at the end of the connection 0, else -1. */
static int receive_bytes(struct raw_client *raw, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(raw->fd, bytes, size, 0);

        if (got < 0 && errno == EAGAIN && wait_for(raw, POLLIN))
            continue;
        if (got <= 0)
            return got == 0 || errno == ECONNRESET ? 0 : -1;
        bytes += got;
        size -= (size_t)got;
    }
    return 1;
}

ssize_t raw_client_receive(struct raw_client *raw, uint8_t *response, size_t capacity)
{
    size_t size;
    int got = receive_bytes(raw, response, HEADER_SIZE);

    if (got <= 0)
        return got;
    size = header_load(response).size;
    if (size < HEADER_SIZE || size > capacity)
        return -1;
    got = receive_bytes(raw, response + HEADER_SIZE, size - HEADER_SIZE);
    return got <= 0 ? got : (ssize_t)size;
}

uint32_t raw_client_transact(struct raw_client *raw, const uint8_t *command, size_t size)
{
    uint8_t response[8192];

    if (!raw_client_send(raw, command, size)
        || raw_client_receive(raw, response, sizeof(response)) <= 0)
        return UINT32_MAX;
    return header_load(response).code;
}

uint32_t raw_client_send_handle(struct raw_client *raw, uint32_t code, uint32_t handle)
{
    uint8_t command[HEADER_SIZE + 4];

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), code);
    store_be32(command + HEADER_SIZE, handle);
    return raw_client_transact(raw, command, sizeof(command));
}

uint32_t raw_client_start_session(struct raw_client *raw, uint32_t *handle)
{
    uint8_t command[43] = {0}, response[4096];

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_StartAuthSession);
    store_be32(command + 10, TPM2_RH_NULL);
    store_be32(command + 14, TPM2_RH_NULL);
    store_be16(command + 18, 16);
    command[38] = TPM2_SE_POLICY;
    store_be16(command + 39, TPM2_ALG_NULL);
    store_be16(command + 41, TPM2_ALG_SHA256);
    if (!raw_client_send(raw, command, sizeof(command))
        || raw_client_receive(raw, response, sizeof(response)) < HEADER_SIZE)
        return UINT32_MAX;
    *handle = load_be32(response + HEADER_SIZE);
    return header_load(response).code;
}

bool raw_client_closed(struct raw_client *raw)
{
    uint8_t byte;
    int got;

    do
        got = receive_bytes(raw, &byte, 1);
    while (got > 0);
    return got == 0;
}

bool raw_client_call(struct raw_client *raw, const char *method, GVariant *arguments, uint32_t *rc,
                     char **error)
{
    GError *failure = NULL;
    GVariant *reply = g_dbus_connection_call_sync(
        raw->bus, BUS_NAME, OBJECT_PATH, INTERFACE, method, arguments, G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS, NULL, &failure);

    *error = NULL;
    if (!reply) {
        *error = g_dbus_error_get_remote_error(failure);
        if (!*error)
            *error = g_strdup(failure->message);
        g_error_free(failure);
        return false;
    }
    g_variant_get(reply, "(u)", rc);
    g_variant_unref(reply);
    return true;
}
