/* SPDX-License-Identifier: BSD-2-Clause */
#include "manager-error.h"

#include "manager-names.h"
#include "message.h"
#include "subcommand.h"
#include "wire/tpm-name.h"
#include "words.h"

#include <string.h>
#include <sysexits.h>

#define ERROR_COLUMNS 400

/* What starts a unit. */
#define ERROR_START \
    "`sudo systemctl start %s` starts it, and `tabrmctl doctor` says what keeps it from running"

/* The daemon's unit. */
static char *error_unit(const struct manager_client *client)
{
    const char *name = client->place.name;

    if (name && g_str_has_prefix(name, TPM_NAME_BUS "."))
        return g_strdup_printf("tabrmd@%s", name + strlen(TPM_NAME_BUS "."));
    return g_strdup("tabrmd");
}

/* "no SOCKET, and nobody is NAME on the system bus", as far as they were asked. */
static char *error_places(const struct manager_client *client, const GError *by_socket)
{
    const char *bus = client->place.session ? "session" : "system";
    g_autofree char *socket = NULL;

    if (client->place.socket)
        socket = g_strdup_printf("%s: %s", client->place.socket,
                                 by_socket ? by_socket->message : "not asked");
    if (!client->place.name)
        return g_steal_pointer(&socket);
    return g_strdup_printf("%s%snobody is %s on the %s bus", socket ? socket : "",
                           socket ? "; and " : "", client->place.name, bus);
}

static bool error_is_of_rights(const GError *error)
{
    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)
           || manager_error_denied(error);
}

int manager_error_say_absent(const struct manager_client *client, const GError *by_socket,
                             const GError *by_bus)
{
    g_autofree char *unit = error_unit(client), *places = NULL;

    if (error_is_of_rights(by_socket) && (by_bus || !client->place.name)) {
        message_error("%s is not open to this user: root and members of its group may use it; "
                      "sudo, or `tabrmctl doctor`, which says who is",
                      client->place.socket);
        return EX_NOPERM;
    }
    if (by_bus) {
        message_error("tabrmd cannot be asked: %s%s%s%sthe %s bus: %s; " ERROR_START,
                      by_socket ? client->place.socket : "", by_socket ? ": " : "",
                      by_socket ? by_socket->message : "", by_socket ? "; " : "",
                      client->place.session ? "session" : "system", by_bus->message, unit);
        return EX_UNAVAILABLE;
    }
    places = error_places(client, by_socket);
    message_error("tabrmd does not run (%s): " ERROR_START, places, unit);
    return EX_UNAVAILABLE;
}

bool manager_error_denied(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)
           || g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED);
}

static bool error_is_of(const GError *error, const int *codes, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        if (g_error_matches(error, G_DBUS_ERROR, codes[i]))
            return true;
    }
    return false;
}

static bool error_is_absent(const GError *error)
{
    static const int codes[] = {G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER,
                                G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND};

    return error_is_of(error, codes, G_N_ELEMENTS(codes));
}

static bool error_is_of_end(const GError *error)
{
    static const int codes[] = {G_DBUS_ERROR_DISCONNECTED};

    return error_is_of(error, codes, G_N_ELEMENTS(codes))
           || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED)
           || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

bool manager_error_older(const GError *error)
{
    static const int codes[] = {G_DBUS_ERROR_UNKNOWN_METHOD, G_DBUS_ERROR_UNKNOWN_INTERFACE,
                                G_DBUS_ERROR_UNKNOWN_OBJECT, G_DBUS_ERROR_UNKNOWN_PROPERTY};

    return error_is_of(error, codes, G_N_ELEMENTS(codes));
}

static bool error_is_of_moment(const GError *error)
{
    static const int codes[] = {G_DBUS_ERROR_LIMITS_EXCEEDED, G_DBUS_ERROR_NO_REPLY,
                                G_DBUS_ERROR_TIMEOUT, G_DBUS_ERROR_TIMED_OUT,
                                G_DBUS_ERROR_NO_MEMORY};

    return error_is_of(error, codes, G_N_ELEMENTS(codes))
           || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

/* What the daemon said, without the name of the error, for a person's terminal. */
static char *error_text(const GError *error)
{
    g_autoptr(GError) copy = g_error_copy(error);

    g_dbus_error_strip_remote_error(copy);
    return words_escape(copy->message, ERROR_COLUMNS);
}

/* Those that have names of the interface's own. */
static int error_say_own(const struct manager_client *client, const char *what, const GError *error)
{
    g_autofree char *unit = error_unit(client);
    g_autofree char *name = g_dbus_error_get_remote_error(error), *text = error_text(error);

    if (g_strcmp0(name, MANAGER_NAMES_NO_CONNECTION) == 0) {
        message_error("%s: %s; `tabrmctl list` has those that there are", what, text);
        return STATUS_FINDINGS;
    }
    if (g_strcmp0(name, MANAGER_NAMES_NOT_NOW) == 0) {
        message_error("%s now: %s; `tabrmctl status` says how the TPM is", what, text);
        return EX_TEMPFAIL;
    }
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS)) {
        message_error("%s: %s", what, text);
        return EX_USAGE;
    }
    message_error("%s: %s; journalctl --unit=%s may say more", what, text, unit);
    return EX_PROTOCOL;
}

int manager_error_say(const struct manager_client *client, const char *what, const GError *error)
{
    g_autofree char *unit = error_unit(client), *text = error_text(error);

    if (error_is_absent(error)) {
        message_error("tabrmd does not run: nobody is %s on the %s bus%s%s; " ERROR_START,
                      client->place.name, client->place.session ? "session" : "system",
                      client->place.socket ? ", nor at " : "",
                      client->place.socket ? client->place.socket : "", unit);
        return EX_UNAVAILABLE;
    }
    if (error_is_of_end(error)) {
        message_error("%s: tabrmd has ended, or closed the connection (%s); " ERROR_START, what,
                      text, unit);
        return EX_UNAVAILABLE;
    }
    if (manager_error_denied(error)) {
        message_error("%s: %s; sudo does it as root", what, text);
        return EX_NOPERM;
    }
    if (manager_error_older(error)) {
        message_error("%s: the daemon is older than this tabrmctl, or is tpm2-abrmd (%s); `sudo "
                      "systemctl restart %s` starts the one that is installed",
                      what, text, unit);
        return EX_PROTOCOL;
    }
    if (error_is_of_moment(error)) {
        message_error("%s now: %s; try again, and see `tabrmctl doctor` if it stays", what, text);
        return EX_TEMPFAIL;
    }
    return error_say_own(client, what, error);
}

int manager_error_say_nonsense(const struct manager_client *client, const char *what,
                               const char *bad)
{
    g_autofree char *unit = error_unit(client);

    message_error("%s: its answer makes no sense (%s); `sudo systemctl restart %s` starts the "
                  "version that is installed",
                  what, bad, unit);
    return EX_PROTOCOL;
}
