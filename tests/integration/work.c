/* SPDX-License-Identifier: BSD-2-Clause */
#include "work.h"

#include "chip-user.h"
#include "crash-bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#define RC_LOST    0xB0101 /* nobody knows whether the TPM has run it */
#define RC_OBJECT  0xB0910 /* there is no object for handle N, */
#define RC_SESSION 0xB0918 /* or no session */
#define RC_CONTEXT 0xB01CB /* a context that was used up */

#define COUNTER 0x01500007
#define PCR     10

static bool wrong(struct work *work, const char *what, uint32_t code)
{
    if (!work->said[0])
        snprintf(work->said, sizeof(work->said), "%s: 0x%X", what, code);
    return false;
}

/* Sends a command; its answer, a whole frame, is at `answer`. The code, or UINT32_MAX. */
static uint32_t transact(struct work *work, struct crash_bytes *command, struct crash_bytes *answer)
{
    uint32_t code = UINT32_MAX;
    ssize_t size;

    crash_bytes_end(command);
    if (!raw_client_send(work->raw, command->bytes, command->size))
        return code;
    size = raw_client_receive(work->raw, answer->bytes, sizeof(answer->bytes));
    answer->size = size > 0 ? (size_t)size : 0;
    if (size > 0)
        code = header_load(answer->bytes).code;
    work->lost += code == RC_LOST;
    return code;
}

/* The code of what must succeed, or be an answer that is lost; then true with that at *lost. */
static bool try(struct work *work, const char *what, struct crash_bytes *command,
                struct crash_bytes *answer, bool *lost)
{
    uint32_t code = transact(work, command, answer);

    *lost = code == RC_LOST;
    return code == TPM2_RC_SUCCESS || *lost || wrong(work, what, code);
}

/* What can be sent again when its answer was lost. */
static bool do_again(struct work *work, const char *what, const struct crash_bytes *command,
                     struct crash_bytes *answer)
{
    bool lost = true;

    for (unsigned i = 0; i < 2 && lost; i++) {
        struct crash_bytes copy = *command;

        if (!try(work, what, &copy, answer, &lost))
            return false;
    }
    return !lost || wrong(work, what, RC_LOST);
}

/* An authorization by a session without nonce and HMAC. */
static void add_session(struct crash_bytes *command, uint32_t session, uint8_t attributes)
{
    crash_bytes_add32(command, 9);
    crash_bytes_add32(command, session);
    crash_bytes_add16(command, 0);
    crash_bytes_add(command, &attributes, 1);
    crash_bytes_add16(command, 0);
}

static bool make_key(struct work *work, uint8_t tag, uint32_t *key)
{
    struct crash_bytes command, answer;

    crash_bytes_create(&command, TPM2_RH_OWNER, tag);
    if (!do_again(work, "CreatePrimary", &command, &answer))
        return false;
    *key = load_be32(answer.bytes + HEADER_SIZE);
    return true;
}

static bool make_session(struct work *work, uint32_t *session)
{
    struct crash_bytes command, answer;

    crash_bytes_start_session(&command, TPM2_SE_HMAC);
    if (!do_again(work, "StartAuthSession", &command, &answer))
        return false;
    *session = load_be32(answer.bytes + HEADER_SIZE);
    return true;
}

static uint32_t use_once(struct work *work, uint32_t key)
{
    struct crash_bytes command, answer;

    crash_bytes_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_HMAC);
    crash_bytes_add32(&command, key);
    add_session(&command, work->session, TPMA_SESSION_CONTINUESESSION);
    crash_bytes_fill(&command, 'w', 1);
    crash_bytes_add16(&command, TPM2_ALG_NULL);
    return transact(work, &command, &answer);
}

/* A use whose answer was lost ends the session that it named, of which the next use tells. */
static bool use_key(struct work *work, uint32_t key)
{
    uint32_t code = use_once(work, key);

    if (code == RC_LOST) {
        code = use_once(work, key);
        if (code != RC_SESSION)
            return wrong(work, "a session of a lost answer", code);
        if (!make_session(work, &work->session))
            return false;
        code = use_once(work, key);
    }
    return code == TPM2_RC_SUCCESS || wrong(work, "HMAC with a session", code);
}

static bool flush(struct work *work, uint32_t handle)
{
    struct crash_bytes command, answer;
    uint32_t code;
    bool lost;

    crash_bytes_named(&command, TPM2_CC_FlushContext, handle);
    if (!try(work, "FlushContext", &command, &answer, &lost) || !lost)
        return !work->said[0];
    code = transact(work, &command, &answer);
    return code == TPM2_RC_SUCCESS || (code & 0xFFF0) == 0x0910 || (code & 0xFFF) == 0x1CB
           || wrong(work, "FlushContext again", code);
}

static bool increment(struct work *work)
{
    struct crash_bytes command, answer;
    bool lost;

    crash_bytes_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_NV_Increment);
    crash_bytes_add32(&command, COUNTER);
    crash_bytes_add32(&command, COUNTER);
    add_session(&command, TPM2_RS_PW, 0);
    if (!try(work, "NV_Increment", &command, &answer, &lost))
        return false;
    work->incremented += !lost;
    work->perhaps_incremented += lost;
    return true;
}

static bool extend(struct work *work)
{
    struct crash_bytes command, answer;
    uint8_t digest[32];
    bool lost;

    memset(digest, 'p', sizeof(digest));
    crash_bytes_authorized(&command, TPM2_CC_PCR_Extend, PCR);
    crash_bytes_add32(&command, 1);
    crash_bytes_add16(&command, TPM2_ALG_SHA256);
    crash_bytes_add(&command, digest, sizeof(digest));
    if (!try(work, "PCR_Extend", &command, &answer, &lost))
        return false;
    work->extended += !lost;
    work->perhaps_extended += lost;
    return true;
}

static bool make_sequence(struct work *work, uint32_t *sequence)
{
    struct crash_bytes command, answer;

    crash_bytes_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_HashSequenceStart);
    crash_bytes_add16(&command, 0);
    crash_bytes_add16(&command, TPM2_ALG_SHA256);
    if (!do_again(work, "HashSequenceStart", &command, &answer))
        return false;
    *sequence = load_be32(answer.bytes + HEADER_SIZE);
    return true;
}

/* Feeds the sequence and ends it. False in *whole when an answer was lost: then it is gone. */
static bool hash_once(struct work *work, uint32_t sequence, bool *whole, uint8_t digest[32])
{
    struct crash_bytes command, answer;
    uint32_t code;
    bool lost;

    crash_bytes_authorized(&command, TPM2_CC_SequenceUpdate, sequence);
    crash_bytes_fill(&command, 'q', 100);
    if (!try(work, "SequenceUpdate", &command, &answer, &lost))
        return false;
    if (!lost) {
        crash_bytes_complete(&command, sequence);
        if (!try(work, "SequenceComplete", &command, &answer, &lost))
            return false;
    }
    *whole = !lost;
    if (!lost) {
        memcpy(digest, answer.bytes + HEADER_SIZE + 6, 32);
        return true;
    }
    crash_bytes_complete(&command, sequence);
    code = transact(work, &command, &answer);
    return code == RC_OBJECT || wrong(work, "a sequence of a lost answer", code);
}

/* The digest has all bytes, and each once. */
static bool hash(struct work *work)
{
    uint8_t digest[32], expected[32], fed[100];
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = sizeof(expected);
    bool whole = false, good = true;
    uint32_t sequence;

    memset(fed, 'q', sizeof(fed));
    g_checksum_update(sum, fed, sizeof(fed));
    g_checksum_get_digest(sum, expected, &size);
    g_checksum_free(sum);
    for (unsigned i = 0; i < 2 && good && !whole; i++)
        good = make_sequence(work, &sequence) && hash_once(work, sequence, &whole, digest);
    return good
           && ((whole && memcmp(digest, expected, sizeof(digest)) == 0)
               || wrong(work, "another digest", whole));
}

/* A session that its client saves and loads. One whose context was on its way is lost. */
static bool save_and_load(struct work *work)
{
    struct crash_bytes command, answer, load;
    uint32_t session, code;

    if (!make_session(work, &session))
        return false;
    crash_bytes_named(&command, TPM2_CC_ContextSave, session);
    code = transact(work, &command, &answer);
    if (code == TPM2_RC_SUCCESS) {
        load.size = command_build_context_load(load.bytes, answer.bytes + HEADER_SIZE,
                                               answer.size - HEADER_SIZE);
        code = transact(work, &load, &answer);
    }
    if (code == TPM2_RC_SUCCESS)
        return flush(work, session);
    /* A lost context is told as that of a session that is not there. */
    return code == RC_LOST || code == RC_SESSION || code == RC_OBJECT || code == RC_CONTEXT
           || wrong(work, "ContextSave and ContextLoad", code);
}

static void get_random(struct crash_bytes *command)
{
    crash_bytes_begin(command, TPM2_ST_NO_SESSIONS, TPM2_CC_GetRandom);
    crash_bytes_add16(command, 8);
    crash_bytes_end(command);
}

/* Another connection, which comes and goes. */
static bool visit(struct work *work, enum served_way way)
{
    struct crash_bytes command;
    TSS2_TCTI_CONTEXT *tcti = NULL;
    uint8_t response[64];
    size_t size = sizeof(response);
    char *conf = served_conf(work->world, way);
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &tcti);

    g_free(conf);
    if (rc != TSS2_RC_SUCCESS)
        return wrong(work, "another connection", rc);
    get_random(&command);
    rc = Tss2_Tcti_Transmit(tcti, command.size, command.bytes);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_Tcti_Receive(tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);
    if (rc == TSS2_RC_SUCCESS) {
        rc = header_load(response).code;
        work->lost += rc == RC_LOST;
    }
    Tss2_TctiLdr_Finalize(&tcti);
    return rc == TSS2_RC_SUCCESS || rc == RC_LOST || wrong(work, "a command of another", rc);
}

/* A command in two parts, while others come and go. */
static bool work_in_parts(struct work *work)
{
    struct crash_bytes command, answer;
    ssize_t size;
    uint32_t code;

    get_random(&command);
    if (!raw_client_send(work->raw, command.bytes, 5) || !visit(work, SERVED_SOCKET)
        || !visit(work, SERVED_BUS)
        || !raw_client_send(work->raw, command.bytes + 5, command.size - 5))
        return wrong(work, "a command in parts", 0);
    size = raw_client_receive(work->raw, answer.bytes, sizeof(answer.bytes));
    code = size > 0 ? header_load(answer.bytes).code : UINT32_MAX;
    work->lost += code == RC_LOST;
    return code == RC_LOST || (code == TPM2_RC_SUCCESS && size == HEADER_SIZE + 2 + 8)
           || wrong(work, "a command in parts", code);
}

void work_make_counter(const struct world *world)
{
    static const TPM2B_AUTH no_auth;
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = {.nvIndex = COUNTER,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA
                                   | (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT),
                     .dataSize = 8}};
    struct esys_client *user = chip_user_new(world);
    ESYS_TR counter;

    assert_int_equal(Esys_NV_DefineSpace(user->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, &public, &counter),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_NV_Increment(user->esys, counter, counter, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                       ESYS_TR_NONE),
                     TSS2_RC_SUCCESS);
    chip_user_free(user);
}

bool work_begin(struct work *work, const struct world *world)
{
    *work = (struct work){.world = world, .raw = served_raw_client(world)};
    if (!work->raw)
        return wrong(work, "no connection", 0);
    return make_key(work, 1, &work->key) && make_session(work, &work->session)
           && use_key(work, work->key);
}

bool work_do(struct work *work)
{
    uint32_t key;

    return use_key(work, work->key) && make_key(work, 2, &key) && use_key(work, key)
           && increment(work) && extend(work) && hash(work) && save_and_load(work)
           && work_in_parts(work) && increment(work) && extend(work) && flush(work, key)
           && use_key(work, work->key);
}

static bool read_counter(struct work *work, uint64_t *counter)
{
    struct crash_bytes command, answer;

    crash_bytes_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_NV_Read);
    crash_bytes_add32(&command, COUNTER);
    crash_bytes_add32(&command, COUNTER);
    add_session(&command, TPM2_RS_PW, 0);
    crash_bytes_add16(&command, 8);
    crash_bytes_add16(&command, 0);
    if (!do_again(work, "NV_Read", &command, &answer))
        return false;
    *counter = load_be64(answer.bytes + HEADER_SIZE + 6);
    return true;
}

static bool read_pcr(struct work *work, uint8_t value[32])
{
    static const uint8_t selected[] = {3, 0, 1 << (PCR - 8), 0};
    struct crash_bytes command, answer;

    crash_bytes_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_PCR_Read);
    crash_bytes_add32(&command, 1);
    crash_bytes_add16(&command, TPM2_ALG_SHA256);
    crash_bytes_add(&command, selected, sizeof(selected));
    if (!do_again(work, "PCR_Read", &command, &answer))
        return false;
    if (answer.size != HEADER_SIZE + 4 + 10 + 4 + 2 + 32)
        return wrong(work, "an answer to PCR_Read of another size", (uint32_t)answer.size);
    memcpy(value, answer.bytes + answer.size - 32, 32);
    return true;
}

/* What the PCR is after one extension more. */
static void extend_value(uint8_t value[32])
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = 32;
    uint8_t digest[32];

    memset(digest, 'p', sizeof(digest));
    g_checksum_update(sum, value, 32);
    g_checksum_update(sum, digest, 32);
    g_checksum_get_digest(sum, value, &size);
    g_checksum_free(sum);
}

static bool check_counter(struct work *work, struct work_marks *marks)
{
    uint64_t counter, moved;

    if (!read_counter(work, &counter))
        return false;
    moved = counter - marks->counter;
    marks->counter = counter;
    return (moved >= work->incremented && moved <= work->incremented + work->perhaps_incremented)
           || wrong(work, "increments that nobody asked for, or too few", (uint32_t)moved);
}

static bool check_pcr(struct work *work, struct work_marks *marks)
{
    uint8_t value[32], expected[32];
    bool good;

    if (!read_pcr(work, value))
        return false;
    memcpy(expected, marks->pcr, sizeof(expected));
    memcpy(marks->pcr, value, sizeof(marks->pcr));
    for (unsigned i = 0; i < work->extended; i++)
        extend_value(expected);
    good = memcmp(value, expected, sizeof(value)) == 0;
    for (unsigned i = 0; i < work->perhaps_extended && !good; i++) {
        extend_value(expected);
        good = memcmp(value, expected, sizeof(value)) == 0;
    }
    return good || wrong(work, "extensions that nobody asked for, or too few", work->extended);
}

bool work_check(struct work *work, struct work_marks *marks)
{
    uint8_t byte;

    if (!use_key(work, work->key) || !check_counter(work, marks) || !check_pcr(work, marks))
        return false;
    return (recv(work->raw->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
           || wrong(work, "more than the answers", 0);
}

void work_end(struct work *work)
{
    raw_client_free(work->raw);
    work->raw = NULL;
}
