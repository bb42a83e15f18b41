/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/tcti-frontend.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "bus/handouts.h"
#include "bus/names.h"
#include "engine/admission.h"
#include "tabrmd-dbus.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection, as long as the engine has it. */
struct frontend_connection {
    uint64_t id;   /* the key; a secret of the creator's */
    uint32_t uid;  /* whose it is */
    char *creator; /* unique bus name; NULL when it means nothing any more: then all who are that
                    * user and know the id stand for it */

    /* Of one that a former daemon made, until the bus is identified: */
    char *former, *bus; /* its creator, on the bus of that name; NULL: there is none */
    uint32_t account;
    bool heard; /* it was used */
};

/* How long a call waits for other connections to be confirmed, in milliseconds. Many programs that
 * connect at once are confirmed within a moment. */
#define FRONTEND_TIMEOUT_MS 3000

/* A call of CreateConnection. */
struct frontend_call {
    GDBusMethodInvocation *invocation; /* the answer consumes it */
    uint32_t uid, pid;
    GBytes *groups; /* as bus_caller() gives them; of its own reference */
    int64_t until;  /* when it is refused, of g_get_monotonic_time() */
};

struct tcti_frontend {
    struct engine *engine;
    const struct bus *bus;
    TabrmdTctiTabrmd *skeleton;
    GHashTable *connections; /* by id */
    struct handouts *handouts;
    GQueue waiting; /* calls, in their order; the bus bounds those of a user (callers.h) */
    guint timer;    /* for the first of them; 0 for none */
    char *bus_id;   /* what the bus calls itself; NULL while that is not known */
    bool closed;    /* for newcomers, */
    bool ended;     /* and for all: there is no engine any more */
};

static void frontend_refuse(GDBusMethodInvocation *invocation, const char *error, const char *text)
{
    g_dbus_method_invocation_return_dbus_error(invocation, error, text);
}

static void frontend_connection_free(gpointer data)
{
    struct frontend_connection *connection = data;

    g_free(connection->creator);
    g_free(connection->former);
    g_free(connection->bus);
    g_free(connection);
}

static void frontend_call_free(struct frontend_call *call)
{
    g_bytes_unref(call->groups);
    g_free(call);
}

/* An id that nobody can guess and that no connection has. */
static bool frontend_new_id(const struct tcti_frontend *frontend, uint64_t *id)
{
    do {
        if (getrandom(id, sizeof(*id), 0) != (ssize_t)sizeof(*id))
            return false;
    } while (g_hash_table_contains(frontend->connections, id));
    return true;
}

/* The groups as the engine has them; the array stays the call's. */
static struct peer_groups frontend_groups(const struct frontend_call *call)
{
    gsize size = 0;
    gconstpointer ids = call->groups ? g_bytes_get_data(call->groups, &size) : NULL;

    G_STATIC_ASSERT(sizeof(gid_t) == sizeof(uint32_t));
    return (struct peer_groups){call->groups != NULL, (unsigned)(size / sizeof(gid_t)),
                                (gid_t *)(uintptr_t)ids};
}

/* Makes a connection; its caller's end in *fd. 0 or a negative errno. */
static int frontend_connect(struct tcti_frontend *frontend, const struct frontend_call *call,
                            uint64_t *id, int *fd)
{
    const char *creator = g_dbus_method_invocation_get_sender(call->invocation);
    const struct peer_groups groups = frontend_groups(call);
    struct frontend_connection *connection;
    uint32_t account = engine_account(frontend->engine, call->uid);
    int pair[2], error;

    if (!handouts_have_room(frontend->handouts, account))
        return -EBUSY;
    if (!frontend_new_id(frontend, id))
        return -EIO;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    descriptors_refuse(pair[0]);
    error = engine_connect(frontend->engine, *id, call->uid, call->pid, &groups, pair[0]);
    if (error) {
        close(pair[0]);
        close(pair[1]);
        return error;
    }
    connection = g_new(struct frontend_connection, 1);
    *connection = (struct frontend_connection){
        .id = *id, .uid = call->uid, .creator = g_strdup(creator), .heard = true};
    g_hash_table_insert(frontend->connections, &connection->id, connection);
    handouts_add(frontend->handouts, *id, account, creator);
    engine_set_creator(frontend->engine, *id, creator);
    *fd = pair[1];
    return 0;
}

/* Why a caller gets no connection; to be freed with g_free(). */
static char *frontend_refusal(int error)
{
    if (error != -EBUSY)
        return g_strdup(admission_text(error));
    return g_strdup_printf("this user has as many connections to tabrmd over D-Bus that were never "
                           "used as it may, at most %d and fewer when others have some: send a "
                           "command on each, close some, or leave the bus once they are there",
                           HANDOUTS_ACCOUNT);
}

/* Tells the caller why it gets no connection. */
static void frontend_refuse_connection(const struct frontend_call *call, int error)
{
    bool limit = error == -EUSERS || error == -EDQUOT || error == -ESHUTDOWN || error == -EBUSY;
    struct log_about about = log_about_user(call->uid, call->uid);
    g_autofree char *text = frontend_refusal(error);

    about.pid = call->pid;
    log_event(LOG_EVENT_CONNECTION_REFUSED, about, "connection of user %u refused: %s", call->uid,
              text);
    frontend_refuse(call->invocation, limit ? NAMES_ERROR_GENERAL : NAMES_ERROR_INTERNAL, text);
}

/* False when it is not answered, for it may wait. */
static bool frontend_create(struct tcti_frontend *frontend, const struct frontend_call *call,
                            bool may_wait)
{
    g_autoptr(GUnixFDList) list = NULL;
    int fd = -1, error = -ESHUTDOWN;
    uint64_t id = 0;

    if (!frontend->closed)
        error = frontend_connect(frontend, call, &id, &fd);
    if (error == -EBUSY && may_wait)
        return false;
    if (error) {
        frontend_refuse_connection(call, error);
        return true;
    }
    list = g_unix_fd_list_new_from_array(&fd, 1);
    g_dbus_method_invocation_return_value_with_unix_fd_list(call->invocation,
                                                            g_variant_new("(t)", id), list);
    return true;
}

static gboolean frontend_is_due(gpointer data);

/* Answers the calls that have room, and those that waited for too long. */
static void frontend_go_on(struct tcti_frontend *frontend)
{
    int64_t now = g_get_monotonic_time();
    struct frontend_call *call;

    for (GList *link = frontend->waiting.head, *next; link; link = next) {
        next = link->next;
        call = link->data;
        if (!frontend_create(frontend, call, now < call->until))
            continue;
        g_queue_delete_link(&frontend->waiting, link);
        frontend_call_free(call);
    }
    call = g_queue_peek_head(&frontend->waiting);
    if (call && frontend->timer == 0)
        frontend->timer =
            g_timeout_add((guint)((call->until - now) / 1000 + 1), frontend_is_due, frontend);
}

static gboolean frontend_is_due(gpointer data)
{
    struct tcti_frontend *frontend = data;

    frontend->timer = 0;
    frontend_go_on(frontend);
    return G_SOURCE_REMOVE;
}

static void frontend_queue(struct tcti_frontend *frontend, GDBusMethodInvocation *invocation,
                           uint32_t uid, GBytes *groups)
{
    struct frontend_call *call = g_new(struct frontend_call, 1);

    *call = (struct frontend_call){
        .invocation = invocation,
        .uid = uid,
        .pid = bus_caller_pid(frontend->bus, invocation),
        .groups = groups ? g_bytes_ref(groups) : NULL,
        .until = g_get_monotonic_time() + FRONTEND_TIMEOUT_MS * 1000,
    };
    g_queue_push_tail(&frontend->waiting, call);
    frontend_go_on(frontend);
}

static void frontend_refuse_waiting(struct tcti_frontend *frontend)
{
    struct frontend_call *call;

    while ((call = g_queue_pop_head(&frontend->waiting))) {
        frontend_refuse_connection(call, -ESHUTDOWN);
        frontend_call_free(call);
    }
    if (frontend->timer)
        g_source_remove(frontend->timer);
    frontend->timer = 0;
}

static gboolean frontend_handle_create(TabrmdTctiTabrmd *skeleton,
                                       GDBusMethodInvocation *invocation, gpointer data)
{
    struct tcti_frontend *frontend = data;
    GBytes *groups;
    uint32_t uid;

    (void)skeleton;
    if (bus_caller(frontend->bus, invocation, &uid, &groups))
        frontend_queue(frontend, invocation, uid, groups);
    else
        frontend_refuse(invocation, NAMES_ERROR_INTERNAL,
                        "tabrmd is no more on the bus that this call came from: try again");
    return TRUE;
}

/* Whether the caller, which knows the id, may stand for a creator that was on another bus. That may
 * be several processes, each with a name of its own on this one: so none takes the place. */
static bool frontend_claims(const struct tcti_frontend *frontend, GDBusMethodInvocation *invocation,
                            const struct frontend_connection *connection)
{
    GBytes *groups;
    uint32_t uid;

    return !connection->creator && bus_caller(frontend->bus, invocation, &uid, &groups)
           && uid == connection->uid;
}

/* True when the caller made connection `id`, or may stand for who did; else the call is answered.
 * An id that nobody has is answered like a stranger's, so that ids cannot be searched for. */
static bool frontend_permits(struct tcti_frontend *frontend, GDBusMethodInvocation *invocation,
                             uint64_t id)
{
    struct frontend_connection *connection = g_hash_table_lookup(frontend->connections, &id);
    const char *sender = g_dbus_method_invocation_get_sender(invocation);

    if (frontend->ended) {
        frontend_refuse(invocation, NAMES_ERROR_GENERAL, "tabrmd is ending");
        return false;
    }
    if (connection
        && (g_strcmp0(connection->creator, sender) == 0
            || frontend_claims(frontend, invocation, connection))) {
        /* Who knows its id has read the answer. */
        tcti_frontend_client_heard(frontend, id);
        return true;
    }
    frontend_refuse(invocation, NAMES_ERROR_NOT_PERMITTED,
                    "the caller has no connection to tabrmd with this id");
    return false;
}

static void frontend_check_posted(GDBusMethodInvocation *invocation, int error)
{
    if (error)
        frontend_refuse(invocation, NAMES_ERROR_INTERNAL,
                        error == -EAGAIN ? "tabrmd has too many requests waiting: try again later"
                                         : "tabrmd is out of memory: try again later");
}

static gboolean frontend_handle_cancel(TabrmdTctiTabrmd *skeleton,
                                       GDBusMethodInvocation *invocation, guint64 id, gpointer data)
{
    struct tcti_frontend *frontend = data;

    (void)skeleton;
    if (frontend_permits(frontend, invocation, id))
        frontend_check_posted(invocation, engine_cancel(frontend->engine, id, invocation));
    return TRUE;
}

static gboolean frontend_handle_locality(TabrmdTctiTabrmd *skeleton,
                                         GDBusMethodInvocation *invocation, guint64 id,
                                         guchar locality, gpointer data)
{
    struct tcti_frontend *frontend = data;

    (void)skeleton;
    if (frontend_permits(frontend, invocation, id))
        frontend_check_posted(invocation,
                              engine_set_locality(frontend->engine, id, locality, invocation));
    return TRUE;
}

struct tcti_frontend *tcti_frontend_new(struct engine *engine, const struct bus *bus)
{
    struct tcti_frontend *frontend = g_new0(struct tcti_frontend, 1);

    frontend->engine = engine;
    frontend->bus = bus;
    frontend->connections =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, frontend_connection_free);
    frontend->handouts = handouts_new();
    g_queue_init(&frontend->waiting);
    frontend->skeleton = tabrmd_tcti_tabrmd_skeleton_new();
    g_signal_connect(frontend->skeleton, "handle-create-connection",
                     G_CALLBACK(frontend_handle_create), frontend);
    g_signal_connect(frontend->skeleton, "handle-cancel", G_CALLBACK(frontend_handle_cancel),
                     frontend);
    g_signal_connect(frontend->skeleton, "handle-set-locality",
                     G_CALLBACK(frontend_handle_locality), frontend);
    return frontend;
}

static void frontend_unexport(struct tcti_frontend *frontend)
{
    GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON(frontend->skeleton);

    if (g_dbus_interface_skeleton_get_connection(skeleton))
        g_dbus_interface_skeleton_unexport(skeleton);
}

void tcti_frontend_free(struct tcti_frontend *frontend)
{
    if (!frontend)
        return;
    tcti_frontend_close(frontend);
    frontend_unexport(frontend);
    g_object_unref(frontend->skeleton);
    handouts_free(frontend->handouts);
    g_hash_table_unref(frontend->connections);
    g_free(frontend->bus_id);
    g_free(frontend);
}

void tcti_frontend_export(struct tcti_frontend *frontend, GDBusConnection *connection)
{
    g_autoptr(GError) error = NULL;

    frontend_unexport(frontend);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(frontend->skeleton), connection,
                                          NAMES_TCTI_PATH, &error))
        log_error("cannot put %s on the bus: %s", NAMES_TCTI_PATH, error->message);
}

/* A connection that nobody has sent a command on may still be on its way to its creator. */
static void frontend_identify(struct tcti_frontend *frontend,
                              struct frontend_connection *connection, const char *bus)
{
    if (connection->former && g_strcmp0(connection->bus, bus) == 0) {
        if (!connection->heard)
            handouts_add(frontend->handouts, connection->id, connection->account,
                         connection->former);
        if (!connection->creator)
            connection->creator = g_steal_pointer(&connection->former);
    }
    g_clear_pointer(&connection->former, g_free);
    g_clear_pointer(&connection->bus, g_free);
}

void tcti_frontend_bus_identified(struct tcti_frontend *frontend, const char *id)
{
    GHashTableIter iterator;
    gpointer value;

    g_free(frontend->bus_id);
    frontend->bus_id = g_strdup(id);
    /* Without memory the next daemon has no creators: their users claim their connections. */
    (void)engine_set_bus(frontend->engine, id ? id : "");
    g_hash_table_iter_init(&iterator, frontend->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &value))
        frontend_identify(frontend, value, id);
}

void tcti_frontend_bus_closed(struct tcti_frontend *frontend)
{
    GHashTableIter iterator;
    gpointer value;

    handouts_clear(frontend->handouts);
    frontend_refuse_waiting(frontend);
    g_clear_pointer(&frontend->bus_id, g_free);
    g_hash_table_iter_init(&iterator, frontend->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct frontend_connection *connection = value;

        g_clear_pointer(&connection->creator, g_free);
    }
}

void tcti_frontend_restored(struct tcti_frontend *frontend, const struct engine_restored *restored)
{
    struct frontend_connection *connection;

    if (!frontend)
        return;
    connection = g_new(struct frontend_connection, 1);
    *connection = (struct frontend_connection){
        .id = restored->id,
        .uid = restored->uid,
        .former = *restored->creator ? g_strdup(restored->creator) : NULL,
        .bus = g_strdup(restored->bus),
        .account = restored->account,
        .heard = restored->heard,
    };
    g_hash_table_insert(frontend->connections, &connection->id, connection);
    if (frontend->bus_id)
        frontend_identify(frontend, connection, frontend->bus_id);
}

void tcti_frontend_close(struct tcti_frontend *frontend)
{
    frontend->closed = true;
    frontend_refuse_waiting(frontend);
}

void tcti_frontend_end(struct tcti_frontend *frontend)
{
    tcti_frontend_close(frontend);
    frontend->ended = true;
}

void tcti_frontend_caller_left(struct tcti_frontend *frontend, const char *name)
{
    handouts_caller_left(frontend->handouts, name);
    frontend_go_on(frontend);
}

void tcti_frontend_client_heard(struct tcti_frontend *frontend, uint64_t id)
{
    struct frontend_connection *connection;

    if (!frontend)
        return;
    connection = g_hash_table_lookup(frontend->connections, &id);
    if (connection)
        connection->heard = true;
    handouts_confirm(frontend->handouts, id);
    frontend_go_on(frontend);
}

void tcti_frontend_client_gone(struct tcti_frontend *frontend, uint64_t id)
{
    if (frontend)
        g_hash_table_remove(frontend->connections, &id);
}

void tcti_frontend_answered(struct tcti_frontend *frontend, GDBusMethodInvocation *invocation,
                            const struct engine_answer *answer)
{
    (void)frontend;
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(u)", answer->rc));
}
