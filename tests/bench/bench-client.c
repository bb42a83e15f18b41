/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that uses a TPM through ESYS, as real ones do, and does what it is told: one job a line
 * on standard input, one line of answer each.
 *
 *     bench-client TCTI-CONF
 *
 *   key [policy]            makes an ECC P-256 signing key: a password key, or one that wants the
 *                           policy "PolicyCommandCode(Sign)"; keys are numbered from 0
 *   session hmac|policy     starts a session that goes on after each use; numbered from 0
 *   policy SESSION          PolicyCommandCode(Sign) in that session
 *   random TIMES            GetRandom
 *   capability TIMES        GetCapability of a fixed property
 *   readpublic KEY TIMES    ReadPublic
 *   sign KEY AUTH TIMES     Sign; AUTH is "password" or a session's number
 *   signs KEY...            Sign with each of the keys in turn, by password
 *   turns KEYS AUTH TIMES   Sign with the first so many keys in turn, AUTH as above
 *
 * TIMES is a number, or with "ms" behind it the milliseconds to go on for. The answer is "ok" and
 * how many nanoseconds each command took, or "error" and why.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#define CLIENT_KEYS     64
#define CLIENT_SESSIONS 8
#define CLIENT_BAD_JOB  TSS2_ESYS_RC_BAD_VALUE

struct client {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR keys[CLIENT_KEYS], sessions[CLIENT_SESSIONS];
    unsigned key_count, session_count;
    unsigned turn, turn_keys; /* for client_sign_in_turn() */
};

/* One TPM command and what it is given. */
struct operation {
    TSS2_RC (*run)(struct client *client, const struct operation *operation);
    ESYS_TR key, authorization;
};

static const TPM2B_AUTH client_password = {.size = 3, .buffer = {'k', 'e', 'y'}};

static int64_t client_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static TSS2_RC client_random(struct client *client, const struct operation *operation)
{
    TPM2B_DIGEST *random = NULL;
    TSS2_RC rc = Esys_GetRandom(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8, &random);

    (void)operation;
    Esys_Free(random);
    return rc;
}

static TSS2_RC client_capability(struct client *client, const struct operation *operation)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TSS2_RC rc = Esys_GetCapability(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 1, NULL, &data);

    (void)operation;
    Esys_Free(data);
    return rc;
}

static TSS2_RC client_read_public(struct client *client, const struct operation *operation)
{
    TPM2B_PUBLIC *public = NULL;
    TSS2_RC rc = Esys_ReadPublic(client->esys, operation->key, ESYS_TR_NONE, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &public, NULL, NULL);

    Esys_Free(public);
    return rc;
}

static TSS2_RC client_sign(struct client *client, const struct operation *operation)
{
    static const TPM2B_DIGEST digest = {.size = 32, .buffer = {1, 2, 3}};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = Esys_Sign(client->esys, operation->key, operation->authorization, ESYS_TR_NONE,
                           ESYS_TR_NONE, &digest, &scheme, &ticket, &signature);

    Esys_Free(signature);
    return rc;
}

static TSS2_RC client_policy(struct client *client, const struct operation *operation)
{
    return Esys_PolicyCommandCode(client->esys, operation->authorization, ESYS_TR_NONE,
                                  ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CC_Sign);
}

static TSS2_RC client_start_session(struct client *client, TPM2_SE type, ESYS_TR *session)
{
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    TSS2_RC rc =
        Esys_StartAuthSession(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, type, &none, TPM2_ALG_SHA256, session);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    return Esys_TRSess_SetAttributes(client->esys, *session, TPMA_SESSION_CONTINUESESSION,
                                     TPMA_SESSION_CONTINUESESSION);
}

/* The digest of the policy that client_policy() meets, as a trial session finds it. */
static TSS2_RC client_policy_digest(struct client *client, TPM2B_DIGEST *policy)
{
    struct operation operation = {0};
    TPM2B_DIGEST *digest = NULL;
    TSS2_RC rc = client_start_session(client, TPM2_SE_TRIAL, &operation.authorization);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = client_policy(client, &operation);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_PolicyGetDigest(client->esys, operation.authorization, ESYS_TR_NONE, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &digest);
    if (rc == TSS2_RC_SUCCESS)
        *policy = *digest;
    Esys_Free(digest);
    Esys_FlushContext(client->esys, operation.authorization);
    return rc;
}

/* Each key is another one: its number is part of what it is derived from. */
static TSS2_RC client_make_key(struct client *client, const TPM2B_DIGEST *policy)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {.sensitive = {.userAuth = client_password}};
    TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN,
                       .authPolicy = *policy,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_NULL},
                                                .scheme = {.scheme = TPM2_ALG_NULL},
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf = {.scheme = TPM2_ALG_NULL}},
                       .unique.ecc.x = {.size = 1, .buffer = {(BYTE)client->key_count}}}};
    const TPM2B_DATA no_data = {0};
    const TPML_PCR_SELECTION no_pcrs = {0};
    ESYS_TR *key;
    TSS2_RC rc;

    if (client->key_count == CLIENT_KEYS)
        return CLIENT_BAD_JOB;
    if (policy->size == 0)
        template.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    key = &client->keys[client->key_count];
    rc = Esys_CreatePrimary(client->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &sensitive, &template, &no_data, &no_pcrs, key, NULL,
                            NULL, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    client->key_count++;
    return Esys_TR_SetAuth(client->esys, *key, &client_password);
}

/* Reads the next word as a number below `limit`. */
static bool client_number(char **words, unsigned limit, unsigned *number)
{
    char *word = strsep(words, " "), *end;
    unsigned long value;

    if (!word || *word < '0' || *word > '9')
        return false;
    value = strtoul(word, &end, 10);
    *number = (unsigned)value;
    return *end == '\0' && value < limit;
}

/* Reads the next word as TIMES: *count commands, or all that fit into *span nanoseconds. */
static bool client_times(char **words, unsigned long *count, int64_t *span)
{
    char *word = strsep(words, " "), *end;

    if (!word || *word < '0' || *word > '9')
        return false;
    *count = strtoul(word, &end, 10);
    *span = INT64_MAX;
    if (strcmp(end, "ms") == 0) {
        *span = (int64_t)*count * 1000000;
        *count = ULONG_MAX;
        end += 2;
    }
    return *end == '\0';
}

static TSS2_RC client_repeat(struct client *client, const struct operation *operation, char **words)
{
    int64_t start = client_now(), now = start, span;
    unsigned long count;

    if (!client_times(words, &count, &span))
        return CLIENT_BAD_JOB;
    printf("ok");
    for (unsigned long i = 0; i < count && now - start < span; i++) {
        int64_t before = client_now();
        TSS2_RC rc = operation->run(client, operation);

        if (rc != TSS2_RC_SUCCESS)
            return rc;
        now = client_now();
        printf(" %lld", (long long)(now - before));
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC client_job_key(struct client *client, char **words)
{
    TPM2B_DIGEST policy = {0};
    char *word = strsep(words, " ");
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (word)
        rc = strcmp(word, "policy") == 0 ? client_policy_digest(client, &policy) : CLIENT_BAD_JOB;
    if (rc == TSS2_RC_SUCCESS)
        rc = client_make_key(client, &policy);
    if (rc == TSS2_RC_SUCCESS)
        printf("ok");
    return rc;
}

static TSS2_RC client_job_session(struct client *client, char **words)
{
    char *word = strsep(words, " ");
    bool hmac = word && strcmp(word, "hmac") == 0;
    TSS2_RC rc;

    if (client->session_count == CLIENT_SESSIONS || !word || (!hmac && strcmp(word, "policy") != 0))
        return CLIENT_BAD_JOB;
    rc = client_start_session(client, hmac ? TPM2_SE_HMAC : TPM2_SE_POLICY,
                              &client->sessions[client->session_count]);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    client->session_count++;
    printf("ok");
    return rc;
}

static TSS2_RC client_job_policy(struct client *client, char **words)
{
    struct operation operation = {.run = client_policy};
    unsigned session;
    TSS2_RC rc;

    if (!client_number(words, client->session_count, &session))
        return CLIENT_BAD_JOB;
    operation.authorization = client->sessions[session];
    rc = client_policy(client, &operation);
    if (rc == TSS2_RC_SUCCESS)
        printf("ok");
    return rc;
}

static TSS2_RC client_job_random(struct client *client, char **words)
{
    return client_repeat(client, &(struct operation){.run = client_random}, words);
}

static TSS2_RC client_job_capability(struct client *client, char **words)
{
    return client_repeat(client, &(struct operation){.run = client_capability}, words);
}

static TSS2_RC client_job_read_public(struct client *client, char **words)
{
    struct operation operation = {.run = client_read_public};
    unsigned key;

    if (!client_number(words, client->key_count, &key))
        return CLIENT_BAD_JOB;
    operation.key = client->keys[key];
    return client_repeat(client, &operation, words);
}

/* Reads AUTH. */
static bool client_authorization(struct client *client, char **words, ESYS_TR *authorization)
{
    unsigned session;

    *authorization = ESYS_TR_PASSWORD;
    if (*words && strncmp(*words, "password ", 9) == 0) {
        *words += 9;
        return true;
    }
    if (!client_number(words, client->session_count, &session))
        return false;
    *authorization = client->sessions[session];
    return true;
}

static TSS2_RC client_job_sign(struct client *client, char **words)
{
    struct operation operation = {.run = client_sign};
    unsigned key;

    if (!client_number(words, client->key_count, &key)
        || !client_authorization(client, words, &operation.authorization))
        return CLIENT_BAD_JOB;
    operation.key = client->keys[key];
    return client_repeat(client, &operation, words);
}

static TSS2_RC client_sign_in_turn(struct client *client, const struct operation *operation)
{
    struct operation one = *operation;

    one.key = client->keys[client->turn++ % client->turn_keys];
    return client_sign(client, &one);
}

static TSS2_RC client_job_turns(struct client *client, char **words)
{
    struct operation operation = {.run = client_sign_in_turn};

    if (!client_number(words, client->key_count + 1, &client->turn_keys) || client->turn_keys == 0
        || !client_authorization(client, words, &operation.authorization))
        return CLIENT_BAD_JOB;
    return client_repeat(client, &operation, words);
}

static TSS2_RC client_job_signs(struct client *client, char **words)
{
    struct operation operation = {.run = client_sign, .authorization = ESYS_TR_PASSWORD};

    printf("ok");
    while (*words) {
        int64_t before = client_now();
        unsigned key;
        TSS2_RC rc;

        if (!client_number(words, client->key_count, &key))
            return CLIENT_BAD_JOB;
        operation.key = client->keys[key];
        rc = client_sign(client, &operation);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        printf(" %lld", (long long)(client_now() - before));
    }
    return TSS2_RC_SUCCESS;
}

static const struct {
    const char *name;
    TSS2_RC (*run)(struct client *client, char **words);
} client_jobs[] = {
    {"key", client_job_key},
    {"session", client_job_session},
    {"policy", client_job_policy},
    {"random", client_job_random},
    {"capability", client_job_capability},
    {"readpublic", client_job_read_public},
    {"sign", client_job_sign},
    {"signs", client_job_signs},
    {"turns", client_job_turns},
};

static TSS2_RC client_job(struct client *client, char *line)
{
    char *words = line, *name = strsep(&words, " ");

    for (size_t i = 0; i < sizeof(client_jobs) / sizeof(client_jobs[0]); i++)
        if (strcmp(client_jobs[i].name, name) == 0)
            return client_jobs[i].run(client, &words);
    return CLIENT_BAD_JOB;
}

int main(int argc, char **argv)
{
    struct client client = {0};
    size_t room = 0;
    char *line = NULL;
    TSS2_RC rc;

    if (argc != 2) {
        fprintf(stderr, "usage: bench-client TCTI-CONF\n");
        return EXIT_FAILURE;
    }
    rc = Tss2_TctiLdr_Initialize(argv[1], &client.tcti);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Initialize(&client.esys, client.tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        printf("error 0x%X\n", rc);
    else
        printf("ok\n");
    while (rc == TSS2_RC_SUCCESS && fflush(stdout) == 0 && getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        rc = client_job(&client, line);
        if (rc != TSS2_RC_SUCCESS)
            printf(" error 0x%X", rc);
        printf("\n");
    }
    free(line);
    Esys_Finalize(&client.esys);
    Tss2_TctiLdr_Finalize(&client.tcti);
    return rc == TSS2_RC_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
