/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-frontend.h"

#include "base/log.h"
#include "bus/names.h"
#include "manager-dbus.h"

#include <unistd.h>

/* What counts of connections, and of commands, are rounded down to for those who need not know. */
#define MANAGER_CONNECTIONS 10
#define MANAGER_COMMANDS    1000

struct manager_frontend {
    struct engine *engine;
    const struct bus *bus;
    ManagerManager1 *skeleton;
};

static gboolean manager_handle_status(ManagerManager1 *skeleton, GDBusMethodInvocation *invocation,
                                      gpointer data)
{
    struct manager_frontend *frontend = data;

    (void)skeleton;
    if (engine_query(frontend->engine, invocation))
        g_dbus_method_invocation_return_dbus_error(
            invocation, NAMES_ERROR_INTERNAL, "tabrmd has too many requests waiting: try again");
    return TRUE;
}

static guint64 manager_round(guint64 count, guint64 step)
{
    return count - count % step;
}

/* What the caller may know of the status. */
static struct engine_status manager_view(const struct manager_frontend *frontend,
                                         GDBusMethodInvocation *invocation,
                                         const struct engine_status *status)
{
    struct engine_status view = *status;
    uint32_t uid;

    if (bus_caller(frontend->bus, invocation, &uid, NULL) && (uid == 0 || uid == geteuid()))
        return view;
    view.clients = (uint32_t)manager_round(view.clients, MANAGER_CONNECTIONS);
    view.stats.client_commands = manager_round(view.stats.client_commands, MANAGER_COMMANDS);
    view.stats.chip_commands = manager_round(view.stats.chip_commands, MANAGER_COMMANDS);
    view.stats.context_commands = manager_round(view.stats.context_commands, MANAGER_COMMANDS);
    return view;
}

void manager_frontend_answered(const struct manager_frontend *frontend,
                               GDBusMethodInvocation *invocation,
                               const struct engine_answer *answer)
{
    const struct engine_status view = manager_view(frontend, invocation, &answer->status);
    const struct engine_status *status = &view;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&builder, "{sv}", "Connections", g_variant_new_uint32(status->clients));
    g_variant_builder_add(&builder, "{sv}", "TpmPresent",
                          g_variant_new_boolean(status->tpm_present));
    g_variant_builder_add(&builder, "{sv}", "ClientCommands",
                          g_variant_new_uint64(status->stats.client_commands));
    g_variant_builder_add(&builder, "{sv}", "ChipCommands",
                          g_variant_new_uint64(status->stats.chip_commands));
    g_variant_builder_add(&builder, "{sv}", "ContextCommands",
                          g_variant_new_uint64(status->stats.context_commands));
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(a{sv})", &builder));
}

struct manager_frontend *manager_frontend_new(struct engine *engine, const struct bus *bus,
                                              const char *version)
{
    struct manager_frontend *frontend = g_new0(struct manager_frontend, 1);

    frontend->engine = engine;
    frontend->bus = bus;
    frontend->skeleton = manager_manager1_skeleton_new();
    manager_manager1_set_version(frontend->skeleton, version);
    g_signal_connect(frontend->skeleton, "handle-get-status", G_CALLBACK(manager_handle_status),
                     frontend);
    return frontend;
}

static void manager_unexport(struct manager_frontend *frontend)
{
    GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON(frontend->skeleton);

    if (g_dbus_interface_skeleton_get_connection(skeleton))
        g_dbus_interface_skeleton_unexport(skeleton);
}

void manager_frontend_free(struct manager_frontend *frontend)
{
    if (!frontend)
        return;
    manager_unexport(frontend);
    g_object_unref(frontend->skeleton);
    g_free(frontend);
}

void manager_frontend_export(struct manager_frontend *frontend, GDBusConnection *connection)
{
    g_autoptr(GError) error = NULL;

    manager_unexport(frontend);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(frontend->skeleton), connection,
                                          NAMES_MANAGER_PATH, &error))
        log_error("cannot put %s on the bus: %s", NAMES_MANAGER_PATH, error->message);
}
