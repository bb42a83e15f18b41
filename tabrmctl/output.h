/* SPDX-License-Identifier: BSD-2-Clause */
/* What a subcommand prints for people: colors on a terminal, and a pager where it is longer. */
#pragma once

#include "subcommand.h"
#include "view.h"

#include <stdbool.h>

/* Whether standard output is a terminal that is to have colors. */
bool output_color(const struct globals *globals);

/* What texts are to be made for: a terminal that standard output is, less the line of the prompt;
 * else lines may be as long, and as many, as there are. */
struct view output_view(const struct globals *globals);

/* Prints the text, through a pager where it does not fit on the terminal. */
void output_print(const struct globals *globals, const char *text);
