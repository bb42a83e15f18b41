/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/survey.h"

#include "base/account.h"
#include "base/clock.h"

#include <stdlib.h>
#include <tss2/tss2_tcti.h>

/* Buckets of clients that are looked at for one piece, when few clients are in them. */
#define SURVEY_BUCKETS 128

/* Answers with the snapshot, or with a code. */
static void survey_end(struct surveys *surveys, struct survey *survey, uint32_t rc)
{
    struct snapshot *snapshot = survey->snapshot;

    list_remove(&survey->link);
    if (rc != TSS2_RC_SUCCESS) {
        snapshot_free(snapshot);
        snapshot = NULL;
    }
    surveys->owner.done(surveys->owner.data, survey->token, rc, snapshot);
    free(survey);
}

/* Makes the snapshot, with room for so many things. False without memory. */
static bool survey_begin(struct survey *survey, size_t room)
{
    survey->snapshot = snapshot_new(survey->kind, room);
    return survey->snapshot;
}

static enum snapshot_state survey_state(const struct client *client)
{
    switch (client->state) {
    case CLIENT_ADMITTED:
        return SNAPSHOT_NEW;
    case CLIENT_OPEN:
        break;
    case CLIENT_DRAINING:
    case CLIENT_CLOSED:
        return SNAPSHOT_LEAVING;
    }
    if (client->command != CLIENT_COMMAND_NONE)
        return SNAPSHOT_RUNNING;
    return heap_holds(&client->turn.fair) ? SNAPSHOT_WAITING : SNAPSHOT_IDLE;
}

static struct snapshot_connection survey_connection(const struct surveys *surveys,
                                                    struct client *client, int64_t now)
{
    struct client_record *record = &client->record;

    peer_program(&record->peer);
    return (struct snapshot_connection){
        .number = record->number,
        .uid = client->uid,
        .account = client->user ? client->user->account : account_unknown(client->uid),
        .peer = record->peer,
        .from_bus = client->origin == CLIENT_FROM_BUS,
        .age_ms = now - record->since,
        .holdings = report_client_holdings(client->rm),
        .tally = record->tally,
        .state = survey_state(client),
        .command = dispatch_running(surveys->dispatch, client),
        .locality = client->locality,
        .policy = record->policy ? record->policy : "",
    };
}

/* Those of a bucket that were there when the survey began. How many were looked at. */
static unsigned survey_bucket(const struct surveys *surveys, struct survey *survey, int64_t now)
{
    struct snapshot *snapshot = survey->snapshot;
    unsigned seen = 0;

    list_for_each (it, &surveys->clients->by_number[survey->bucket]) {
        struct client *client = list_entry(it, struct client, record.link);

        seen++;
        if (client->record.number <= survey->newest && client->state != CLIENT_CLOSED)
            snapshot->connections[snapshot->count++] = survey_connection(surveys, client, now);
    }
    survey->bucket++;
    return seen;
}

/* One piece of the list of connections. A bucket keeps its clients, so each client that stays is in
 * the list once. True when the list is whole, or without memory. */
static bool survey_connections(const struct surveys *surveys, struct survey *survey)
{
    int64_t now = clock_now();
    unsigned seen = 0;

    if (!survey->snapshot) {
        survey->newest = surveys->clients->newest;
        if (!survey_begin(survey, surveys->clients->known))
            return true;
    }
    for (unsigned i = 0; i < SURVEY_BUCKETS && seen < SURVEY_PIECE; i++) {
        if (survey->bucket == CLIENTS_BUCKETS)
            return true;
        seen += survey_bucket(surveys, survey, now);
    }
    return false;
}

/* Under the users' lock. */
static void survey_list_users(const struct users *users, struct survey *survey)
{
    struct snapshot *snapshot;
    size_t room = 0;

    list_for_each (it, &users->all)
        room++;
    if (!survey_begin(survey, room))
        return;
    snapshot = survey->snapshot;
    list_for_each (it, &users->all) {
        const struct user *user = list_entry(it, struct user, link);

        snapshot->users[snapshot->count++] = (struct snapshot_user){
            .account = user->account,
            .connections = user->connections,
            .holdings = report_user_holdings(user->holdings),
            .tally = user->tally,
            .rules = user->rules,
        };
    }
}

static void survey_users(struct surveys *surveys, struct survey *survey)
{
    struct users *users = &surveys->newcomers->users;

    pthread_mutex_lock(&users->lock);
    survey_list_users(users, survey);
    pthread_mutex_unlock(&users->lock);
}

static void survey_statistics(const struct surveys *surveys, struct survey *survey)
{
    struct snapshot_statistics *statistics;

    if (!survey_begin(survey, 1))
        return;
    survey->snapshot->count = 1;
    statistics = survey->snapshot->statistics;
    statistics->engine = surveys->clients->statistics;
    statistics->refused_connections = admission_refused(&surveys->newcomers->admission);
    if (!surveys->managed->rm)
        return;
    report_statistics(surveys->managed->rm, &statistics->manager);
    statistics->code_count = report_command_counts(surveys->managed->rm, statistics->codes);
}

static void survey_slots(const struct surveys *surveys, struct survey *survey)
{
    const struct rm *rm = surveys->managed->rm;
    uint32_t room = rm ? report_slot_count(rm) : 0;

    if (!survey_begin(survey, room) || !rm)
        return;
    survey->snapshot->count = report_slots(rm, survey->snapshot->slots, room);
}

static void survey_chip(const struct surveys *surveys, struct survey *survey)
{
    if (!survey_begin(survey, 1))
        return;
    survey->snapshot->count = 1;
    report_identity(surveys->managed->rm, survey->snapshot->chip);
}

void surveys_step(struct surveys *surveys)
{
    struct survey *survey;

    if (!surveys_waiting(surveys))
        return;
    survey = list_entry(surveys->books.next, struct survey, link);
    switch (survey->kind) {
    case SNAPSHOT_CONNECTIONS:
        if (!survey_connections(surveys, survey))
            return;
        break;
    case SNAPSHOT_USERS:
        survey_users(surveys, survey);
        break;
    case SNAPSHOT_STATISTICS:
        survey_statistics(surveys, survey);
        break;
    case SNAPSHOT_SLOTS:
        survey_slots(surveys, survey);
        break;
    case SNAPSHOT_CHIP:
        if (!surveys->managed->rm) {
            survey_end(surveys, survey, TSS2_TCTI_RC_TRY_AGAIN);
            return;
        }
        survey_chip(surveys, survey);
        break;
    case SNAPSHOT_LOCKOUT: /* is no question to the books */
        break;
    }
    survey_end(surveys, survey, survey->snapshot ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_MEMORY);
}

/* Answers with what the TPM said last. */
static void survey_tell_lockout(struct surveys *surveys, struct survey *survey)
{
    if (!surveys->lockout.told) {
        survey_end(surveys, survey, TSS2_TCTI_RC_IO_ERROR);
        return;
    }
    if (!survey_begin(survey, 1)) {
        survey_end(surveys, survey, TSS2_TCTI_RC_MEMORY);
        return;
    }
    survey->snapshot->count = 1;
    *survey->snapshot->lockout = surveys->lockout.lockout;
    survey_end(surveys, survey, TSS2_RC_SUCCESS);
}

/* Whether the TPM was asked of late. */
static bool surveys_know(const struct surveys *surveys)
{
    const struct survey_lockout *lockout = &surveys->lockout;

    return lockout->asked && clock_left(lockout->at + SURVEY_LOCKOUT_MS, SURVEY_LOCKOUT_MS) > 0;
}

/* The user whose account was first to ask is charged for it. */
static void surveys_ask_lockout(struct surveys *surveys)
{
    const struct survey *first = list_entry(surveys->questions.next, struct survey, link);
    struct survey_lockout *lockout = &surveys->lockout;
    uint32_t account = first->account;
    uint64_t before = clock_now_ns();

    lockout->told = report_ask_lockout(surveys->managed->rm, &lockout->lockout);
    lockout->asked = true;
    lockout->at = clock_now();
    users_charge(&surveys->newcomers->users, account, surveys->clients->scheduler,
                 clock_now_ns() - before);
}

/* Asks the TPM, if that is possible now, for all that want to know. */
static void surveys_ask(struct surveys *surveys)
{
    bool serves = surveys->owner.may_ask(surveys->owner.data);

    loop_assert_flat(surveys->clients->loop);
    if (serves && !surveys_know(surveys))
        surveys_ask_lockout(surveys);
    list_for_each (it, &surveys->questions) {
        struct survey *survey = list_entry(it, struct survey, link);

        if (serves)
            survey_tell_lockout(surveys, survey);
        else
            survey_end(surveys, survey, TSS2_TCTI_RC_TRY_AGAIN);
    }
}

/* Between commands. */
static void surveys_go_on(struct timer *timer)
{
    struct surveys *surveys = list_entry(timer, struct surveys, next);

    surveys_step(surveys);
    if (!list_empty(&surveys->questions))
        surveys_ask(surveys);
    if (surveys_waiting(surveys))
        loop_arm(surveys->clients->loop, timer, 0);
}

void surveys_init(struct surveys *surveys, const struct clients *clients,
                  struct newcomers *newcomers, struct managed_tpm *managed,
                  const struct dispatch *dispatch, const struct surveys_owner *owner)
{
    *surveys = (struct surveys){
        .clients = clients,
        .newcomers = newcomers,
        .managed = managed,
        .dispatch = dispatch,
        .owner = *owner,
    };
    list_init(&surveys->books);
    list_init(&surveys->questions);
    timer_init(&surveys->next, surveys_go_on);
}

void surveys_add(struct surveys *surveys, struct survey *survey)
{
    bool question = survey->kind == SNAPSHOT_LOCKOUT;

    list_insert_before(question ? &surveys->questions : &surveys->books, &survey->link);
    loop_arm(surveys->clients->loop, &surveys->next, 0);
}

void surveys_refuse(struct surveys *surveys, uint32_t rc)
{
    list_for_each (it, &surveys->books)
        survey_end(surveys, list_entry(it, struct survey, link), rc);
    list_for_each (it, &surveys->questions)
        survey_end(surveys, list_entry(it, struct survey, link), rc);
    timer_disarm(&surveys->next);
}
