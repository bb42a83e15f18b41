/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/user.h"

#include <assert.h>
#include <stdlib.h>

int users_init(struct users *users)
{
    list_init(&users->all);
    return -pthread_mutex_init(&users->lock, NULL);
}

static void user_free(struct user *user)
{
    assert(user->connections == 0);
    rm_user_unreference(user->holdings);
    list_remove(&user->link);
    free(user);
}

void users_clear(struct users *users)
{
    list_for_each (it, &users->all)
        user_free(list_entry(it, struct user, link));
    pthread_mutex_destroy(&users->lock);
}

struct user *users_find(const struct users *users, uint32_t account)
{
    list_for_each (it, &users->all) {
        struct user *user = list_entry(it, struct user, link);

        if (user->account == account)
            return user;
    }
    return NULL;
}

struct user *users_add(struct users *users, uint32_t account)
{
    struct user *user = calloc(1, sizeof(*user));

    if (!user)
        return NULL;
    user->account = account;
    scheduler_user_init(&user->share);
    list_insert_before(&users->all, &user->link);
    return user;
}

void users_drop(struct user *user)
{
    if (user->connections == 0 && !user->served)
        user_free(user);
}

/* Under the lock. Frees a user that was served and of whom nothing need be known any more. */
static void user_forget(struct user *user, const struct scheduler *scheduler)
{
    if (user->served && user->connections == 0 && scheduler_user_rests(scheduler, &user->share)
        && (!user->holdings || rm_user_is_idle(user->holdings)))
        user_free(user);
}

void users_serve(struct users *users, struct user *user, struct scheduler *scheduler)
{
    pthread_mutex_lock(&users->lock);
    if (!user->served) {
        list_for_each (it, &users->all)
            user_forget(list_entry(it, struct user, link), scheduler);
    }
    user->served = true;
    pthread_mutex_unlock(&users->lock);
}

void users_forget(struct users *users, struct user *user, struct scheduler *scheduler)
{
    pthread_mutex_lock(&users->lock);
    user_forget(user, scheduler);
    pthread_mutex_unlock(&users->lock);
}

void users_charge(struct users *users, uint32_t account, struct scheduler *scheduler, uint64_t cost)
{
    struct user *user;

    pthread_mutex_lock(&users->lock);
    user = users_find(users, account);
    if (!user)
        user = users_add(users, account);
    if (user) {
        /* It is kept until it has made up for this, as users_forget() has it. */
        user->served = true;
        scheduler_bill_user(scheduler, &user->share, cost);
    }
    pthread_mutex_unlock(&users->lock);
}

void users_leave_manager(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    list_for_each (it, &users->all) {
        struct user *user = list_entry(it, struct user, link);

        rm_user_unreference(user->holdings);
        user->holdings = NULL;
    }
    pthread_mutex_unlock(&users->lock);
}

bool user_meet_manager(struct user *user, struct rm *rm)
{
    if (!user->holdings)
        user->holdings = rm_user_get(rm, user->account);
    return user->holdings != NULL;
}

struct rm_client *user_connect_manager(struct user *user, struct rm *rm, uint32_t uid)
{
    return user_meet_manager(user, rm) ? rm_client_new(rm, rm_user_reference(user->holdings), uid)
                                       : NULL;
}
