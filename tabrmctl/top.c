/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Models are fetched in a thread, one at a time, so that keys have their effect while the daemon is
 * slow; all else is in the main thread's loop. A fetched model becomes the main thread's.
 */
#include "top.h"

#include "manager-command.h"
#include "message.h"
#include "model-fetch.h"
#include "output.h"
#include "terminal.h"
#include "top-keys.h"
#include "top-screen.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define TOP_NEEDED (MODEL_CHIP | MODEL_STATUS | MODEL_CONNECTIONS)

/* Bounds of --interval, seconds. */
#define TOP_LEAST 0.1
#define TOP_MOST  3600.0

static struct place_options top_place;
static double top_interval = 2;
static int top_count;
static char *top_sort;

static const GOptionEntry top_options[] = {
    {"interval", 'i', 0, G_OPTION_ARG_DOUBLE, &top_interval, "Seconds between two looks (2)",
     "SECONDS"},
    {"count", 'n', 0, G_OPTION_ARG_INT, &top_count, "End after so many looks", "N"},
    {"sort", 's', 0, G_OPTION_ARG_STRING, &top_sort,
     "By busy, commands, objects, sessions, age, user, pid or number (busy)", "KEY"},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &top_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &top_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

struct top {
    const struct globals *globals;
    struct manager_client client;
    GMainLoop *loop;
    GCancellable *cancellable;
    struct model *before, *now;
    struct top_keys keys;
    int looks;    /* that were taken */
    bool looking; /* one is being taken */
    bool ended;
    int status;
};

static void top_look(struct top *top);

static void top_end(struct top *top, int status)
{
    if (!top->ended)
        top->status = status;
    top->ended = true;
    g_cancellable_cancel(top->cancellable);
    g_main_loop_quit(top->loop);
}

/* What is shown now. */
static struct top_screen top_shown(const struct top *top)
{
    return (struct top_screen){
        .before = top->before,
        .now = top->now,
        .key = top->keys.key,
        .reverse = top->keys.reverse,
        .keys = terminal_there() && !top->globals->json,
        .first = top->keys.first,
    };
}

static void top_draw(struct top *top)
{
    struct view view = output_view(top->globals);
    struct top_screen shown;
    g_autofree char *text = NULL;

    if (!top->now)
        return;
    view.rows += view.rows > 0; /* there is no prompt */
    top_keys_bound(&top->keys, top->now->connections->len, top_screen_page(&view));
    shown = top_shown(top);
    text = top_screen_text(&shown, &view);
    terminal_show(text);
}

/* Where there is no terminal: one look after the other. */
static void top_print(struct top *top)
{
    struct top_screen shown = top_shown(top);
    struct view view = {.columns = 0};
    g_autofree char *text = NULL;

    text = top->globals->json ? top_screen_json(&shown) : top_screen_text(&shown, &view);
    printf("%s\n", text);
    if (fflush(stdout) != 0)
        top_end(top, EX_IOERR);
}

static gboolean top_due(gpointer data)
{
    top_look(data);
    return G_SOURCE_REMOVE;
}

static void top_fetch(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    struct top *top = data;
    int status = EX_OK;
    struct model *model =
        model_fetch(&top->client, TOP_NEEDED | MODEL_STATISTICS | MODEL_SLOTS, TOP_NEEDED, &status);

    (void)source;
    (void)cancellable;
    if (model)
        g_task_return_pointer(task, model, NULL);
    else
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%d", status);
}

static void top_fetched(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    struct model *model = g_task_propagate_pointer(G_TASK(result), &error);
    struct top *top = data;

    (void)source;
    top->looking = false;
    if (!model || top->ended) {
        model_free(model);
        if (error)
            top_end(top, (int)g_ascii_strtoll(error->message, NULL, 10));
        return;
    }
    model_free(top->before);
    top->before = top->now;
    top->now = model;
    if (top->keys.there)
        top_draw(top);
    else
        top_print(top);
    if (++top->looks == top_count)
        top_end(top, EX_OK);
    if (!top->ended)
        g_timeout_add((guint)(top_interval * 1000), top_due, top);
}

static void top_look(struct top *top)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, top_fetched, top);

    top->looking = true;
    g_task_set_task_data(task, top, NULL);
    g_task_run_in_thread(task, top_fetch);
}

static gboolean top_ended(gpointer top)
{
    top_end(top, EX_OK);
    return G_SOURCE_CONTINUE;
}

static gboolean top_resized(gpointer top)
{
    top_draw(top);
    return G_SOURCE_CONTINUE;
}

/* Another program has the terminal until this one goes on. */
static void top_stop(struct top *top)
{
    terminal_leave();
    raise(SIGTSTP);
    if (!terminal_enter())
        top_end(top, EX_IOERR);
    top_draw(top);
}

static gboolean top_typed(gint fd, GIOCondition condition, gpointer data)
{
    struct top *top = data;
    char bytes[64];
    ssize_t size = read(fd, bytes, sizeof(bytes));

    (void)condition;
    if (size < 0 && errno == EINTR)
        return G_SOURCE_CONTINUE;
    if (size <= 0) {
        top_end(top, EX_OK);
        return G_SOURCE_REMOVE;
    }
    switch (top_keys_take(&top->keys, bytes, (size_t)size)) {
    case TOP_KEYS_QUIT:
        top_end(top, EX_OK);
        break;
    case TOP_KEYS_STOP:
        top_stop(top);
        break;
    case TOP_KEYS_DRAW:
        top_draw(top);
        break;
    }
    return G_SOURCE_CONTINUE;
}

/* Runs on the terminal, or in a pipe, until the end. */
static int top_loop(struct top *top)
{
    top->keys.there = terminal_there() && !top->globals->json;
    if (top->keys.there) {
        if (!terminal_enter()) {
            message_error("the terminal does not give single keys: %s", g_strerror(errno));
            return EX_IOERR;
        }
        message_hold();
        g_unix_signal_add(SIGINT, top_ended, top);
        g_unix_signal_add(SIGTERM, top_ended, top);
        g_unix_signal_add(SIGHUP, top_ended, top);
        g_unix_signal_add(SIGWINCH, top_resized, top);
        g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, top_typed, top);
    }
    top_look(top);
    g_main_loop_run(top->loop);
    /* A look that is still being taken ends soon, as its calls are cancelled. */
    while (top->looking)
        g_main_context_iteration(NULL, TRUE);
    terminal_leave();
    message_release(top->status != EX_OK);
    return top->status;
}

static bool top_settle(struct top *top)
{
    top->keys.key = top_sort ? pace_key_find(top_sort) : PACE_BUSY;
    if (top->keys.key == PACE_KEYS) {
        message_error("there is no order by \"%s\"; there are busy, commands, objects, sessions, "
                      "age, user, pid and number",
                      top_sort);
        return false;
    }
    if (!(top_interval >= TOP_LEAST && top_interval <= TOP_MOST)) {
        message_error("--interval takes %.1f to %.0f seconds", TOP_LEAST, TOP_MOST);
        return false;
    }
    return true;
}

static int top_run(const struct globals *globals, int argc, char **argv)
{
    struct top top = {.globals = globals};

    if (!manager_command_bare("top", argc, argv) || !top_settle(&top))
        return EX_USAGE;
    top.status = manager_client_open(&top.client, &top_place);
    if (top.status == EX_OK) {
        top.loop = g_main_loop_new(NULL, FALSE);
        top.cancellable = top.client.cancellable = g_cancellable_new();
        top.status = top_loop(&top);
        g_main_loop_unref(top.loop);
        g_object_unref(top.cancellable);
    }
    model_free(top.before);
    model_free(top.now);
    manager_client_close(&top.client);
    return top.status;
}

const struct subcommand top_subcommand = {
    .name = "top",
    .arguments = "",
    .help = "who uses the TPM, live",
    .more = "Where standard output is no terminal, each look is printed below the last one.",
    .options = top_options,
    .run = top_run,
};
