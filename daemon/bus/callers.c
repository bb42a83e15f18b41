/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/callers.h"

#include <string.h>

struct caller_call {
    char *sender;
    uint32_t serial;
    uint32_t uid;   /* once it is at work, */
    uint32_t pid;   /* and this; 0: not known; */
    GBytes *groups; /* and these; NULL: not known */
    uint8_t *bytes; /* while it waits */
    size_t size;
};

struct caller_user {
    uint32_t uid; /* the key */
    unsigned at_work;
    GQueue waiting;
};

struct caller_sender {
    char *name; /* the key */
    bool known;
    uint32_t uid;
    uint32_t pid;   /* 0: not known */
    GBytes *groups; /* NULL: not known */
    uint32_t query; /* while it is not known: the key in `asked`, with `asked_ms` */
    int64_t asked_ms;
    GQueue waiting; /* while it is not known */
    GList place;    /* in `asked_order` or `known_order` */
};

struct callers {
    struct callers_events events;
    GHashTable *senders; /* by name; they own it */
    GHashTable *users;   /* by uid, those with calls */
    GHashTable *at_work; /* calls, by sender and serial */
    GHashTable *asked;   /* senders, by query */
    GQueue asked_order;  /* senders, the one first asked for in front */
    GQueue known_order;  /* senders, the one that called last in front */
    unsigned waiting;    /* calls, in all queues */
    uint32_t last_query;
};

static guint caller_call_hash(gconstpointer data)
{
    const struct caller_call *call = data;

    return g_str_hash(call->sender) * 31 + call->serial;
}

static gboolean caller_call_equal(gconstpointer one, gconstpointer other)
{
    const struct caller_call *a = one, *b = other;

    return a->serial == b->serial && strcmp(a->sender, b->sender) == 0;
}

static void caller_call_free(gpointer data)
{
    struct caller_call *call = data;

    g_free(call->sender);
    g_bytes_unref(call->groups);
    g_free(call->bytes);
    g_free(call);
}

static void caller_user_free(gpointer data)
{
    struct caller_user *user = data;

    g_queue_clear_full(&user->waiting, caller_call_free);
    g_free(user);
}

static void caller_sender_free(gpointer data)
{
    struct caller_sender *sender = data;

    g_queue_clear_full(&sender->waiting, caller_call_free);
    g_bytes_unref(sender->groups);
    g_free(sender->name);
    g_free(sender);
}

struct callers *callers_new(const struct callers_events *events)
{
    struct callers *callers = g_new0(struct callers, 1);

    callers->events = *events;
    callers->senders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, caller_sender_free);
    callers->users = g_hash_table_new_full(g_int_hash, g_int_equal, NULL, caller_user_free);
    callers->at_work =
        g_hash_table_new_full(caller_call_hash, caller_call_equal, caller_call_free, NULL);
    callers->asked = g_hash_table_new(NULL, NULL);
    g_queue_init(&callers->asked_order);
    g_queue_init(&callers->known_order);
    return callers;
}

void callers_free(struct callers *callers)
{
    if (!callers)
        return;
    g_hash_table_unref(callers->asked);
    g_hash_table_unref(callers->at_work);
    g_hash_table_unref(callers->users);
    g_hash_table_unref(callers->senders);
    g_free(callers);
}

unsigned callers_pending(const struct callers *callers)
{
    return callers->waiting + g_hash_table_size(callers->at_work);
}

static void callers_refuse(struct callers *callers, const struct caller_call *call,
                           enum callers_refusal refusal)
{
    callers->events.refuse(callers->events.data, call->sender, call->serial, refusal);
}

static struct caller_user *callers_get_user(struct callers *callers, uint32_t uid)
{
    struct caller_user *user = g_hash_table_lookup(callers->users, &uid);

    if (user)
        return user;
    user = g_new0(struct caller_user, 1);
    user->uid = uid;
    g_queue_init(&user->waiting);
    g_hash_table_insert(callers->users, &user->uid, user);
    return user;
}

/* Consumes the call. A serial that the sender has at work already tells no call from the other:
 * the second one gets no answer of its own. */
static void callers_put_to_work(struct callers *callers, struct caller_user *user,
                                struct caller_call *call)
{
    uint8_t *bytes = g_steal_pointer(&call->bytes);

    call->uid = user->uid;
    if (g_hash_table_contains(callers->at_work, call)) {
        caller_call_free(call);
    } else if (!callers->events.has_room(callers->events.data, user->uid)) {
        callers_refuse(callers, call, CALLERS_UNREAD);
        caller_call_free(call);
    } else {
        g_hash_table_add(callers->at_work, call);
        user->at_work++;
        callers->events.serve(callers->events.data, bytes, call->size);
    }
    g_free(bytes);
}

/* As many of a user's calls as may be at work. The user is freed when it has none. */
static void callers_go_on(struct callers *callers, struct caller_user *user)
{
    while (user->at_work < CALLERS_AT_WORK && !g_queue_is_empty(&user->waiting)) {
        callers->waiting--;
        callers_put_to_work(callers, user, g_queue_pop_head(&user->waiting));
    }
    if (user->at_work == 0)
        g_hash_table_remove(callers->users, &user->uid);
}

/* `queue`, unless another is longer. */
static GQueue *callers_longest(struct callers *callers, GQueue *queue)
{
    GHashTableIter iterator;
    GQueue *longest = queue;
    gpointer value;

    g_hash_table_iter_init(&iterator, callers->users);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct caller_user *user = value;

        if (user->waiting.length > longest->length)
            longest = &user->waiting;
    }
    g_hash_table_iter_init(&iterator, callers->senders);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct caller_sender *sender = value;

        if (sender->waiting.length > longest->length)
            longest = &sender->waiting;
    }
    return longest;
}

/* Makes room for one more call in `queue`. False when that is the longest itself. */
static bool callers_make_room(struct callers *callers, GQueue *queue)
{
    GQueue *longest;
    struct caller_call *call;

    if (callers->waiting < CALLERS_ROOM)
        return true;
    longest = callers_longest(callers, queue);
    if (longest->length <= queue->length + 1)
        return false;
    call = g_queue_pop_tail(longest);
    callers->waiting--;
    callers_refuse(callers, call, CALLERS_BUSY);
    caller_call_free(call);
    return true;
}

/* Consumes the call. */
static void callers_queue(struct callers *callers, GQueue *queue, struct caller_call *call)
{
    if (queue->length < CALLERS_WAITING && callers_make_room(callers, queue)) {
        g_queue_push_tail(queue, call);
        callers->waiting++;
        return;
    }
    callers_refuse(callers, call, CALLERS_BUSY);
    caller_call_free(call);
}

static void callers_serve(struct callers *callers, const struct caller_sender *sender,
                          struct caller_call *call)
{
    struct caller_user *user = callers_get_user(callers, sender->uid);

    call->pid = sender->pid;
    call->groups = sender->groups ? g_bytes_ref(sender->groups) : NULL;
    if (user->at_work < CALLERS_AT_WORK)
        callers_put_to_work(callers, user, call);
    else
        callers_queue(callers, &user->waiting, call);
    callers_go_on(callers, user);
}

/* Far fewer than there are numbers are in use: each has a call that waits. */
static uint32_t callers_new_query(struct callers *callers)
{
    do {
        callers->last_query = (callers->last_query + 1) % CALLERS_QUERIES;
    } while (g_hash_table_contains(callers->asked, GUINT_TO_POINTER(callers->last_query)));
    return callers->last_query;
}

/* A sender that the bus was not asked for yet. */
static struct caller_sender *callers_ask(struct callers *callers, const char *name, int64_t now_ms)
{
    struct caller_sender *sender = g_new0(struct caller_sender, 1);

    sender->name = g_strdup(name);
    sender->asked_ms = now_ms;
    sender->query = callers_new_query(callers);
    sender->place.data = sender;
    g_queue_init(&sender->waiting);
    g_queue_push_tail_link(&callers->asked_order, &sender->place);
    g_hash_table_insert(callers->senders, sender->name, sender);
    g_hash_table_insert(callers->asked, GUINT_TO_POINTER(sender->query), sender);
    return sender;
}

static void callers_forget_asked(struct callers *callers, struct caller_sender *sender)
{
    g_hash_table_remove(callers->asked, GUINT_TO_POINTER(sender->query));
    g_queue_unlink(&callers->asked_order, &sender->place);
}

/* Ends a sender whose user nobody knows. */
static void callers_give_up(struct callers *callers, struct caller_sender *sender,
                            enum callers_refusal refusal)
{
    struct caller_call *call;

    callers_forget_asked(callers, sender);
    while ((call = g_queue_pop_head(&sender->waiting))) {
        callers->waiting--;
        callers_refuse(callers, call, refusal);
        caller_call_free(call);
    }
    g_hash_table_remove(callers->senders, sender->name);
}

static void callers_forget_known(struct callers *callers, struct caller_sender *sender)
{
    g_queue_unlink(&callers->known_order, &sender->place);
    g_hash_table_remove(callers->senders, sender->name);
}

static void callers_remember(struct callers *callers, struct caller_sender *sender, uint32_t uid)
{

    callers_forget_asked(callers, sender);
    sender->known = true;
    sender->uid = uid;
    g_queue_push_head_link(&callers->known_order, &sender->place);
    if (callers->known_order.length > CALLERS_KNOWN)
        callers_forget_known(callers, g_queue_peek_tail(&callers->known_order));
}

static struct caller_call *caller_call_new(const struct message *message, const uint8_t *bytes,
                                           size_t size)
{
    struct caller_call *call = g_new(struct caller_call, 1);

    *call = (struct caller_call){
        .sender = g_strdup(message->sender),
        .serial = message->serial,
        .bytes = g_memdup2(bytes, size),
        .size = size,
    };
    return call;
}

void callers_call(struct callers *callers, const struct message *message, const uint8_t *bytes,
                  size_t size, int64_t now_ms)
{
    struct caller_sender *sender = g_hash_table_lookup(callers->senders, message->sender);
    struct caller_call *call = caller_call_new(message, bytes, size);

    if (sender && sender->known) {
        g_queue_unlink(&callers->known_order, &sender->place);
        g_queue_push_head_link(&callers->known_order, &sender->place);
        callers_serve(callers, sender, call);
        return;
    }
    if (sender) {
        callers_queue(callers, &sender->waiting, call);
        return;
    }
    sender = callers_ask(callers, message->sender, now_ms);
    callers_queue(callers, &sender->waiting, call);
    if (g_queue_is_empty(&sender->waiting))
        callers_give_up(callers, sender, CALLERS_BUSY);
    else
        callers->events.ask(callers->events.data, sender->query, sender->name);
}

const char *callers_asked(const struct callers *callers, uint32_t query)
{
    const struct caller_sender *sender =
        g_hash_table_lookup(callers->asked, GUINT_TO_POINTER(query));

    return sender ? sender->name : NULL;
}

bool callers_told_groups(struct callers *callers, uint32_t query, GBytes *groups)
{
    struct caller_sender *sender = g_hash_table_lookup(callers->asked, GUINT_TO_POINTER(query));

    if (!sender)
        return false;
    if (groups && !sender->groups)
        sender->groups = g_bytes_ref(groups);
    return true;
}

void callers_told_pid(struct callers *callers, uint32_t query, uint32_t pid)
{
    struct caller_sender *sender = g_hash_table_lookup(callers->asked, GUINT_TO_POINTER(query));

    if (sender)
        sender->pid = pid;
}

bool callers_told(struct callers *callers, uint32_t query, bool known, uint32_t uid)
{
    struct caller_sender *sender = g_hash_table_lookup(callers->asked, GUINT_TO_POINTER(query));
    struct caller_call *call;
    GQueue waiting;

    if (!sender)
        return false;
    if (!known) {
        callers_give_up(callers, sender, CALLERS_NOBODY);
        return true;
    }
    waiting = sender->waiting;
    g_queue_init(&sender->waiting);
    callers_remember(callers, sender, uid);
    while ((call = g_queue_pop_head(&waiting))) {
        callers->waiting--;
        callers_serve(callers, sender, call);
    }
    return true;
}

static struct caller_call *callers_find(const struct callers *callers, const char *name,
                                        uint32_t serial)
{
    struct caller_call key = {.sender = (char *)(uintptr_t)name, .serial = serial};
    gpointer found = NULL;

    g_hash_table_lookup_extended(callers->at_work, &key, &found, NULL);
    return found;
}

void callers_answered(struct callers *callers, const char *sender, uint32_t serial)
{
    struct caller_call *call = callers_find(callers, sender, serial);
    struct caller_user *user;

    if (!call)
        return;
    user = g_hash_table_lookup(callers->users, &call->uid);
    g_hash_table_remove(callers->at_work, call);
    user->at_work--;
    callers_go_on(callers, user);
}

/* Nobody reads the answers to calls of a sender that left, and the user's other calls wait. */
static void callers_drop(struct callers *callers, uint32_t uid, const char *name)
{
    struct caller_user *user = g_hash_table_lookup(callers->users, &uid);
    GList *next;

    for (GList *link = user ? user->waiting.head : NULL; link; link = next) {
        struct caller_call *call = link->data;

        next = link->next;
        if (strcmp(call->sender, name) != 0)
            continue;
        g_queue_delete_link(&user->waiting, link);
        callers->waiting--;
        caller_call_free(call);
    }
}

void callers_left(struct callers *callers, const char *name)
{
    struct caller_sender *sender = g_hash_table_lookup(callers->senders, name);

    if (!sender)
        return;
    if (sender->known) {
        callers_drop(callers, sender->uid, name);
        callers_forget_known(callers, sender);
        return;
    }
    callers_forget_asked(callers, sender);
    callers->waiting -= sender->waiting.length;
    g_hash_table_remove(callers->senders, sender->name);
}

bool callers_has(const struct callers *callers, const char *name, uint32_t *uid)
{
    const struct caller_sender *sender = g_hash_table_lookup(callers->senders, name);

    *uid = sender && sender->known ? sender->uid : CALLERS_NO_USER;
    return sender != NULL;
}

int callers_expire(struct callers *callers, int64_t now_ms)
{
    struct caller_sender *first;

    while ((first = g_queue_peek_head(&callers->asked_order))) {
        int64_t left = first->asked_ms + CALLERS_ANSWER_MS - now_ms;

        if (left > 0)
            return (int)left;
        callers_give_up(callers, first, CALLERS_SILENCE);
    }
    return -1;
}

bool callers_user(const struct callers *callers, const char *sender, uint32_t serial, uint32_t *uid,
                  GBytes **groups)
{
    const struct caller_call *call = callers_find(callers, sender, serial);

    if (!call)
        return false;
    *uid = call->uid;
    if (groups)
        *groups = call->groups;
    return true;
}

uint32_t callers_pid(const struct callers *callers, const char *sender, uint32_t serial)
{
    const struct caller_call *call = callers_find(callers, sender, serial);

    return call ? call->pid : 0;
}
