/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that tabrmctl starts and that ends with it: it gets standard input and output, the
 * descriptors and the process group of tabrmctl, and the signals that are for it. Runs in GLib's
 * main loop of the main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

struct program {
    GSubprocess *process; /* NULL when there is none */
    GMainLoop *loop;      /* borrowed; left when the program has ended */
    guint signals[3];     /* sources */
    int status;           /* exit status for tabrmctl, once it has ended */
};

/*
 * Starts `argv` (NULL-ended, the first one is looked up in PATH) with the variables that `launcher`
 * has. False with program->status for tabrmctl when it cannot be started, which was said.
 */
bool program_start(struct program *program, GSubprocessLauncher *launcher, char **argv,
                   GMainLoop *loop);

/* Frees what program_start() made; the program has ended. */
void program_clear(struct program *program);
