/* SPDX-License-Identifier: BSD-2-Clause */
/* One client of the soak as a program: soak-client INDEX SEED TALLY LIBRARY SOCKET MODE */
#include "chance.h"
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind {
    unsigned count; /* of clients; 0: there is no other kind */
    soak_job *job;
    bool connected; /* it has a connection when it starts */
};

/* The kinds of clients, SOAK_CLIENTS of them together. */
static const struct kind usual_kinds[] = {
    {12, job_sign, true},  {4, job_seal, true},  {11, job_hash, true},  {11, job_carry, true},
    {8, job_policy, true}, {8, job_churn, true}, {3, job_cancel, true}, {3, job_garbage, false},
    {2, job_half, false},  {2, job_deaf, false}, {0, NULL, false},
};

/* Those who live through deaths of the daemon. */
static const struct kind deadly_kinds[] = {
    {9, job_sign, true},    {5, job_seal, true},  {8, job_hash, true},   {8, job_carry, true},
    {8, job_policy, true},  {6, job_churn, true}, {3, job_cancel, true}, {2, job_garbage, false},
    {2, job_half, false},   {2, job_deaf, false}, {4, job_count, true},  {4, job_extend, true},
    {3, job_measure, true}, {0, NULL, false},
};

static void run(struct soak *soak, soak_job *job, bool connected)
{
    while (!soak_ends(soak)) {
        if (connected)
            soak_connect(soak);
        soak->lost = soak->sequence = soak->session = false;
        if (job(soak))
            atomic_fetch_add(&soak->tally->jobs[soak->index], 1);
        else
            soak_disconnect(soak);
        Esys_Free(soak->context);
        soak->context = NULL;
        soak_pause(soak, 40);
    }
    soak_disconnect(soak);
}

int main(int argc, char **argv)
{
    const struct kind *kind;
    struct soak soak = {0};
    unsigned left;

    if (argc != 7) {
        fprintf(stderr, "usage: soak-client INDEX SEED TALLY LIBRARY SOCKET MODE\n");
        return 64;
    }
    soak.index = (unsigned)strtoul(argv[1], NULL, 10);
    soak.chance = chance_seed(strtoull(argv[2], NULL, 10) + soak.index);
    soak.tally = tally_open(argv[3]);
    soak.library = argv[4];
    soak.socket = argv[5];
    soak.lossy = strcmp(argv[6], "losses") == 0;
    soak.deadly = strcmp(argv[6], "deaths") == 0;
    if (!soak.tally) {
        perror(argv[3]);
        return 1;
    }
    left = soak.index;
    kind = soak.deadly ? deadly_kinds : usual_kinds;
    for (; kind->count > 0 && left >= kind->count; kind++)
        left -= kind->count;
    if (kind->count == 0)
        soak_wrong(&soak, "there is no such client");
    run(&soak, kind->job, kind->connected);
    tally_close(soak.tally);
    return 0;
}
