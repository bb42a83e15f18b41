/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/rm.h"

#include "rm/answer-cache.h"
#include "rm/note.h"
#include "rm/residency.h"
#include "rm/resync.h"

#include <assert.h>

static size_t at_least(size_t value, size_t least)
{
    return value > least ? value : least;
}

struct rm *rm_new(struct rm_tpm *tpm, const struct chip *chip, const struct rm_limits *limits)
{
    struct rm *rm = calloc(1, sizeof(*rm));

    if (!rm)
        return NULL;
    rm->tpm = tpm;
    rm->chip = *chip;
    rm->limits = *limits;
    rm->tries_rule_known = true;
    list_init(&rm->users);
    list_init(&rm->policies);
    list_init(&rm->clients);
    list_init(&rm->objects);
    list_init(&rm->slots);
    eviction_init(&rm->object_eviction);
    eviction_init(&rm->session_eviction);
    list_init(&rm->sessions);
    for (unsigned i = 0; i < RM_CONTENT_BUCKETS; i++)
        list_init(&rm->contents[i]);
    rm->command_capacity = at_least(chip->max_command, CHIP_MIN_BUFFER);
    rm->response_capacity = at_least(chip->max_response, CHIP_MIN_BUFFER);
    rm->own_command = malloc(rm->command_capacity);
    rm->own_response = malloc(rm->response_capacity);
    rm->forwarded = malloc(rm->command_capacity);
    if (!rm->own_command || !rm->own_response || !rm->forwarded) {
        rm_free(rm);
        return NULL;
    }
    return rm;
}

void rm_free(struct rm *rm)
{
    if (!rm)
        return;
    assert(list_empty(&rm->clients) && list_empty(&rm->policies));
    list_for_each (link, &rm->objects) {
        struct object *object = list_entry(link, struct object, link);

        object_set_physical(rm, object, OBJECT_NOT_LOADED);
        object_free(rm, object);
    }
    /* Sessions that are still in the chip stay in the ledger. */
    rm->ledger = NULL;
    list_for_each (link, &rm->sessions) {
        session_apply(rm, list_entry(link, struct session, link), SESSION_EVENT_ENDED);
    }
    answer_cache_drop(rm);
    free(rm->own_command);
    free(rm->own_response);
    free(rm->forwarded);
    free(rm);
}

struct rm_client *rm_find_client(struct rm *rm, uint64_t cookie)
{
    list_for_each (link, &rm->clients) {
        struct rm_client *client = list_entry(link, struct rm_client, link);

        if (client->cookie == cookie)
            return client;
    }
    return NULL;
}

void rm_set_time(struct rm *rm, int64_t now)
{
    rm->now = now;
}

void rm_set_ledger(struct rm *rm, struct ledger *ledger)
{
    rm->ledger = ledger;
}

void rm_set_journal(struct rm *rm, struct journal *journal)
{
    rm->journal = journal;
    note_begin(rm);
}

void rm_set_reserve(struct rm *rm, const struct rm_reserve *reserve)
{
    rm->reserve = *reserve;
}

size_t rm_response_capacity(const struct rm *rm)
{
    return rm->response_capacity;
}

size_t rm_command_capacity(const struct rm *rm)
{
    return rm->command_capacity;
}

bool rm_settle(struct rm *rm)
{
    if (rm->condition != TPM_SERVING || residency_has_reserve(rm))
        return false;
    return rm->books_in_doubt ? resync_doubt(rm) : residency_settle(rm);
}

enum rm_idle_result rm_idle(struct rm *rm, enum rm_idle_goal goal)
{
    enum rm_idle_result result;

    if (rm->condition != TPM_SERVING)
        return RM_IDLE_DONE;
    if (rm->books_in_doubt)
        return resync_doubt(rm) ? RM_IDLE_MORE : RM_IDLE_DONE;
    result = residency_idle(rm, goal);
    /* A doubt that this step raised is settled by the next step. */
    return rm->books_in_doubt && rm->condition != TPM_LOST ? RM_IDLE_MORE : result;
}

bool rm_tpm_lost(const struct rm *rm)
{
    return rm->condition == TPM_LOST;
}

const struct rm_stats *rm_stats(const struct rm *rm)
{
    return &rm->stats;
}
