/* SPDX-License-Identifier: BSD-2-Clause */
#include "client.h"

#include "chance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

/* How long a passing fault may last, and the pause before a call is made again. */
#define TIMEOUT_MS 90000
#define PAUSE_MS   40

/* The library waits for longer than this for a daemon that does not answer. */
#define LIBRARY_MS 4000

#define RC_FAILURE        0xB0101
#define RC_NOT_KNOWN      0xB01CB /* as a context, or as what is to be flushed */
#define RC_SESSION_MEMORY (TSS2_RESMGR_RC_LAYER + TPM2_RC_SESSION_MEMORY)

uint32_t soak_chance(struct soak *soak, uint32_t limit)
{
    return chance_below(&soak->chance, limit);
}

void soak_bytes(struct soak *soak, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)soak_chance(soak, 256);
}

void soak_pause(struct soak *soak, unsigned ms)
{
    struct timespec time = {0, (long)soak_chance(soak, ms) * 1000000};

    nanosleep(&time, NULL);
}

bool soak_ends(const struct soak *soak)
{
    return atomic_load(&soak->tally->stop) != 0;
}

int64_t soak_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool soak_waited(int64_t since)
{
    return soak_now_ms() - since >= LIBRARY_MS;
}

void soak_wrong(struct soak *soak, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "client %u: wrong: %s\n", soak->index, text);
    exit(1);
}

void soak_connect(struct soak *soak)
{
    bool bus = soak_chance(soak, 2) == 0;
    char conf[512];
    int64_t since = soak_now_ms(), tried = since;
    TSS2_RC rc;

    if (soak->esys)
        return;
    snprintf(conf, sizeof(conf), "%s:%s%s", soak->library,
             bus ? "bus_type=session" : "socket=", bus ? "" : soak->socket);
    while ((rc = Tss2_TctiLdr_Initialize(conf, &soak->tcti)) != TSS2_RC_SUCCESS
           && (soak_waited(tried) || (bus && soak->deadly)) && soak_now_ms() - since < TIMEOUT_MS) {
        soak_pause(soak, PAUSE_MS);
        tried = soak_now_ms();
    }
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Initialize(&soak->esys, soak->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        soak_wrong(soak, "no connection by %s: 0x%X", bus ? "bus" : "socket", rc);
    atomic_fetch_add(&soak->tally->connections, 1);
}

void soak_disconnect(struct soak *soak)
{
    if (soak->esys)
        Esys_Finalize(&soak->esys);
    if (soak->tcti)
        Tss2_TctiLdr_Finalize(&soak->tcti);
    soak->esys = NULL;
    soak->tcti = NULL;
}

int soak_connect_raw(struct soak *soak)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(address.sun_path, soak->socket, sizeof(address.sun_path) - 1);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        soak_wrong(soak, "no connection to %s: %s", soak->socket, strerror(errno));
    atomic_fetch_add(&soak->tally->connections, 1);
    return fd;
}

bool soak_ended_early(struct soak *soak)
{
    if (!soak->deadly)
        soak_wrong(soak, "the daemon closed the connection");
    atomic_fetch_add(&soak->tally->early_ends, 1);
    return false;
}

/* The daemon does what it can about these itself; what is left of them passes. */
static bool is_warning(uint32_t rc)
{
    switch (rc) {
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_CONTEXT_GAP:
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
        return true;
    default:
        return false;
    }
}

/* What a client is told of a thing that is lost: by the daemon, or by the chip, whose sessions have
 * other nonces than their owner thinks once an answer was lost, and which knows no context of
 * before a reset. */
static bool is_loss(uint32_t rc)
{
    /* Format-one codes without the number of the handle, parameter or session. */
    uint32_t plain = rc & (TPM2_RC_FMT1 | 0x3F);

    if (rc == TPM2_RC_FAILURE) /* what swtpm answers without power */
        return true;
    if (rc >> 16 == TSS2_RESMGR_RC_LAYER >> 16)
        return (rc & 0xFFFF) >= TPM2_RC_REFERENCE_H0 || (rc & 0xFFFF) == 0x1CB;
    return rc < 0x1000 && rc & TPM2_RC_FMT1
           && (plain == TPM2_RC_AUTH_FAIL || plain == TPM2_RC_BAD_AUTH || plain == TPM2_RC_INTEGRITY
               || plain == TPM2_RC_HANDLE || plain == TPM2_RC_VALUE);
}

/* What is named in the handle area is gone. */
static bool is_handle_end(uint32_t rc)
{
    return rc >= TSS2_RESMGR_RC_LAYER + TPM2_RC_REFERENCE_H0
           && rc <= TSS2_RESMGR_RC_LAYER + TPM2_RC_REFERENCE_H6;
}

/* A session that is named is gone. */
static bool is_session_end(const struct soak *soak, uint32_t rc)
{
    return (soak->session && is_handle_end(rc))
           || (rc >= TSS2_RESMGR_RC_LAYER + TPM2_RC_REFERENCE_S0
               && rc <= TSS2_RESMGR_RC_LAYER + TPM2_RC_REFERENCE_S6);
}

/* What the daemon ends with a command whose answer was lost, is named again: sessions and
 * sequences. */
static bool is_end(const struct soak *soak, uint32_t rc)
{
    return is_session_end(soak, rc) || (soak->sequence && is_handle_end(rc));
}

/* The daemon died while it had the chip save a session: the answer was its only context. */
static bool is_session_lost(const struct soak *soak, uint32_t rc)
{
    return is_session_end(soak, rc) || (soak->session && rc == RC_NOT_KNOWN);
}

bool soak_flush_session(struct soak *soak, ESYS_TR session)
{
    bool before = soak->session;

    soak->session = true;
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, session));
    soak->session = before;
    return true;
}

/* The call is over: the next one is a new one. */
static void settle(struct soak *soak)
{
    soak->since = 0;
    soak->unanswered = false;
}

static bool lose(struct soak *soak)
{
    atomic_fetch_add(&soak->tally->losses, 1);
    soak->lost = true;
    settle(soak);
    return false;
}

bool soak_again(struct soak *soak, const char *call, uint32_t rc)
{
    bool failure = rc == RC_FAILURE;

    atomic_fetch_add(&soak->tally->answers[soak->index], 1);
    if (rc == TSS2_RC_SUCCESS) {
        settle(soak);
        return false;
    }
    /* All clients together want more sessions than the share of a user who is not root. Who waits
     * for one more gives up those that it has, so that nobody waits for ever. */
    if (rc == RC_SESSION_MEMORY && geteuid() != 0) {
        atomic_fetch_add(&soak->tally->warnings, 1);
        soak->lost = true;
        settle(soak);
        return false;
    }
    if ((soak->lossy && is_loss(rc)) || (soak->unanswered && is_end(soak, rc)))
        return lose(soak);
    if (soak->deadly && is_session_lost(soak, rc)) {
        atomic_fetch_add(&soak->tally->lost_sessions, 1);
        return lose(soak);
    }
    if (!failure && !is_warning(rc))
        soak_wrong(soak, "%.120s gives 0x%X", call, rc);
    atomic_fetch_add(failure ? &soak->tally->failures : &soak->tally->warnings, 1);
    /* Where answers get lost, the chip may have carried the command out. */
    if (failure && soak->lossy)
        return lose(soak);
    soak->unanswered |= failure;
    if (soak->since == 0)
        soak->since = soak_now_ms();
    if (soak_now_ms() - soak->since > TIMEOUT_MS)
        soak_wrong(soak, "%.120s still gives 0x%X after %d s", call, rc, TIMEOUT_MS / 1000);
    soak_pause(soak, PAUSE_MS);
    return true;
}

bool soak_refused(struct soak *soak, const char *call, uint32_t rc, uint32_t code)
{
    if (rc == TSS2_RC_SUCCESS)
        soak_wrong(soak, "%.120s must give 0x%X, and succeeds", call, code);
    if (rc != code)
        return soak_again(soak, call, rc);
    atomic_fetch_add(&soak->tally->answers[soak->index], 1);
    atomic_fetch_add(&soak->tally->checks, 1);
    settle(soak);
    return false;
}

void soak_equal(struct soak *soak, const char *what, const void *is, size_t is_size,
                const void *must_be, size_t must_be_size)
{
    if (is_size != must_be_size || memcmp(is, must_be, is_size) != 0)
        soak_wrong(soak, "%s is not what it must be", what);
    atomic_fetch_add(&soak->tally->checks, 1);
}
