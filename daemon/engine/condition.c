/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/condition.h"

/* Whether it was told of late. The clock may have gone back. */
static bool condition_knows(const struct condition *condition, enum trouble trouble, int64_t now)
{
    int64_t since = now - condition->told_at[trouble];

    return condition->told[trouble] && since >= 0 && since < CONDITION_PAUSE_MS;
}

void condition_trouble(struct condition *condition, const struct engine_events *events,
                       enum trouble trouble, int64_t now)
{
    if (condition_knows(condition, trouble, now))
        return;
    condition->trouble = trouble;
    condition->told[trouble] = true;
    condition->told_at[trouble] = now;
    events->trouble(events->data, trouble);
}

void condition_set_state(struct condition *condition, const struct engine_events *events,
                         enum engine_state state, int64_t now)
{
    if (condition->state == state)
        return;
    condition->state = state;
    events->state(events->data, state);
    if (state == ENGINE_LOST)
        condition_trouble(condition, events, TROUBLE_LOST, now);
    if (state == ENGINE_FAILED)
        condition_trouble(condition, events, TROUBLE_GONE, now);
}

void condition_get_status(const struct condition *condition, struct engine_status *status,
                          int64_t now)
{
    status->trouble = condition->trouble;
    if (condition->trouble != TROUBLE_NONE)
        status->trouble_age_ms = now - condition->told_at[condition->trouble];
}
