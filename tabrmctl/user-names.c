/* SPDX-License-Identifier: BSD-2-Clause */
#include "user-names.h"

#include "base/account.h"
#include "words.h"

#include <pwd.h>

#define USER_NAMES_COLUMNS 32

static char *user_names_ask(uint32_t uid)
{
    const struct passwd *entry = getpwuid(uid);

    return entry ? words_escape(entry->pw_name, USER_NAMES_COLUMNS) : g_strdup_printf("%u", uid);
}

/* A copy of the user's name, out of those that were asked for. */
static char *user_names_get(GHashTable *known, uint32_t uid)
{
    char *name = g_hash_table_lookup(known, GUINT_TO_POINTER(uid));

    if (!name) {
        name = user_names_ask(uid);
        g_hash_table_insert(known, GUINT_TO_POINTER(uid), name);
    }
    return g_strdup(name);
}

static char *user_names_account(GHashTable *known, uint32_t account)
{
    if (account == ACCOUNT_GUESTS)
        return g_strdup("guests");
    if (account_is_unknown(account))
        return g_strdup("new users");
    return user_names_get(known, account);
}

void user_names_fill(struct model *model)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(NULL, NULL, NULL, g_free);

    for (guint i = 0; i < model->connections->len; i++) {
        struct model_connection *one = model_at(model->connections, model_connection, i);

        one->user = user_names_get(known, one->uid);
    }
    for (guint i = 0; i < model->users->len; i++) {
        struct model_user *one = model_at(model->users, model_user, i);

        one->name = user_names_account(known, one->account);
    }
    for (guint i = 0; i < model->slots->len; i++) {
        struct model_slot *one = model_at(model->slots, model_slot, i);

        one->user = one->number > 0 ? user_names_account(known, one->account) : g_strdup("");
    }
}
