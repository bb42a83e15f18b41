/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/trace-filter.h"

#define TRACE_FILTER_NS_PER_MS 1000000

bool trace_filter_passes(const struct trace_filter *filter, const struct trace_record *record)
{
    if (!filter->all && record->uid != filter->viewer)
        return false;
    if (filter->uid != TRACE_FILTER_ANY_USER && record->uid != filter->uid)
        return false;
    if (filter->pid != 0 && record->pid != filter->pid)
        return false;
    if (filter->failed_only && record->response_code == TPM2_RC_SUCCESS)
        return false;
    return (record->queue + record->chip) / TRACE_FILTER_NS_PER_MS >= filter->slow_ms;
}
