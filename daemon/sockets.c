/* SPDX-License-Identifier: BSD-2-Clause */
#include "sockets.h"

#include "base/log.h"
#include "exit-status.h"
#include "service.h"

#include <sysexits.h>
#include <unistd.h>

/* The sockets' names in the service's own directory. */
#define SOCKETS_CLIENTS "tcti.sock"
#define SOCKETS_MANAGER "manager.sock"

/* Drops a socket that a former daemon made where this one is not told to have it; its file too. */
static void sockets_drop_own(struct passed *passed, struct keeper *keeper)
{
    if (passed->own < 0)
        return;
    if (keeper)
        keeper_remove(keeper, KEEPER_LISTENER);
    listener_free(listener_take_up(passed->own, NULL, NULL));
    passed->own = -1;
}

/* Newcomers have waited in the queue of a former daemon's socket. */
static bool sockets_take_up(struct sockets *sockets, const struct options *options,
                            struct passed *passed, struct keeper *keeper)
{
    int fd = passed->own;

    if (fd < 0)
        return false;
    passed->own = -1;
    sockets->clients = listener_take_up(fd, sockets->path, options->socket_group);
    if (!sockets->clients && keeper)
        keeper_remove(keeper, KEEPER_LISTENER);
    return sockets->clients;
}

static int sockets_make_clients(struct sockets *sockets, const struct options *options,
                                struct passed *passed, struct keeper *keeper, char **text)
{
    char said[LISTENER_TEXT];
    enum listener_fault fault;

    if (sockets_take_up(sockets, options, passed, keeper))
        return EX_OK;
    sockets->clients = listener_new(sockets->path, options->socket_group, &fault, said);
    if (sockets->clients) {
        if (keeper)
            (void)keeper_store(keeper, KEEPER_LISTENER, listener_fd(sockets->clients));
        return EX_OK;
    }
    if (options->socket || options->no_bus) {
        *text = g_strdup(said);
        return exit_status_listener(fault);
    }
    log_warning("%s; serving on the bus only", said);
    g_clear_pointer(&sockets->path, g_free);
    return EX_OK;
}

/* The manager interface can be missed where the clients' socket cannot. */
static void sockets_make_manager(struct sockets *sockets, const struct options *options,
                                 const char *directory)
{
    g_autofree char *beside = sockets->path ? g_path_get_dirname(sockets->path) : NULL;
    g_autofree char *path = NULL;
    char said[LISTENER_TEXT];
    enum listener_fault fault;

    if (!sockets->clients || (!beside && !directory))
        return;
    path = g_build_filename(beside ? beside : directory, SOCKETS_MANAGER, NULL);
    sockets->manager = listener_new(path, options->socket_group, &fault, said);
    if (!sockets->manager)
        log_warning("%s; tabrmctl finds this daemon by the bus only", said);
}

/* The clients' socket is the one that the service manager made. */
static int sockets_adopt_clients(struct sockets *sockets, struct passed *passed, char **text)
{
    int fd = passed->listening;

    passed->listening = -1;
    log_info("serving on the socket of the service manager");
    sockets->clients = listener_adopt(fd);
    if (!sockets->clients)
        *text = g_strdup("no memory for the socket of the service manager");
    return sockets->clients ? EX_OK : EX_OSERR;
}

/* The clients' socket; without one there is nothing to be done. */
static int sockets_open_clients(struct sockets *sockets, const struct options *options,
                                struct passed *passed, struct keeper *keeper, char **text)
{
    g_autofree char *directory = service_directory();

    if (options->no_socket)
        return EX_OK;
    if (passed->listening >= 0)
        return sockets_adopt_clients(sockets, passed, text);
    if (options->socket)
        sockets->path = g_strdup(options->socket);
    else if (directory)
        sockets->path = g_build_filename(directory, SOCKETS_CLIENTS, NULL);
    if (sockets->path)
        return sockets_make_clients(sockets, options, passed, keeper, text);
    if (!options->no_bus)
        return EX_OK;
    *text = g_strdup("--no-dbus leaves clients no way in: give --socket=PATH too");
    return EX_USAGE;
}

int sockets_open(struct sockets *sockets, const struct options *options, struct passed *passed,
                 struct keeper *keeper, char **text)
{
    g_autofree char *directory = service_directory();
    int status = sockets_open_clients(sockets, options, passed, keeper, text);

    sockets_drop_own(passed, keeper);
    if (passed->listening >= 0)
        close(passed->listening);
    passed->listening = -1;
    if (status == EX_OK)
        sockets_make_manager(sockets, options, directory);
    return status;
}

void sockets_close(struct sockets *sockets, bool leave)
{
    if (leave)
        listener_leave(sockets->clients);
    listener_free(sockets->clients);
    listener_free(sockets->manager);
    g_free(sockets->path);
}
