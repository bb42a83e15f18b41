/* SPDX-License-Identifier: BSD-2-Clause */
#include "attackers.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

/* Rounds of each attacker that make a stretch. */
#define STRETCH 6

static bool start(struct attackers *attackers, const struct world *world, uint64_t seed,
                  const char *tally)
{
    char *number = g_strdup_printf("%u", attackers->count);
    char *chance = g_strdup_printf("%" PRIu64, seed);
    char *socket = world_path(world, "run/tcti.sock"), *bus = world_path(world, "bus");
    char *log = world_path(world, "clients.log");
    const char *const argv[] = {"nice", "-n",  SOAK_NICE, SOAK_ATTACKER, number,
                                chance, tally, socket,    bus,           NULL};
    struct process_setup setup = {.argv = argv, .out = log, .err = log};
    bool started = process_start(&attackers->processes[attackers->count], &setup);

    attackers->count += started;
    g_free(log);
    g_free(bus);
    g_free(socket);
    g_free(chance);
    g_free(number);
    return started;
}

bool attackers_start(struct attackers *attackers, const struct world *world, uint64_t seed,
                     const char *tally)
{
    *attackers = (struct attackers){.fewest = UINT64_MAX};
    if (geteuid() != 0 || !getpwnam(SOAK_ATTACKER_USER) || !getgrnam(SOAK_ATTACKER_GROUP)) {
        printf("# no attackers: they take root, user " SOAK_ATTACKER_USER
               " and group " SOAK_ATTACKER_GROUP "\n");
        return true;
    }
    for (unsigned i = 0; i < SOAK_ATTACKERS; i++)
        if (!start(attackers, world, seed, tally))
            return false;
    return true;
}

static bool all_are_answered(const struct tally *tally)
{
    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        if (atomic_load(&tally->answers[i]) == 0)
            return false;
    return true;
}

static bool stretch_is_over(const struct attackers *attackers, const struct tally *tally)
{
    for (unsigned i = 0; i < attackers->count; i++)
        if (atomic_load(&tally->rounds[i]) - attackers->rounds[i] < STRETCH)
            return false;
    return true;
}

static void begin(struct attackers *attackers, const struct tally *tally)
{
    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        attackers->answers[i] = atomic_load(&tally->answers[i]);
    for (unsigned i = 0; i < attackers->count; i++)
        attackers->rounds[i] = atomic_load(&tally->rounds[i]);
    attackers->begun = true;
}

void attackers_look(struct attackers *attackers, const struct tally *tally)
{
    if (attackers->count == 0)
        return;
    if (!attackers->begun) {
        if (all_are_answered(tally))
            begin(attackers, tally);
        return;
    }
    if (!stretch_is_over(attackers, tally))
        return;
    attackers->stretches++;
    for (unsigned i = 0; i < SOAK_CLIENTS; i++) {
        uint64_t got = atomic_load(&tally->answers[i]) - attackers->answers[i];

        if (got < attackers->fewest)
            attackers->fewest = got;
        if (got > 0)
            continue;
        printf("# client %u got no answer in stretch %u\n", i, attackers->stretches);
        attackers->starved++;
    }
    begin(attackers, tally);
}

bool attackers_went_unnoticed(const struct attackers *attackers, const struct tally *tally)
{
    bool worked = attackers->count == SOAK_ATTACKERS;

    printf("# attackers, rounds of each:");
    for (unsigned i = 0; i < attackers->count; i++) {
        uint64_t rounds = atomic_load(&tally->rounds[i]);

        printf(" %" PRIu64, rounds);
        worked = worked && rounds > 0;
    }
    printf("; %u stretches, at least %" PRIu64 " answers to each client in each\n",
           attackers->stretches, attackers->stretches ? attackers->fewest : 0);
    return worked && attackers->stretches > 0 && attackers->starved == 0;
}
