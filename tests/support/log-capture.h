/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of the daemon's log, with standard output replaced by a socket that keeps the borders
 * of writes: one packet that is read is one write. One capture at a time. */
#pragma once

#include "base/log.h"

struct log_capture {
    int real, reader; /* the true standard output; where lines come out, or -1 */
};

/* From here on standard output is the capture's, and lines of `level` and worse go there. Fails the
 * test when that cannot be. */
struct log_capture *log_capture_begin(enum log_level level);

/* Gives standard output back, which cmocka reports to. Lines can still be read. */
void log_capture_end(struct log_capture *capture);
void log_capture_free(struct log_capture *capture);

/* The next line, with its newline, or "" when there is none; of at most 2048 bytes. It holds until
 * the next call. */
const char *log_capture_line(const struct log_capture *capture);
