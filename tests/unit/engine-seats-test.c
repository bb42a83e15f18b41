/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of connections that outlive the daemon, and what is stored of them. */
#include "emulator.h"
#include "engine/newcomers.h"
#include "log-capture.h"
#include "user-database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEATS   3
#define WAIT_MS 60000

struct bench {
    char dir[32], path[64];
    int fd; /* the service manager's socket */
    struct keeper *keeper;
    struct loop loop;
    struct scheduler scheduler;
    struct desk desk;
    struct clients clients;
    struct newcomers newcomers;
    struct seat_record records[SEATS];
    int ends[SEATS + 1]; /* the clients' own ends */
    unsigned count;
};

static void told(void *data)
{
    (void)data;
}

static void open_keeper(struct bench *bench)
{
    struct sockaddr_un address;
    socklen_t size;

    strcpy(bench->dir, "/tmp/tabrmd-seats.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    snprintf(bench->path, sizeof(bench->path), "%s/notify", bench->dir);
    assert_true(keeper_address(bench->path, &address, &size));
    bench->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(bench->fd, (const struct sockaddr *)&address, size), 0);
    bench->keeper = keeper_new(bench->path, KEEPER_SPARE + SEATS);
    assert_non_null(bench->keeper);
}

static int setup_closed(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct newcomers_config config = {.accounts = user_database_config, .max_connections = 100};

    assert_non_null(bench);
    user_database_reset(true);
    open_keeper(bench);
    assert_int_equal(loop_init(&bench->loop), 0);
    scheduler_init(&bench->scheduler, client_affinity);
    clients_init(&bench->clients, &bench->loop, &bench->scheduler, &bench->newcomers.admission,
                 &bench->desk);
    assert_true(desk_open(&bench->desk, NULL, 256, 256));
    assert_int_equal(
        newcomers_init(&bench->newcomers, &bench->loop, &bench->clients, &config, told, NULL), 0);
    newcomers_open(&bench->newcomers);
    *state = bench;
    return 0;
}

static int setup(void **state)
{
    struct bench *bench;

    setup_closed(state);
    bench = *state;
    assert_true(seats_open(&bench->newcomers.seats, bench->keeper, bench->records, SEATS));
    return 0;
}

static void reap(struct bench *bench)
{
    struct client_end end;

    while (clients_reap(&bench->clients, &end))
        ;
}

static int teardown(void **state)
{
    static const struct seat_record none;
    struct bench *bench = *state;

    newcomers_close(&bench->newcomers);
    clients_close(&bench->clients);
    reap(bench);
    for (unsigned i = 0; i < SEATS; i++)
        assert_memory_equal(&bench->records[i], &none, sizeof(none));
    clients_clear(&bench->clients);
    desk_close(&bench->desk);
    newcomers_clear(&bench->newcomers);
    loop_clear(&bench->loop);
    for (unsigned i = 0; i < bench->count; i++)
        close(bench->ends[i]);
    keeper_free(bench->keeper);
    close(bench->fd);
    unlink(bench->path);
    assert_int_equal(rmdir(bench->dir), 0);
    free(bench);
    return 0;
}

/* What comes with the next message, which stores a connection; 0 when there is none. */
static ino_t take_stored(const struct bench *bench)
{
    char text[128] = "";
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct stat status;
    int fd;

    if (recvmsg(bench->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return 0;
    assert_string_equal(text, "FDSTORE=1\nFDNAME=c");
    assert_true(message.msg_controllen > 0);
    memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return status.st_ino;
}

static struct client *admit(struct bench *bench, const struct seat_holder *holder)
{
    struct client *client;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    bench->ends[bench->count++] = pair[1];
    assert_int_equal(newcomers_admit(&bench->newcomers, holder, pair[0], &client), 0);
    return client;
}

static const gid_t groups_ids[SEAT_GROUPS + 1] = {1000, 50, 60};
static const struct peer_groups few = {true, 3, (gid_t *)(uintptr_t)groups_ids};
static const struct peer_groups many = {true, SEAT_GROUPS + 1, (gid_t *)(uintptr_t)groups_ids};
static const struct peer_groups unknown = {0};

static const struct seat_holder from_bus = {.id = 77, .uid = 1000, .pid = 5, .groups = &few};
static const struct seat_holder from_socket = {.uid = 0, .groups = &few, .from_socket = true};

/* The record in use that has this cookie. */
static const struct seat_record *record_of(const struct bench *bench, const struct client *client)
{
    uint64_t cookie;
    socklen_t size = sizeof(cookie);

    assert_int_equal(getsockopt(client->io.fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    assert_int_equal(client->io.seat.cookie, cookie);
    for (unsigned i = 0; i < SEATS; i++)
        if (bench->records[i].cookie == cookie)
            return &bench->records[i];
    return NULL;
}

static void expect_kept(const struct bench *bench, const struct client *client)
{
    const struct seat_record *record = record_of(bench, client);
    struct stat status;

    assert_non_null(record);
    assert_int_equal(fstat(client->io.fd, &status), 0);
    assert_int_equal(record->inode, status.st_ino);
    assert_int_equal(take_stored(bench), status.st_ino);
}

static void test_who_is_admitted_is_kept(void **state)
{
    struct bench *bench = *state;
    struct client *bus = admit(bench, &from_bus);
    struct client *visitor;
    const struct seat_record *record;

    expect_kept(bench, bus);
    record = record_of(bench, bus);
    assert_int_equal(record->id, 77);
    assert_int_equal(record->uid, 1000);
    assert_int_equal(record->pid, 5);
    assert_int_equal(record->from_socket, 0);
    assert_int_equal(record->group_count, 3);
    assert_memory_equal(record->groups, groups_ids, sizeof(groups_ids[0]) * 3);
    visitor = admit(bench, &from_socket);
    expect_kept(bench, visitor);
    assert_int_equal(record_of(bench, visitor)->from_socket, 1);
    /* The seat goes with its client, and the next one gets it. */
    client_free(visitor);
    assert_int_equal(record_of(bench, bus)->uid, 1000);
    client_free(bus);
    for (unsigned i = 0; i < SEATS; i++)
        assert_int_equal(bench->records[i].cookie, 0);
    assert_int_equal(take_stored(bench), 0);
}

static void test_groups_that_do_not_fit_are_not_told(void **state)
{
    struct bench *bench = *state;
    struct client *large =
        admit(bench, &(struct seat_holder){.id = 1, .uid = 1000, .groups = &many});
    struct client *odd = admit(bench, &(struct seat_holder){.id = 2, .groups = &unknown});

    assert_int_equal(record_of(bench, large)->group_count, SEAT_UNTOLD);
    assert_int_equal(record_of(bench, odd)->group_count, SEAT_UNTOLD);
    client_free(large);
    client_free(odd);
}

static void test_who_may_cancel_is_noted(void **state)
{
    struct bench *bench = *state;
    struct seats *seats = &bench->newcomers.seats;
    struct client *first = admit(bench, &from_bus), *second;

    seats_set_creator(seats, 77, ":1.23");
    assert_string_equal(record_of(bench, first)->creator, ":1.23");
    second = admit(bench, &(struct seat_holder){.id = 78, .uid = 1000, .groups = &few});
    assert_string_equal(record_of(bench, second)->creator, "");
    seats_set_creator(seats, 78, ":1.4");
    seats_set_creator(seats, 77, ":1.230");
    seats_set_creator(seats, 79, ":1.5");
    assert_string_equal(record_of(bench, first)->creator, ":1.230");
    assert_string_equal(record_of(bench, second)->creator, ":1.4");
    seats_set_creator(seats, 77, NULL);
    assert_string_equal(record_of(bench, first)->creator, "");
    /* No name at all, rather than the start of one. */
    seats_set_creator(seats, 78, ":1.234567890123456789012345678901234567890");
    assert_string_equal(record_of(bench, second)->creator, "");
    client_free(first);
    client_free(second);
}

static void test_who_finds_no_seat_is_served(void **state)
{
    struct bench *bench = *state;
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_WARNING);
    struct client *clients[SEATS + 1];

    for (unsigned i = 0; i <= SEATS; i++)
        clients[i] = admit(bench, &from_socket);
    log_capture_end(capture);
    assert_non_null(strstr(log_capture_line(capture), "keeps 3 connections"));
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
    for (unsigned i = 0; i < SEATS; i++)
        expect_kept(bench, clients[i]);
    assert_int_equal(clients[SEATS]->io.seat.number, 0);
    assert_int_equal(take_stored(bench), 0);
    for (unsigned i = 0; i <= SEATS; i++)
        client_free(clients[i]);
}

/* The loop stores it when the service manager has read what it was sent. */
static void test_a_connection_waits_for_a_busy_service_manager(void **state)
{
    struct bench *bench = *state;
    struct client *client, *gone;
    struct stat status;
    ino_t stored = 0;

    while (keeper_store_connection(bench->keeper, bench->fd) == 0)
        ;
    gone = admit(bench, &from_socket);
    newcomers_welcome(&bench->newcomers, gone);
    client = admit(bench, &from_socket);
    assert_int_equal(fstat(client->io.fd, &status), 0);
    newcomers_welcome(&bench->newcomers, client);
    assert_non_null(record_of(bench, client));
    assert_true(client->io.seat.waits);
    loop_run(&bench->loop, WAIT_MS, 1);
    assert_true(client->io.seat.waits);
    client_close(gone);
    reap(bench);
    while (take_stored(bench) != 0)
        ;
    for (unsigned i = 0; i < 1000 && client->io.seat.waits; i++)
        loop_run(&bench->loop, WAIT_MS, 1);
    assert_false(client->io.seat.waits);
    stored = take_stored(bench);
    assert_int_equal(stored, status.st_ino);
    assert_int_equal(take_stored(bench), 0);
}

static void test_an_adopted_connection_is_not_stored_again(void **state)
{
    struct bench *bench = *state;
    struct seats *seats = &bench->newcomers.seats;
    struct seat_record former = {.cookie = 9, .inode = 8, .id = 7, .uid = 6, .creator = ":1.2"};
    struct seat adopted[SEATS + 1];

    for (unsigned i = 0; i < SEATS; i++) {
        assert_true(seats_adopt(seats, &adopted[i], bench->fd, &former));
        assert_memory_equal(&bench->records[adopted[i].number - 1], &former, sizeof(former));
        assert_int_equal(adopted[i].cookie, 9);
    }
    assert_false(seats_adopt(seats, &adopted[SEATS], bench->fd, &former));
    assert_int_equal(take_stored(bench), 0);
    for (unsigned i = 0; i <= SEATS; i++) {
        seats_welcome(seats, &adopted[i]);
        seats_leave(seats, &adopted[i]);
        seats_leave(seats, &adopted[i]);
    }
}

static void test_without_keeper_nothing_is_kept(void **state)
{
    struct bench *bench = *state;
    struct client *client = admit(bench, &from_bus);
    struct seat seat;

    newcomers_welcome(&bench->newcomers, client);
    seats_set_creator(&bench->newcomers.seats, 77, ":1.2");
    assert_int_equal(client->io.seat.number, 0);
    assert_false(seats_adopt(&bench->newcomers.seats, &seat, bench->fd, &bench->records[0]));
    assert_int_equal(take_stored(bench), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_is_admitted_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_that_do_not_fit_are_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_may_cancel_is_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_finds_no_seat_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_connection_waits_for_a_busy_service_manager, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_adopted_connection_is_not_stored_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_without_keeper_nothing_is_kept, setup_closed,
                                        teardown),
    };

    log_threshold = LOG_LEVEL_SILENT;
    emulator_lacks("cookies of sockets (SO_COOKIE)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
