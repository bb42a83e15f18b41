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

static int sockets_make_clients(struct sockets *sockets, const struct options *options, char **text)
{
    char said[LISTENER_TEXT];
    enum listener_fault fault;

    sockets->clients = listener_new(sockets->path, options->socket_group, &fault, said);
    if (sockets->clients)
        return EX_OK;
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

/* The clients' socket; without one there is nothing to be done. */
static int sockets_open_clients(struct sockets *sockets, const struct options *options,
                                const char *directory, char **text)
{
    int fd = service_listen_socket();

    if (options->no_socket) {
        if (fd >= 0)
            close(fd);
        return EX_OK;
    }
    if (fd >= 0) {
        log_info("serving on the socket of the service manager");
        sockets->clients = listener_adopt(fd);
        if (!sockets->clients)
            *text = g_strdup("no memory for the socket of the service manager");
        return sockets->clients ? EX_OK : EX_OSERR;
    }
    if (options->socket)
        sockets->path = g_strdup(options->socket);
    else if (directory)
        sockets->path = g_build_filename(directory, SOCKETS_CLIENTS, NULL);
    if (sockets->path)
        return sockets_make_clients(sockets, options, text);
    if (!options->no_bus)
        return EX_OK;
    *text = g_strdup("--no-dbus leaves clients no way in: give --socket=PATH too");
    return EX_USAGE;
}

int sockets_open(struct sockets *sockets, const struct options *options, char **text)
{
    g_autofree char *directory = service_directory();
    int status = sockets_open_clients(sockets, options, directory, text);

    if (status == EX_OK)
        sockets_make_manager(sockets, options, directory);
    return status;
}

void sockets_close(struct sockets *sockets)
{
    listener_free(sockets->clients);
    listener_free(sockets->manager);
    g_free(sockets->path);
}
