/* SPDX-License-Identifier: BSD-2-Clause */
/* How important a line of the log is. */
#pragma once

enum log_level {
    LOG_LEVEL_SILENT,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};
