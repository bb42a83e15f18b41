/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/trace-report.h"

#include "rm/state.h"
#include "wire/handle.h"

#include <string.h>

/* What stands in a command, if that is well-formed: in another one a password may stand where a
 * handle is expected. */
static void note_command(struct trace_report *report, const struct command *command)
{
    report->handle_count = command->handle_count;
    memcpy(report->handles, command->handles, sizeof(report->handles));
    report->session_count = command->session_count;
    memcpy(report->sessions, command->sessions, sizeof(report->sessions));
}

/* What the chip calls a client's handle. */
static uint32_t physical_of(const struct rm_client *client, uint32_t handle)
{
    const struct object *object;

    if (!handle_is_transient(handle))
        return handle;
    object = handles_find(&client->handles, handle);
    return object && object->physical != OBJECT_NOT_LOADED ? object->physical : 0;
}

static void note_made(struct trace_report *report, const struct rm_client *client,
                      const uint8_t *response)
{
    report->made = load_be32(response + RESPONSE_HANDLE_AT);
    report->made_physical = physical_of(client, report->made);
}

size_t trace_report_execute(struct rm *rm, struct rm_client *client, const uint8_t *bytes,
                            size_t size, uint8_t *response, struct trace_report *report)
{
    uint64_t denied = rm->stats.denied_commands;
    struct command command;
    bool sound = command_parse(&command, &rm->chip.commands, bytes, size) == TPM2_RC_SUCCESS;
    size_t answer;

    *report = (struct trace_report){0};
    if (sound)
        note_command(report, &command);
    answer = rm_execute(rm, client, bytes, size, response);
    report->cost = rm->trace;
    report->denied = rm->stats.denied_commands != denied;
    for (unsigned i = 0; rm->trace.sent[TRACE_OWN] > 0 && i < report->handle_count; i++)
        report->physical[i] = rm->sent_handles[i];
    if (sound && command_attributes_response_handle(command.attributes)
        && answer >= RESPONSE_HANDLE_AT + sizeof(uint32_t)
        && header_load(response).code == TPM2_RC_SUCCESS)
        note_made(report, client, response);
    return answer;
}
