/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/accounts.h"

#include "base/account.h"
#include "engine/user-table.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct accounts {
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct accounts_config config;
    void (*told)(void *data);
    void *data;

    struct user_table table;
    int64_t now;      /* the latest that anybody said */
    unsigned threads; /* there are, */
    unsigned asking;  /* and so many of them wait for the database */
    bool unprepared;  /* those whom the group lists are to be asked for */
    bool stopping;
    bool abandoned; /* the last thread that comes back frees all */
};

static void accounts_destroy(struct accounts *accounts)
{
    pthread_cond_destroy(&accounts->left);
    pthread_mutex_destroy(&accounts->lock);
    free(accounts);
}

/* Asks the database about a user, without the lock, and keeps what it says. The entry stays where
 * it is, as there is a question about it. */
static void accounts_ask(struct accounts *accounts, struct user_entry *entry)
{
    uint32_t uid = entry->uid;
    int answer;

    accounts->asking++;
    pthread_mutex_unlock(&accounts->lock);
    answer = accounts->config.lookup(uid, accounts->config.group);
    pthread_mutex_lock(&accounts->lock);
    accounts->asking--;
    if (answer >= 0)
        user_table_set_member(entry, answer > 0);
    entry->known = true;
    entry->since = accounts->now;
    entry->keep = answer < 0      ? ACCOUNTS_RETRY_MS
                  : entry->member ? ACCOUNTS_MEMBER_MS
                                  : ACCOUNTS_GUEST_MS;
    user_table_answer(&accounts->table, entry);
    if (!accounts->stopping)
        accounts->told(accounts->data);
}

/* Asks for those whom the group's entry lists. They are asked about again when they come. */
static void accounts_prepare(struct accounts *accounts)
{
    uint32_t uids[ACCOUNTS_LISTED];
    unsigned count;

    accounts->unprepared = false;
    accounts->asking++;
    pthread_mutex_unlock(&accounts->lock);
    count = accounts->config.list(accounts->config.group, uids, ACCOUNTS_LISTED);
    pthread_mutex_lock(&accounts->lock);
    accounts->asking--;
    for (unsigned i = 0; i < count; i++) {
        struct user_entry *entry = user_table_get(&accounts->table, uids[i]);

        user_table_set_member(entry, true);
        entry->known = true;
    }
    if (!accounts->stopping)
        accounts->told(accounts->data);
}

/* Under the lock. Until there is nothing to do. */
static void accounts_work(struct accounts *accounts)
{
    while (!accounts->stopping) {
        struct user_entry *entry = NULL;

        if (accounts->unprepared)
            accounts_prepare(accounts);
        else if ((entry = user_table_ask(&accounts->table)))
            accounts_ask(accounts, entry);
        else
            return;
    }
}

static void *accounts_run(void *data)
{
    struct accounts *accounts = data;
    bool last;

    pthread_setname_np(pthread_self(), "accounts");
    pthread_mutex_lock(&accounts->lock);
    accounts_work(accounts);
    accounts->threads--;
    last = accounts->abandoned && accounts->threads == 0;
    pthread_cond_signal(&accounts->left);
    pthread_mutex_unlock(&accounts->lock);
    if (last)
        accounts_destroy(accounts);
    return NULL;
}

static bool accounts_start_thread(struct accounts *accounts)
{
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, accounts_run, accounts);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return false;
    pthread_detach(thread);
    accounts->threads++;
    return true;
}

/* Under the lock. Has somebody do what is to be done; false when there is nobody. */
static bool accounts_start(struct accounts *accounts)
{
    unsigned work = user_table_askable(&accounts->table) + accounts->unprepared;

    if (work == 0)
        return true;
    if (accounts->asking + work > accounts->threads && accounts->threads < ACCOUNTS_ASKING)
        accounts_start_thread(accounts);
    return accounts->threads > 0;
}

struct accounts *accounts_new(const struct accounts_config *config, void (*told)(void *data),
                              void *data)
{
    struct accounts *accounts = calloc(1, sizeof(*accounts));

    if (!accounts)
        return NULL;
    accounts->config = *config;
    accounts->told = told;
    accounts->data = data;
    if (pthread_mutex_init(&accounts->lock, NULL) != 0) {
        free(accounts);
        return NULL;
    }
    pthread_cond_init(&accounts->left, NULL);
    user_table_init(&accounts->table);
    accounts->unprepared = config->lookup && config->list;
    pthread_mutex_lock(&accounts->lock);
    accounts_start(accounts);
    pthread_mutex_unlock(&accounts->lock);
    return accounts;
}

void accounts_free(struct accounts *accounts)
{
    if (!accounts)
        return;
    pthread_mutex_lock(&accounts->lock);
    accounts->stopping = true;
    while (accounts->threads > accounts->asking)
        pthread_cond_wait(&accounts->left, &accounts->lock);
    accounts->abandoned = accounts->threads > 0;
    if (accounts->abandoned) {
        pthread_mutex_unlock(&accounts->lock);
        return;
    }
    pthread_mutex_unlock(&accounts->lock);
    accounts_destroy(accounts);
}

/* Whether it is time to ask the database about the user. */
static bool accounts_is_due(const struct user_entry *entry, int64_t now)
{
    int64_t age = now - entry->since;

    return entry->question == USER_QUESTION_NONE
           && (!entry->known || age < 0 || age >= entry->keep);
}

/* Under the lock. */
static bool accounts_look(struct accounts *accounts, uint32_t uid, int64_t now, bool *member)
{
    struct user_entry *entry = user_table_get(&accounts->table, uid);

    accounts->now = now;
    if (accounts_is_due(entry, now) && user_table_wait(&accounts->table, entry)
        && !accounts_start(accounts))
        user_table_answer(&accounts->table, entry);
    *member = entry->member;
    return entry->known || entry->question == USER_QUESTION_NONE;
}

bool accounts_find_member(struct accounts *accounts, uint32_t uid, int64_t now, bool *member)
{
    bool found;

    *member = uid == ACCOUNT_ROOT || uid == geteuid();
    if (*member || !accounts->config.lookup || account_is_unknown(uid) || uid == ACCOUNT_GUESTS)
        return true;
    pthread_mutex_lock(&accounts->lock);
    found = accounts_look(accounts, uid, now, member);
    pthread_mutex_unlock(&accounts->lock);
    return found;
}

bool accounts_find(struct accounts *accounts, uint32_t uid, int64_t now, uint32_t *account)
{
    bool apart = accounts->config.apart || !accounts->config.lookup, found, member;

    *account = uid;
    if (apart && !account_is_unknown(uid) && uid != ACCOUNT_GUESTS)
        return true;
    found = accounts_find_member(accounts, uid, now, &member);
    if (!member)
        *account = ACCOUNT_GUESTS;
    return found;
}
