/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/tpm-link.h"

#include "base/log.h"
#include "rm/rc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>

/* Pauses between attempts to open a lost TPM. */
#define TPM_LINK_REOPEN_FIRST_MS 100
#define TPM_LINK_REOPEN_LONG_MS  5000

static struct tpm_link *tpm_link_of(struct rm_tpm *tpm)
{
    return (struct tpm_link *)(void *)((char *)tpm - offsetof(struct tpm_link, tpm));
}

static int tpm_link_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command,
                             size_t size, uint8_t *response, size_t capacity, size_t *response_size)
{
    struct tpm_link *link = tpm_link_of(tpm);
    struct rm_tpm *inner = tcti_tpm(link->tcti);
    int error;

    link->before(link->data);
    loop_begin_nested(link->loop);
    error = inner->transact(inner, locality, command, size, response, capacity, response_size);
    loop_end_nested(link->loop);
    return error;
}

static bool tpm_link_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct tpm_link *link = tpm_link_of(tpm);
    struct rm_tpm *inner = tcti_tpm(link->tcti);
    bool again;

    loop_begin_nested(link->loop);
    again = inner->backoff(inner, attempt);
    loop_end_nested(link->loop);
    return again;
}

static bool tpm_link_copy(struct tpm_link_config *copy, const struct tpm_link_config *config)
{
    copy->conf = strdup(config->conf);
    copy->name = strdup(config->name);
    copy->runtime_dir = config->runtime_dir ? strdup(config->runtime_dir) : NULL;
    copy->sys = strdup(config->sys);
    copy->flush_all = config->flush_all;
    return copy->conf && copy->name && copy->sys && (copy->runtime_dir || !config->runtime_dir);
}

int tpm_link_init(struct tpm_link *link, struct loop *loop, const struct tpm_link_config *config,
                  const struct tcti_waiter *waiter, void (*before)(void *data), void *data)
{
    *link = (struct tpm_link){
        .tpm = {tpm_link_transact, tpm_link_backoff},
        .loop = loop,
        .before = before,
        .data = data,
    };
    timer_init(&link->reopen, NULL);
    if (!tpm_link_copy(&link->config, config))
        return -ENOMEM;
    link->tcti = tcti_new(waiter);
    return link->tcti ? 0 : -errno;
}

void tpm_link_clear(struct tpm_link *link)
{
    tcti_free(link->tcti);
    free((char *)link->config.conf);
    free((char *)link->config.name);
    free((char *)link->config.runtime_dir);
    free((char *)link->config.sys);
    *link = (struct tpm_link){0};
}

/* Whose ledger and journal it is: to be freed; NULL without memory. */
static char *tpm_link_owner_text(const struct tpm_link *link)
{
    size_t size = strlen(link->config.conf) + strlen(link->config.name) + 2;
    char *owner = malloc(size);

    if (owner)
        snprintf(owner, size, "%s\n%s", link->config.conf, link->config.name);
    return owner;
}

uint64_t tpm_link_owner(const struct tpm_link *link)
{
    return link->owner;
}

/* Opens the ledger of this TPM, as used under this daemon's name. */
static bool tpm_link_open_ledger(struct tpm_link *link)
{
    char *owner = tpm_link_owner_text(link);

    if (!owner)
        return false;
    link->owner = ledger_file_hash(owner);
    link->ledger = ledger_file_open(link->config.runtime_dir, owner);
    free(owner);
    return link->ledger != NULL;
}

/* Flushes the sessions that stand in the ledger, and clears it. */
static enum chip_error tpm_link_flush_recorded(struct tpm_link *link, unsigned *flushed,
                                               int64_t *detail)
{
    struct ledger *ledger = ledger_file_ledger(link->ledger);
    enum chip_error error = CHIP_OK;

    *flushed = 0;
    if (ledger_is_valid(ledger))
        error = chip_flush_recorded(&link->tpm, ledger, flushed, detail);
    if (!error)
        ledger_clear(ledger);
    return error;
}

/* Frees the TPM of what a former daemon left in it. */
static enum chip_error tpm_link_clear_out(struct tpm_link *link, int64_t *detail)
{
    unsigned sessions = 0, leftovers = 0;
    enum chip_error error = tpm_link_flush_recorded(link, &sessions, detail);

    if (!error)
        error = chip_flush_leftovers(&link->tpm, link->config.flush_all, &leftovers, detail);
    if (sessions)
        log_event(LOG_EVENT_TPM_LEFTOVERS, LOG_NOBODY,
                  "a former daemon did not end well: %u of its sessions flushed", sessions);
    if (leftovers)
        log_event(LOG_EVENT_TPM_LEFTOVERS, LOG_NOBODY,
                  "a former user of the TPM left %u objects or sessions: flushed", leftovers);
    return error;
}

/* Explains *fault, with which there is no TPM, by what the kernel knows of the device. */
static void tpm_link_explain(const struct tpm_link *link, enum tpm_fault *fault,
                             char text[TPM_FAULT_TEXT])
{
    char why[TPM_FAULT_TEXT];

    if (!tpm_fault_disabled(link->config.conf, link->config.sys, why))
        return;
    *fault = TPM_FAULT_DISABLED;
    memcpy(text, why, TPM_FAULT_TEXT);
}

static bool tpm_link_fail(const struct tpm_link *link, enum chip_error error, int64_t detail,
                          enum tpm_fault *fault, char text[TPM_FAULT_TEXT])
{
    *fault = tpm_fault_chip(link->config.conf, error, detail, text);
    tpm_link_explain(link, fault, text);
    return false;
}

bool tpm_link_open(struct tpm_link *link, bool *restarted, enum tpm_fault *fault,
                   char text[TPM_FAULT_TEXT])
{
    uint32_t rc = tcti_open(link->tcti, link->config.conf);
    enum chip_error error;
    int64_t detail = 0;

    if (rc) {
        *fault = tpm_fault_open(link->config.conf, rc, text);
        tpm_link_explain(link, fault, text);
        return false;
    }
    if (!tpm_link_open_ledger(link)) {
        *fault = tpm_fault_memory(text);
        return false;
    }
    error = chip_startup(&link->tpm, restarted, &detail);
    return !error || tpm_link_fail(link, error, detail, fault, text);
}

bool tpm_link_take(struct tpm_link *link, bool inherits, struct chip *chip, enum tpm_fault *fault,
                   char text[TPM_FAULT_TEXT])
{
    enum chip_error error = CHIP_OK;
    int64_t detail = 0;

    if (!inherits)
        error = tpm_link_clear_out(link, &detail);
    if (!error)
        error = chip_read(chip, &link->tpm, &detail);
    if (error)
        return tpm_link_fail(link, error, detail, fault, text);
    link->state = TPM_LINK_PRESENT;
    log_event(LOG_EVENT_TPM_FOUND, LOG_NOBODY,
              "TPM \"%s\": slots for %u objects and %u sessions, commands up to %u bytes",
              link->config.conf, chip->object_slots, chip->session_slots, chip->max_command);
    if (tcti_blocks(link->tcti))
        log_info("TPM \"%s\" has no poll handles: a running command cannot be interrupted",
                 link->config.conf);
    return true;
}

void tpm_link_flush_others(struct tpm_link *link)
{
    const struct ledger *ours = ledger_file_ledger(link->ledger);
    unsigned flushed = 0;
    int64_t detail;

    if (!link->config.flush_all)
        return;
    chip_flush_sessions_of_others(&link->tpm, ours, &flushed, &detail);
    if (flushed)
        log_event(LOG_EVENT_TPM_LEFTOVERS, LOG_NOBODY,
                  "other users of the TPM left %u sessions: flushed", flushed);
}

/* The TPM is there and answers. */
static void tpm_link_is_back(struct tpm_link *link)
{
    log_event(LOG_EVENT_TPM_BACK, LOG_NOBODY, "the TPM \"%s\" is back", link->config.conf);
    link->state = TPM_LINK_PRESENT;
    link->disabled = false;
    link->gone = false;
    timer_disarm(&link->reopen);
}

static void tpm_link_lose(struct tpm_link *link)
{
    log_event(LOG_EVENT_TPM_LOST, LOG_NOBODY,
              "the TPM \"%s\" does not answer any more; trying to open it again",
              link->config.conf);
    link->state = TPM_LINK_LOST;
    link->reopen_wait_ms = TPM_LINK_REOPEN_FIRST_MS;
}

/* Says once that there is no device to open. */
static void tpm_link_tell_gone(struct tpm_link *link, const char *text)
{
    if (!link->gone)
        log_event(LOG_EVENT_TPM_LOST, LOG_NOBODY,
                  "%s; waiting for it as long as clients are connected, which are answered 0x%05X",
                  text, (unsigned)RM_RC_FAILURE);
    link->gone = true;
}

static enum tpm_link_news tpm_link_reopen(struct tpm_link *link, bool needed,
                                          char text[TPM_FAULT_TEXT])
{
    enum tpm_link_news news = TPM_LINK_AS_BEFORE;

    if (tpm_fault_device_gone(link->config.conf, text)) {
        if (!needed)
            return TPM_LINK_GONE;
        tpm_link_tell_gone(link, text);
    } else if (tcti_open(link->tcti, link->config.conf) == TSS2_RC_SUCCESS) {
        news = TPM_LINK_REOPENED;
    } else if (!link->disabled && tpm_fault_disabled(link->config.conf, link->config.sys, text)) {
        log_event(LOG_EVENT_TPM_DISABLED, LOG_NOBODY, "%s", text);
        link->disabled = true;
    }
    loop_arm(link->loop, &link->reopen, link->reopen_wait_ms);
    if (link->reopen_wait_ms < TPM_LINK_REOPEN_LONG_MS)
        link->reopen_wait_ms *= 2;
    return news;
}

enum tpm_link_news tpm_link_poll(struct tpm_link *link, bool answers, bool needed,
                                 char text[TPM_FAULT_TEXT])
{
    switch (link->state) {
    case TPM_LINK_ABSENT:
        return TPM_LINK_AS_BEFORE;
    case TPM_LINK_PRESENT:
        if (tcti_is_open(link->tcti))
            return TPM_LINK_AS_BEFORE;
        tpm_link_lose(link);
        break;
    case TPM_LINK_LOST:
        if (tcti_is_open(link->tcti)) {
            if (answers)
                tpm_link_is_back(link);
            return TPM_LINK_AS_BEFORE;
        }
        if (timer_is_armed(&link->reopen))
            return TPM_LINK_AS_BEFORE;
        break;
    }
    return tpm_link_reopen(link, needed, text);
}

void tpm_link_give_back(struct tpm_link *link, bool clean)
{
    unsigned flushed;
    int64_t detail;

    /* The sessions that are left are abandoned ones. The next daemon does not know their contexts,
     * so nobody can use them any more. */
    if (clean)
        tpm_link_flush_recorded(link, &flushed, &detail);
    ledger_file_close(link->ledger);
    link->ledger = NULL;
    tcti_close(link->tcti);
    timer_disarm(&link->reopen);
    link->state = TPM_LINK_ABSENT;
}

struct ledger *tpm_link_ledger(const struct tpm_link *link)
{
    return ledger_file_ledger(link->ledger);
}

bool tpm_link_is_open(const struct tpm_link *link)
{
    return tcti_is_open(link->tcti);
}

uint32_t tpm_link_cancel(const struct tpm_link *link)
{
    return tcti_cancel(link->tcti);
}

int64_t tpm_link_busy_since(const struct tpm_link *link)
{
    return tcti_busy_since(link->tcti);
}
