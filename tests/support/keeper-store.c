/* SPDX-License-Identifier: BSD-2-Clause */
#include "keeper-store.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept_descriptor {
    int fd;
    bool polled;
    char name[KEEPER_STORE_NAME];
};

void keeper_store_init(struct keeper_store *store, unsigned max)
{
    *store = (struct keeper_store){.kept = g_new0(struct kept_descriptor, max + 1), .max = max};
}

void keeper_store_clear(struct keeper_store *store)
{
    for (unsigned i = 0; i < store->count; i++)
        close(store->kept[i].fd);
    g_free(store->kept);
    store->kept = NULL;
    store->count = 0;
}

/* A socket and a memfd have one open file for each inode, so this is what kcmp(2) would say. */
static bool is_kept(const struct keeper_store *store, int fd)
{
    struct stat one, other;

    if (fstat(fd, &one) < 0)
        return false;
    for (unsigned i = 0; i < store->count; i++)
        if (fstat(store->kept[i].fd, &other) == 0 && one.st_dev == other.st_dev
            && one.st_ino == other.st_ino)
            return true;
    return false;
}

void keeper_store_add(struct keeper_store *store, int fd, const char *name, bool polled)
{
    struct kept_descriptor *kept = &store->kept[store->count];

    if (is_kept(store, fd)) {
        close(fd);
        return;
    }
    if (store->count == store->max) {
        store->refused++;
        close(fd);
        return;
    }
    *kept = (struct kept_descriptor){.fd = fd, .polled = polled};
    g_strlcpy(kept->name, name, sizeof(kept->name));
    store->count++;
}

static void remove_one(struct keeper_store *store, unsigned i)
{
    close(store->kept[i].fd);
    store->count--;
    memmove(&store->kept[i], &store->kept[i + 1], (store->count - i) * sizeof(store->kept[0]));
}

void keeper_store_remove(struct keeper_store *store, const char *name)
{
    for (unsigned i = store->count; i-- > 0;)
        if (strcmp(store->kept[i].name, name) == 0)
            remove_one(store, i);
}

unsigned keeper_store_count(const struct keeper_store *store, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < store->count; i++)
        count += !name || strcmp(store->kept[i].name, name) == 0;
    return count;
}

int keeper_store_find(const struct keeper_store *store, const char *name)
{
    for (unsigned i = 0; i < store->count; i++)
        if (strcmp(store->kept[i].name, name) == 0)
            return store->kept[i].fd;
    return -1;
}

unsigned keeper_store_watch(const struct keeper_store *store, struct pollfd *polled)
{
    unsigned count = 0;

    for (unsigned i = 0; i < store->count; i++)
        if (store->kept[i].polled)
            polled[count++] = (struct pollfd){.fd = store->kept[i].fd};
    return count;
}

/* The service manager asks epoll, which knows nothing of what is no socket. */
static bool hung_up(const struct kept_descriptor *kept)
{
    struct pollfd polled = {.fd = kept->fd};

    return kept->polled && poll(&polled, 1, 0) > 0 && (polled.revents & POLLHUP);
}

void keeper_store_drop(struct keeper_store *store)
{
    for (unsigned i = store->count; i-- > 0;)
        if (hung_up(&store->kept[i]))
            remove_one(store, i);
}

int *keeper_store_descriptors(const struct keeper_store *store)
{
    int *descriptors = g_new0(int, store->count + 1);

    for (unsigned i = 0; i < store->count; i++)
        descriptors[i] = store->kept[i].fd;
    return descriptors;
}

char *keeper_store_names(const struct keeper_store *store)
{
    GString *names = g_string_new(NULL);

    for (unsigned i = 0; i < store->count; i++)
        g_string_append_printf(names, "%s%s", i ? ":" : "", store->kept[i].name);
    return g_string_free(names, FALSE);
}
