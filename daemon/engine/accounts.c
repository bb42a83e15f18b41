/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/accounts.h"

#include "base/account.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A user. */
struct accounts_entry {
    bool used;
    bool waiting; /* the database is to be asked, or is being asked */
    bool known;   /* what it said is in `member` */
    bool member;
    uint32_t uid;
    int64_t since;     /* when it said so */
    uint64_t question; /* the order in which it is asked */
    uint64_t last_use; /* the order in which the user was asked for */
};

struct accounts {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    struct accounts_config config;
    void (*told)(void *data);
    void *data;
    uint32_t *named;
    unsigned named_count;

    struct accounts_entry entries[ACCOUNTS_KNOWN];
    unsigned waiting;
    uint64_t order;
    int64_t now;   /* the latest that anybody said */
    bool started;  /* there is a thread */
    bool asking;   /* which is in the database's hands */
    bool stopping; /* and ends as soon as it is back */
};

static void accounts_destroy(struct accounts *accounts)
{
    pthread_cond_destroy(&accounts->work);
    pthread_mutex_destroy(&accounts->lock);
    free(accounts->named);
    free(accounts);
}

/* Who leaves for a newcomer first. */
static bool accounts_is_less(const struct accounts_entry *a, const struct accounts_entry *b)
{
    if (a->used != b->used)
        return !a->used;
    if (a->member != b->member)
        return !a->member;
    return a->last_use < b->last_use;
}

/* The user's entry; a new one in the place of the one that is needed least, or NULL when all wait
 * for the database. */
static struct accounts_entry *accounts_entry(struct accounts *accounts, uint32_t uid)
{
    struct accounts_entry *least = NULL;

    for (unsigned i = 0; i < ACCOUNTS_KNOWN; i++) {
        struct accounts_entry *entry = &accounts->entries[i];

        if (entry->used && entry->uid == uid)
            return entry;
        if (!(entry->used && entry->waiting) && (!least || accounts_is_less(entry, least)))
            least = entry;
    }
    if (least)
        *least = (struct accounts_entry){.used = true, .uid = uid};
    return least;
}

/* The user who has waited longest for the database; NULL when none does. */
static struct accounts_entry *accounts_next(struct accounts *accounts)
{
    struct accounts_entry *next = NULL;

    for (unsigned i = 0; i < ACCOUNTS_KNOWN; i++) {
        struct accounts_entry *entry = &accounts->entries[i];

        if (entry->used && entry->waiting && (!next || entry->question < next->question))
            next = entry;
    }
    return next;
}

/* Asks the database about a user, without the lock, and keeps what it says. The entry stays where
 * it is, as it waits. */
static void accounts_ask(struct accounts *accounts, struct accounts_entry *entry)
{
    uint32_t uid = entry->uid;
    int answer;

    accounts->asking = true;
    pthread_mutex_unlock(&accounts->lock);
    answer = accounts->config.lookup(uid, accounts->config.group);
    pthread_mutex_lock(&accounts->lock);
    accounts->asking = false;
    if (answer >= 0)
        entry->member = answer > 0;
    entry->known = true;
    entry->waiting = false;
    entry->since = accounts->now;
    accounts->waiting--;
}

/* Asks for those whom the group's entry lists. They are asked about again when they come. */
static void accounts_prepare(struct accounts *accounts)
{
    uint32_t uids[ACCOUNTS_LISTED];
    unsigned count;

    accounts->asking = true;
    pthread_mutex_unlock(&accounts->lock);
    count = accounts->config.list(accounts->config.group, uids, ACCOUNTS_LISTED);
    pthread_mutex_lock(&accounts->lock);
    accounts->asking = false;
    for (unsigned i = 0; i < count; i++) {
        struct accounts_entry *entry = accounts_entry(accounts, uids[i]);

        if (entry)
            entry->known = entry->member = true;
    }
}

static void *accounts_run(void *data)
{
    struct accounts *accounts = data;
    bool abandoned;

    pthread_setname_np(pthread_self(), "accounts");
    pthread_mutex_lock(&accounts->lock);
    if (accounts->config.list && !accounts->stopping)
        accounts_prepare(accounts);
    while (!accounts->stopping) {
        struct accounts_entry *entry = accounts_next(accounts);

        if (!entry) {
            pthread_cond_wait(&accounts->work, &accounts->lock);
            continue;
        }
        accounts_ask(accounts, entry);
        if (!accounts->stopping)
            accounts->told(accounts->data);
    }
    abandoned = !accounts->started;
    pthread_mutex_unlock(&accounts->lock);
    if (abandoned)
        accounts_destroy(accounts);
    return NULL;
}

/* Under the lock. False when there can be no thread. */
static bool accounts_start(struct accounts *accounts)
{
    sigset_t all, before;

    if (accounts->started)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    accounts->started = pthread_create(&accounts->thread, NULL, accounts_run, accounts) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return accounts->started;
}

struct accounts *accounts_new(const struct accounts_config *config, const uint32_t *named,
                              unsigned named_count, void (*told)(void *data), void *data)
{
    struct accounts *accounts = calloc(1, sizeof(*accounts));

    if (!accounts)
        return NULL;
    accounts->config = *config;
    accounts->told = told;
    accounts->data = data;
    accounts->named_count = named_count;
    accounts->named = calloc(named_count + 1, sizeof(*named));
    if (!accounts->named || pthread_mutex_init(&accounts->lock, NULL) != 0) {
        free(accounts->named);
        free(accounts);
        return NULL;
    }
    if (named_count > 0)
        memcpy(accounts->named, named, named_count * sizeof(*named));
    pthread_cond_init(&accounts->work, NULL);
    if (accounts->config.lookup && accounts->config.list) {
        pthread_mutex_lock(&accounts->lock);
        accounts_start(accounts);
        pthread_mutex_unlock(&accounts->lock);
    }
    return accounts;
}

void accounts_free(struct accounts *accounts)
{
    bool started, asking;
    pthread_t thread;

    if (!accounts)
        return;
    pthread_mutex_lock(&accounts->lock);
    accounts->stopping = true;
    started = accounts->started;
    asking = accounts->asking;
    thread = accounts->thread;
    if (started && asking)
        accounts->started = false; /* the thread frees what it comes back to */
    pthread_cond_signal(&accounts->work);
    pthread_mutex_unlock(&accounts->lock);
    if (started && asking) {
        pthread_detach(thread);
        return;
    }
    if (started)
        pthread_join(thread, NULL);
    accounts_destroy(accounts);
}

/* Whether it is time to ask the database about the user. */
static bool accounts_is_due(const struct accounts_entry *entry, int64_t now)
{
    int64_t age = now - entry->since;

    return !entry->waiting
           && (!entry->known || age < 0
               || age >= (entry->member ? ACCOUNTS_MEMBER_MS : ACCOUNTS_GUEST_MS));
}

/* Under the lock. */
static bool accounts_look(struct accounts *accounts, uint32_t uid, int64_t now, uint32_t *account)
{
    struct accounts_entry *entry = accounts_entry(accounts, uid);

    *account = ACCOUNT_GUESTS;
    if (!entry)
        return true;
    accounts->now = now;
    entry->last_use = ++accounts->order;
    if (accounts_is_due(entry, now) && accounts->waiting < ACCOUNTS_WAITING
        && accounts_start(accounts)) {
        entry->waiting = true;
        entry->question = ++accounts->order;
        accounts->waiting++;
        pthread_cond_signal(&accounts->work);
    }
    if (entry->member)
        *account = uid;
    return entry->known || !entry->waiting;
}

bool accounts_find(struct accounts *accounts, uint32_t uid, int64_t now, uint32_t *account)
{
    bool found;

    *account = uid;
    if (uid == ACCOUNT_ROOT || !accounts->config.lookup || uid == geteuid())
        return true;
    for (unsigned i = 0; i < accounts->named_count; i++) {
        if (accounts->named[i] == uid)
            return true;
    }
    pthread_mutex_lock(&accounts->lock);
    found = accounts_look(accounts, uid, now, account);
    pthread_mutex_unlock(&accounts->lock);
    return found;
}
