/* SPDX-License-Identifier: BSD-2-Clause */
/* tabrmctl on a terminal: a pager for what is long, and `tabrmctl top`, which fits, follows keys
 * and the terminal's size, and gives the terminal back however it ends. */
#include "tabrmctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define HEARD_MOST  100000

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

/* A program on a terminal of its own, before a fake daemon. */
struct terminal {
    int fd;
    struct process fake;
    pid_t pid;
    GString *heard;
    struct termios before;
};

static bool socket_is_there(void *path)
{
    return access(path, F_OK) == 0;
}

static void start_fake(struct world *world, struct terminal *terminal, const char *connections)
{
    g_autofree char *path = world_path(world, "manager.sock");
    const char *const argv[] = {TEST_FAKE, TEST_MANAGER_XML, path, connections, NULL};

    assert_true(process_start(&terminal->fake, &(struct process_setup){.argv = argv}));
    assert_true(world_poll(socket_is_there, path, PATIENCE_MS));
}

static void set_size(int fd, unsigned short columns, unsigned short rows)
{
    const struct winsize size = {.ws_col = columns, .ws_row = rows};

    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
}

/* In the child: the other end of the terminal becomes its own. */
static void run_on(const char *other, const char *const *argv)
{
    int fd;

    setsid();
    fd = open(other, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
        _exit(126);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    close(fd);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void start(struct world *world, struct terminal *terminal, const char *connections,
                  const char *subcommand, const char *option)
{
    g_autofree char *place = g_strdup_printf("--tcti=tabrmd:socket=%s/tcti.sock", world->dir);
    const char *const argv[] = {TEST_TABRMCTL_DIR "/tabrmctl", subcommand, place, option, NULL};
    char other[64];

    *terminal = (struct terminal){.heard = g_string_new(NULL)};
    start_fake(world, terminal, connections);
    terminal->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal->fd >= 0);
    assert_int_equal(grantpt(terminal->fd), 0);
    assert_int_equal(unlockpt(terminal->fd), 0);
    assert_int_equal(ptsname_r(terminal->fd, other, sizeof(other)), 0);
    set_size(terminal->fd, 80, 24);
    assert_int_equal(tcgetattr(terminal->fd, &terminal->before), 0);
    terminal->pid = fork();
    assert_true(terminal->pid >= 0);
    if (terminal->pid == 0)
        run_on(other, argv);
}

/* Hears more of what the program writes; false at its end. */
static bool hear(struct terminal *terminal)
{
    struct pollfd poll_fd = {.fd = terminal->fd, .events = POLLIN};
    char bytes[4096];
    ssize_t size;

    assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
    size = read(terminal->fd, bytes, sizeof(bytes));
    if (size <= 0)
        return false; /* EIO: nobody has the other end any more */
    g_string_append_len(terminal->heard, bytes, size);
    return true;
}

/* Waits until it has written `text`, which may be among the next so many bytes; forgets all before,
 * and that. */
static void await(struct terminal *terminal, const char *text)
{
    const char *found;

    while (!(found = strstr(terminal->heard->str, text))) {
        if (terminal->heard->len > HEARD_MOST || !hear(terminal)) {
            fprintf(stderr, "never came: %s; heard: %s\n", text, terminal->heard->str);
            fail();
        }
    }
    g_string_erase(terminal->heard, 0, found - terminal->heard->str + (gssize)strlen(text));
}

static void type(struct terminal *terminal, const char *keys)
{
    assert_int_equal(write(terminal->fd, keys, strlen(keys)), strlen(keys));
}

/* Waits for the end; its status as of waitpid(). */
static int await_end(struct terminal *terminal)
{
    int status = 0;

    while (hear(terminal))
        ;
    assert_int_equal(waitpid(terminal->pid, &status, 0), terminal->pid);
    return status;
}

static void expect_given_back(struct terminal *terminal)
{
    struct termios after;

    assert_non_null(strstr(terminal->heard->str, LEAVE));
    assert_int_equal(tcgetattr(terminal->fd, &after), 0);
    assert_int_equal(after.c_lflag, terminal->before.c_lflag);
    assert_memory_equal(after.c_cc, terminal->before.c_cc, sizeof(after.c_cc));
}

static void clear(struct terminal *terminal)
{
    close(terminal->fd);
    process_end(&terminal->fake, WORLD_END_MS);
    g_string_free(terminal->heard, TRUE);
}

static void test_top_sorts_scrolls_and_quits(void **state)
{
    struct terminal terminal;

    start(*state, &terminal, "100", "top", "--interval=0.2");
    await(&terminal, ENTER);
    await(&terminal, "100 connections");
    await(&terminal, "q quit");
    type(&terminal, "n");
    await(&terminal, "\033[7mNUMBER\033[0m");
    await(&terminal, "     2 1001 ");
    await(&terminal, "q quit");
    type(&terminal, "\033[6~");
    await(&terminal, "NOW");
    await(&terminal, "    18 1017 ");
    type(&terminal, "r\033[H");
    await(&terminal, "NOW");
    await(&terminal, "   100 1099 ");
    type(&terminal, "q");
    assert_int_equal(await_end(&terminal), 0);
    expect_given_back(&terminal);
    clear(&terminal);
}

/* What is drawn last has no line beyond the terminal's columns, and as many lines as it has rows.
 */
static void expect_size(struct terminal *terminal, unsigned columns, unsigned rows)
{
    g_autofree char *screen = NULL;
    g_auto(GStrv) lines = NULL;

    await(terminal, "\033[H");
    while (!strstr(terminal->heard->str, "\033[J"))
        assert_true(hear(terminal));
    screen = g_strndup(terminal->heard->str,
                       (gsize)(strstr(terminal->heard->str, "\033[J") - terminal->heard->str));
    lines = g_strsplit(screen, "\r\n", -1);
    assert_int_equal(g_strv_length(lines), rows);
    for (char **line = lines; *line; line++) {
        unsigned width = 0;

        for (const char *at = *line; *at; at++) {
            if (*at == '\033')
                at += strcspn(at, "mK");
            else
                width += *at != '\r';
        }
        assert_true(width <= columns);
    }
}

static void test_top_follows_the_size(void **state)
{
    struct terminal terminal;

    start(*state, &terminal, "500", "top", "--interval=3600");
    expect_size(&terminal, 80, 24);
    set_size(terminal.fd, 200, 50);
    expect_size(&terminal, 200, 50);
    set_size(terminal.fd, 40, 12);
    expect_size(&terminal, 40, 12);
    type(&terminal, "q");
    assert_int_equal(await_end(&terminal), 0);
    clear(&terminal);
}

static void test_R99_top_gives_the_terminal_back_at_each_signal(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct terminal terminal;
        g_autofree char *path = world_path(*state, "manager.sock");
        int status;

        start(*state, &terminal, "1", "top", NULL);
        await(&terminal, "q quit");
        kill(terminal.pid, signals[i]);
        status = await_end(&terminal);
        expect_given_back(&terminal);
        if (i < 3)
            assert_int_equal(status, 0);
        else
            assert_int_equal(WTERMSIG(status), signals[i]);
        clear(&terminal);
        unlink(path);
    }
}

static void test_top_stops_and_goes_on(void **state)
{
    struct terminal terminal;
    int status;

    start(*state, &terminal, "1", "top", NULL);
    await(&terminal, "q quit");
    type(&terminal, "\032");
    await(&terminal, LEAVE);
    /* A group without a shell above it is not stopped by the signal; it goes on at once then. */
    if (waitpid(terminal.pid, &status, WUNTRACED | WNOHANG) == terminal.pid)
        kill(terminal.pid, SIGCONT);
    kill(terminal.pid, SIGCONT);
    await(&terminal, ENTER);
    await(&terminal, "q quit");
    type(&terminal, "q");
    assert_int_equal(await_end(&terminal), 0);
    expect_given_back(&terminal);
    clear(&terminal);
}

static void test_top_says_behind_the_screen_that_the_daemon_is_gone(void **state)
{
    struct terminal terminal;
    int status;

    start(*state, &terminal, "1", "top", "--interval=0.1");
    await(&terminal, "q quit");
    process_end(&terminal.fake, WORLD_END_MS);
    status = await_end(&terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EX_UNAVAILABLE);
    assert_non_null(strstr(strstr(terminal.heard->str, LEAVE), "tabrmd has ended"));
    clear(&terminal);
}

static void test_a_long_list_goes_through_the_pager(void **state)
{
    struct terminal terminal;

    setenv("TABRMCTL_PAGER", "sed s/^/paged:/", 1);
    start(*state, &terminal, "500", "list", NULL);
    assert_int_equal(await_end(&terminal), 0);
    await(&terminal, "paged:   500 ");
    clear(&terminal);
    unsetenv("TABRMCTL_PAGER");
}

static void test_a_status_fits_and_is_not_paged(void **state)
{
    struct terminal terminal;

    setenv("TABRMCTL_PAGER", "sed s/^/paged:/", 1);
    start(*state, &terminal, "500", "status", NULL);
    assert_int_equal(await_end(&terminal), 0);
    assert_null(strstr(terminal.heard->str, "paged:"));
    await(&terminal, "\033[1;32mhealthy\033[0m");
    clear(&terminal);
    unsetenv("TABRMCTL_PAGER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_empty_test(test_top_sorts_scrolls_and_quits),
        suite_empty_test(test_top_follows_the_size),
        suite_empty_test(test_R99_top_gives_the_terminal_back_at_each_signal),
        suite_empty_test(test_top_stops_and_goes_on),
        suite_empty_test(test_top_says_behind_the_screen_that_the_daemon_is_gone),
        suite_empty_test(test_a_long_list_goes_through_the_pager),
        suite_empty_test(test_a_status_fits_and_is_not_paged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
