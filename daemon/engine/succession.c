/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/succession.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const succession_names[2] = {KEEPER_JOURNAL_0, KEEPER_JOURNAL_1};

static void succession_tell(int error)
{
    log_warning(
        "nothing is kept for the next daemon (%s): clients lose their connections when this "
        "one ends",
        strerror(-error));
}

struct journal *succession_begin(struct succession *succession, const struct legacy *legacy,
                                 uint64_t owner, size_t desk)
{
    const struct journal_config config = {
        .owner = owner,
        .generation = legacy->chosen < 0 ? 1 : legacy->image.generation + 1,
        .seats = succession->keeper ? keeper_connections(succession->keeper) : 0,
        .desk = (uint32_t)desk,
    };
    int error;

    if (!succession->keeper)
        return NULL;
    succession->which = legacy->chosen == 0 ? 1 : 0;
    error = kept_memory_make(&succession->kept);
    if (!error) {
        succession->journal = journal_new(&succession->kept.memory, &config);
        error = succession->journal ? 0 : -ENOMEM;
    }
    if (error) {
        succession_tell(error);
        succession_abandon(succession);
    }
    return succession->journal;
}

void succession_abandon(struct succession *succession)
{
    journal_free(succession->journal);
    succession->journal = NULL;
    kept_memory_clear(&succession->kept);
}

/* Stores it. The name is free: what a former daemon left there was not whole. */
static int succession_store(struct succession *succession)
{
    const char *name = succession_names[succession->which];
    int error = keeper_remove(succession->keeper, name);

    return error ? error : keeper_store(succession->keeper, name, succession->kept.fd);
}

void succession_complete(struct succession *succession, struct legacy *legacy)
{
    int error = succession->journal ? succession_store(succession) : 0;

    if (error)
        succession_tell(error);
    else if (succession->journal)
        journal_complete(succession->journal);
    legacy_end(legacy);
    if (succession->keeper)
        keeper_remove(succession->keeper, succession_names[!succession->which]);
}

void succession_end(struct succession *succession)
{
    if (succession->journal)
        journal_end(succession->journal);
    if (!succession->keeper)
        return;
    for (unsigned i = 0; i < 2; i++)
        keeper_remove(succession->keeper, succession_names[i]);
    keeper_remove(succession->keeper, KEEPER_LISTENER);
}

void succession_trust(struct succession *succession)
{
    if (succession->journal)
        journal_facts(succession->journal)->starts = 0;
}

void succession_hand_over(struct succession *succession)
{
    if (succession->journal)
        journal_facts(succession->journal)->starts = JOURNAL_HANDED_OVER;
}

void succession_set_bus(struct succession *succession, struct seats *seats, const char *bus)
{
    struct journal_facts *facts = journal_facts(succession->journal);
    char name[sizeof(facts->bus)] = "";

    snprintf(name, sizeof(name), "%s", bus);
    if (!facts || strcmp(facts->bus, name) == 0)
        return;
    seats_forget_creators(seats);
    facts->bus[0] = '\0';
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    memcpy(facts->bus + 1, name + 1, sizeof(name) - 1);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    facts->bus[0] = name[0];
}
