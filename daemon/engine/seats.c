/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/seats.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Milliseconds between tries to store sockets that the service manager had no room to be told of.
 */
#define SEATS_RETRY_MS 10

/* Stores sockets that wait, until there is no room for one again. */
static void retry(struct timer *timer)
{
    struct seats *seats = list_entry(timer, struct seats, retry);

    while (!list_empty(&seats->waiting)) {
        struct seat *seat = list_entry(seats->waiting.next, struct seat, link);

        if (keeper_store_connection(seats->keeper, seat->fd) == -EAGAIN) {
            loop_arm(seats->loop, timer, SEATS_RETRY_MS);
            return;
        }
        seat->waits = false;
        list_remove(&seat->link);
    }
}

void seats_init(struct seats *seats, struct loop *loop)
{
    *seats = (struct seats){.lock = PTHREAD_MUTEX_INITIALIZER, .loop = loop};
    list_init(&seats->waiting);
    timer_init(&seats->retry, retry);
}

void seats_clear(struct seats *seats)
{
    assert(seats->free_count == seats->count && list_empty(&seats->waiting));
    timer_disarm(&seats->retry);
    free(seats->free);
}

bool seats_open(struct seats *seats, struct keeper *keeper, struct seat_record *records,
                uint32_t count)
{
    seats->free = calloc(count, sizeof(*seats->free));
    if (!seats->free)
        return false;
    for (uint32_t i = 0; i < count; i++)
        seats->free[i] = count - i;
    seats->count = seats->free_count = count;
    seats->records = records;
    seats->keeper = keeper;
    return true;
}

/* The record of a seat that is somebody's. */
static struct seat_record *record_of(const struct seats *seats, const struct seat *seat)
{
    return &seats->records[seat->number - 1];
}

/* What tells the socket from all others. */
static bool identify(int fd, uint64_t *cookie, uint64_t *inode)
{
    socklen_t size = sizeof(*cookie);
    struct stat status;

    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) < 0 || fstat(fd, &status) < 0)
        return false;
    *inode = status.st_ino;
    return *cookie != 0;
}

/* Stores to the record are made in the order of the program: a process that is killed has made all
 * before that instant and none after it, so the compiler alone must not change it. */
static void set_cookie(struct seat_record *record, uint64_t cookie)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&record->cookie, cookie, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Writes a free record; `from` has its content. */
static void fill(struct seat_record *record, const struct seat_record *from)
{
    const size_t at = sizeof(record->cookie);

    memcpy((uint8_t *)record + at, (const uint8_t *)from + at, sizeof(*record) - at);
    set_cookie(record, from->cookie);
}

/* Finds a free record for `from`. False when there is none. */
static bool sit_down(struct seats *seats, struct seat *seat, int fd, const struct seat_record *from)
{
    bool full;

    pthread_mutex_lock(&seats->lock);
    full = seats->free_count == 0;
    if (!full) {
        *seat = (struct seat){
            .fd = fd, .cookie = from->cookie, .number = seats->free[--seats->free_count]};
        fill(record_of(seats, seat), from);
        if (!from->from_socket)
            seats->newest = seat->number;
    }
    pthread_mutex_unlock(&seats->lock);
    return !full;
}

static void tell_full(struct seats *seats)
{
    bool told = __atomic_exchange_n(&seats->full, true, __ATOMIC_RELAXED);

    if (!told)
        log_warning("the service manager keeps %" PRIu32 " connections for the next daemon; others "
                    "end with this one: raise FileDescriptorStoreMax= and FDSTORE of the unit",
                    seats->count);
}

static void note_groups(struct seat_record *record, const struct peer_groups *groups)
{
    if (!groups->known || groups->count > SEAT_GROUPS) {
        record->group_count = SEAT_UNTOLD;
        return;
    }
    record->group_count = groups->count;
    for (unsigned i = 0; i < groups->count; i++)
        record->groups[i] = groups->ids[i];
}

void seats_take(struct seats *seats, struct seat *seat, int fd, const struct seat_holder *holder)
{
    struct seat_record record = {
        .id = holder->id,
        .uid = holder->uid,
        .pid = holder->pid,
        .from_socket = holder->from_socket,
    };

    *seat = (struct seat){0};
    if (!seats->records || !identify(fd, &record.cookie, &record.inode))
        return;
    note_groups(&record, holder->groups);
    if (!sit_down(seats, seat, fd, &record))
        tell_full(seats);
    else
        seat->waits = keeper_store_connection(seats->keeper, fd) == -EAGAIN;
}

bool seats_adopt(struct seats *seats, struct seat *seat, int fd, const struct seat_record *former)
{
    *seat = (struct seat){0};
    return seats->records && sit_down(seats, seat, fd, former);
}

void seats_welcome(struct seats *seats, struct seat *seat)
{
    if (!seat->waits)
        return;
    list_insert_before(&seats->waiting, &seat->link);
    if (!timer_is_armed(&seats->retry))
        loop_arm(seats->loop, &seats->retry, SEATS_RETRY_MS);
}

bool seats_wait(const struct seats *seats)
{
    return !list_empty(&seats->waiting);
}

void seats_leave(struct seats *seats, struct seat *seat)
{
    struct seat_record *record;

    if (seat->number == 0)
        return;
    if (seat->link.next)
        list_remove(&seat->link);
    pthread_mutex_lock(&seats->lock);
    record = record_of(seats, seat);
    set_cookie(record, 0);
    memset(record, 0, sizeof(*record));
    seats->free[seats->free_count++] = seat->number;
    pthread_mutex_unlock(&seats->lock);
    *seat = (struct seat){0};
}

static bool is_of(const struct seat_record *record, uint64_t id)
{
    return record->cookie != 0 && !record->from_socket && record->id == id;
}

/* The record in use of the connection with this id, or NULL. As a rule it is the newest. */
static struct seat_record *find(const struct seats *seats, uint64_t id)
{
    for (uint32_t i = 0; i <= seats->count; i++) {
        uint32_t number = i == 0 ? seats->newest : i;

        if (number != 0 && is_of(&seats->records[number - 1], id))
            return &seats->records[number - 1];
    }
    return NULL;
}

/* The first byte comes last: a name that is cut short would be another program's. */
static void put_creator(struct seat_record *record, const char *creator)
{
    char name[SEAT_CREATOR] = "";
    size_t length = creator ? strlen(creator) : sizeof(name);

    if (length < sizeof(name))
        memcpy(name, creator, length + 1);
    record->creator[0] = '\0';
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    memcpy(record->creator + 1, name + 1, sizeof(name) - 1);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    record->creator[0] = name[0];
}

void seats_set_creator(struct seats *seats, uint64_t id, const char *creator)
{
    struct seat_record *record;

    pthread_mutex_lock(&seats->lock);
    record = seats->records ? find(seats, id) : NULL;
    if (record)
        put_creator(record, creator);
    pthread_mutex_unlock(&seats->lock);
}

void seats_forget_creators(struct seats *seats)
{
    pthread_mutex_lock(&seats->lock);
    for (uint32_t i = 0; seats->records && i < seats->count; i++)
        if (seats->records[i].cookie != 0 && !seats->records[i].from_socket)
            put_creator(&seats->records[i], NULL);
    pthread_mutex_unlock(&seats->lock);
}
