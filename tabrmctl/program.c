/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal sends its signals to the whole process group, so those are for the program to act
 * on, and tabrmctl waits for what it does. What is sent to tabrmctl alone is handed on.
 */
#include "program.h"

#include "message.h"
#include "subcommand.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>

static gboolean program_hand_on(struct program *program, int signal)
{
    g_subprocess_send_signal(program->process, signal);
    return G_SOURCE_CONTINUE;
}

static gboolean program_terminated(gpointer program)
{
    return program_hand_on(program, SIGTERM);
}

static gboolean program_hung_up(gpointer program)
{
    return program_hand_on(program, SIGHUP);
}

/* Of the terminal: the program has it too. */
static gboolean program_interrupted(gpointer program)
{
    (void)program;
    return G_SOURCE_CONTINUE;
}

static void program_ended(GObject *process, GAsyncResult *result, gpointer user_data)
{
    struct program *program = user_data;

    g_subprocess_wait_finish(G_SUBPROCESS(process), result, NULL);
    if (g_subprocess_get_if_signaled(program->process))
        program->status = STATUS_SIGNAL + g_subprocess_get_term_sig(program->process);
    else
        program->status = g_subprocess_get_exit_status(program->process);
    g_main_loop_quit(program->loop);
}

static bool program_absent(const char *name)
{
    g_autofree char *found = strchr(name, '/') ? NULL : g_find_program_in_path(name);

    return !found && !g_file_test(name, G_FILE_TEST_EXISTS);
}

/* Before the program runs, so that a signal that it causes at once finds the handlers in place. */
static void program_catch_signals(struct program *program)
{
    program->signals[0] = g_unix_signal_add(SIGTERM, program_terminated, program);
    program->signals[1] = g_unix_signal_add(SIGHUP, program_hung_up, program);
    program->signals[2] = g_unix_signal_add(SIGINT, program_interrupted, program);
}

bool program_start(struct program *program, GSubprocessLauncher *launcher, char **argv,
                   GMainLoop *loop)
{
    g_autoptr(GError) error = NULL;

    *program = (struct program){.loop = loop};
    g_subprocess_launcher_set_flags(launcher, G_SUBPROCESS_FLAGS_STDIN_INHERIT
                                                  | G_SUBPROCESS_FLAGS_INHERIT_FDS);
    program_catch_signals(program);
    program->process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    if (!program->process) {
        program->status = program_absent(argv[0]) ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
        message_error("cannot start %s: %s", argv[0], error->message);
        return false;
    }
    g_subprocess_wait_async(program->process, NULL, program_ended, program);
    return true;
}

void program_clear(struct program *program)
{
    for (gsize i = 0; i < G_N_ELEMENTS(program->signals); i++) {
        if (program->signals[i])
            g_source_remove(program->signals[i]);
    }
    g_clear_object(&program->process);
}
