/* SPDX-License-Identifier: BSD-2-Clause */
/* What tabrmctl tells a person on standard error: the thing, the cause and the remedy. */
#pragma once

/* One line, with the program's name before it. Any thread. */
__attribute__((format(printf, 1, 2))) void message_error(const char *format, ...);
