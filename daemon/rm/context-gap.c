/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/context-gap.h"

#include "rm/context-transfer.h"
#include "rm/rc.h"

static struct session *oldest_saved(struct rm *rm)
{
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (!session->loaded)
            return session;
    }
    return NULL;
}

uint32_t context_gap_refresh(struct rm *rm)
{
    struct session *session = oldest_saved(rm);
    uint32_t code;

    if (!session)
        return TPM2_RC_CONTEXT_GAP;
    if (session->state == SESSION_DOOMED)
        return context_transfer_flush_session(rm, session);
    code = context_transfer_load_session(rm, session);
    /* If the chip refuses to save the session, the session stays loaded, and is evicted later like
     * any other. Of a session that its client has saved, `held` is kept. */
    if (code == TPM2_RC_SUCCESS)
        code = context_transfer_save_session(rm, session);
    rm->statistics.swaps[TRACE_FOR_REFRESH] += code == TPM2_RC_SUCCESS;
    return code;
}

bool context_gap_refresh_is_due(struct rm *rm)
{
    const struct session *session = oldest_saved(rm);

    /* A session that was saved since the last client command was refreshed just now. So each
     * session is refreshed once while the chip is idle, however odd the chip's numbers are. */
    return session && session->saved_at != rm->clock && rm->newest_sequence > session->sequence
           && rm->newest_sequence - session->sequence > rm->chip.context_gap / 2;
}
