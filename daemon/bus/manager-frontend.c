/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-frontend.h"

#include "base/account.h"
#include "base/log.h"
#include "bus/manager-peer.h"
#include "bus/manager-properties.h"
#include "bus/manager-rights.h"
#include "bus/manager-trace.h"
#include "bus/manager-variants.h"
#include "bus/names.h"

#include <string.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

/* What counts of connections, of commands, and of microseconds are rounded down to for those who
 * need not know. */
#define MANAGER_CONNECTIONS 10
#define MANAGER_COMMANDS    1000
#define MANAGER_TIME        1000000

/* The struct manager_caller at an invocation. */
#define MANAGER_CALLER "tabrmd-manager-caller"

#define MANAGER_ERROR_DENIED        "org.freedesktop.DBus.Error.AccessDenied"
#define MANAGER_ERROR_ARGS          "org.freedesktop.DBus.Error.InvalidArgs"
#define MANAGER_ERROR_LIMITS        "org.freedesktop.DBus.Error.LimitsExceeded"
#define MANAGER_ERROR_NO_CONNECTION MANAGER_FRONTEND_INTERFACE ".Error.NoSuchConnection"
#define MANAGER_ERROR_NOT_NOW       MANAGER_FRONTEND_INTERFACE ".Error.NotNow"

/* The last one. */
struct manager_trouble {
    char *kind, *text, *remedy; /* NULL: there was none */
    int64_t time;               /* microseconds since the epoch */
};

struct manager_frontend {
    struct engine *engine;
    const struct bus *bus;
    ManagerManager1 *skeleton;
    struct manager_trouble trouble;
    int64_t start_time; /* microseconds since the epoch */
    bool closed;
};

/* Methods that ask the engine for a snapshot. */
static const struct manager_question {
    const char *method;
    enum snapshot_kind kind;
    bool administrators; /* it is for them alone */
    GVariant *(*answer)(struct snapshot *snapshot, const struct manager_caller *caller);
} manager_questions[] = {
    {"ListConnections", SNAPSHOT_CONNECTIONS, false, manager_variants_connections},
    {"ListUsers", SNAPSHOT_USERS, false, manager_variants_users},
    {"GetStatistics", SNAPSHOT_STATISTICS, true, manager_variants_statistics},
    {"GetSlots", SNAPSHOT_SLOTS, false, manager_variants_slots},
    {"GetLockout", SNAPSHOT_LOCKOUT, false, manager_variants_lockout},
};

static const struct manager_question *manager_find_question(GDBusMethodInvocation *invocation)
{
    const char *method = g_dbus_method_invocation_get_method_name(invocation);

    for (size_t i = 0; i < G_N_ELEMENTS(manager_questions); i++) {
        if (strcmp(manager_questions[i].method, method) == 0)
            return &manager_questions[i];
    }
    return NULL;
}

static void manager_refuse(GDBusMethodInvocation *invocation, const char *error, const char *text)
{
    g_dbus_method_invocation_return_dbus_error(invocation, error, text);
}

/* Who makes the call; nobody when its connection is gone. */
static struct manager_caller manager_look_up(const struct manager_frontend *frontend,
                                             GDBusMethodInvocation *invocation)
{
    GDBusConnection *connection = g_dbus_method_invocation_get_connection(invocation);
    uint32_t uid;

    if (!manager_peer_user(connection, &uid)
        && !(frontend->bus && bus_caller(frontend->bus, invocation, &uid, NULL)))
        return manager_rights_of_nobody();
    return manager_rights_of(uid, engine_account(frontend->engine, uid), geteuid());
}

/* Who makes a call that the front end took. */
static const struct manager_caller *manager_caller_of(GDBusMethodInvocation *invocation)
{
    return g_object_get_data(G_OBJECT(invocation), MANAGER_CALLER);
}

/* It is for administrators, who the caller is none of. */
static void manager_deny(GDBusMethodInvocation *invocation, const struct manager_caller *caller)
{
    g_autofree char *text =
        g_strdup_printf("%s is for root and user %u, which tabrmd runs as: call it as one of "
                        "them, for example with sudo",
                        g_dbus_method_invocation_get_method_name(invocation), (unsigned)geteuid());

    log_event(LOG_EVENT_CALL_REFUSED, log_about_user(caller->account, caller->uid),
              "a call of user %u is refused: %s", caller->uid, text);
    manager_refuse(invocation, MANAGER_ERROR_DENIED, text);
}

/* True when the front end takes the call, from an administrator if it is for them; else it is
 * answered. The answer may come when there is no engine to ask any more. */
static bool manager_permits(const struct manager_frontend *frontend,
                            GDBusMethodInvocation *invocation, bool administrators)
{
    struct manager_caller caller;

    if (frontend->closed) {
        manager_refuse(invocation, MANAGER_ERROR_NOT_NOW, "tabrmd is ending");
        return false;
    }
    caller = manager_look_up(frontend, invocation);
    if (!administrators || caller.administrator) {
        g_object_set_data_full(G_OBJECT(invocation), MANAGER_CALLER,
                               g_memdup2(&caller, sizeof(caller)), g_free);
        return true;
    }
    manager_deny(invocation, &caller);
    return false;
}

static void manager_check_posted(GDBusMethodInvocation *invocation, int error)
{
    if (error)
        manager_refuse(invocation, MANAGER_ERROR_LIMITS,
                       error == -EAGAIN ? "tabrmd has too many requests waiting: try again"
                                        : "tabrmd is out of memory: try again later");
}

static gboolean manager_handle_status(ManagerManager1 *skeleton, GDBusMethodInvocation *invocation,
                                      gpointer data)
{
    struct manager_frontend *frontend = data;

    (void)skeleton;
    if (manager_permits(frontend, invocation, false))
        manager_check_posted(invocation, engine_query(frontend->engine, invocation));
    return TRUE;
}

static gboolean manager_handle_question(ManagerManager1 *skeleton,
                                        GDBusMethodInvocation *invocation, gpointer data)
{
    const struct manager_question *question = manager_find_question(invocation);
    struct manager_frontend *frontend = data;
    uint32_t account;

    (void)skeleton;
    if (!question)
        return FALSE; /* GDBus tells the caller that there is no such method */
    if (!manager_permits(frontend, invocation, question->administrators))
        return TRUE;
    account = manager_caller_of(invocation)->account;
    manager_check_posted(invocation,
                         engine_survey(frontend->engine, question->kind, account, invocation));
    return TRUE;
}

static gboolean manager_handle_disconnect(ManagerManager1 *skeleton,
                                          GDBusMethodInvocation *invocation, guint64 number,
                                          gpointer data)
{
    struct manager_frontend *frontend = data;

    (void)skeleton;
    if (manager_permits(frontend, invocation, true))
        manager_check_posted(invocation, engine_disconnect(frontend->engine, number, invocation));
    return TRUE;
}

static gboolean manager_handle_flush(ManagerManager1 *skeleton, GDBusMethodInvocation *invocation,
                                     gpointer data)
{
    struct manager_frontend *frontend = data;

    (void)skeleton;
    if (manager_permits(frontend, invocation, true))
        manager_check_posted(invocation, engine_flush_idle(frontend->engine, invocation));
    return TRUE;
}

static gboolean manager_handle_trace(ManagerManager1 *skeleton, GDBusMethodInvocation *invocation,
                                     guint uid, guint pid, gboolean failed_only, guint slow_ms,
                                     gboolean with_bytes, gpointer data)
{
    const struct trace_filter filter = {
        .uid = uid,
        .pid = pid,
        .failed_only = failed_only,
        .slow_ms = slow_ms,
        .with_bytes = with_bytes,
    };
    struct manager_frontend *frontend = data;
    const struct manager_caller *caller;

    (void)skeleton;
    if (!manager_permits(frontend, invocation, false))
        return TRUE;
    caller = manager_caller_of(invocation);
    if (manager_trace_permits(caller, &filter))
        manager_check_posted(invocation,
                             manager_trace_ask(frontend->engine, caller, &filter, invocation));
    else
        manager_deny(invocation, caller);
    return TRUE;
}

static gboolean manager_handle_log_level(ManagerManager1 *skeleton,
                                         GDBusMethodInvocation *invocation, const char *level,
                                         gpointer data)
{
    struct manager_frontend *frontend = data;

    if (!manager_permits(frontend, invocation, true))
        return TRUE;
    if (manager_properties_set_log_level(skeleton, level)) {
        log_info("the log's level is %s now, by order of a user", level);
        g_dbus_method_invocation_return_value(invocation, NULL);
    } else {
        manager_refuse(invocation, MANAGER_ERROR_ARGS,
                       "a level is \"error\", \"warning\", \"info\" or \"debug\"");
    }
    return TRUE;
}

static guint64 manager_round(guint64 count, guint64 step)
{
    return count - count % step;
}

/* What the caller may know of the status. */
static struct engine_status manager_view(const struct manager_caller *caller,
                                         const struct engine_status *status)
{
    struct engine_status view = *status;

    if (caller->administrator)
        return view;
    view.clients = (uint32_t)manager_round(view.clients, MANAGER_CONNECTIONS);
    view.stats.client_commands = manager_round(view.stats.client_commands, MANAGER_COMMANDS);
    view.stats.denied_commands = manager_round(view.stats.denied_commands, MANAGER_COMMANDS);
    view.stats.chip_commands = manager_round(view.stats.chip_commands, MANAGER_COMMANDS);
    view.stats.context_commands = manager_round(view.stats.context_commands, MANAGER_COMMANDS);
    view.chip_time = manager_round(view.chip_time, MANAGER_TIME);
    return view;
}

static void manager_add_trouble(GVariantBuilder *builder, const struct manager_trouble *trouble)
{
    if (!trouble->kind)
        return;
    manager_variants_add_text(builder, "TroubleKind", trouble->kind);
    manager_variants_add_text(builder, "TroubleText", trouble->text);
    manager_variants_add_text(builder, "TroubleRemedy", trouble->remedy);
    manager_variants_add_u64(builder, "TroubleTime", (uint64_t)trouble->time);
}

static GVariant *manager_status(const struct manager_frontend *frontend,
                                const struct manager_caller *caller,
                                const struct engine_status *whole)
{
    const struct engine_status status = manager_view(caller, whole);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    manager_variants_add_u32(&builder, "Connections", status.clients);
    manager_variants_add(&builder, "TpmPresent", g_variant_new_boolean(status.tpm_present));
    manager_variants_add_text(&builder, "State", engine_state_name(status.state));
    manager_variants_add_u64(&builder, "StartTime", (uint64_t)frontend->start_time);
    manager_variants_add_u64(&builder, "ClientCommands", status.stats.client_commands);
    manager_variants_add_u64(&builder, "RefusedCommands", status.stats.denied_commands);
    manager_variants_add_u64(&builder, "ChipCommands", status.stats.chip_commands);
    manager_variants_add_u64(&builder, "ContextCommands", status.stats.context_commands);
    manager_variants_add_u64(&builder, "ChipTime", status.chip_time);
    manager_add_trouble(&builder, &frontend->trouble);
    return g_variant_builder_end(&builder);
}

/* The engine could not do what was asked. */
static void manager_refuse_code(GDBusMethodInvocation *invocation, uint32_t rc)
{
    if (rc == TSS2_TCTI_RC_BAD_VALUE)
        manager_refuse(invocation, MANAGER_ERROR_NO_CONNECTION,
                       "no connection has this number: it may have ended; ListConnections has "
                       "those that there are");
    else if (rc == TSS2_TCTI_RC_MEMORY)
        manager_refuse(invocation, MANAGER_ERROR_LIMITS,
                       "tabrmd is out of memory: try again later");
    else if (rc == TSS2_TCTI_RC_IO_ERROR)
        manager_refuse(invocation, MANAGER_ERROR_NOT_NOW,
                       "the TPM does not tell: see tabrmd's log, and try again");
    else
        manager_refuse(invocation, MANAGER_ERROR_NOT_NOW,
                       "there is no TPM now, or tabrmd is ending: try again when its state is "
                       "\"serving\"");
}

static void manager_answer(const struct manager_frontend *frontend,
                           GDBusMethodInvocation *invocation, const struct engine_answer *answer)
{
    const struct manager_question *question = manager_find_question(invocation);
    const struct manager_caller *caller = manager_caller_of(invocation);
    GVariant *value = NULL;

    if (answer->rc == TSS2_TCTI_RC_TRY_AGAIN && manager_trace_asked(invocation)) {
        manager_refuse(invocation, MANAGER_ERROR_LIMITS,
                       "too many traces are open, in all or of this user: end one, or try again "
                       "later");
        return;
    }
    if (answer->rc) {
        manager_refuse_code(invocation, answer->rc);
        return;
    }
    if (manager_trace_asked(invocation)) {
        manager_trace_answer(invocation);
        return;
    }
    if (question && answer->snapshot)
        value = question->answer(answer->snapshot, caller);
    else if (strcmp(g_dbus_method_invocation_get_method_name(invocation), "GetStatus") == 0)
        value = manager_status(frontend, caller, &answer->status);
    g_dbus_method_invocation_return_value(invocation,
                                          value ? g_variant_new_tuple(&value, 1) : NULL);
}

bool manager_frontend_asked(const struct manager_frontend *frontend, void *token)
{
    return token == frontend
           || strcmp(g_dbus_method_invocation_get_interface_name(token), MANAGER_FRONTEND_INTERFACE)
                  == 0;
}

void manager_frontend_answered(struct manager_frontend *frontend, void *token,
                               const struct engine_answer *answer)
{
    if (token != frontend)
        manager_answer(frontend, token, answer);
    else if (answer->snapshot && answer->snapshot->kind == SNAPSHOT_CHIP)
        manager_properties_chip(frontend->skeleton, answer->snapshot->chip);
}

void manager_frontend_state(struct manager_frontend *frontend, enum engine_state state)
{
    manager_properties_state(frontend->skeleton, state);
    /* Without memory for the question the properties stay as they are. */
    if (state == ENGINE_SERVING && !frontend->closed)
        (void)engine_survey(frontend->engine, SNAPSHOT_CHIP, ACCOUNT_ROOT, frontend);
}

static void manager_trouble_clear(struct manager_trouble *trouble)
{
    g_free(trouble->kind);
    g_free(trouble->text);
    g_free(trouble->remedy);
}

void manager_frontend_trouble(struct manager_frontend *frontend, const char *kind, const char *text,
                              const char *remedy)
{
    manager_trouble_clear(&frontend->trouble);
    frontend->trouble = (struct manager_trouble){g_strdup(kind), g_strdup(text), g_strdup(remedy),
                                                 g_get_real_time()};
    manager_manager1_emit_trouble(frontend->skeleton, kind, text, remedy);
}

void manager_frontend_reloaded(struct manager_frontend *frontend)
{
    manager_properties_log_level(frontend->skeleton);
}

static void manager_connect_methods(struct manager_frontend *frontend)
{
    const struct {
        const char *signal;
        GCallback handler;
    } methods[] = {
        {"handle-get-status", G_CALLBACK(manager_handle_status)},
        {"handle-list-connections", G_CALLBACK(manager_handle_question)},
        {"handle-list-users", G_CALLBACK(manager_handle_question)},
        {"handle-get-statistics", G_CALLBACK(manager_handle_question)},
        {"handle-get-slots", G_CALLBACK(manager_handle_question)},
        {"handle-get-lockout", G_CALLBACK(manager_handle_question)},
        {"handle-disconnect", G_CALLBACK(manager_handle_disconnect)},
        {"handle-flush-idle", G_CALLBACK(manager_handle_flush)},
        {"handle-open-trace", G_CALLBACK(manager_handle_trace)},
        {"handle-set-log-level", G_CALLBACK(manager_handle_log_level)},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        g_signal_connect(frontend->skeleton, methods[i].signal, methods[i].handler, frontend);
}

struct manager_frontend *manager_frontend_new(struct engine *engine, const struct bus *bus,
                                              const char *version, const char *tpm)
{
    struct manager_frontend *frontend = g_new0(struct manager_frontend, 1);

    frontend->engine = engine;
    frontend->bus = bus;
    frontend->start_time = g_get_real_time();
    frontend->skeleton = manager_manager1_skeleton_new();
    manager_properties_start(frontend->skeleton, version, tpm);
    manager_connect_methods(frontend);
    return frontend;
}

void manager_frontend_free(struct manager_frontend *frontend)
{
    GDBusInterfaceSkeleton *skeleton;

    if (!frontend)
        return;
    skeleton = G_DBUS_INTERFACE_SKELETON(frontend->skeleton);
    if (g_dbus_interface_skeleton_get_connection(skeleton))
        g_dbus_interface_skeleton_unexport(skeleton);
    g_object_unref(frontend->skeleton);
    manager_trouble_clear(&frontend->trouble);
    g_free(frontend);
}

void manager_frontend_close(struct manager_frontend *frontend)
{
    frontend->closed = true;
}

void manager_frontend_export(struct manager_frontend *frontend, GDBusConnection *connection)
{
    GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON(frontend->skeleton);
    g_autoptr(GError) error = NULL;

    if (!g_dbus_interface_skeleton_has_connection(skeleton, connection)
        && !g_dbus_interface_skeleton_export(skeleton, connection, NAMES_MANAGER_PATH, &error))
        log_error("cannot put %s on a connection: %s", NAMES_MANAGER_PATH, error->message);
}

void manager_frontend_unexport(struct manager_frontend *frontend, GDBusConnection *connection)
{
    GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON(frontend->skeleton);

    if (g_dbus_interface_skeleton_has_connection(skeleton, connection))
        g_dbus_interface_skeleton_unexport_from_connection(skeleton, connection);
}
