/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/handouts.h"

#include "base/account.h"
#include "base/share.h"

#include <glib.h>

struct handout {
    uint64_t id; /* the key */
    uint32_t account;
    char *caller;
};

struct handouts {
    GHashTable *unconfirmed; /* by id; HANDOUTS_MAX at the most, so that all can be looked at */
};

static void handout_free(gpointer data)
{
    struct handout *handout = data;

    g_free(handout->caller);
    g_free(handout);
}

struct handouts *handouts_new(void)
{
    struct handouts *handouts = g_new(struct handouts, 1);

    handouts->unconfirmed = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, handout_free);
    return handouts;
}

void handouts_free(struct handouts *handouts)
{
    if (!handouts)
        return;
    g_hash_table_unref(handouts->unconfirmed);
    g_free(handouts);
}

bool handouts_have_room(const struct handouts *handouts, uint32_t account)
{
    struct share share = share_of(HANDOUTS_MAX, HANDOUTS_ROOT, HANDOUTS_NEWCOMERS);
    struct share_holdings held = {0};
    GHashTableIter iterator;
    gpointer value;

    g_hash_table_iter_init(&iterator, handouts->unconfirmed);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct handout *handout = value;

        held.root += handout->account == ACCOUNT_ROOT;
        held.others += handout->account != ACCOUNT_ROOT;
        held.own += handout->account == account;
    }
    if (held.own >= HANDOUTS_ACCOUNT)
        return false;
    return account == ACCOUNT_ROOT ? share_has_for_root(&share, &held)
                                   : share_has_for(&share, &held);
}

void handouts_add(struct handouts *handouts, uint64_t id, uint32_t account, const char *caller)
{
    struct handout *handout = g_new(struct handout, 1);

    *handout = (struct handout){id, account, g_strdup(caller)};
    g_hash_table_replace(handouts->unconfirmed, &handout->id, handout);
}

void handouts_confirm(struct handouts *handouts, uint64_t id)
{
    g_hash_table_remove(handouts->unconfirmed, &id);
}

static gboolean handout_is_of(gpointer key, gpointer value, gpointer data)
{
    const struct handout *handout = value;

    (void)key;
    return g_str_equal(handout->caller, data);
}

void handouts_caller_left(struct handouts *handouts, const char *caller)
{
    g_hash_table_foreach_remove(handouts->unconfirmed, handout_is_of, (gpointer)(uintptr_t)caller);
}

void handouts_clear(struct handouts *handouts)
{
    g_hash_table_remove_all(handouts->unconfirmed);
}
