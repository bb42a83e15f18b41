/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/ending.h"

#include "base/clock.h"

void ending_begin(struct ending *ending, int within, int patience)
{
    *ending = (struct ending){clock_now() + within, within, patience, false};
}

int ending_left(const struct ending *ending)
{
    return clock_left(ending->at, ending->within);
}

/* Milliseconds until the running command is canceled. */
static int ending_cancel_left(const struct ending *ending)
{
    return clock_left(ending->at - ending->within + ending->patience, ending->patience);
}

bool ending_cancels(struct ending *ending)
{
    if (ending->canceled || ending_cancel_left(ending) > 0)
        return false;
    ending->canceled = true;
    return true;
}

int ending_next(const struct ending *ending)
{
    return ending->canceled ? ending_left(ending) : ending_cancel_left(ending);
}
