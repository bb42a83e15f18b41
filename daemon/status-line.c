/* SPDX-License-Identifier: BSD-2-Clause */
#include "status-line.h"

#include "base/log.h"
#include "service.h"

#include <stdio.h>

static void status_line_send(struct status_line *line, const char *text, const char *remedy)
{
    char state[512];

    snprintf(state, sizeof(state), "STATUS=%s%s%s", text, remedy[0] ? ": " : "", remedy);
    service_notify(state);
    line->told = true;
}

void status_line_tell(struct status_line *line, enum engine_state state)
{
    switch (state) {
    case ENGINE_STARTING:
    case ENGINE_STOPPING:
        return;
    case ENGINE_SERVING:
        if (line->told)
            status_line_send(line, "serving", "");
        return;
    case ENGINE_SUSPENDED:
        status_line_send(line, "commands wait, as the machine is about to sleep", "");
        return;
    case ENGINE_LOST:
        status_line_send(line, trouble_text(TROUBLE_LOST), trouble_remedy(TROUBLE_LOST));
        return;
    case ENGINE_FAILED:
        status_line_send(line, trouble_text(TROUBLE_GONE), trouble_remedy(TROUBLE_GONE));
        return;
    }
}

void status_line_log(enum trouble trouble)
{
    switch (trouble) {
    case TROUBLE_LOCKOUT:
        log_event(LOG_EVENT_LOCKOUT, LOG_NOBODY, "%s: %s", trouble_text(trouble),
                  trouble_remedy(trouble));
        return;
    case TROUBLE_NO_SESSIONS:
        log_event(LOG_EVENT_NO_SESSIONS, LOG_NOBODY, "%s: %s", trouble_text(trouble),
                  trouble_remedy(trouble));
        return;
    case TROUBLE_NONE:
    case TROUBLE_LOST:
    case TROUBLE_GONE:
    case TROUBLE_FAILURE_MODE:
    case TROUBLES:
        return;
    }
}
