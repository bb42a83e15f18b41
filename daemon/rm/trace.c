/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/trace.h"

#include "base/log.h"
#include "rm/state.h"
#include "wire/command-name.h"

#include <inttypes.h>
#include <stdio.h>

#define TRACE_TEXT 128 /* bytes for all kinds of commands with their counts */

enum trace_sent trace_own_kind(uint32_t command_code)
{
    switch (command_code) {
    case TPM2_CC_ContextSave:
        return TRACE_SAVE;
    case TPM2_CC_ContextLoad:
        return TRACE_LOAD;
    case TPM2_CC_FlushContext:
        return TRACE_FLUSH;
    default:
        return TRACE_ASK;
    }
}

/* The counts that are not 0, as " (1 own, 1 to load)", or "" when all are. */
static const char *sent_text(const struct trace *trace, char text[TRACE_TEXT])
{
    static const char *const words[TRACE_SENT_KINDS] = {
        [TRACE_OWN] = "own",        [TRACE_SAVE] = "to save", [TRACE_LOAD] = "to load",
        [TRACE_FLUSH] = "to flush", [TRACE_ASK] = "to ask",
    };
    int used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < TRACE_SENT_KINDS; i++) {
        if (trace->sent[i] > 0)
            used += snprintf(text + used, TRACE_TEXT - (size_t)used, "%s%" PRIu32 " %s",
                             used ? ", " : " (", trace->sent[i], words[i]);
    }
    if (used)
        snprintf(text + used, TRACE_TEXT - (size_t)used, ")");
    return text;
}

void trace_write_command(const struct rm_client *client, const struct trace *trace,
                         uint32_t command_code, uint32_t response_code)
{
    struct log_about about = rm_client_about_answer(client, response_code);
    char text[TRACE_TEXT];
    uint32_t all = 0;

    for (unsigned i = 0; i < TRACE_SENT_KINDS; i++)
        all += trace->sent[i];
    if (trace->started > 0)
        about.duration = log_clock() - trace->started;
    log_event(LOG_EVENT_COMMAND, about,
              "client %" PRIu64 " of user %" PRIu32 ": %s (0x%" PRIX32 ") gave 0x%" PRIX32
              " for %" PRIu32 " TPM commands%s",
              client->number, client->uid, command_name(command_code), command_code, response_code,
              all, sent_text(trace, text));
}

static const char *reason_text(enum trace_reason reason)
{
    switch (reason) {
    case TRACE_FOR_COMMAND:
        return "a command needs the slot";
    case TRACE_FOR_CHIP:
        return "the TPM wants room";
    case TRACE_FOR_RESERVE:
        return "the slot is for the TPM's other users";
    case TRACE_FOR_REFRESH:
        return "an old session is saved anew";
    case TRACE_FOR_IDLE:
        return "the TPM is quiet";
    case TRACE_FOR_SLEEP:
        return "the machine is about to sleep";
    case TRACE_REASONS:
        break;
    }
    return "";
}

void trace_evict_object(const struct object *object, enum trace_reason reason)
{
    log_debug("object 0x%" PRIX32 " of the TPM leaves%s: %s", object->physical,
              blob_empty(&object->saved) && object->references > 0 ? " and is saved before" : "",
              reason_text(reason));
}

void trace_evict_session(const struct session *session, enum trace_reason reason)
{
    log_debug("session 0x%" PRIX32 " of the TPM leaves%s: %s", session->handle,
              session->state == SESSION_DOOMED ? " for good" : "", reason_text(reason));
}
