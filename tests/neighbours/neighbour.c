/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other users of the TPM than the daemon's clients, such as the kernel's /dev/tpmrm0 has:
 *
 *   neighbour TCTI COUNT [KIND...]
 *
 * makes what is to be loaded, waits for the end of its standard input, and then tries each kind
 * that many times, every time on a connection of its own. It prints a line for each kind: its name,
 * how many failed, of how many, and the first failure's step and code. All kinds without an
 * argument. The exit status is 0 when none failed, 1 when some did, and 2 when what is to be loaded
 * could not be made.
 */
#include "jobs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_US 100000

/* What a try has in its hands, and how far it came. */
struct attempt {
    ESYS_CONTEXT *esys;
    const char *step;
};

/* Sealed data, made once. */
struct seal {
    TPM2B_PRIVATE *private;
    TPM2B_PUBLIC *public;
};
static struct seal plain, policed;

#define TRY(attempt, name, call)       \
    do {                               \
        TSS2_RC try_rc;                \
        (attempt)->step = (name);      \
        try_rc = (call);               \
        if (try_rc != TSS2_RC_SUCCESS) \
            return try_rc;             \
    } while (0)

static TSS2_RC try_random(struct attempt *attempt)
{
    TRY(attempt, "GetRandom", jobs_random(attempt->esys, ESYS_TR_NONE));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_extend(struct attempt *attempt)
{
    static const TPML_DIGEST_VALUES digests = {
        .count = 1, .digests = {{.hashAlg = TPM2_ALG_SHA256, .digest.sha256 = {1}}}};

    TRY(attempt, "PCR_Extend",
        Esys_PCR_Extend(attempt->esys, ESYS_TR_PCR16, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                        &digests));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_primary(struct attempt *attempt)
{
    ESYS_TR key;

    TRY(attempt, "CreatePrimary", jobs_key(attempt->esys, 90, &key));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, key));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_policy(struct attempt *attempt)
{
    ESYS_TR session;

    TRY(attempt, "StartAuthSession", jobs_session(attempt->esys, TPM2_SE_POLICY, 0, &session));
    TRY(attempt, "PolicyPCR", jobs_policy(attempt->esys, session));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, session));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_hmac(struct attempt *attempt)
{
    ESYS_TR session;

    TRY(attempt, "StartAuthSession",
        jobs_session(attempt->esys, TPM2_SE_HMAC, TPMA_SESSION_ENCRYPT, &session));
    TRY(attempt, "GetRandom", jobs_random(attempt->esys, session));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, session));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_sign(struct attempt *attempt)
{
    ESYS_TR key;

    TRY(attempt, "CreatePrimary", jobs_key(attempt->esys, 91, &key));
    TRY(attempt, "Sign", jobs_sign(attempt->esys, key, ESYS_TR_PASSWORD));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, key));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC load(struct attempt *attempt, const struct seal *seal, ESYS_TR *object)
{
    ESYS_TR parent;

    TRY(attempt, "ReadPublic",
        Esys_TR_FromTPMPublic(attempt->esys, JOBS_PARENT, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              &parent));
    TRY(attempt, "Load",
        Esys_Load(attempt->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                  seal->private, seal->public, object));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_load(struct attempt *attempt)
{
    ESYS_TR object;
    TSS2_RC rc = load(attempt, &plain, &object);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, object));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_unseal(struct attempt *attempt)
{
    ESYS_TR object;
    TSS2_RC rc = load(attempt, &plain, &object);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    TRY(attempt, "Unseal", jobs_unseal(attempt->esys, object, ESYS_TR_PASSWORD, ESYS_TR_NONE));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, object));
    return TSS2_RC_SUCCESS;
}

/* As systemd does it: a session that encrypts, held from the start, and one for the policy. */
static TSS2_RC try_unseal_policy(struct attempt *attempt)
{
    ESYS_TR object, encrypting, policy;
    TSS2_RC rc;

    TRY(attempt, "StartAuthSession",
        jobs_session(attempt->esys, TPM2_SE_HMAC, TPMA_SESSION_ENCRYPT, &encrypting));
    rc = load(attempt, &policed, &object);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    TRY(attempt, "second StartAuthSession",
        jobs_session(attempt->esys, TPM2_SE_POLICY, 0, &policy));
    TRY(attempt, "PolicyPCR", jobs_policy(attempt->esys, policy));
    TRY(attempt, "Unseal", jobs_unseal(attempt->esys, object, policy, encrypting));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, object));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, policy));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, encrypting));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_held(struct attempt *attempt)
{
    ESYS_TR key;

    TRY(attempt, "CreatePrimary", jobs_key(attempt->esys, 92, &key));
    for (unsigned i = 0; i < 3; i++) {
        usleep(PAUSE_US);
        TRY(attempt, "Sign", jobs_sign(attempt->esys, key, ESYS_TR_PASSWORD));
    }
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, key));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC try_three(struct attempt *attempt)
{
    ESYS_TR keys[3];

    for (uint8_t i = 0; i < 3; i++)
        TRY(attempt, "CreatePrimary", jobs_key(attempt->esys, 93 + i, &keys[i]));
    for (unsigned i = 0; i < 3; i++)
        TRY(attempt, "Sign", jobs_sign(attempt->esys, keys[i], ESYS_TR_PASSWORD));
    for (unsigned i = 0; i < 3; i++)
        TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, keys[i]));
    return TSS2_RC_SUCCESS;
}

static const struct kind {
    const char *name;
    TSS2_RC (*run)(struct attempt *attempt);
} kinds[] = {
    {"random", try_random},
    {"extend", try_extend},
    {"primary", try_primary},
    {"policy-session", try_policy},
    {"hmac-session", try_hmac},
    {"sign", try_sign},
    {"load", try_load},
    {"unseal", try_unseal},
    {"unseal-policy", try_unseal_policy},
    {"held-key", try_held},
    {"three-keys", try_three},
};

/* The persistent key and what is sealed under it, by an own connection. */
static TSS2_RC prepare(struct attempt *attempt, const char *conf)
{
    ESYS_TR parent, session;
    TPM2B_DIGEST *digest = NULL;

    TRY(attempt, "connect", jobs_open(conf, &attempt->esys));
    TRY(attempt, "the persistent key", jobs_parent(attempt->esys, &parent));
    TRY(attempt, "Create", jobs_seal(attempt->esys, parent, NULL, &plain.private, &plain.public));
    TRY(attempt, "StartAuthSession", jobs_session(attempt->esys, TPM2_SE_TRIAL, 0, &session));
    TRY(attempt, "PolicyPCR", jobs_policy(attempt->esys, session));
    TRY(attempt, "PolicyGetDigest",
        Esys_PolicyGetDigest(attempt->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                             &digest));
    TRY(attempt, "FlushContext", Esys_FlushContext(attempt->esys, session));
    TRY(attempt, "Create",
        jobs_seal(attempt->esys, parent, digest, &policed.private, &policed.public));
    Esys_Free(digest);
    return TSS2_RC_SUCCESS;
}

/* How many of `count` tries failed. */
static unsigned run_kind(const struct kind *kind, const char *conf, unsigned count)
{
    unsigned failed = 0;
    const char *step = "";
    TSS2_RC first = TSS2_RC_SUCCESS;

    for (unsigned i = 0; i < count; i++) {
        struct attempt attempt = {.step = "connect"};
        TSS2_RC rc = jobs_open(conf, &attempt.esys);

        if (rc == TSS2_RC_SUCCESS)
            rc = kind->run(&attempt);
        if (rc != TSS2_RC_SUCCESS && failed++ == 0) {
            first = rc;
            step = attempt.step;
        }
        jobs_close(attempt.esys);
    }
    printf("%s %u of %u", kind->name, failed, count);
    printf(failed > 0 ? " (%s: 0x%X)\n" : "\n", step, first);
    fflush(stdout);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct attempt attempt = {.step = ""};
    unsigned failed = 0;
    TSS2_RC rc;

    if (count == 0) {
        fprintf(stderr, "usage: neighbour TCTI COUNT [KIND...]\n");
        return 2;
    }
    rc = prepare(&attempt, argv[1]);
    jobs_close(attempt.esys);
    if (rc != TSS2_RC_SUCCESS) {
        fprintf(stderr, "neighbour: %s: 0x%X\n", attempt.step, rc);
        return 2;
    }
    printf("prepared\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        bool wanted = argc == 3;

        for (int i = 3; i < argc; i++)
            wanted |= strcmp(argv[i], kinds[k].name) == 0;
        if (wanted)
            failed += run_kind(&kinds[k], argv[1], (unsigned)count);
    }
    return failed > 0 ? 1 : 0;
}
