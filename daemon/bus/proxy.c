/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/proxy.h"

#include "base/log.h"
#include "bus/callers.h"
#include "bus/credentials.h"
#include "bus/endpoint.h"
#include "bus/message.h"
#include "bus/names.h"
#include "bus/unread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that wait for the bus: with more, nothing is read from GDBus, and refusals are left out. */
#define PROXY_BACKLOG 65536

/* Bytes that the kernel may keep for the bus, so that few refusals are before an answer. */
#define PROXY_SEND_BUFFER 16384

/* Reads from one socket before others have their turn. */
#define PROXY_BATCH 64

/* The serial of the proxy's own messages, beside those of its questions (credentials.h). */
#define PROXY_SERIAL (CREDENTIALS_SERIAL - 1)

#define PROXY_ERROR_LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"
#define PROXY_ERROR_ARGS   "org.freedesktop.DBus.Error.InvalidArgs"

/* Whose end the bus tells: everybody's. One rule for all costs a short message for each program
 * that leaves the bus. A rule for each caller would cost two calls of the bus for each connection
 * that is handed out, and count against max_match_rules_per_connection. */
#define PROXY_DEPARTURES                                                       \
    "type='signal',sender='" MESSAGE_BUS_NAME "',interface='" MESSAGE_BUS_NAME \
    "',member='NameOwnerChanged',arg2=''"

/* Signals that pass, beside those of the bus itself. */
static const struct {
    const char *interface, *member;
} proxy_signals[] = {
    {"org.freedesktop.login1.Manager", "PrepareForSleep"},
};

struct proxy {
    struct endpoint bus, gdbus;
    struct callers *callers;
    struct unread *unread;
    GHashTable *expected; /* serials of GDBus's calls that are not answered */
    guint timer;          /* for the bus's answers; 0 for none */
    bool watches;         /* PROXY_DEPARTURES are asked for */
    proxy_left_fn *left;
    void *left_data;
    uint8_t from_bus[PROXY_MESSAGE_MAX], from_gdbus[PROXY_OUT_MAX];
};

void proxy_close(struct proxy *proxy)
{
    if (proxy->timer)
        g_source_remove(proxy->timer);
    proxy->timer = 0;
    endpoint_close(&proxy->bus);
    endpoint_close(&proxy->gdbus);
}

/* The bus answers under the serial of no question, and nobody reads that. */
static void proxy_watch(struct proxy *proxy)
{
    uint8_t bytes[MESSAGE_BUILD_MAX];
    size_t size;

    if (proxy->watches)
        return;
    size = message_build_bus_call(bytes, PROXY_SERIAL, "AddMatch", PROXY_DEPARTURES);
    endpoint_send(&proxy->bus, OUTBOX_URGENT, bytes, size);
    proxy->watches = true;
}

/* So many bytes were sent to a program of this user. A question is to be behind all of them. */
static void proxy_note_sent(struct proxy *proxy, const char *name, uint32_t uid, size_t size)
{
    uint32_t question = unread_sent(proxy->unread, name, uid, size);
    uint8_t bytes[MESSAGE_BUILD_MAX];

    proxy_watch(proxy);
    if (question == 0)
        return;
    size = message_build_ping(bytes, question, name);
    endpoint_send(&proxy->bus, OUTBOX_LATER, bytes, size);
}

static bool proxy_has_room(void *data, uint32_t uid)
{
    const struct proxy *proxy = data;

    if (unread_has_room(proxy->unread, uid))
        return true;
    if (uid != UNREAD_NOBODY)
        log_event(
            LOG_EVENT_CALLS_UNANSWERED, log_about_user(uid, uid),
            "calls of user %u on the bus get no answer: its programs have not read those that "
            "they got; end the ones that do not read",
            uid);
    return false;
}

static void proxy_send_error(struct proxy *proxy, const char *sender, uint32_t uid, uint32_t serial,
                             const char *error, const char *text)
{
    uint8_t bytes[MESSAGE_BUILD_MAX];
    size_t size = message_build_error(bytes, PROXY_SERIAL, serial, sender, error, text);

    if (size == 0 || proxy->bus.outbox.bytes >= PROXY_BACKLOG)
        return;
    endpoint_send(&proxy->bus, OUTBOX_LATER, bytes, size);
    proxy_note_sent(proxy, sender, uid, size);
    if (uid != UNREAD_NOBODY)
        log_event(LOG_EVENT_CALL_REFUSED, log_about_user(uid, uid),
                  "a call of user %u on the bus is refused: %s", uid, text);
}

/* Refuses a call of a program that is on the bus. */
static void proxy_refuse(struct proxy *proxy, const char *sender, uint32_t serial,
                         const char *error, const char *text)
{
    uint32_t uid;

    (void)callers_has(proxy->callers, sender, &uid);
    if (proxy_has_room(proxy, uid))
        proxy_send_error(proxy, sender, uid, serial, error, text);
}

/* The callers' events. What is sent to a program that left is dropped by the bus. */
static void proxy_call_refused(void *data, const char *sender, uint32_t serial,
                               enum callers_refusal refusal)
{
    static const struct {
        const char *error, *text;
    } answers[] = {
        [CALLERS_BUSY] = {NAMES_ERROR_GENERAL,
                          "too many D-Bus calls of this user wait for tabrmd: try again when some "
                          "are answered"},
        [CALLERS_NOBODY] = {NAMES_ERROR_NOT_PERMITTED,
                            "the bus does not tell which user is calling"},
        [CALLERS_UNREAD] = {NAMES_ERROR_GENERAL,
                            "programs of this user have not read tabrmd's answers: no more come "
                            "until they do, or leave the bus"},
        [CALLERS_SILENCE] = {NAMES_ERROR_INTERNAL,
                             "the bus did not tell tabrmd in time which user is calling: try "
                             "again"},
    };
    struct proxy *proxy = data;
    uint32_t uid;

    if (callers_has(proxy->callers, sender, &uid)
        && (refusal == CALLERS_UNREAD ? unread_tell(proxy->unread, sender, uid)
                                      : proxy_has_room(proxy, uid)))
        proxy_send_error(proxy, sender, uid, serial, answers[refusal].error, answers[refusal].text);
}

static void proxy_call_served(void *data, const uint8_t *bytes, size_t size)
{
    struct proxy *proxy = data;

    endpoint_send(&proxy->gdbus, OUTBOX_URGENT, bytes, size);
}

static gboolean proxy_expires(gpointer data)
{
    struct proxy *proxy = data;
    int left;

    proxy->timer = 0;
    left = callers_expire(proxy->callers, g_get_monotonic_time() / 1000);
    if (left >= 0 && proxy->bus.fd >= 0)
        proxy->timer = g_timeout_add((guint)left, proxy_expires, proxy);
    return G_SOURCE_REMOVE;
}

static void proxy_asks(void *data, uint32_t query, const char *sender)
{
    struct proxy *proxy = data;

    proxy_watch(proxy);
    credentials_ask(&proxy->bus, query, sender);
    if (!proxy->timer && proxy->bus.fd >= 0)
        proxy->timer = g_timeout_add(CALLERS_ANSWER_MS, proxy_expires, proxy);
}

/* True for a program's answer to a question of the proxy's. */
static bool proxy_is_read(struct proxy *proxy, const struct message *message)
{
    return message->sender
           && unread_answered(proxy->unread, message->sender, message->reply_serial);
}

/* True when GDBus waits for this reply, which it does no more then. */
static bool proxy_is_expected(struct proxy *proxy, const struct message *message)
{
    return g_hash_table_remove(proxy->expected, GUINT_TO_POINTER(message->reply_serial));
}

/* What the bus delivers because GDBus asked for it, by a rule that names the sender, has no
 * destination. Anybody may send a signal to the daemon alone. */
static bool proxy_is_wanted(const struct message *signal)
{
    if (g_strcmp0(signal->sender, MESSAGE_BUS_NAME) == 0)
        return true;
    if (signal->destination)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(proxy_signals); i++)
        if (g_strcmp0(signal->interface, proxy_signals[i].interface) == 0
            && g_strcmp0(signal->member, proxy_signals[i].member) == 0)
            return true;
    return false;
}

/*
 * GDBus ends its connection at a message that it cannot read, and it reads no values that are
 * nested as deep as some buses let pass. Of what others than the bus itself send, nothing that
 * tabrmd has a use for has containers at all.
 */
static bool proxy_is_readable(const struct message *message)
{
    return message_is_flat(message) || g_strcmp0(message->sender, MESSAGE_BUS_NAME) == 0;
}

static void proxy_signal(struct proxy *proxy, const struct message *message)
{
    const char *name = message_read_departure(message);

    endpoint_drop_descriptors(&proxy->bus);
    if (name) {
        callers_left(proxy->callers, name);
        unread_left(proxy->unread, name);
        proxy->left(proxy->left_data, name);
    } else if (proxy_is_wanted(message) && proxy->gdbus.outbox.bytes < PROXY_BACKLOG) {
        endpoint_pass(&proxy->bus, &proxy->gdbus);
    }
}

static void proxy_from_bus(struct proxy *proxy, const struct message *message)
{
    const struct framing *framing = &proxy->bus.framing;

    if (!proxy_is_readable(message)) {
        if (message->type == MESSAGE_CALL && message->sender)
            proxy_refuse(proxy, message->sender, message->serial, PROXY_ERROR_ARGS,
                         "tabrmd has no method that takes an array, a structure or a variant");
        return;
    }
    switch (message->type) {
    case MESSAGE_CALL:
        if (message->sender)
            callers_call(proxy->callers, message, framing->buffer, framing->length,
                         g_get_monotonic_time() / 1000);
        break;
    case MESSAGE_RETURN:
    case MESSAGE_ERROR:
        if (!credentials_are_told(proxy->callers, &proxy->bus, message, framing->buffer,
                                  framing->length)
            && !proxy_is_read(proxy, message) && proxy_is_expected(proxy, message))
            endpoint_pass(&proxy->bus, &proxy->gdbus);
        break;
    case MESSAGE_SIGNAL:
        proxy_signal(proxy, message);
        break;
    default:
        break; /* "Unknown types must be ignored" */
    }
}

/* A message from the bus is larger than what passes. */
static void proxy_too_large(struct proxy *proxy, const struct message *message)
{
    g_autofree char *text = g_strdup_printf("a message of %zu bytes is longer than any that tabrmd "
                                            "has a use for (at most %d)",
                                            proxy->bus.framing.size, PROXY_MESSAGE_MAX);
    uint8_t bytes[MESSAGE_BUILD_MAX];
    size_t size;

    if (message->type == MESSAGE_CALL && message->sender) {
        proxy_refuse(proxy, message->sender, message->serial, PROXY_ERROR_LIMITS, text);
    } else if (message->type != MESSAGE_CALL
               && !credentials_are_told(proxy->callers, &proxy->bus, message, NULL, 0)
               && proxy_is_expected(proxy, message)) {
        size = message_build_error(bytes, PROXY_SERIAL, message->reply_serial, NULL,
                                   PROXY_ERROR_LIMITS, text);
        endpoint_send(&proxy->gdbus, OUTBOX_URGENT, bytes, size);
    }
}

static void proxy_handle_bus(struct proxy *proxy, enum framing_event event)
{
    const struct framing *framing = &proxy->bus.framing;
    struct message message;

    if (event == FRAMING_LINE) {
        endpoint_drop_descriptors(&proxy->bus);
        endpoint_pass(&proxy->bus, &proxy->gdbus);
    } else if (!message_is_silent_call(framing->buffer)
               && message_read(&message, framing->buffer, framing->length)) {
        if (event == FRAMING_OVERSIZE)
            proxy_too_large(proxy, &message);
        else
            proxy_from_bus(proxy, &message);
    }
}

/* Why a message of GDBus's cannot be sent; NULL when it can. Descriptors are missing when this
 * process has no room for more. */
static const char *proxy_obstacle(const struct proxy *proxy, const struct message *message,
                                  bool whole)
{
    if (!whole)
        return "tabrmd's answer is too long to be sent";
    if (message->descriptors != proxy->gdbus.count)
        return "tabrmd has no descriptors left: try again later";
    return NULL;
}

/* Calls and replies of GDBus's are taken note of. */
static void proxy_from_gdbus(struct proxy *proxy, const struct message *message, bool whole)
{
    const char *obstacle = proxy_obstacle(proxy, message, whole);
    bool answer = message->destination && message->reply_serial;
    uint32_t uid;

    if (message->wants_reply)
        g_hash_table_add(proxy->expected, GUINT_TO_POINTER(message->serial));
    if (!obstacle)
        endpoint_pass(&proxy->gdbus, &proxy->bus);
    if (answer && callers_has(proxy->callers, message->destination, &uid)) {
        if (obstacle)
            proxy_refuse(proxy, message->destination, message->reply_serial, NAMES_ERROR_INTERNAL,
                         obstacle);
        else
            proxy_note_sent(proxy, message->destination, uid, proxy->gdbus.framing.length);
    }
    if (answer)
        callers_answered(proxy->callers, message->destination, message->reply_serial);
}

static void proxy_handle_gdbus(struct proxy *proxy, enum framing_event event)
{
    static const char begin[] = "BEGIN\r\n";
    const struct framing *framing = &proxy->gdbus.framing;
    struct message message;

    if (event != FRAMING_LINE) {
        if (message_read(&message, framing->buffer, framing->length))
            proxy_from_gdbus(proxy, &message, event == FRAMING_MESSAGE);
        return;
    }
    if (framing->length == sizeof(begin) - 1
        && memcmp(framing->buffer, begin, sizeof(begin) - 1) == 0) {
        framing_begin_messages(&proxy->bus.framing);
        framing_begin_messages(&proxy->gdbus.framing);
    }
    endpoint_pass(&proxy->gdbus, &proxy->bus);
}

/* What GDBus has sent is left to it while the bus does not take what was sent before. */
static void proxy_balance(void *data)
{
    struct proxy *proxy = data;

    endpoint_pause(&proxy->gdbus, proxy->bus.outbox.bytes >= PROXY_BACKLOG);
}

static void proxy_bus_event(void *data, enum framing_event event)
{
    proxy_handle_bus(data, event);
    proxy_balance(data);
}

static void proxy_gdbus_event(void *data, enum framing_event event)
{
    proxy_handle_gdbus(data, event);
    proxy_balance(data);
}

static void proxy_broken(void *data)
{
    proxy_close(data);
}

static struct proxy *proxy_make(int bus, int gdbus)
{
    struct proxy *proxy = g_new0(struct proxy, 1);
    struct callers_events events = {proxy_asks, proxy_has_room, proxy_call_served,
                                    proxy_call_refused, proxy};
    int size = PROXY_SEND_BUFFER;

    proxy->callers = callers_new(&events);
    proxy->unread = unread_new();
    proxy->expected = g_hash_table_new(NULL, NULL);
    /* What the kernel keeps is smaller or larger without this, and nothing else. */
    (void)setsockopt(bus, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    endpoint_init(&proxy->bus, bus, proxy->from_bus, sizeof(proxy->from_bus),
                  &(struct endpoint_events){proxy_bus_event, proxy_balance, proxy_broken, proxy});
    endpoint_init(&proxy->gdbus, gdbus, proxy->from_gdbus, sizeof(proxy->from_gdbus),
                  &(struct endpoint_events){proxy_gdbus_event, proxy_balance, proxy_broken, proxy});
    return proxy;
}

/* A stream over `fd`, which it owns; on failure the descriptor is closed. */
static GIOStream *proxy_stream(int fd, GError **error)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);

    if (!socket) {
        close(fd);
        return NULL;
    }
    return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
}

static struct proxy *proxy_fail(GError **error, int code, int fd)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s", g_strerror(code));
    if (fd >= 0)
        close(fd);
    return NULL;
}

struct proxy *proxy_new(GIOStream *bus, proxy_left_fn *left, void *data, GIOStream **gdbus,
                        GError **error)
{
    struct proxy *proxy;
    int pair[2], fd;

    if (!G_IS_SOCKET_CONNECTION(bus))
        return proxy_fail(error, EPROTOTYPE, -1);
    fd = g_socket_get_fd(g_socket_connection_get_socket(G_SOCKET_CONNECTION(bus)));
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return proxy_fail(error, errno, -1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return proxy_fail(error, errno, fd);
    *gdbus = proxy_stream(pair[1], error);
    if (!*gdbus) {
        close(pair[0]);
        close(fd);
        return NULL;
    }
    proxy = proxy_make(fd, pair[0]);
    proxy->left = left;
    proxy->left_data = data;
    return proxy;
}

bool proxy_user(const struct proxy *proxy, const char *sender, uint32_t serial, uint32_t *uid,
                GBytes **groups)
{
    return callers_user(proxy->callers, sender, serial, uid, groups);
}

uint32_t proxy_pid(const struct proxy *proxy, const char *sender, uint32_t serial)
{
    return callers_pid(proxy->callers, sender, serial);
}

unsigned proxy_pending(const struct proxy *proxy)
{
    return callers_pending(proxy->callers);
}

void proxy_drain(struct proxy *proxy, int ms)
{
    int64_t end = g_get_monotonic_time() / 1000 + ms, left = ms;

    while (proxy->bus.fd >= 0 && left > 0) {
        struct pollfd room = {.fd = proxy->bus.fd, .events = POLLOUT};

        while (endpoint_read(&proxy->gdbus))
            ;
        if (proxy->bus.fd < 0 || proxy->bus.outbox.bytes == 0)
            break;
        poll(&room, 1, (int)left);
        endpoint_flush(&proxy->bus);
        left = end - g_get_monotonic_time() / 1000;
    }
}

void proxy_free(struct proxy *proxy)
{
    if (!proxy)
        return;
    proxy_close(proxy);
    callers_free(proxy->callers);
    unread_free(proxy->unread);
    g_hash_table_unref(proxy->expected);
    g_free(proxy);
}
