/* SPDX-License-Identifier: BSD-2-Clause */
/* What tabrmctl tells a person on standard error: the thing, the cause and the remedy. */
#pragma once

#include <stdbool.h>

/* One line, with the program's name before it. Any thread. */
__attribute__((format(printf, 1, 2))) void message_error(const char *format, ...);

/* From now on lines are kept, while the screen shows something else. One thread at a time. */
void message_hold(void);

/* Ends that, and prints the lines that were kept, or drops them. */
void message_release(bool print);
