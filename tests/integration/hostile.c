/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Twenty clients at work beside hostile clients: one that sends garbage without pause, one that
 * stalled in the middle of a header, one that never reads. Each answer that the twenty get is
 * checked, and what the hostile clients cost is counted below the daemon: they get no more of the
 * chip than they ask for, and who does not take an answer is given no further one.
 *
 * With a number for an argument it goes on for so many seconds, else for a few rounds.
 */
#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"

#include "wire/header.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>

#define WORKERS      20
#define ROUNDS       6
#define ROUND_CALLS  2 /* that a worker makes in a round */
#define FRAME_MAX    256
#define NOISE_SIZE   512
#define NOISE_EVERY  25 /* framed commands from one connection full of noise to the next */
#define SETTLE_TRIES 200

/* A key that must be loaded costs a load, and another one saved and flushed for it. */
#define CALL_COST_MAX 4

static gint64 seconds;

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

struct worker {
    struct esys_client *client;
    ESYS_TR key;
    unsigned number, rounds;
    GThread *thread;
    const char *wrong; /* what went wrong first */
};

/* The one that sends garbage. */
struct garbage {
    struct world *world;
    struct raw_client *raw;
    uint32_t seed;
    gint stop;
    GThread *thread;
    unsigned frames, connections;
    const char *wrong;
};

/* Has the TPM hash something that only this worker hashes now, so that another's answer is told
 * from its own. */
static const char *hash_once(struct worker *worker)
{
    TPM2B_MAX_BUFFER data;
    TPM2B_DIGEST *digest = NULL;
    TPMT_TK_HASHCHECK *ticket = NULL;
    guint8 expected[32];
    gsize length = sizeof(expected);
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const char *wrong = NULL;

    data.size = (UINT16)snprintf((char *)data.buffer, sizeof(data.buffer), "worker %u, round %u",
                                 worker->number, worker->rounds);
    g_checksum_update(checksum, data.buffer, data.size);
    g_checksum_get_digest(checksum, expected, &length);
    g_checksum_free(checksum);
    if (Esys_Hash(worker->client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &data,
                  TPM2_ALG_SHA256, ESYS_TR_RH_NULL, &digest, &ticket)
        != TSS2_RC_SUCCESS)
        wrong = "a hash was refused";
    else if (digest->size != length || memcmp(digest->buffer, expected, length) != 0)
        wrong = "a digest is not that of the worker's own text";
    Esys_Free(digest);
    Esys_Free(ticket);
    return wrong;
}

static const char *work_once(struct worker *worker)
{
    const char *wrong = hash_once(worker);

    if (!wrong
        && esys_client_sign(worker->client, worker->key, ESYS_TR_PASSWORD) != TSS2_RC_SUCCESS)
        wrong = "a signature was refused";
    worker->rounds++;
    return wrong;
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    while (!worker->wrong && (seconds > 0 ? g_get_monotonic_time() < end : worker->rounds < ROUNDS))
        worker->wrong = work_once(worker);
    return NULL;
}

static void workers_make(struct worker *workers)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.client = esys_client_new(), .number = i};
        assert_non_null(workers[i].client);
        assert_int_equal(esys_client_key(workers[i].client, &workers[i].key), TSS2_RC_SUCCESS);
    }
}

/* Ends the workers. How many calls they have made. */
static unsigned workers_end(struct worker *workers)
{
    unsigned calls = 0;

    for (unsigned i = 0; i < WORKERS; i++) {
        g_thread_join(workers[i].thread);
        if (workers[i].wrong)
            fail_msg("worker %u, round %u: %s", i, workers[i].rounds, workers[i].wrong);
        assert_true(workers[i].rounds > 0);
        calls += workers[i].rounds * ROUND_CALLS;
        esys_client_free(workers[i].client);
    }
    return calls;
}

/* A small generator, so that what is sent repeats. */
static uint32_t chance(struct garbage *garbage)
{
    garbage->seed ^= garbage->seed << 13;
    garbage->seed ^= garbage->seed >> 17;
    garbage->seed ^= garbage->seed << 5;
    return garbage->seed;
}

/* Bytes with no sense at all; the daemon answers or hangs up, whichever it likes. */
static bool send_noise(struct garbage *garbage)
{
    struct raw_client *raw = raw_client_new(garbage->world);
    uint8_t bytes[NOISE_SIZE];

    if (!raw)
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)chance(garbage);
    (void)!send(raw->fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    raw_client_free(raw);
    garbage->connections++;
    return true;
}

/* A sane header and a sane code over noise: each must get an answer. */
static bool send_framed_noise(struct garbage *garbage)
{
    uint8_t command[FRAME_MAX];
    uint32_t size = HEADER_SIZE + chance(garbage) % (sizeof(command) - HEADER_SIZE);
    uint32_t code = TPM2_CC_FIRST + chance(garbage) % (TPM2_CC_LAST - TPM2_CC_FIRST + 1);
    bool sessions = chance(garbage) % 2;

    /* These would change the chip under the feet of everybody, and those that the deaf client and
     * the workers send are counted. */
    if (code == TPM2_CC_Clear || code == TPM2_CC_Shutdown || code == TPM2_CC_FieldUpgradeStart
        || code == TPM2_CC_GetRandom || code == TPM2_CC_Sign)
        code = TPM2_CC_ReadPublic;
    for (size_t i = HEADER_SIZE; i < size; i++)
        command[i] = (uint8_t)chance(garbage);
    header_store(command, sessions ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, size, code);
    garbage->frames++;
    return raw_client_transact(garbage->raw, command, size) != UINT32_MAX;
}

static void *garbage_run(void *argument)
{
    struct garbage *garbage = argument;

    while (!garbage->wrong && !g_atomic_int_get(&garbage->stop)) {
        if (!send_framed_noise(garbage))
            garbage->wrong = "a framed command got no answer";
        else if (garbage->frames % NOISE_EVERY == 1 && !send_noise(garbage))
            garbage->wrong = "a new connection was refused";
    }
    return NULL;
}

static void garbage_end(struct garbage *garbage)
{
    g_atomic_int_set(&garbage->stop, 1);
    g_thread_join(garbage->thread);
    if (garbage->wrong)
        fail_msg("garbage, frame %u: %s", garbage->frames, garbage->wrong);
    assert_true(garbage->connections > 0);
    raw_client_free(garbage->raw);
}

/* Sends commands until neither the socket nor the daemon takes more. How many. */
static unsigned fill(struct raw_client *deaf)
{
    unsigned sent = 0;

    while (send(deaf->fd, get_random, sizeof(get_random), MSG_NOSIGNAL) == sizeof(get_random))
        sent++;
    return sent;
}

/* Leaves the deaf client with commands in its socket that the daemon does not take: others have
 * been served twenty times since the last of them got in. */
static void settle(struct raw_client *deaf, struct worker *workers)
{
    unsigned tries = 0;

    while (fill(deaf) > 0) {
        assert_true(++tries < SETTLE_TRIES);
        for (unsigned i = 0; i < WORKERS; i++)
            assert_null(work_once(&workers[i]));
    }
}

static void test_R11_twenty_at_work_do_not_notice_the_hostile_ones(void **state)
{
    struct world *world = *state;
    struct garbage garbage = {.world = world, .raw = raw_client_new(world), .seed = 20240229};
    struct raw_client *stalled = raw_client_new(world), *deaf = raw_client_new(world);
    struct worker workers[WORKERS];
    struct counts before, after;
    unsigned calls;

    assert_non_null(garbage.raw);
    assert_non_null(stalled);
    assert_non_null(deaf);
    workers_make(workers);
    assert_true(raw_client_send(stalled, get_random, 4));
    settle(deaf, workers);

    counts_read(world->counts, &before);
    garbage.thread = g_thread_new("garbage", garbage_run, &garbage);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].rounds = 0;
        workers[i].thread = g_thread_new("worker", worker_run, &workers[i]);
    }
    calls = workers_end(workers);
    garbage_end(&garbage);
    counts_read(world->counts, &after);

    print_message("%u calls of %u clients beside %u commands and %u connections of garbage: %u "
                  "commands of the chip\n",
                  calls, WORKERS, garbage.frames, garbage.connections,
                  (unsigned)counts_total_between(&before, &after));
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 0);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_Sign), calls / ROUND_CALLS);
    assert_in_range(counts_total_between(&before, &after), calls,
                    CALL_COST_MAX * calls + garbage.frames);
    /* Who stalled goes on where it stood. */
    assert_int_equal(raw_client_transact(stalled, get_random + 4, sizeof(get_random) - 4), 0);
    raw_client_free(deaf);
    raw_client_free(stalled);
    assert_int_equal(world_stop_daemon(world), 0);
    assert_true(world_chip_empty(world));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R11_twenty_at_work_do_not_notice_the_hostile_ones),
    };

    seconds = argc > 1 ? g_ascii_strtoll(argv[1], NULL, 10) : 0;
    if (argc > 2 || (argc == 2 && seconds <= 0)) {
        fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
        return 64;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
