/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake-daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fake_daemon_start(struct fake_daemon *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(daemon->directory, "/tmp/tcti-test.XXXXXX");
    assert_non_null(mkdtemp(daemon->directory));
    snprintf(daemon->path, sizeof(daemon->path), "%s/tcti.sock", daemon->directory);
    snprintf(daemon->conf, sizeof(daemon->conf), "socket=%s", daemon->path);
    strcpy(address.sun_path, daemon->path);
    daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(daemon->listener >= 0);
    assert_int_equal(bind(daemon->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(daemon->listener, 16), 0);
}

void fake_daemon_stop(struct fake_daemon *daemon)
{
    close(daemon->listener);
    unlink(daemon->path);
    rmdir(daemon->directory);
}

/* What a thread does with connections until Init has returned, or one of them stays. */
struct fake_accept {
    int listener;
    int returned;          /* readable once Init has returned */
    unsigned deaths;       /* so many connections end unanswered, */
    enum fake_death death; /* in this way */
    bool listens;          /* to the hello of the others, before it says anything */
    const uint8_t *says;
    size_t size;
    bool stays;
    unsigned accepted;
    int server; /* what was accepted, if it stays */
};

static bool fake_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, FAKE_WAIT_MS) == 1;
}

static bool fake_hear_hello(int fd)
{
    uint8_t hello[CONTROL_FRAME_MAX_REQUEST], expected[CONTROL_FRAME_MAX_REQUEST];
    size_t size = control_frame_request_store(expected, CONTROL_FRAME_HELLO, 0);

    return fake_readable(fd) && recv(fd, hello, size, MSG_WAITALL) == (ssize_t)size
           && memcmp(hello, expected, size) == 0;
}

static void fake_die(const struct fake_accept *accepting, int fd)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, TSS2_RC_SUCCESS);
    if (accepting->death != FAKE_DEATH_DEAF)
        fake_hear_hello(fd);
    if (accepting->death == FAKE_DEATH_IN_ITS_WORD)
        send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
    if (accepting->death == FAKE_DEATH_FOR_GOOD)
        shutdown(accepting->listener, SHUT_RDWR);
    close(fd);
}

static void fake_answer(struct fake_accept *accepting, int fd)
{
    if ((!accepting->listens || fake_hear_hello(fd))
        && send(fd, accepting->says, accepting->size, MSG_NOSIGNAL) == (ssize_t)accepting->size
        && accepting->stays)
        accepting->server = fd;
    else
        close(fd);
}

/* The next connection, or -1 once Init has returned and left no other. */
static int fake_accept_next(const struct fake_accept *accepting)
{
    struct pollfd fds[] = {{.fd = accepting->listener, .events = POLLIN},
                           {.fd = accepting->returned, .events = POLLIN}};

    if (poll(fds, 2, FAKE_WAIT_MS) <= 0 || fds[0].revents == 0)
        return -1;
    return accept4(accepting->listener, NULL, NULL, SOCK_CLOEXEC);
}

/* Not in the test's own thread, where a failed assertion would jump out of nothing. */
static void *fake_accept_run(void *data)
{
    struct fake_accept *accepting = data;
    int fd;

    while (accepting->server < 0 && (fd = fake_accept_next(accepting)) >= 0)
        if (accepting->accepted++ < accepting->deaths)
            fake_die(accepting, fd);
        else
            fake_answer(accepting, fd);
    return NULL;
}

/* An event that has not come, which is not one of the first descriptors: a test may want those for
 * what the library opens. */
static int fake_event(void)
{
    int low = eventfd(0, EFD_CLOEXEC), fd = fcntl(low, F_DUPFD_CLOEXEC, 10);

    assert_true(fd >= 10);
    close(low);
    return fd;
}

/* Calls `init` while a thread does as `accepting` says. */
static TSS2_RC fake_connect(const struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init,
                            struct fake_accept *accepting, struct fake_link *link)
{
    size_t size = 0;
    pthread_t thread;
    TSS2_RC rc;

    *link = (struct fake_link){NULL, -1};
    assert_int_equal(init(NULL, &size, NULL), TSS2_RC_SUCCESS);
    link->tcti = malloc(size);
    assert_non_null(link->tcti);
    /* Whoever has the memory has used it before. */
    memset(link->tcti, 0xA5, size);
    accepting->listener = daemon->listener;
    accepting->returned = fake_event();
    accepting->server = -1;
    assert_int_equal(pthread_create(&thread, NULL, fake_accept_run, accepting), 0);
    rc = init(link->tcti, &size, daemon->conf);
    eventfd_write(accepting->returned, 1);
    pthread_join(thread, NULL);
    close(accepting->returned);
    link->server = accepting->server;
    if (rc == TSS2_RC_SUCCESS)
        return rc;
    free(link->tcti);
    link->tcti = NULL;
    fake_link_close(link);
    return rc;
}

TSS2_RC fake_daemon_connect_after(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init,
                                  struct fake_deaths *deaths, uint32_t verdict,
                                  struct fake_link *link)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];
    struct fake_accept accepting = {.deaths = deaths->count,
                                    .death = deaths->death,
                                    .listens = true,
                                    .says = reply,
                                    .size = sizeof(reply),
                                    .stays = true};
    TSS2_RC rc;

    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, verdict);
    rc = fake_connect(daemon, init, &accepting, link);
    deaths->accepted = accepting.accepted;
    return rc;
}

TSS2_RC fake_daemon_connect(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init, uint32_t verdict,
                            struct fake_link *link)
{
    struct fake_deaths none = {0};

    return fake_daemon_connect_after(daemon, init, &none, verdict, link);
}

TSS2_RC fake_daemon_turn_away(struct fake_daemon *daemon, TSS2_TCTI_INIT_FUNC init, bool listens,
                              const uint8_t *says, size_t size)
{
    struct fake_accept accepting = {.listens = listens, .says = says, .size = size};
    struct fake_link link;
    TSS2_RC rc = fake_connect(daemon, init, &accepting, &link);

    fake_link_close(&link);
    return rc;
}

void fake_link_close(struct fake_link *link)
{
    if (link->tcti != NULL)
        Tss2_Tcti_Finalize(link->tcti);
    free(link->tcti);
    if (link->server >= 0)
        close(link->server);
    *link = (struct fake_link){NULL, -1};
}

void fake_link_read(const struct fake_link *link, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    ssize_t got;

    while (size > 0) {
        assert_true(fake_readable(link->server));
        got = recv(link->server, at, size, 0);
        assert_true(got > 0);
        at += got;
        size -= (size_t)got;
    }
}

void fake_link_write(const struct fake_link *link, const void *bytes, size_t size)
{
    assert_int_equal(send(link->server, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void fake_link_reply(const struct fake_link *link, uint32_t operation, uint32_t rc)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    control_frame_reply_store(reply, operation, rc);
    fake_link_write(link, reply, sizeof(reply));
}

void fake_frame(uint8_t *bytes, size_t size, uint8_t seed)
{
    size_t i;

    for (i = HEADER_SIZE; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + seed);
    header_store(bytes, 0x8001, (uint32_t)size, seed);
}

void fake_link_command(const struct fake_link *link, size_t size, uint8_t seed)
{
    uint8_t *command = malloc(size), *seen = malloc(size);

    assert_non_null(command);
    assert_non_null(seen);
    fake_frame(command, size, seed);
    assert_int_equal(Tss2_Tcti_Transmit(link->tcti, size, command), TSS2_RC_SUCCESS);
    fake_link_read(link, seen, size);
    assert_memory_equal(seen, command, size);
    free(command);
    free(seen);
}

void fake_link_expect(const struct fake_link *link, const uint8_t *response, size_t size,
                      int32_t timeout)
{
    uint8_t *buffer = malloc(size + 50);
    size_t got = size + 50;

    assert_non_null(buffer);
    assert_int_equal(Tss2_Tcti_Receive(link->tcti, &got, buffer, timeout), TSS2_RC_SUCCESS);
    assert_int_equal(got, size);
    assert_memory_equal(buffer, response, size);
    free(buffer);
}

void fake_link_exchange(const struct fake_link *link, uint8_t seed)
{
    uint8_t response[40], received[64];
    size_t size = sizeof(received);

    fake_link_command(link, 20, seed);
    fake_frame(response, sizeof(response), (uint8_t)(seed + 1));
    fake_link_write(link, response, sizeof(response));
    assert_int_equal(Tss2_Tcti_Receive(link->tcti, &size, received, TSS2_TCTI_TIMEOUT_BLOCK),
                     TSS2_RC_SUCCESS);
    assert_int_equal(size, sizeof(response));
    assert_memory_equal(received, response, sizeof(response));
}

static size_t fake_count_entries(const char *directory)
{
    DIR *entries = opendir(directory);
    size_t count = 0;

    assert_non_null(entries);
    while (readdir(entries) != NULL)
        count++;
    closedir(entries);
    return count;
}

size_t fake_count_fds(void)
{
    return fake_count_entries("/proc/self/fd");
}

size_t fake_count_threads(void)
{
    return fake_count_entries("/proc/self/task");
}
