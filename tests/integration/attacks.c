/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one client can do to others, or to the daemon, where the daemon lets it: attacks, and
 * accidents that do the same. Each is known to work on a daemon that does not guard against it:
 * with `--peer` they all go against the packaged tpm2-abrmd instead, and each must succeed there.
 */
#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"
#include "victim.h"

#include "wire/command.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define RC_OBJECT_MEMORY 0xB0902
#define CLIENT_LIBRARY   "libtss2-tcti-tabrmd.so.0"

/* What one client has room for, R16 and R22, and clients that are gone, R08. */
#define OBJECTS   64
#define SESSIONS  16
#define ABANDONED 8

/* Commands of a client that never reads. */
#define UNREAD 5000

/* Descriptors left to a daemon, and clients that want one. */
#define DESCRIPTORS 40
#define NEWCOMERS   60

/* For an answer that nothing should hold up. */
static int timeout_ms = 60000;
static bool on_peer;

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

/* The client is served, and soon. */
static bool is_served(struct raw_client *raw)
{
    struct pollfd answer = {.fd = raw->fd, .events = POLLIN};
    uint8_t bytes[64];

    return raw_client_send(raw, get_random, sizeof(get_random)) && poll(&answer, 1, timeout_ms) == 1
           && raw_client_receive(raw, bytes, sizeof(bytes)) >= HEADER_SIZE
           && header_load(bytes).code == TPM2_RC_SUCCESS;
}

static bool newcomer_is_served(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);
    bool served = raw && is_served(raw);

    raw_client_free(raw);
    return served;
}

static bool R01_a_handle_of_nobody_reaches_the_chip(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);
    struct counts before, after;
    uint32_t code;

    if (!raw)
        return false;
    counts_read(world->counts, &before);
    code = raw_client_send_handle(raw, TPM2_CC_ReadPublic, 0x80000000);
    counts_read(world->counts, &after);
    raw_client_free(raw);
    return code != TPM2_RC_SUCCESS && counts_between(&before, &after, TPM2_CC_ReadPublic) == 0;
}

static bool R03_a_session_of_another_is_flushed(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);
    struct victim victim;
    TPM2_HANDLE session;
    uint32_t code;

    if (!raw || !victim_begin(&victim)
        || Esys_TR_GetTpmHandle(victim.client->esys, victim.session, &session) != TSS2_RC_SUCCESS)
        return false;
    code = raw_client_send_handle(raw, TPM2_CC_FlushContext, session);
    raw_client_free(raw);
    return victim_end(&victim) && code != TPM2_RC_SUCCESS;
}

/* ContextLoad with the first `size` bytes of what could be a session's context: its sequence number
 * and its handle, which are easy to guess, and a hierarchy and a blob, which are not right. */
static void guess_context(uint8_t *command, size_t size, uint32_t session, uint64_t sequence)
{
    uint8_t context[8 + 4 + 4 + 2] = {0};

    store_be32(context + 4, (uint32_t)sequence);
    store_be32(context + 8, session);
    store_be32(context + 12, TPM2_RH_NULL);
    store_be16(context + 16, (uint16_t)(size - HEADER_SIZE - sizeof(context)));
    memset(command, 0, size);
    header_store(command, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_CC_ContextLoad);
    memcpy(command + HEADER_SIZE, context, MIN(size - HEADER_SIZE, sizeof(context)));
}

static bool R05_a_session_is_taken_over_by_guessing(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);
    uint8_t command[HEADER_SIZE + 12];
    struct victim victim;
    TPM2_HANDLE session;
    bool held = true;

    if (!raw || !victim_begin(&victim)
        || Esys_TR_GetTpmHandle(victim.client->esys, victim.session, &session) != TSS2_RC_SUCCESS)
        return false;
    for (uint64_t sequence = 0; sequence < 64 && held; sequence++) {
        guess_context(command, sizeof(command), session, sequence);
        held = raw_client_transact(raw, command, sizeof(command)) != TPM2_RC_SUCCESS;
    }
    held = victim_end(&victim) && held;
    raw_client_free(raw);
    return held;
}

/* Sessions that clients saved for later, as a script does from one command to the next. */
static bool R08_saved_sessions_are_gone(struct world *world)
{
    TPMS_CONTEXT *contexts[ABANDONED] = {0};
    bool held = true;

    (void)world;
    for (unsigned i = 0; i < ABANDONED; i++) {
        struct esys_client *client = esys_client_new();
        ESYS_TR session;

        held = held && client
               && esys_client_session(client, TPM2_SE_HMAC, &session) == TSS2_RC_SUCCESS
               && Esys_ContextSave(client->esys, session, &contexts[i]) == TSS2_RC_SUCCESS;
        esys_client_free(client);
    }
    for (unsigned i = 0; i < ABANDONED; i++) {
        struct esys_client *client = esys_client_new();
        ESYS_TR session;

        held = held && client
               && Esys_ContextLoad(client->esys, contexts[i], &session) == TSS2_RC_SUCCESS;
        esys_client_free(client);
        Esys_Free(contexts[i]);
    }
    return held;
}

/* The daemon, after bytes that it may not survive. */
static bool survives(struct world *world, const uint8_t *bytes, size_t size)
{
    struct raw_client *raw = raw_client_new(world);
    bool held;

    if (!raw)
        return false;
    raw_client_transact(raw, bytes, size);
    raw_client_free(raw);
    held = process_running(&world->daemon);
    return held && newcomer_is_served(world);
}

static bool R10_a_bare_header_ends_the_daemon(struct world *world)
{
    static const uint8_t bare[HEADER_SIZE] = {0x80, 0x01, 0, 0, 0, HEADER_SIZE, 0, 0, 0x01, 0x7A};

    return survives(world, bare, sizeof(bare));
}

static bool R10_a_long_context_stops_the_daemon(struct world *world)
{
    static uint8_t command[8192];

    guess_context(command, sizeof(command), 0x02000000, 1);
    return survives(world, command, sizeof(command));
}

static bool R11_half_a_command_holds_up_all(struct world *world)
{
    struct raw_client *half = raw_client_new(world), *other = raw_client_new(world);
    bool held = half && other && raw_client_send(half, get_random, 4) && is_served(other);

    raw_client_free(half);
    raw_client_free(other);
    return held;
}

static bool R11_a_client_that_never_reads_holds_up_all(struct world *world)
{
    struct raw_client *deaf = raw_client_new(world), *other = raw_client_new(world);
    bool held = false;

    if (deaf && other) {
        struct pollfd room = {.fd = deaf->fd, .events = POLLOUT};

        /* Until nothing more is taken for a while, or the answers fill any buffer. */
        for (unsigned i = 0; i < UNREAD && poll(&room, 1, 1000) == 1; i++)
            send(deaf->fd, get_random, sizeof(get_random), MSG_NOSIGNAL);
        held = is_served(other);
    }
    raw_client_free(deaf);
    raw_client_free(other);
    return held;
}

/* Hash sequences, each an object as any other. */
static bool R16_objects_are_not_counted(struct world *world)
{
    uint8_t command[HEADER_SIZE + 4];
    struct raw_client *raw = raw_client_new(world);
    bool held = raw;

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_HashSequenceStart);
    store_be16(command + HEADER_SIZE, 0);
    store_be16(command + HEADER_SIZE + 2, TPM2_ALG_SHA256);
    for (unsigned i = 0; i < OBJECTS && held; i++)
        held = raw_client_transact(raw, command, sizeof(command)) == TPM2_RC_SUCCESS;
    held = held && raw_client_transact(raw, command, sizeof(command)) == RC_OBJECT_MEMORY;
    raw_client_free(raw);
    return held;
}

static TSS2_RC complete(struct esys_client *client, ESYS_TR sequence, const char *password)
{
    static const TPM2B_MAX_BUFFER last = {.size = 3, .buffer = {'a', 'b', 'c'}};
    TPM2B_AUTH auth = {.size = (UINT16)strlen(password)};
    TPM2B_DIGEST *digest = NULL;
    TSS2_RC rc;

    memcpy(auth.buffer, password, auth.size);
    Esys_TR_SetAuth(client->esys, sequence, &auth);
    rc = Esys_SequenceComplete(client->esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                               &last, ESYS_TR_RH_NULL, &digest, NULL);
    Esys_Free(digest);
    return rc;
}

static bool R17_a_wrong_password_loses_the_sequence(struct world *world)
{
    static const TPM2B_AUTH right = {.size = 5, .buffer = {'r', 'i', 'g', 'h', 't'}};
    struct esys_client *client = esys_client_new();
    ESYS_TR sequence;
    bool held;

    (void)world;
    held = client
           && Esys_HashSequenceStart(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &right,
                                     TPM2_ALG_SHA256, &sequence)
                  == TSS2_RC_SUCCESS
           && complete(client, sequence, "wrong") != TSS2_RC_SUCCESS
           && complete(client, sequence, "right") == TSS2_RC_SUCCESS;
    esys_client_free(client);
    return held;
}

/* Wrong passwords for sequences, until nobody has room in the chip. */
static bool R17_wrong_passwords_fill_the_chip(struct world *world)
{
    static const TPM2B_AUTH right = {.size = 5, .buffer = {'r', 'i', 'g', 'h', 't'}};
    struct victim victim;
    bool held;

    (void)world;
    for (unsigned i = 0; i < 4; i++) {
        struct esys_client *client = esys_client_new();
        ESYS_TR sequence;

        if (client
            && Esys_HashSequenceStart(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      &right, TPM2_ALG_SHA256, &sequence)
                   == TSS2_RC_SUCCESS)
            complete(client, sequence, "wrong");
        esys_client_free(client);
    }
    held = victim_begin(&victim);
    return victim_end(&victim) && held;
}

static bool R22_a_client_has_few_sessions(struct world *world)
{
    struct esys_client *client = esys_client_new();
    ESYS_TR session;
    bool held = client;

    (void)world;
    for (unsigned i = 0; i < SESSIONS && held; i++)
        held = esys_client_session(client, TPM2_SE_HMAC, &session) == TSS2_RC_SUCCESS;
    esys_client_free(client);
    return held;
}

/* A client's last command fails; it would have ended the session had it not. What it is to sign is
 * no digest. */
static void fail_and_leave(void)
{
    static const TPM2B_DIGEST odd = {.size = 5};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    struct victim client;

    if (victim_begin(&client)) {
        Esys_TRSess_SetAttributes(client.client->esys, client.session, 0,
                                  TPMA_SESSION_CONTINUESESSION);
        Esys_Sign(client.client->esys, client.key, client.session, ESYS_TR_NONE, ESYS_TR_NONE, &odd,
                  &scheme, &ticket, &signature);
        Esys_Free(signature);
    }
    esys_client_free(client.client);
}

static bool R23_failing_commands_use_up_the_sessions(struct world *world)
{
    struct victim victim;
    bool held;

    (void)world;
    for (unsigned i = 0; i < 4; i++)
        fail_and_leave();
    held = victim_begin(&victim);
    return victim_end(&victim) && held;
}

static bool R32_a_power_cycle_stops_all_work(struct world *world)
{
    struct raw_client *raw = raw_client_new(world);
    bool held = raw && is_served(raw) && world_power_cycle(world);

    /* The command that is hit may fail; the next one need not. */
    held = held && (is_served(raw) || is_served(raw)) && newcomer_is_served(world);
    raw_client_free(raw);
    return held;
}

static bool R42_newcomers_use_up_the_descriptors(struct world *world)
{
    static const struct rlimit few = {DESCRIPTORS, DESCRIPTORS};
    struct raw_client *first = raw_client_new(world), *others[NEWCOMERS] = {0};
    bool held;

    prlimit(world->daemon.pid, RLIMIT_NOFILE, &few, NULL);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        others[i] = raw_client_new(world);
        if (!others[i] || !is_served(others[i]))
            break;
    }
    held = !others[NEWCOMERS - 1] && first && process_running(&world->daemon) && is_served(first);
    for (unsigned i = 0; i < NEWCOMERS; i++)
        raw_client_free(others[i]);
    held = held && newcomer_is_served(world);
    raw_client_free(first);
    return held;
}

/* The client library's part: a child goes on with what its parent connected. */
/* Asks for `bytes` random bytes again and again; true when each answer has as many. */
static bool gets_its_own(TSS2_TCTI_CONTEXT *tcti, uint8_t bytes)
{
    const uint8_t command[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, bytes};
    uint8_t response[TPM2_MAX_RESPONSE_SIZE];

    for (unsigned i = 0; i < 50; i++) {
        size_t size = sizeof(response);

        if (Tss2_Tcti_Transmit(tcti, sizeof(command), command) != TSS2_RC_SUCCESS
            || Tss2_Tcti_Receive(tcti, &size, response, timeout_ms) != TSS2_RC_SUCCESS
            || size != HEADER_SIZE + 2 + (size_t)bytes)
            return false;
    }
    return true;
}

static bool R46_parent_and_child_get_each_others_answers(struct world *world)
{
    char *conf =
        on_peer ? g_strdup_printf("%s/" CLIENT_LIBRARY ":bus_type=session", world_peer_libdir())
                : world_client_conf();
    TSS2_TCTI_CONTEXT *tcti = NULL;
    bool held = false;
    int status = 0;
    pid_t child;

    (void)world;
    if (Tss2_TctiLdr_Initialize(conf, &tcti) == TSS2_RC_SUCCESS) {
        child = fork();
        if (child == 0)
            _exit(!gets_its_own(tcti, 8));
        held = gets_its_own(tcti, 16);
        held = child > 0 && waitpid(child, &status, 0) == child && status == 0 && held;
        Tss2_TctiLdr_Finalize(&tcti);
    }
    g_free(conf);
    return held;
}

/* True: the daemon, or the library, held out. */
struct attack {
    const char *name;
    bool (*run)(struct world *world);
};

#define ATTACK(attack)          \
    {                           \
        "test_" #attack, attack \
    }

static const struct attack attacks[] = {
    ATTACK(R01_a_handle_of_nobody_reaches_the_chip),
    ATTACK(R03_a_session_of_another_is_flushed),
    ATTACK(R05_a_session_is_taken_over_by_guessing),
    ATTACK(R08_saved_sessions_are_gone),
    ATTACK(R10_a_bare_header_ends_the_daemon),
    ATTACK(R10_a_long_context_stops_the_daemon),
    ATTACK(R11_half_a_command_holds_up_all),
    ATTACK(R11_a_client_that_never_reads_holds_up_all),
    ATTACK(R16_objects_are_not_counted),
    ATTACK(R17_a_wrong_password_loses_the_sequence),
    ATTACK(R17_wrong_passwords_fill_the_chip),
    ATTACK(R22_a_client_has_few_sessions),
    ATTACK(R23_failing_commands_use_up_the_sessions),
    ATTACK(R32_a_power_cycle_stops_all_work),
    ATTACK(R42_newcomers_use_up_the_descriptors),
    ATTACK(R46_parent_and_child_get_each_others_answers),
};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static bool serves(void *world)
{
    return newcomer_is_served(world);
}

static void attack(void **state)
{
    const struct attack *attack = *state;
    struct world *world = world_new(&(struct world_setup){
        .daemon = on_peer ? world_peer_daemon() : NULL,
        .all_slots = true,
    });
    bool held, ended;

    assert_non_null(world);
    /* A daemon may have its name before it serves. */
    assert_true(world_poll(serves, world, WORLD_START_MS));
    held = attack->run(world);
    if (on_peer)
        process_signal(&world->daemon, SIGKILL);
    ended = world_free(world);
    assert_true(held != on_peer);
    assert_true(ended || on_peer);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[ATTACKS];
    char names[ATTACKS][96];

    on_peer = argc > 1 && strcmp(argv[1], "--peer") == 0;
    timeout_ms = on_peer ? 3000 : timeout_ms;
    for (size_t i = 0; i < ATTACKS; i++) {
        snprintf(names[i], sizeof(names[i]), "%s", attacks[i].name);
        /* What the peer cannot says nothing about a requirement of ours. */
        for (char *at = names[i]; on_peer && *at; at++)
            *at = (char)tolower((unsigned char)*at);
        tests[i] = (struct CMUnitTest){
            .name = names[i],
            .test_func = attack,
            .initial_state = (void *)(uintptr_t)&attacks[i],
        };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
