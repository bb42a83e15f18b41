/* SPDX-License-Identifier: BSD-2-Clause */
/* One client of the soak as a program: soak-client INDEX SEED TALLY LIBRARY SOCKET LOSSY */
#include "chance.h"
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kinds of clients, SOAK_CLIENTS of them together. */
static const struct {
    unsigned count;
    soak_job *job;
    bool connected; /* it has a connection when it starts */
} kinds[] = {
    {12, job_sign, true},  {4, job_seal, true},  {11, job_hash, true},  {11, job_carry, true},
    {8, job_policy, true}, {8, job_churn, true}, {3, job_cancel, true}, {3, job_garbage, false},
    {2, job_half, false},  {2, job_deaf, false},
};

static void run(struct soak *soak, soak_job *job, bool connected)
{
    while (!soak_ends(soak)) {
        if (connected)
            soak_connect(soak);
        soak->lost = false;
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
    struct soak soak = {0};
    unsigned left;

    if (argc != 7) {
        fprintf(stderr, "usage: soak-client INDEX SEED TALLY LIBRARY SOCKET LOSSY\n");
        return 64;
    }
    soak.index = (unsigned)strtoul(argv[1], NULL, 10);
    soak.chance = chance_seed(strtoull(argv[2], NULL, 10) + soak.index);
    soak.tally = tally_open(argv[3]);
    soak.library = argv[4];
    soak.socket = argv[5];
    soak.lossy = strcmp(argv[6], "1") == 0;
    if (!soak.tally) {
        perror(argv[3]);
        return 1;
    }
    left = soak.index;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (left < kinds[i].count) {
            run(&soak, kinds[i].job, kinds[i].connected);
            tally_close(soak.tally);
            return 0;
        }
        left -= kinds[i].count;
    }
    soak_wrong(&soak, "there is no such client");
}
