/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/passed.h"

#include <stdlib.h>
#include <unistd.h>

void passed_init(struct passed *passed)
{
    *passed = (struct passed){.listening = -1, .own = -1, .journals = {-1, -1}};
}

bool passed_add(struct passed *passed, int fd)
{
    if (passed->count == passed->capacity) {
        unsigned capacity = passed->capacity ? 2 * passed->capacity : 64;
        int *connections = reallocarray(passed->connections, capacity, sizeof(*connections));

        if (!connections)
            return false;
        passed->connections = connections;
        passed->capacity = capacity;
    }
    passed->connections[passed->count++] = fd;
    return true;
}

bool passed_has_clients(const struct passed *passed)
{
    return passed->count > 0 || passed->journals[0] >= 0 || passed->journals[1] >= 0;
}

void passed_clear(struct passed *passed)
{
    if (passed->listening >= 0)
        close(passed->listening);
    if (passed->own >= 0)
        close(passed->own);
    for (unsigned i = 0; i < 2; i++)
        if (passed->journals[i] >= 0)
            close(passed->journals[i]);
    for (unsigned i = 0; i < passed->count; i++)
        if (passed->connections[i] >= 0)
            close(passed->connections[i]);
    free(passed->connections);
    passed_init(passed);
}
