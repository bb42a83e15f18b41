/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/legacy.h"

#include "base/descriptors.h"
#include "rm/restore.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void legacy_take_memory(struct legacy *legacy, unsigned which, int *fd)
{
    if (*fd >= 0 && kept_memory_open(&legacy->memory[which], *fd) == 0)
        *fd = -1;
}

static void legacy_take_socket(struct legacy *legacy, int fd)
{
    struct legacy_socket *socket = &legacy->sockets[legacy->socket_count];
    struct stat status;

    *socket = (struct legacy_socket){.cookie = descriptors_cookie(fd), .fd = fd};
    if (socket->cookie == 0 || fstat(fd, &status) < 0) {
        descriptors_end(fd);
        return;
    }
    socket->inode = status.st_ino;
    legacy->socket_count++;
}

static int legacy_compare(const void *left, const void *right)
{
    const struct legacy_socket *a = left, *b = right;

    return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

bool legacy_init(struct legacy *legacy, struct passed *passed)
{
    *legacy = (struct legacy){.chosen = -1, .verdict = JOURNAL_FOREIGN};
    if (!passed)
        return true;
    legacy->sockets = calloc(passed->count + 1, sizeof(*legacy->sockets));
    if (!legacy->sockets)
        return false;
    for (unsigned i = 0; i < 2; i++)
        legacy_take_memory(legacy, i, &passed->journals[i]);
    for (; passed->count > 0; passed->count--)
        legacy_take_socket(legacy, passed->connections[passed->count - 1]);
    qsort(legacy->sockets, legacy->socket_count, sizeof(*legacy->sockets), legacy_compare);
    return true;
}

void legacy_clear(struct legacy *legacy)
{
    for (unsigned i = 0; i < 2; i++)
        kept_memory_clear(&legacy->memory[i]);
    for (unsigned i = 0; i < legacy->socket_count; i++)
        if (legacy->sockets[i].fd >= 0)
            close(legacy->sockets[i].fd);
    free(legacy->sockets);
    *legacy = (struct legacy){.chosen = -1, .verdict = JOURNAL_FOREIGN};
}

bool legacy_is_there(const struct legacy *legacy)
{
    return legacy->socket_count || legacy->memory[0].memory.bytes || legacy->memory[1].memory.bytes;
}

static struct journal_facts *legacy_facts(const struct legacy *legacy, unsigned which)
{
    const struct journal_memory *memory = &legacy->memory[which].memory;

    return journal_image_facts(memory->bytes, memory->capacity);
}

/* One more attempt to read this journal, which counts before any of it is believed. */
static uint32_t legacy_count(struct legacy *legacy, unsigned which)
{
    struct journal_facts *facts = legacy_facts(legacy, which);

    if (!facts)
        return 0;
    if (facts->starts == JOURNAL_HANDED_OVER)
        return facts->starts = 0;
    if (facts->starts >= LEGACY_GIVES_UP)
        return facts->starts;
    legacy->counted[which] = true;
    return ++facts->starts;
}

void legacy_forgive(struct legacy *legacy)
{
    for (unsigned i = 0; i < 2; i++)
        if (legacy->counted[i])
            legacy_facts(legacy, i)->starts--;
    memset(legacy->counted, 0, sizeof(legacy->counted));
}

static enum journal_verdict legacy_check(struct legacy *legacy, unsigned which, uint64_t owner,
                                         struct journal_image *image, struct desk_remains *remains)
{
    const struct journal_memory *memory = &legacy->memory[which].memory;
    uint32_t starts = legacy_count(legacy, which);
    enum journal_verdict verdict;

    if (starts >= LEGACY_GIVES_UP) {
        legacy->starts = starts;
        return JOURNAL_DAMAGED;
    }
    verdict = journal_image_open(image, memory->bytes, memory->capacity, owner);
    if (verdict == JOURNAL_GOOD)
        verdict = restore_check(image);
    if (verdict == JOURNAL_GOOD && !desk_remains_read(remains, image))
        verdict = JOURNAL_DAMAGED;
    if (verdict == JOURNAL_GOOD)
        legacy->starts = starts;
    return verdict;
}

bool legacy_read(struct legacy *legacy, uint64_t owner)
{
    for (unsigned i = 0; i < 2; i++) {
        struct journal_image image;
        struct desk_remains remains;
        enum journal_verdict verdict;

        if (!legacy->memory[i].memory.bytes)
            continue;
        verdict = legacy_check(legacy, i, owner, &image, &remains);
        if (verdict != JOURNAL_GOOD) {
            if (legacy->chosen < 0)
                legacy->verdict = verdict;
            continue;
        }
        if (legacy->chosen >= 0 && image.generation < legacy->image.generation)
            continue;
        legacy->chosen = (int)i;
        legacy->verdict = JOURNAL_GOOD;
        legacy->image = image;
        legacy->remains = remains;
        legacy->remains.image = &legacy->image;
    }
    return legacy->chosen >= 0;
}

void legacy_refuse(struct legacy *legacy, enum journal_verdict verdict)
{
    legacy->chosen = -1;
    legacy->verdict = verdict;
}

/* Whether the command at hand was done with: all of its answer is out. */
static bool legacy_is_answered(const struct desk_remains *remains)
{
    return remains->run.phase == RUN_ANSWERED && remains->out.cookie == remains->run.cookie
           && remains->out.buffer == DESK_RESPONSE && remains->sent == remains->out.size;
}

uint64_t legacy_suspect(const struct legacy *legacy)
{
    const struct desk_remains *remains = &legacy->remains;

    if (legacy->starts < LEGACY_SUSPECTS)
        return 0;
    if (remains->run.phase != RUN_NONE && !legacy_is_answered(remains))
        return remains->run.cookie;
    return remains->received ? remains->in.cookie : 0;
}

const struct seat_record *legacy_seats(const struct legacy *legacy)
{
    return (const struct seat_record *)(const void *)(legacy->image.bytes + legacy->image.seats_at);
}

static const struct seat_record *legacy_find_seat(const struct legacy *legacy,
                                                  const struct legacy_socket *socket)
{
    const struct seat_record *seats = legacy_seats(legacy);

    for (uint32_t i = 0; i < legacy->image.seats; i++)
        if (seats[i].cookie == socket->cookie)
            return seats[i].inode == socket->inode ? &seats[i] : NULL;
    return NULL;
}

struct legacy_socket *legacy_find(const struct legacy *legacy, uint64_t cookie,
                                  const struct seat_record **seat)
{
    struct legacy_socket key = {.cookie = cookie}, *socket = NULL;

    if (legacy->socket_count)
        socket = bsearch(&key, legacy->sockets, legacy->socket_count, sizeof(key), legacy_compare);
    *seat = socket ? legacy_find_seat(legacy, socket) : NULL;
    return *seat ? socket : NULL;
}

void legacy_end(struct legacy *legacy)
{
    for (unsigned i = 0; i < 2; i++)
        if (legacy->memory[i].memory.bytes)
            journal_image_end(legacy->memory[i].memory.bytes, legacy->memory[i].memory.capacity);
    for (unsigned i = 0; i < legacy->socket_count; i++) {
        if (legacy->sockets[i].fd >= 0)
            descriptors_end(legacy->sockets[i].fd);
        legacy->sockets[i].fd = -1;
    }
}
