/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Unix socket that clients connect to without a bus. Its file's mode and group say who may, and
 * the kernel says who did (SO_PEERCRED, unix(7)). A newcomer who cannot be served is told so with a
 * refused hello (wire/control-frame.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct listener;

enum listener_fault {
    LISTENER_TAKEN,     /* somebody answers there */
    LISTENER_DENIED,    /* no right to make it there */
    LISTENER_PLACE,     /* it cannot be there */
    LISTENER_RESOURCES, /* memory or descriptors are out */
};

/*
 * Newcomers that may wait in the kernel's queue, which is first come, first served: a newcomer
 * waits until all before it were let in. While the queue is full, connect(2) blocks until a
 * newcomer is taken out of it. So a short queue that is emptied as a whole keeps the way in free
 * while others connect as fast as they can.
 */
#define LISTENER_BACKLOG 128

#define LISTENER_TEXT 384 /* bytes of a sentence, its final 0 included */

/*
 * Makes a listening socket at `path`, in place of a socket on which nobody answers. Root and
 * `group` may connect. Where there is no such group, or the socket cannot be given to the group,
 * only this user may connect, and a warning is logged. NULL, *fault and a sentence in `text` on
 * failure. Not while other threads create files.
 */
struct listener *listener_new(const char *path, const char *group, enum listener_fault *fault,
                              char text[LISTENER_TEXT]);

/* A listener on a listening Unix stream socket that somebody else made, whose queue it shortens;
 * takes `fd` over. NULL when memory is out. */
struct listener *listener_adopt(int fd);

/*
 * A listener on a socket that a former daemon made at `path`, NULL for wherever it is; takes `fd`
 * over. `group` as in listener_new(), NULL for as it is. NULL when those who connect there do not
 * come to this socket any more, or when memory is out: then the socket is closed.
 */
struct listener *listener_take_up(int fd, const char *path, const char *group);

/* Closes the socket, and removes its file if that is still the file that was made. NULL is fine. */
void listener_free(struct listener *listener);

int listener_fd(const struct listener *listener);

/* The group of the socket's file, whose members may connect where its mode lets them. False when it
 * has no file. */
bool listener_group(const struct listener *listener, gid_t *group);

/* Has listener_free() leave the socket, and its file, to others who have a descriptor of it:
 * clients wait in the queue. NULL is fine. */
void listener_leave(struct listener *listener);

/*
 * The next newcomer's socket, with its user in *uid; or a negative errno: -EAGAIN when nobody
 * waits, -EMFILE or -ENFILE when descriptors are out and the newcomer was told so and let go,
 * anything else when nobody can be let in for a while.
 */
int listener_accept(struct listener *listener, uint32_t *uid);

/* Whether a newcomer has gone again without having sent anything. */
bool listener_is_gone(int fd);

/* Tells a newcomer that it cannot be served. */
void listener_tell_refused(int fd);

/* The same, and closes its socket. */
void listener_refuse(int fd);
