/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/neighbours.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define NEIGHBOURS_NO_WATCH (-1)

/* Events that show that the device is open, or was closed; to write a command to it is to use it.
 */
#define NEIGHBOURS_DEVICE_EVENTS (IN_OPEN | IN_MODIFY | IN_CLOSE)
#define NEIGHBOURS_FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB)

/* How often the descriptor is read in a row, as new events may come all the time. */
#define NEIGHBOURS_ROUNDS 16

void neighbours_init(struct neighbours *neighbours, const char *sys, const char *dev)
{
    *neighbours = (struct neighbours){
        .sys = sys,
        .dev = dev,
        .tpm.number = -1,
        .fd = -1,
        .device = NEIGHBOURS_NO_WATCH,
        .folder = NEIGHBOURS_NO_WATCH,
    };
}

/* The name of the resource manager's device. */
static void neighbours_name(const struct neighbours *neighbours, char name[NAME_MAX])
{
    snprintf(name, NAME_MAX, "tpmrm%d", neighbours->tpm.number);
}

/* Watches the device's node, which may be another one than before, or none. */
static void neighbours_watch_device(struct neighbours *neighbours, int64_t now)
{
    char path[PATH_MAX], name[NAME_MAX];
    int watch;

    neighbours_name(neighbours, name);
    snprintf(path, sizeof(path), "%s/%s", neighbours->dev, name);
    watch = inotify_add_watch(neighbours->fd, path, NEIGHBOURS_DEVICE_EVENTS);
    neighbours->watch_error = watch < 0 ? errno : 0;
    if (watch == neighbours->device)
        return;
    if (neighbours->device != NEIGHBOURS_NO_WATCH)
        inotify_rm_watch(neighbours->fd, neighbours->device);
    neighbours->device = watch;
    openers_forget(&neighbours->openers, now);
}

static void neighbours_watch(struct neighbours *neighbours, int64_t now)
{
    neighbours->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (neighbours->fd < 0) {
        neighbours->watch_error = errno;
        return;
    }
    neighbours->folder =
        inotify_add_watch(neighbours->fd, neighbours->dev, NEIGHBOURS_FOLDER_EVENTS);
    neighbours_watch_device(neighbours, now);
}

void neighbours_meet(struct neighbours *neighbours, int64_t now)
{
    neighbours_leave(neighbours);
    neighbours->shared = kernel_find(&neighbours->tpm, neighbours->sys);
    neighbours->watch_error = 0;
    if (!neighbours->shared || !neighbours->tpm.has_manager)
        return;
    if (neighbours->tpm.number < 0)
        neighbours->watch_error = ENODEV;
    else
        neighbours_watch(neighbours, now);
    openers_begin(&neighbours->openers, now);
}

static void neighbours_event(struct neighbours *neighbours, const struct inotify_event *event,
                             int64_t now)
{
    char name[NAME_MAX];

    if (event->mask & IN_Q_OVERFLOW) {
        neighbours_watch_device(neighbours, now);
        openers_missed(&neighbours->openers, now);
    } else if (event->wd == neighbours->folder) {
        neighbours_name(neighbours, name);
        if (event->len > 0 && strcmp(event->name, name) == 0)
            neighbours_watch_device(neighbours, now);
    } else if (event->wd == neighbours->device) {
        if (event->mask & IN_OPEN)
            openers_opened(&neighbours->openers, now);
        if (event->mask & IN_MODIFY)
            openers_used(&neighbours->openers, now);
        if (event->mask & IN_CLOSE)
            openers_closed(&neighbours->openers, now);
        if (event->mask & IN_IGNORED) {
            neighbours->device = NEIGHBOURS_NO_WATCH;
            neighbours_watch_device(neighbours, now);
        }
    }
}

void neighbours_look(struct neighbours *neighbours, int64_t now)
{
    _Alignas(struct inotify_event) char events[4096];

    for (unsigned round = 0; neighbours->fd >= 0 && round < NEIGHBOURS_ROUNDS; round++) {
        ssize_t size = read(neighbours->fd, events, sizeof(events));

        if (size <= 0)
            return;
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(events + at);

            neighbours_event(neighbours, event, now);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

struct reserve_view neighbours_view(const struct neighbours *neighbours, int64_t now)
{
    if (!neighbours->shared)
        return (struct reserve_view){0};
    return (struct reserve_view){
        .shared = true,
        .kernel_sessions = neighbours->tpm.keeps_sessions,
        .trusted_keys = neighbours->tpm.trusted_keys,
        .open = neighbours->tpm.has_manager
                && (neighbours->watch_error || openers_any(&neighbours->openers, now)),
        .watch_error = neighbours->watch_error,
    };
}

void neighbours_lose(struct neighbours *neighbours, int error)
{
    neighbours_leave(neighbours);
    neighbours->watch_error = error;
}

void neighbours_leave(struct neighbours *neighbours)
{
    if (neighbours->fd >= 0)
        close(neighbours->fd);
    neighbours->fd = -1;
    neighbours->device = neighbours->folder = NEIGHBOURS_NO_WATCH;
}
