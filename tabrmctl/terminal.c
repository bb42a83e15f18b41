/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a handler of signals gives the terminal back with is prepared before it is needed:
 * tcsetattr() and write() may be called there.
 */
#include "terminal.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The alternate screen, without a cursor; and the way back (ECMA-48, xterm's control sequences). */
#define TERMINAL_ENTER "\033[?1049h\033[?25l"
#define TERMINAL_LEAVE "\033[?25h\033[?1049l"

#define TERMINAL_HOME      "\033[H"
#define TERMINAL_REST_LINE "\033[K"
#define TERMINAL_REST      "\033[J"

/* Signals that end a program, and that nothing else here looks at. */
static const int terminal_signals[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE};

static struct termios terminal_before;
static volatile sig_atomic_t terminal_taken;

static void terminal_write(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);

        if (written < 0 && errno != EINTR)
            return; /* the terminal is gone, and its hangup ends the program */
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
}

bool terminal_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void terminal_leave(void)
{
    if (!terminal_taken)
        return;
    terminal_taken = 0;
    terminal_write(TERMINAL_LEAVE, strlen(TERMINAL_LEAVE));
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
}

/* The signal has its usual effect once the handler is back: SA_RESETHAND. */
static void terminal_end(int signal)
{
    terminal_leave();
    raise(signal);
}

bool terminal_enter(void)
{
    struct sigaction action = {.sa_handler = terminal_end, .sa_flags = (int)SA_RESETHAND};
    struct termios keys;

    if (tcgetattr(STDIN_FILENO, &terminal_before) < 0)
        return false;
    keys = terminal_before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE; /* a key like others, as the screen is to be given back */
    for (gsize i = 0; i < G_N_ELEMENTS(terminal_signals); i++)
        sigaction(terminal_signals[i], &action, NULL);
    terminal_taken = 1;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys) < 0) {
        terminal_taken = 0;
        return false;
    }
    terminal_write(TERMINAL_ENTER, strlen(TERMINAL_ENTER));
    return true;
}

void terminal_show(const char *text)
{
    g_autoptr(GString) bytes = g_string_new(TERMINAL_HOME);
    const char *end;

    for (; (end = strchr(text, '\n')); text = end + 1) {
        g_string_append_len(bytes, text, end - text);
        /* No newline behind the last line, which would scroll a full screen. */
        g_string_append(bytes, end[1] ? TERMINAL_REST_LINE "\r\n" : TERMINAL_REST_LINE);
    }
    g_string_append(bytes, TERMINAL_REST);
    terminal_write(bytes->str, bytes->len);
}
