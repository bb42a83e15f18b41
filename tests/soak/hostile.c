/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include "wire/header.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RC_FAILURE  0xB0101
#define RC_CANCELED 0xB0909

#define RANDOM_SIZE     32
#define RANDOM_RESPONSE (HEADER_SIZE + 2 + RANDOM_SIZE)
#define ROW             300 /* commands that a deaf client sends */
#define MESSAGE_MAX     64

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, RANDOM_SIZE};

/* Reads one answer. False at the end of the connection. */
static bool read_answer(struct soak *soak, int fd, uint8_t *response, size_t capacity, size_t *size)
{
    if (recv(fd, response, HEADER_SIZE, MSG_WAITALL) != HEADER_SIZE)
        return false;
    *size = header_load(response).size;
    if (*size < HEADER_SIZE || *size > capacity)
        soak_wrong(soak, "an answer of %zu bytes", *size);
    if (*size > HEADER_SIZE
        && recv(fd, response + HEADER_SIZE, *size - HEADER_SIZE, MSG_WAITALL)
               != (ssize_t)(*size - HEADER_SIZE))
        soak_wrong(soak, "an answer that ends in its middle");
    atomic_fetch_add(&soak->tally->answers[soak->index], 1);
    return true;
}

/* The answer to GetRandom, or word of a fault; `first` is the connection's first one. False where
 * the connection ended before that. */
static bool check_random(struct soak *soak, int fd, bool first)
{
    uint8_t response[RANDOM_RESPONSE];
    size_t size = 0;
    uint32_t code;

    if (!read_answer(soak, fd, response, sizeof(response), &size)) {
        if (!first)
            soak_wrong(soak, "the daemon closed the connection between answers");
        return soak_ended_early(soak);
    }
    code = header_load(response).code;
    if (code == TPM2_RC_SUCCESS
        && (size != RANDOM_RESPONSE || load_be16(response + HEADER_SIZE) != RANDOM_SIZE))
        soak_wrong(soak, "the answer to GetRandom has %zu bytes", size);
    if (code == TPM2_RC_SUCCESS)
        atomic_fetch_add(&soak->tally->checks, 1);
    else if (code == RC_FAILURE || (code == TPM2_RC_FAILURE && soak->lossy))
        atomic_fetch_add(&soak->tally->failures, 1);
    else if (code == TPM2_RC_RETRY || code == TPM2_RC_TESTING || code == TPM2_RC_YIELDED)
        atomic_fetch_add(&soak->tally->warnings, 1);
    else
        soak_wrong(soak, "GetRandom gives 0x%X", code);
    return true;
}

/* A header that makes sense, for a command that changes nothing for others, over noise. */
static size_t make_noise(struct soak *soak, uint8_t *bytes, size_t max)
{
    static const uint32_t codes[] = {
        TPM2_CC_GetRandom,
        TPM2_CC_GetCapability,
        TPM2_CC_ReadPublic,
        TPM2_CC_ContextLoad,
        TPM2_CC_ContextSave,
        TPM2_CC_FlushContext,
        TPM2_CC_Load,
        TPM2_CC_LoadExternal,
        TPM2_CC_StartAuthSession,
        TPM2_CC_Hash,
        TPM2_CC_Sign,
        TPM2_CC_Unseal,
        TPM2_CC_PCR_Read,
        TPM2_CC_PolicyGetDigest,
        TPM2_CC_TestParms,
        TPM2_CC_ReadClock,
        TPM2_CC_HashSequenceStart,
        TPM2_CC_MakeCredential,
    };
    size_t size = HEADER_SIZE + soak_chance(soak, (uint32_t)max - HEADER_SIZE);

    soak_bytes(soak, bytes, size);
    header_store(bytes, soak_chance(soak, 2) ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS,
                 (uint32_t)size, codes[soak_chance(soak, sizeof(codes) / sizeof(codes[0]))]);
    return size;
}

/* Each frame is answered, whatever is in it. False where the connection ended before the first. */
static bool send_noise(struct soak *soak, int fd)
{
    unsigned count = soak_chance(soak, 10);
    uint8_t bytes[512], response[8192];

    for (unsigned i = 0; i < count; i++) {
        size_t size = make_noise(soak, bytes, sizeof(bytes));

        if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size
            || !read_answer(soak, fd, response, sizeof(response), &size)) {
            if (i > 0)
                soak_wrong(soak, "a frame is not answered");
            return soak_ended_early(soak);
        }
        atomic_fetch_add(&soak->tally->checks, 1);
    }
    return true;
}

bool job_garbage(struct soak *soak)
{
    int fd = soak_connect_raw(soak);
    uint8_t bytes[512], response[8192];
    size_t size;

    if (!send_noise(soak, fd)) {
        close(fd);
        return false;
    }
    /* Bytes that are no frame end the connection sooner or later. */
    soak_bytes(soak, bytes, sizeof(bytes));
    bytes[2] |= 0x80;
    (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    while (read_answer(soak, fd, response, sizeof(response), &size))
        ;
    atomic_fetch_add(&soak->tally->checks, 1);
    close(fd);
    soak_pause(soak, 50);
    return true;
}

bool job_half(struct soak *soak)
{
    int fd = soak_connect_raw(soak);
    size_t part = 1 + soak_chance(soak, sizeof(get_random) - 1), rest = sizeof(get_random) - part;
    bool good = send(fd, get_random, part, MSG_NOSIGNAL) == (ssize_t)part;

    soak_pause(soak, 700);
    if (soak_chance(soak, 3) > 0)
        good = good && send(fd, get_random + part, rest, MSG_NOSIGNAL) == (ssize_t)rest
                   ? check_random(soak, fd, true)
                   : soak_ended_early(soak);
    close(fd);
    return good;
}

bool job_deaf(struct soak *soak)
{
    int fd = soak_connect_raw(soak);
    unsigned sent = 0, got = 0;
    bool good = true;

    while (sent < ROW
           && send(fd, get_random, sizeof(get_random), MSG_NOSIGNAL | MSG_DONTWAIT)
                  == (ssize_t)sizeof(get_random))
        sent++;
    soak_pause(soak, 900);
    /* Some go as they came; to others each answer is still to come. */
    if (soak_chance(soak, 2) == 0)
        for (; good && got < sent; got++)
            good = check_random(soak, fd, got == 0);
    close(fd);
    soak_pause(soak, 300);
    return good;
}

/* TPM2_Hash of a few random bytes, whose answer tells whose it is. */
static size_t make_hash(struct soak *soak, uint8_t *command, uint8_t digest[SOAK_DIGEST])
{
    uint16_t length = (uint16_t)(1 + soak_chance(soak, MESSAGE_MAX));
    size_t size = HEADER_SIZE + 2 + (size_t)length + 2 + 4;

    header_store(command, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_CC_Hash);
    store_be16(command + HEADER_SIZE, length);
    soak_bytes(soak, command + HEADER_SIZE + 2, length);
    store_be16(command + HEADER_SIZE + 2 + length, TPM2_ALG_SHA256);
    store_be32(command + HEADER_SIZE + 2 + length + 2, TPM2_RH_NULL);
    soak_sha256(command + HEADER_SIZE + 2, length, digest);
    return size;
}

/* Receives the answer to a hash and checks it. The code. */
static uint32_t take_hash(struct soak *soak, const uint8_t digest[SOAK_DIGEST])
{
    uint8_t response[256];
    size_t size = sizeof(response);
    TSS2_RC rc = Tss2_Tcti_Receive(soak->tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = header_load(response).code;
    if (rc != TPM2_RC_SUCCESS)
        return rc;
    if (size < HEADER_SIZE + 2 + SOAK_DIGEST)
        soak_wrong(soak, "the answer to a hash has %zu bytes", size);
    soak_equal(soak, "a digest", response + HEADER_SIZE + 2, load_be16(response + HEADER_SIZE),
               digest, SOAK_DIGEST);
    return rc;
}

static uint32_t hash_once(struct soak *soak, bool cancel)
{
    uint8_t command[HEADER_SIZE + 8 + MESSAGE_MAX], digest[SOAK_DIGEST];
    size_t size = make_hash(soak, command, digest);
    TSS2_RC rc = Tss2_Tcti_Transmit(soak->tcti, size, command);
    int64_t since;
    bool told;

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (!cancel)
        return take_hash(soak, digest);
    soak_pause(soak, 10);
    since = soak_now_ms();
    rc = Tss2_Tcti_Cancel(soak->tcti);
    told = rc == TSS2_RC_SUCCESS || rc == TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!told && !soak->deadly && !soak_waited(since))
        return rc;
    rc = take_hash(soak, digest);
    /* Where nobody was there to be told to cancel, the word may come late. */
    if (!told) {
        soak_disconnect(soak);
        soak_connect(soak);
    }
    if (rc != RC_CANCELED && rc != TPM2_RC_CANCELED)
        return rc;
    atomic_fetch_add(&soak->tally->cancels, 1);
    return TSS2_RC_SUCCESS;
}

bool job_cancel(struct soak *soak)
{
    for (unsigned i = 1 + soak_chance(soak, 8); i > 0; i--) {
        SOAK_TRY(soak, hash_once(soak, true));
        /* The next command is not affected. */
        SOAK_TRY(soak, hash_once(soak, false));
        soak_pause(soak, 30);
    }
    if (soak_chance(soak, 4) == 0)
        soak_disconnect(soak);
    return true;
}
