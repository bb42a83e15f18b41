/* SPDX-License-Identifier: BSD-2-Clause */
/* The listening socket's place in the file system: who may make it, replace it and remove it. */
#include "engine/listener.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Sockets that are made while somebody puts something else in their place. */
#define SWAPS 300

struct place {
    char dir[32], path[64];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    strcpy(place->dir, "/tmp/tabrmd-listener.XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof(place->path), "%s/socket", place->dir);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    unlink(place->path);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

/* A listening socket of somebody else. */
static int listen_at(const char *path, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct listener *make(const char *path)
{
    char text[LISTENER_TEXT];
    enum listener_fault fault;

    return listener_new(path, "root", &fault, text);
}

/* Fails, for this reason, in words that name `word`. */
static void expect_fault(const char *path, enum listener_fault fault, const char *word)
{
    char text[LISTENER_TEXT] = "";
    enum listener_fault found;

    assert_null(listener_new(path, "root", &found, text));
    assert_int_equal(found, fault);
    assert_non_null(strstr(text, path));
    assert_non_null(strstr(text, word));
}

static void expect_works(struct listener *listener, const char *path)
{
    uint32_t uid = 12345;
    int peer = reach(path), fd = listener_accept(listener, &uid);

    assert_true(fd >= 0);
    assert_int_equal(uid, geteuid());
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(listener_accept(listener, &uid), -EAGAIN);
    close(fd);
    close(peer);
}

/* Connects until the queue is full, and hangs up each time. How often. */
static unsigned fill(const char *path, unsigned most)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned count = 0;
    bool connected;

    strcpy(address.sun_path, path);
    do {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        connected = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
        count += connected;
        close(fd);
    } while (connected && count < most);
    return count;
}

/* Nobody has to wait until thousands who connect in a loop were let in. */
static void test_R58_the_queue_of_newcomers_is_short(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place->path);
    uint32_t uid;
    int fd;

    assert_non_null(listener);
    assert_in_range(fill(place->path, 1000), 1, 129);
    while ((fd = listener_accept(listener, &uid)) >= 0) {
        assert_true(listener_is_gone(fd));
        close(fd);
    }
    expect_works(listener, place->path);
    listener_free(listener);
}

static void test_R58_so_is_that_of_a_socket_which_was_passed(void **state)
{
    struct place *place = *state;
    int fd = listen_at(place->path, 4096);
    struct listener *listener;

    listener = listener_adopt(fd);
    assert_non_null(listener);
    assert_in_range(fill(place->path, 1000), 1, 129);
    listener_free(listener);
}

static void test_R44_mode_and_group(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place->path);
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct stat status;

    assert_non_null(listener);
    assert_int_equal(stat(place->path, &status), 0);
    if (geteuid() == 0) {
        assert_int_equal(status.st_mode, S_IFSOCK | 0660);
        assert_int_equal(status.st_gid, 0);
    }
    listener_free(listener);
    /* With nobody to give it to it is for this user alone. */
    listener = listener_new(place->path, "no such group", &fault, text);
    assert_non_null(listener);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0600);
    listener_free(listener);
}

static void test_works_and_is_removed(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place->path);

    assert_non_null(listener);
    expect_works(listener, place->path);
    listener_free(listener);
    assert_int_equal(access(place->path, F_OK), -1);
    listener_free(NULL);
}

static void test_dead_socket_is_replaced(void **state)
{
    struct place *place = *state;
    int fd = listen_at(place->path, 1);
    struct listener *listener;

    close(fd);
    listener = make(place->path);
    assert_non_null(listener);
    expect_works(listener, place->path);
    listener_free(listener);
}

static void test_live_socket_stays(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place->path);
    uint32_t uid;
    int fd;

    assert_non_null(listener);
    expect_fault(place->path, LISTENER_TAKEN, "--socket");
    /* What the second listener left: its attempt to connect. */
    fd = listener_accept(listener, &uid);
    assert_true(fd >= 0);
    close(fd);
    expect_works(listener, place->path);
    listener_free(listener);
}

static void test_what_is_no_socket_stays(void **state)
{
    struct place *place = *state;
    int fd = open(place->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    expect_fault(place->path, LISTENER_PLACE, "no socket");
    assert_int_equal(access(place->path, F_OK), 0);
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(symlink("/nonexistent", place->path), 0);
    expect_fault(place->path, LISTENER_PLACE, "no socket");
}

/* Replaces what it finds at the place by a link to another file, as often as there is something.
 */
struct swapper {
    struct place *place;
    char link[64];
    atomic_bool end;
};

static void *swap(void *data)
{
    struct swapper *swapper = data;

    while (!atomic_load(&swapper->end)) {
        unlink(swapper->link);
        if (access(swapper->place->path, F_OK) == 0 && symlink("victim", swapper->link) == 0)
            rename(swapper->link, swapper->place->path);
    }
    unlink(swapper->link);
    return NULL;
}

/* Somebody who may write in the directory has no other file's mode changed by this. */
static void test_R44_what_takes_the_sockets_place_is_left_alone(void **state)
{
    struct swapper swapper = {.place = *state};
    char victim[64], text[LISTENER_TEXT];
    enum listener_fault fault;
    struct stat status;
    pthread_t thread;
    int fd;

    snprintf(victim, sizeof(victim), "%s/victim", swapper.place->dir);
    snprintf(swapper.link, sizeof(swapper.link), "%s/link", swapper.place->dir);
    fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (unsigned i = 0; i < SWAPS; i++) {
        listener_free(listener_new(swapper.place->path, "root", &fault, text));
        unlink(swapper.place->path);
    }
    atomic_store(&swapper.end, true);
    pthread_join(thread, NULL);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    close(fd);
    unlink(victim);
}

static void test_no_such_place(void **state)
{
    (void)state;
    expect_fault("/nonexistent/socket", LISTENER_PLACE, "No such file");
}

static void test_another_socket_in_its_place_is_not_removed(void **state)
{
    struct place *place = *state;
    struct listener *first = make(place->path), *second;

    assert_non_null(first);
    assert_int_equal(unlink(place->path), 0);
    second = make(place->path);
    assert_non_null(second);
    listener_free(first);
    expect_works(second, place->path);
    listener_free(second);
}

static void test_adopted_socket_is_not_removed(void **state)
{
    struct place *place = *state;
    struct listener *maker = make(place->path), *listener;

    assert_non_null(maker);
    listener = listener_adopt(fcntl(listener_fd(maker), F_DUPFD_CLOEXEC, 3));
    assert_non_null(listener);
    expect_works(listener, place->path);
    listener_free(listener);
    assert_int_equal(access(place->path, F_OK), 0);
    expect_works(maker, place->path);
    listener_free(maker);
}

/* What a former daemon left of a listener: its socket, which the service manager has kept. */
static int leave(const char *path, int backlog)
{
    int fd = listen_at(path, backlog);

    assert_int_equal(chmod(path, 0600), 0);
    return fd;
}

static void test_a_kept_socket_is_taken_up_with_who_waits(void **state)
{
    struct place *place = *state;
    int fd = leave(place->path, 5), waiting = reach(place->path), taken;
    const struct group *own = getgrgid(getegid()); /* an ordinary user can give it to no other */
    struct listener *listener = listener_take_up(fd, place->path, own ? own->gr_name : "none");
    struct stat status;
    uint32_t uid;

    assert_non_null(listener);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, own ? 0660 : 0600);
    taken = listener_accept(listener, &uid);
    assert_true(taken >= 0);
    close(taken);
    close(waiting);
    /* That the place is asked for is no newcomer. */
    assert_int_equal(listener_accept(listener, &uid), -EAGAIN);
    expect_works(listener, place->path);
    listener_free(listener);
    assert_int_equal(access(place->path, F_OK), -1);
}

/* A queue without room for one more. */
static void test_a_kept_socket_with_a_full_queue_is_taken_up(void **state)
{
    struct place *place = *state;
    int fd = leave(place->path, 0), waiting = reach(place->path);
    struct listener *listener = listener_take_up(fd, NULL, NULL);

    assert_non_null(listener);
    close(waiting);
    listener_free(listener);
    assert_int_equal(access(place->path, F_OK), -1);
}

/* A listening socket of another process, at whose end that goes too. */
static int fork_listener(const char *path)
{
    int pair[2];
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (fork() == 0) {
        listen_at(path, 5);
        close(pair[0]);
        _exit(write(pair[1], "x", 1) == 1 && read(pair[1], &byte, 1) == 0 ? 0 : 1);
    }
    close(pair[1]);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    return pair[0];
}

/* Its file was removed, or is another's, or is to be elsewhere. */
static void test_a_kept_socket_that_nobody_reaches_is_ended(void **state)
{
    struct place *place = *state;
    int fd = leave(place->path, 5), kept = fcntl(fd, F_DUPFD_CLOEXEC, 0), other;
    struct stat before, after;
    int status;

    assert_null(listener_take_up(fd, "/elsewhere", "root"));
    assert_int_equal(accept(kept, NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
    close(kept);
    assert_int_equal(unlink(place->path), 0);
    fd = leave(place->path, 5);
    assert_int_equal(unlink(place->path), 0);
    assert_null(listener_take_up(fd, place->path, "root"));

    fd = leave(place->path, 5);
    assert_int_equal(unlink(place->path), 0);
    other = fork_listener(place->path);
    assert_int_equal(stat(place->path, &before), 0);
    assert_null(listener_take_up(fd, place->path, "root"));
    assert_int_equal(stat(place->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    close(other);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R58_the_queue_of_newcomers_is_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R58_so_is_that_of_a_socket_which_was_passed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R44_mode_and_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R44_what_takes_the_sockets_place_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_works_and_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_socket_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_socket_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_socket_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_such_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_socket_in_its_place_is_not_removed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_adopted_socket_is_not_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_kept_socket_is_taken_up_with_who_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_kept_socket_with_a_full_queue_is_taken_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_kept_socket_that_nobody_reaches_is_ended, setup,
                                        teardown),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
