/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal while a program has its whole screen: keys come one by one and are not shown, and
 * what was on the screen is back at the end, whatever ends the program but SIGKILL. There is one.
 * Main thread.
 */
#pragma once

#include <stdbool.h>

/* Whether there is one: standard input and output are. */
bool terminal_there(void);

/* Takes the screen; false with errno set where that cannot be. */
bool terminal_enter(void);

/* Gives it back; fine where it was not taken. */
void terminal_leave(void);

/* Shows this text of lines, and nothing else. */
void terminal_show(const char *text);
