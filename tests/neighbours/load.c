/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that sign without pause, each a process with keys and, if wanted, an HMAC session:
 *
 *   load TCTI CLIENTS KEYS hmac|password [SIGNS]
 *
 * Each signs with its keys in turn, SIGNS times or until SIGTERM. A line says at the end how many
 * signs there were, and how many failed with what code first; a client whose command failed starts
 * anew. "ready" is printed when all have their keys. With SIGNS, a client that failed ends the run.
 * A ReadClock, which nobody else sends, marks in a log of the TPM where the signs of SIGNS begin
 * and where they end.
 */
#include "jobs.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define MAX_KEYS    16

struct shared {
    atomic_uint ready, go, done, signs, failed;
    _Atomic TSS2_RC first;
};

static struct shared *shared;
static const char *conf;
static unsigned clients, keys;
static unsigned long limit;
static bool hmac;
static volatile sig_atomic_t ending;

static void end(int number)
{
    (void)number;
    ending = 1;
}

static TSS2_RC mark(ESYS_CONTEXT *esys)
{
    TPMS_TIME_INFO *info = NULL;
    TSS2_RC rc = Esys_ReadClock(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &info);

    Esys_Free(info);
    return rc;
}

static TSS2_RC prepare(ESYS_CONTEXT *esys, unsigned number, ESYS_TR *key, ESYS_TR *session)
{
    TSS2_RC rc = TSS2_RC_SUCCESS;

    for (unsigned i = 0; i < keys && rc == TSS2_RC_SUCCESS; i++)
        rc = jobs_key(esys, (uint8_t)(1 + number * keys + i), &key[i]);
    if (rc == TSS2_RC_SUCCESS && hmac)
        rc = jobs_session(esys, TPM2_SE_HMAC, 0, session);
    return rc;
}

/* Waits for the others, so that only signs are between the marks. */
static TSS2_RC start_together(ESYS_CONTEXT *esys, unsigned number)
{
    TSS2_RC rc = TSS2_RC_SUCCESS;

    shared->ready++;
    while (shared->ready < clients && !ending)
        usleep(1000);
    if (number == 0) {
        printf("ready\n");
        fflush(stdout);
        if (limit > 0)
            rc = mark(esys);
        shared->go = 1;
    }
    while (!shared->go && !ending)
        usleep(1000);
    return rc;
}

static TSS2_RC finish_together(ESYS_CONTEXT *esys, unsigned number)
{
    shared->done++;
    while (shared->done < clients && !ending)
        usleep(1000);
    return number == 0 ? mark(esys) : TSS2_RC_SUCCESS;
}

static TSS2_RC sign_on(ESYS_CONTEXT *esys, const ESYS_TR *key, ESYS_TR session)
{
    TSS2_RC rc = TSS2_RC_SUCCESS;

    for (unsigned long i = 0; rc == TSS2_RC_SUCCESS && !ending && (limit == 0 || i < limit); i++) {
        rc = jobs_sign(esys, key[i % keys], session);
        if (rc == TSS2_RC_SUCCESS)
            shared->signs++;
    }
    return rc;
}

static TSS2_RC live(unsigned number, bool *started)
{
    ESYS_TR key[MAX_KEYS], session = ESYS_TR_PASSWORD;
    ESYS_CONTEXT *esys;
    TSS2_RC rc = jobs_open(conf, &esys);

    if (rc == TSS2_RC_SUCCESS)
        rc = prepare(esys, number, key, &session);
    if (rc == TSS2_RC_SUCCESS && !*started) {
        *started = true;
        rc = start_together(esys, number);
    }
    if (rc == TSS2_RC_SUCCESS)
        rc = sign_on(esys, key, session);
    if (rc == TSS2_RC_SUCCESS && limit > 0)
        rc = finish_together(esys, number);
    jobs_close(esys);
    return rc;
}

static void client(unsigned number)
{
    bool started = false;

    do {
        TSS2_RC rc = live(number, &started);

        if (rc == TSS2_RC_SUCCESS || ending)
            continue;
        if (shared->failed++ == 0)
            shared->first = rc;
        if (limit > 0)
            kill(getppid(), SIGTERM);
        else
            usleep(100000);
    } while (!ending && limit == 0);
    _exit(0);
}

int main(int argc, char **argv)
{
    pid_t pids[MAX_CLIENTS];
    struct sigaction action = {.sa_handler = end};

    if (argc < 5 || (clients = (unsigned)strtoul(argv[2], NULL, 10)) == 0 || clients > MAX_CLIENTS
        || (keys = (unsigned)strtoul(argv[3], NULL, 10)) == 0 || keys > MAX_KEYS) {
        fprintf(stderr, "usage: load TCTI CLIENTS KEYS hmac|password [SIGNS]\n");
        return 2;
    }
    conf = argv[1];
    hmac = strcmp(argv[4], "hmac") == 0;
    limit = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    sigaction(SIGTERM, &action, NULL);
    for (unsigned i = 0; i < clients; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            client(i);
        }
    }
    while (waitpid(-1, NULL, WNOHANG) >= 0) {
        if (ending) {
            for (unsigned i = 0; i < clients; i++)
                kill(pids[i], SIGTERM);
            while (wait(NULL) > 0)
                ;
            break;
        }
        usleep(10000);
    }
    printf("%u signs, %u failures", shared->signs, shared->failed);
    printf(shared->failed > 0 ? ", 0x%X first\n" : "\n", shared->first);
    return shared->failed > 0 ? 1 : 0;
}
