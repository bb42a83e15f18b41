/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/takeover.h"

#include "base/log.h"
#include "rm/report.h"
#include "rm/restore.h"

#include <string.h>

static bool takeover_fails(enum tpm_fault *fault, char text[TPM_FAULT_TEXT])
{
    *fault = tpm_fault_memory(text);
    return false;
}

/* Makes the manager, the journal, the desk and the seats, all empty. */
static bool takeover_prepare(const struct takeover *takeover, bool inherits, enum tpm_fault *fault,
                             char text[TPM_FAULT_TEXT])
{
    struct succession *succession = takeover->succession;
    struct journal *journal;
    size_t command, response;

    if (!managed_tpm_take(takeover->managed, inherits, fault, text))
        return false;
    command = rm_command_capacity(takeover->managed->rm);
    response = rm_response_capacity(takeover->managed->rm);
    journal =
        succession_begin(succession, takeover->legacy, tpm_link_owner(&takeover->managed->link),
                         desk_bytes(command, response));
    rm_set_journal(takeover->managed->rm, journal);
    if (!desk_open(takeover->desk, journal, command, response))
        return takeover_fails(fault, text);
    clients_meet_journal(takeover->clients);
    if (journal
        && !seats_open(&takeover->newcomers->seats, succession->keeper, journal_seats(journal),
                       keeper_connections(succession->keeper)))
        return takeover_fails(fault, text);
    return true;
}

/* Takes all of that back, and what was made of a former daemon's. */
static void takeover_undo(const struct takeover *takeover)
{
    struct newcomers *newcomers = takeover->newcomers;
    struct client_end end;

    clients_close(takeover->clients);
    while (clients_reap(takeover->clients, &end))
        if (end.origin == CLIENT_FROM_BUS)
            takeover->events->client_gone(takeover->events->data, end.id);
    users_leave_manager(&newcomers->users);
    restore_undo(takeover->managed->rm);
    managed_tpm_drop(takeover->managed);
    desk_close(takeover->desk);
    seats_clear(&newcomers->seats);
    seats_init(&newcomers->seats, newcomers->loop);
    succession_abandon(takeover->succession);
}

/* What all clients hold. */
static void takeover_add_holdings(struct client *client, void *data)
{
    struct rm_holdings *sum = data, one = report_client_holdings(client->rm);

    sum->objects += one.objects;
    sum->sessions += one.sessions;
}

static struct rm_holdings takeover_holdings(const struct takeover *takeover)
{
    struct rm_holdings sum = {0};

    clients_visit(takeover->clients, takeover_add_holdings, &sum);
    return sum;
}

/* The attempt is not over when the journal was read: the daemon may still die of what it has. */
static void takeover_note_facts(const struct takeover *takeover)
{
    struct journal_facts *facts = journal_facts(takeover->succession->journal);

    if (!facts)
        return;
    facts->starts = takeover->legacy->starts;
    memcpy(facts->bus, takeover->legacy->image.facts->bus, sizeof(facts->bus));
}

/* Some that a daemon leaves are as good as nothing, and nobody misses them. */
static void takeover_tell_refused(const struct legacy *legacy)
{
    if (legacy->socket_count == 0
        && (legacy->verdict == JOURNAL_ENDED || legacy->verdict == JOURNAL_INCOMPLETE))
        return;
    if (legacy->starts >= LEGACY_GIVES_UP)
        log_event(LOG_EVENT_NOT_RESTORED, LOG_NOBODY,
                  "tabrmd died %u times in a row while it served the same clients: their %u "
                  "connections are closed, and they connect again; report what the log says "
                  "before that",
                  (unsigned)legacy->starts, legacy->socket_count);
    else
        log_event(LOG_EVENT_NOT_RESTORED, LOG_NOBODY,
                  "what a former daemon left cannot be used (%s): %u connections are closed, and "
                  "their programs connect again; after a change of version or of options, stop "
                  "and start the service",
                  journal_image_text(legacy->verdict), legacy->socket_count);
}

/* Makes clients of what a former daemon left. False when that cannot be, and nothing is done. */
static bool takeover_inherit(const struct takeover *takeover, struct adopt *adopt)
{
    adopt->rm = takeover->managed->rm;
    if (adopt_all(adopt)) {
        restore_ledger(takeover->managed->rm, tpm_link_ledger(&takeover->managed->link));
        takeover_note_facts(takeover);
        return true;
    }
    takeover_undo(takeover);
    legacy_refuse(takeover->legacy, JOURNAL_MEMORY);
    return false;
}

/* Asks the chip what it has of all that. */
static void takeover_verify(const struct takeover *takeover, const struct adopt *adopt,
                            bool restarted)
{
    struct rm_holdings before = takeover_holdings(takeover), after;

    restore_verify(takeover->managed->rm, restarted);
    journal_commit(takeover->succession->journal);
    tpm_link_flush_others(&takeover->managed->link);
    after = takeover_holdings(takeover);
    adopt_tell(adopt, &before, &after);
}

static bool takeover_try(const struct takeover *takeover, enum tpm_fault *fault,
                         char text[TPM_FAULT_TEXT])
{
    struct adopt adopt = {
        .legacy = takeover->legacy,
        .newcomers = takeover->newcomers,
        .desk = takeover->desk,
        .events = takeover->events,
    };
    bool restarted, there = legacy_is_there(takeover->legacy), good;

    if (!managed_tpm_open(takeover->managed, &restarted, fault, text))
        return false;
    good = there && legacy_read(takeover->legacy, tpm_link_owner(&takeover->managed->link));
    if (!takeover_prepare(takeover, good, fault, text))
        return false;
    if (good && !takeover_inherit(takeover, &adopt)) {
        good = false;
        if (!takeover_prepare(takeover, false, fault, text))
            return false;
    }
    newcomers_open(takeover->newcomers);
    if (good)
        adopt_newcomers(&adopt);
    journal_commit(takeover->succession->journal);
    succession_complete(takeover->succession, takeover->legacy);
    if (good)
        takeover_verify(takeover, &adopt, restarted);
    else if (there)
        takeover_tell_refused(takeover->legacy);
    return true;
}

bool takeover_run(const struct takeover *takeover, enum tpm_fault *fault, char text[TPM_FAULT_TEXT])
{
    bool taken = takeover_try(takeover, fault, text);

    if (taken)
        legacy_clear(takeover->legacy);
    else
        legacy_forgive(takeover->legacy);
    return taken;
}
