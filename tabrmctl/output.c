/* SPDX-License-Identifier: BSD-2-Clause */
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Of less: it ends by itself if all fits, and colors come through. */
#define OUTPUT_LESS "FRSXMK"

/* Of a terminal that does not tell. */
#define OUTPUT_COLUMNS 80
#define OUTPUT_ROWS    24

/* The value of a variable, or NULL where it is not set or empty. */
static const char *output_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

bool output_color(const struct globals *globals)
{
    const char *terminal = output_variable("TERM");

    return !globals->no_color && !globals->json && isatty(STDOUT_FILENO)
           && !output_variable("NO_COLOR") && terminal && strcmp(terminal, "dumb") != 0;
}

struct view output_view(const struct globals *globals)
{
    struct view view = {.color = output_color(globals)};
    struct winsize size;

    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        view.columns = size.ws_col > 0 ? size.ws_col : OUTPUT_COLUMNS;
        view.rows = (size.ws_row > 1 ? size.ws_row : OUTPUT_ROWS) - 1;
    }
    return view;
}

static bool output_fits(const char *text)
{
    struct winsize size;
    unsigned lines = 0;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return true;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines < size.ws_row;
}

static const char *output_pager(void)
{
    const char *pager = output_variable("TABRMCTL_PAGER");

    if (!pager)
        pager = output_variable("PAGER");
    return pager ? pager : "less";
}

void output_print(const struct globals *globals, const char *text)
{
    FILE *pager = NULL;

    if (!globals->no_pager && !globals->json && isatty(STDOUT_FILENO) && !output_fits(text)) {
        setenv("LESS", OUTPUT_LESS, 0);
        signal(SIGPIPE, SIG_IGN); /* a pager that is left early */
        pager = popen(output_pager(), "w");
    }
    fputs(text, pager ? pager : stdout);
    /* 127: there is no such pager, and the text was not shown. */
    if (pager && pclose(pager) == 127 << 8)
        fputs(text, stdout);
}
