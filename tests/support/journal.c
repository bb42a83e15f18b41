/* SPDX-License-Identifier: BSD-2-Clause */
#include "journal.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

int journal_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

bool journal_receive(int fd, struct journal_entry *entry, int ms)
{
    struct pollfd ready = {fd, POLLIN, 0};
    ssize_t size;

    if (poll(&ready, 1, ms) != 1)
        return false;
    size = recv(fd, entry->bytes, sizeof(entry->bytes), MSG_DONTWAIT | MSG_TRUNC);
    assert_in_range(size, 1, sizeof(entry->bytes));
    entry->size = (size_t)size;
    return true;
}

struct field {
    const char *name, *text;
    size_t name_size, size;
};

/* Takes the field at *at and goes to the next. False when there is none that is whole. */
static bool take(const struct journal_entry *entry, size_t *at, struct field *field)
{
    const char *start = entry->bytes + *at;
    size_t left = entry->size - *at;
    const char *line = memchr(start, '\n', left);
    const char *equals = line ? memchr(start, '=', (size_t)(line - start)) : NULL;
    uint64_t size = 0;

    if (!line || line == start || equals == start)
        return false;
    if (equals) {
        *field = (struct field){start, equals + 1, (size_t)(equals - start),
                                (size_t)(line - equals - 1)};
        *at += (size_t)(line - start) + 1;
        return true;
    }
    left -= (size_t)(line - start) + 1;
    if (left < 9)
        return false;
    for (unsigned i = 0; i < 8; i++)
        size |= (uint64_t)(uint8_t)line[1 + i] << 8 * i;
    if (size > left - 9 || line[9 + size] != '\n')
        return false;
    *field = (struct field){start, line + 9, (size_t)(line - start), (size_t)size};
    *at = (size_t)(line + 9 + size + 1 - entry->bytes);
    return true;
}

int journal_entry_fields(const struct journal_entry *entry)
{
    struct field field;
    size_t at = 0;
    int count = 0;

    while (at < entry->size) {
        if (!take(entry, &at, &field))
            return -1;
        count++;
    }
    return count;
}

const char *journal_entry_field(const struct journal_entry *entry, const char *name)
{
    static char text[sizeof(entry->bytes) + 1];
    struct field field;
    size_t at = 0;
    int found = 0;

    while (at < entry->size && take(entry, &at, &field)) {
        if (strlen(name) != field.name_size || memcmp(field.name, name, field.name_size) != 0)
            continue;
        memcpy(text, field.text, field.size);
        text[field.size] = '\0';
        found++;
    }
    return found == 1 ? text : NULL;
}
