/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge-listen.h"

#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define BRIDGE_LISTEN_BACKLOG 32
/* Pairs of ports that are tried where any will do. */
#define BRIDGE_LISTEN_TRIES 64

void bridge_listen_init(struct bridge_listen *listen, uint16_t port)
{
    *listen = (struct bridge_listen){.host = "127.0.0.1", .port = port, .fds = {-1, -1}};
}

static bool bridge_listen_loopback(struct bridge_listen *listen, const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    listen->v6 = inet_pton(AF_INET6, host, &v6) == 1;
    g_strlcpy(listen->host, host, sizeof(listen->host));
    if (listen->v6)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

bool bridge_listen_at(struct bridge_listen *listen, const char *text)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = NULL;
    guint64 port;

    if (!colon || colon == text
        || !g_ascii_string_to_unsigned(colon + 1, 10, 0, 65534, &port, NULL)) {
        message_error("--listen takes ADDRESS:PORT with a port up to 65534, such as 127.0.0.1:%d, "
                      "not \"%s\"",
                      BRIDGE_LISTEN_PORT, text);
        return false;
    }
    host = text[0] == '[' && colon[-1] == ']' ? g_strndup(text + 1, (gsize)(colon - text) - 2)
                                              : g_strndup(text, (gsize)(colon - text));
    bridge_listen_init(listen, (uint16_t)port);
    if (bridge_listen_loopback(listen, host))
        return true;
    message_error("--listen=%s is no address of this machine alone (127.0.0.1, [::1], localhost): "
                  "others could use the TPM with your rights; for another machine forward a port "
                  "with ssh -L",
                  text);
    return false;
}

bool bridge_listen_path(struct bridge_listen *listen, const char *path)
{
    bridge_listen_init(listen, 0);
    listen->host[0] = '\0';
    if (*path && g_strlcpy(listen->path, path, sizeof(listen->path)) < sizeof(listen->path))
        return true;
    message_error("--unix takes the path of a socket, of %d bytes at most", BRIDGE_LISTEN_PATH - 1);
    return false;
}

/* A listening socket on the address, or a negative errno. */
static int bridge_listen_bound(int domain, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error;

    if (fd < 0)
        return -errno;
    if (domain != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, address, size) == 0 && listen(fd, BRIDGE_LISTEN_BACKLOG) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

static int bridge_listen_tcp(const struct bridge_listen *listen, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (listen->v6) {
        inet_pton(AF_INET6, listen->host, &v6.sin6_addr);
        return bridge_listen_bound(AF_INET6, (struct sockaddr *)&v6, sizeof(v6));
    }
    inet_pton(AF_INET, listen->host, &v4.sin_addr);
    return bridge_listen_bound(AF_INET, (struct sockaddr *)&v4, sizeof(v4));
}

static uint16_t bridge_listen_port(int fd)
{
    struct sockaddr_in6 address = {0};
    socklen_t size = sizeof(address);

    /* The port is at the same place in both kinds of address. */
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin6_port);
}

/* 0, or a negative errno. */
static int bridge_listen_ports(struct bridge_listen *listen, bool two)
{
    uint16_t port;

    listen->fds[0] = bridge_listen_tcp(listen, listen->port);
    if (listen->fds[0] < 0)
        return listen->fds[0];
    port = bridge_listen_port(listen->fds[0]);
    if (two) {
        listen->fds[1] =
            port == UINT16_MAX ? -EADDRINUSE : bridge_listen_tcp(listen, (uint16_t)(port + 1));
        if (listen->fds[1] < 0) {
            close(listen->fds[0]);
            listen->fds[0] = -1;
            return listen->fds[1];
        }
    }
    listen->port = port;
    return 0;
}

/* True when a socket is there on which nobody listens. */
static bool bridge_listen_stale(const struct sockaddr_un *address)
{
    struct stat status;
    int fd;
    bool refused;

    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0
              && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

/* A socket with this path, or a negative errno. */
static int bridge_listen_unix(const char *path, const char *suffix)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask = umask(0177);
    int fd;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, suffix);
    fd = bridge_listen_bound(AF_UNIX, (struct sockaddr *)&address, sizeof(address));
    if (fd == -EADDRINUSE && bridge_listen_stale(&address)) {
        unlink(address.sun_path);
        fd = bridge_listen_bound(AF_UNIX, (struct sockaddr *)&address, sizeof(address));
    }
    umask(mask);
    return fd;
}

static int bridge_listen_paths(struct bridge_listen *listen, bool two)
{
    listen->fds[0] = bridge_listen_unix(listen->path, "");
    if (listen->fds[0] >= 0 && two)
        listen->fds[1] = bridge_listen_unix(listen->path, BRIDGE_LISTEN_CONTROL);
    if (listen->fds[0] < 0)
        return listen->fds[0];
    return two && listen->fds[1] < 0 ? listen->fds[1] : 0;
}

int bridge_listen_open(struct bridge_listen *listen, bool two)
{
    bool any = !listen->path[0] && listen->port == 0;
    int error, tries = any ? BRIDGE_LISTEN_TRIES : 1;

    do
        error =
            listen->path[0] ? bridge_listen_paths(listen, two) : bridge_listen_ports(listen, two);
    while (error == -EADDRINUSE && --tries > 0);
    if (error == 0)
        return EX_OK;
    if (listen->path[0])
        message_error("cannot listen on %s%s: %s; name another path", listen->path,
                      two ? " and " BRIDGE_LISTEN_CONTROL : "", strerror(-error));
    else
        message_error(
            "cannot listen on port %u of %s%s: %s; name another port, or 0 for a free one",
            listen->port, listen->host, two ? ", or the one next to it" : "", strerror(-error));
    bridge_listen_close(listen);
    return EX_CANTCREAT;
}

void bridge_listen_close(struct bridge_listen *listen)
{
    static const char *const suffixes[] = {"", BRIDGE_LISTEN_CONTROL};

    for (unsigned i = 0; i < 2; i++) {
        if (listen->fds[i] < 0)
            continue;
        close(listen->fds[i]);
        listen->fds[i] = -1;
        if (listen->path[0]) {
            g_autofree char *path = g_strconcat(listen->path, suffixes[i], NULL);

            unlink(path);
        }
    }
}
