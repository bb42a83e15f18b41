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
    /* Should the chip refuse to save it, then it is loaded, which is fine for one that its owner
     * uses. Of one that a client has saved we keep `held`: it is evicted like any other later. */
    return code == TPM2_RC_SUCCESS ? context_transfer_save_session(rm, session) : code;
}

bool context_gap_refresh_is_due(struct rm *rm)
{
    const struct session *session = oldest_saved(rm);

    /* What was saved since the last client command was refreshed just now: however odd the chip's
     * numbers are, each session is refreshed once while it is idle. */
    return session && session->saved_at != rm->clock && rm->newest_sequence > session->sequence
           && rm->newest_sequence - session->sequence > rm->chip.context_gap / 2;
}
