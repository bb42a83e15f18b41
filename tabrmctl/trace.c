/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace.h"

#include "manager-client.h"
#include "manager-error.h"
#include "message.h"
#include "output.h"
#include "trace-capture.h"
#include "trace-text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* The largest message: a record, a command and a response. */
#define TRACE_MESSAGE (TRACE_RECORD_SIZE + 2 * 65536)

#define TRACE_NS_PER_US 1000

/*
 * Records are taken in batches: who sleeps until the next one comes is woken by the daemon, which
 * takes it some microseconds for each command. The socket has room for some 200 records, more than
 * come in this time.
 */
#define TRACE_PAUSE_US 2000

static struct place_options trace_place;
static char *trace_user, *trace_pcap;
static int trace_pid, trace_slow, trace_count;
static gboolean trace_failed;

static const GOptionEntry trace_options[] = {
    {"user", 'u', 0, G_OPTION_ARG_STRING, &trace_user, "Commands of this user alone", "USER"},
    {"pid", 'p', 0, G_OPTION_ARG_INT, &trace_pid, "Commands of this process alone", "PID"},
    {"failed", 'f', 0, G_OPTION_ARG_NONE, &trace_failed, "Commands alone that failed", NULL},
    {"slow", 's', 0, G_OPTION_ARG_INT, &trace_slow,
     "Commands alone that waited and ran for so long", "MS"},
    {"count", 'n', 0, G_OPTION_ARG_INT, &trace_count, "End after so many commands", "N"},
    {"pcap", 'w', 0, G_OPTION_ARG_FILENAME, &trace_pcap,
     "Whole commands to a file for Wireshark; root's", "FILE"},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &trace_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &trace_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

/* Where records come from and go to. */
struct trace {
    const struct globals *globals;
    struct view view;
    int fd;                        /* records come from it */
    int file;                      /* for --pcap; -1: none */
    struct trace_capture *capture; /* likewise; or NULL */
    uint8_t *message;
};

/* The number of the user that --user names. */
static bool trace_find_user(guint32 *uid)
{
    const struct passwd *entry;
    guint64 number;

    *uid = G_MAXUINT32;
    if (!trace_user)
        return true;
    if (g_ascii_string_to_unsigned(trace_user, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
        *uid = (guint32)number;
        return true;
    }
    entry = getpwnam(trace_user);
    if (!entry) {
        message_error("there is no user \"%s\": `getent passwd` lists users", trace_user);
        return false;
    }
    *uid = entry->pw_uid;
    return true;
}

static bool trace_check(int argc, char **argv)
{
    if (argc > 0) {
        message_error("trace takes no \"%s\": see `tabrmctl trace --help`", argv[0]);
        return false;
    }
    if (trace_pid < 0 || trace_slow < 0 || trace_count < 0) {
        message_error("--pid, --slow and --count take numbers from 0 on");
        return false;
    }
    return true;
}

/* Asks for the trace. Gives EX_OK, or a status for tabrmctl, and has said why. */
static int trace_open(struct trace *trace)
{
    struct manager_client client;
    g_autoptr(GError) error = NULL;
    guint32 uid;
    int status;

    if (!trace_find_user(&uid))
        return EX_NOUSER;
    status = manager_client_open(&client, &trace_place);
    if (status == EX_OK) {
        trace->fd = manager_client_descriptor(&client, "OpenTrace",
                                              g_variant_new("(uubub)", uid, (guint32)trace_pid,
                                                            trace_failed, (guint32)trace_slow,
                                                            trace_pcap != NULL),
                                              &error);
        if (trace->fd < 0)
            status = manager_error_say(&client, "cannot trace commands", error);
    }
    manager_client_close(&client);
    return status;
}

/* Makes the file, which is for its owner alone, and says what it will hold. */
static int trace_open_file(struct trace *trace)
{
    const bool standard = strcmp(trace_pcap, "-") == 0;
    struct stat status;

    trace->file = standard ? dup(STDOUT_FILENO)
                           : open(trace_pcap,
                                  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                                  S_IRUSR | S_IWUSR);
    /* One that was there may have another mode. */
    if (trace->file < 0 || fstat(trace->file, &status) != 0
        || (!standard && S_ISREG(status.st_mode) && fchmod(trace->file, S_IRUSR | S_IWUSR) != 0)) {
        message_error("cannot make %s: %s", trace_pcap, strerror(errno));
        return EX_CANTCREAT;
    }
    if (standard && isatty(trace->file)) {
        message_error("a capture is no text for a terminal: name a file, or pipe it, as to "
                      "`wireshark -k -i -`");
        return EX_USAGE;
    }
    message_error("warning: %s holds all that programs send to the TPM, passwords and keys among "
                  "it: keep it secret, and delete it when it is not needed any more",
                  standard ? "this capture" : trace_pcap);
    trace->capture = trace_capture_new();
    return EX_OK;
}

static bool trace_write(const struct trace *trace, const GString *bytes)
{
    for (gsize done = 0; done < bytes->len;) {
        ssize_t wrote = write(trace->file, bytes->str + done, bytes->len - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            message_error("cannot write to %s: %s", trace_pcap, strerror(errno));
            return false;
        }
        done += (gsize)wrote;
    }
    return true;
}

/* What a time of CLOCK_MONOTONIC is in nanoseconds since the epoch. */
static gint64 trace_since_epoch(uint64_t monotonic)
{
    struct timespec real, now;

    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)monotonic + (gint64)(real.tv_sec - now.tv_sec) * 1000000000
           + (real.tv_nsec - now.tv_nsec);
}

static bool trace_print(const struct trace *trace, const struct trace_record *record, gint64 began)
{
    g_autofree char *text = trace->globals->json
                                ? trace_text_json(record, began / TRACE_NS_PER_US)
                                : trace_text_line(record, began / TRACE_NS_PER_US, &trace->view);

    fputs(text, stdout);
    if (trace->globals->json)
        putchar('\n');
    return fflush(stdout) == 0;
}

static bool trace_capture(struct trace *trace, const struct trace_record *record, size_t at,
                          gint64 began)
{
    GString *packets = g_string_new(NULL);
    bool written;

    trace_capture_add(trace->capture, packets, record, trace->message + at, began);
    written = trace_write(trace, packets);
    explicit_bzero(packets->str, packets->len);
    g_string_free(packets, TRUE);
    return written;
}

/* Takes the next message; the size of it, or 0 at the end, or -1. */
static ssize_t trace_receive(const struct trace *trace)
{
    struct pollfd ready = {.fd = trace->fd, .events = POLLIN};
    ssize_t size = recv(trace->fd, trace->message, TRACE_MESSAGE, MSG_DONTWAIT);

    if (size >= 0 || errno != EAGAIN)
        return size;
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        ;
    g_usleep(TRACE_PAUSE_US);
    return recv(trace->fd, trace->message, TRACE_MESSAGE, 0);
}

/* Takes one record. Gives EX_OK, or a status for tabrmctl, and has said why. */
static int trace_step(struct trace *trace)
{
    struct trace_record record;
    ssize_t size;
    size_t at;
    gint64 began;

    do
        size = trace_receive(trace);
    while (size < 0 && errno == EINTR);
    if (size <= 0) {
        message_error("tabrmd has ended: `systemctl status tabrmd` says why");
        return EX_UNAVAILABLE;
    }
    if (!trace_record_load(&record, trace->message, (size_t)size, &at)) {
        message_error("tabrmd's trace makes no sense: is it of another version? `sudo systemctl "
                      "restart tabrmd` starts the one that is installed");
        return EX_PROTOCOL;
    }
    began = trace_since_epoch(record.started);
    if (trace->capture)
        return trace_capture(trace, &record, at, began) ? EX_OK : EX_IOERR;
    return trace_print(trace, &record, began) ? EX_OK : EX_IOERR;
}

static int trace_go(struct trace *trace)
{
    int status = EX_OK;

    if (trace->capture) {
        GString *head = g_string_new(NULL);

        trace_capture_begin(head);
        status = trace_write(trace, head) ? EX_OK : EX_IOERR;
        g_string_free(head, TRUE);
    }
    for (int i = 0; status == EX_OK && (trace_count == 0 || i < trace_count); i++)
        status = trace_step(trace);
    return status;
}

static void trace_close(struct trace *trace)
{
    explicit_bzero(trace->message, TRACE_MESSAGE);
    g_free(trace->message);
    trace_capture_free(trace->capture);
    if (trace->file >= 0)
        close(trace->file);
    if (trace->fd >= 0)
        close(trace->fd);
}

static int trace_run(const struct globals *globals, int argc, char **argv)
{
    struct trace trace = {.globals = globals, .fd = -1, .file = -1};
    int status;

    if (!trace_check(argc, argv))
        return EX_USAGE;
    trace.view = (struct view){.color = output_color(globals)};
    trace.message = g_malloc0(TRACE_MESSAGE);
    status = trace_open(&trace);
    if (status == EX_OK && trace_pcap)
        status = trace_open_file(&trace);
    if (status == EX_OK)
        status = trace_go(&trace);
    trace_close(&trace);
    return status;
}

const struct subcommand trace_subcommand = {
    .name = "trace",
    .arguments = "",
    .help = "commands to the TPM, live",
    .more = "Root sees all commands, others those of their own connections.",
    .options = trace_options,
    .run = trace_run,
};
