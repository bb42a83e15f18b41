/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/listener.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#define LISTENER_SAY(...) snprintf(text, LISTENER_TEXT, __VA_ARGS__)

struct listener {
    int fd;
    int spare;   /* given up to accept one more when descriptors are out */
    bool probed; /* listener_is_at() may have left one in the queue who hung up */
    char *path;
    dev_t device; /* of the file that was made, with `inode` */
    ino_t inode;
};

static int listener_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static struct listener *listener_alloc(int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->fd = fd;
    listener->spare = listener_spare();
    descriptors_refuse(fd);
    listen(fd, LISTENER_BACKLOG);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return listener;
}

static void listener_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(address->sun_path, path, sizeof(address->sun_path) - 1);
}

/* Whether somebody answers at the address. A full backlog is an answer too. */
static bool listener_answers(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers;

    if (fd < 0)
        return true;
    answers = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0
              || (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return answers;
}

/* Removes a socket that nobody listens on any more. False, with a sentence, when the file cannot be
 * removed. */
static bool listener_clear_place(const struct sockaddr_un *address, enum listener_fault *fault,
                                 char text[LISTENER_TEXT])
{
    const char *path = address->sun_path;
    struct stat status;

    if (lstat(path, &status) < 0)
        return true; /* bind() says what is wrong, if anything is */
    if (!S_ISSOCK(status.st_mode)) {
        LISTENER_SAY("%s is there and is no socket: remove it, or choose a place with --socket",
                     path);
        *fault = LISTENER_PLACE;
        return false;
    }
    if (listener_answers(address)) {
        LISTENER_SAY("another program serves on %s: stop it, or choose a place with --socket",
                     path);
        *fault = LISTENER_TAKEN;
        return false;
    }
    unlink(path);
    return true;
}

static enum listener_fault listener_fault_of(int error)
{
    switch (error) {
    case EADDRINUSE:
        return LISTENER_TAKEN;
    case EACCES:
    case EPERM:
        return LISTENER_DENIED;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return LISTENER_RESOURCES;
    default:
        return LISTENER_PLACE;
    }
}

/* A socket that listens at the address; only this user can connect until listener_admit(). A
 * negative errno on failure. */
static int listener_bind(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;
    mode_t mask;

    if (fd < 0)
        return -errno;
    mask = umask(0177);
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        error = -errno;
    umask(mask);
    descriptors_refuse(fd);
    if (!error && listen(fd, LISTENER_BACKLOG) < 0) {
        error = -errno;
        unlink(address->sun_path);
    }
    if (error)
        close(fd);
    return error ? error : fd;
}

/* An O_PATH descriptor of the file of the socket that was just bound, so that a file that takes its
 * place later is not touched. A negative errno when the file was removed, or is another one. */
static int listener_place(const char *path, struct stat *status)
{
    int place = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    *status = (struct stat){0};
    if (place < 0)
        return -errno;
    if (fstat(place, status) == 0 && S_ISSOCK(status->st_mode) && status->st_uid == geteuid())
        return place;
    close(place);
    return -ESTALE;
}

/* fchmod() does not take an O_PATH descriptor. 0 or -1 with errno. */
static int listener_chmod(int place, mode_t mode)
{
    char link[32];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
    return chmod(link, mode);
}

/* Lets a group connect to the socket whose file is `place`. */
static void listener_admit(int place, const struct stat *status, const char *path, const char *name)
{
    const struct group *group = getgrnam(name);

    if (!group) {
        log_warning("there is no group %s: only root and user %u can use %s", name,
                    (unsigned)geteuid(), path);
        return;
    }
    if (status->st_gid != group->gr_gid
        && fchownat(place, "", (uid_t)-1, group->gr_gid, AT_EMPTY_PATH) < 0) {
        log_warning("%s cannot be given to group %s (%s): only root and user %u can use it; run "
                    "tabrmd with that group",
                    path, name, strerror(errno), (unsigned)geteuid());
        return;
    }
    if (listener_chmod(place, 0660) < 0)
        log_warning("group %s cannot be let use %s: %s", name, path, strerror(errno));
}

struct listener *listener_new(const char *path, const char *group, enum listener_fault *fault,
                              char text[LISTENER_TEXT])
{
    struct listener *listener;
    struct sockaddr_un address;
    struct stat status;
    int fd, place;

    listener_address(&address, path);
    if (!listener_clear_place(&address, fault, text))
        return NULL;
    fd = listener_bind(&address);
    if (fd < 0) {
        LISTENER_SAY("cannot make the socket %s: %s", path, strerror(-fd));
        *fault = listener_fault_of(-fd);
        return NULL;
    }
    place = listener_place(path, &status);
    if (place >= 0) {
        listener_admit(place, &status, path, group);
        close(place);
    }
    listener = listener_adopt(fd);
    if (listener)
        listener->path = strdup(path);
    if (!listener || !listener->path || place < 0) {
        LISTENER_SAY("no memory for the socket %s, or something else took its place", path);
        *fault = LISTENER_RESOURCES;
        if (place >= 0)
            unlink(path);
        listener_free(listener);
        return NULL;
    }
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return listener;
}

struct listener *listener_adopt(int fd)
{
    struct listener *listener = listener_alloc(fd);

    if (!listener)
        close(fd);
    return listener;
}

/*
 * Whether those who connect at the address come to this socket. They are told of the process that
 * called listen(2) last (SO_PEERCRED, unix(7)), which is this one. Others may wait there already:
 * where there is no room for one more, this is the socket that they found.
 */
static bool listener_is_at(int fd, const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    bool is = false;

    if (probe < 0)
        return false;
    if (listen(fd, SOMAXCONN) == 0) {
        if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0)
            is = getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
                 && peer.pid == getpid();
        else
            is = errno == EAGAIN;
    }
    close(probe);
    return is;
}

/* The listener for a socket that is at the address. */
static struct listener *listener_settle(int fd, const struct sockaddr_un *address,
                                        const char *group)
{
    struct listener *listener;
    struct stat status;
    int place = listener_place(address->sun_path, &status);

    if (place < 0)
        return NULL;
    if (group)
        listener_admit(place, &status, address->sun_path, group);
    close(place);
    listener = listener_alloc(fd);
    if (!listener)
        return NULL;
    listener->probed = true;
    listener->path = strdup(address->sun_path);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return listener;
}

struct listener *listener_take_up(int fd, const char *path, const char *group)
{
    struct listener *listener = NULL;
    struct sockaddr_un address = {0};
    socklen_t size = sizeof(address) - 1;

    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sun_path[0] != '\0'
        && (!path || strcmp(path, address.sun_path) == 0) && listener_is_at(fd, &address))
        listener = listener_settle(fd, &address, group);
    if (!listener)
        descriptors_end(fd);
    return listener;
}

void listener_free(struct listener *listener)
{
    struct stat status;

    if (!listener)
        return;
    if (listener->path && lstat(listener->path, &status) == 0 && status.st_dev == listener->device
        && status.st_ino == listener->inode)
        unlink(listener->path);
    /* A socket without a path is another one's too, and clients wait in the queue. */
    if (listener->path)
        descriptors_end(listener->fd);
    else
        close(listener->fd);
    if (listener->spare >= 0)
        close(listener->spare);
    free(listener->path);
    free(listener);
}

void listener_leave(struct listener *listener)
{
    if (!listener)
        return;
    free(listener->path);
    listener->path = NULL;
}

int listener_fd(const struct listener *listener)
{
    return listener->fd;
}

static int listener_take(const struct listener *listener)
{
    int fd;

    do {
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd < 0 ? -errno : fd;
}

/* Descriptors are out: the spare descriptor is closed to accept one newcomer and to tell it so. */
static int listener_turn_away(struct listener *listener, int error)
{
    int fd;

    if (listener->spare < 0)
        return -ENOBUFS;
    close(listener->spare);
    fd = listener_take(listener);
    if (fd >= 0)
        listener_refuse(fd);
    listener->spare = listener_spare();
    if (fd >= 0)
        return error;
    /* Without a descriptor accept() fails even when nobody waits. */
    return fd == -EAGAIN ? fd : -ENOBUFS;
}

bool listener_is_gone(int fd)
{
    char byte;

    return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Takes the next one off the queue, with who it is. A negative errno as of listener_accept(). */
static int listener_take_known(struct listener *listener, struct ucred *peer)
{
    socklen_t size = sizeof(*peer);
    int fd = listener_take(listener);

    if (fd == -EMFILE || fd == -ENFILE)
        return listener_turn_away(listener, fd);
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) < 0) {
        int error = -errno;

        listener_refuse(fd);
        return error;
    }
    return fd;
}

int listener_accept(struct listener *listener, uint32_t *uid)
{
    struct ucred peer;
    int fd;

    if (listener->spare < 0)
        listener->spare = listener_spare();
    fd = listener_take_known(listener, &peer);
    if (fd >= 0 && listener->probed && peer.pid == getpid() && listener_is_gone(fd)) {
        listener->probed = false;
        descriptors_end(fd);
        fd = listener_take_known(listener, &peer);
    }
    if (fd >= 0)
        *uid = peer.uid;
    return fd;
}

void listener_tell_refused(int fd)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, TSS2_TCTI_RC_NO_CONNECTION);
    send(fd, reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void listener_refuse(int fd)
{
    listener_tell_refused(fd);
    descriptors_end(fd);
}

bool listener_group(const struct listener *listener, gid_t *group)
{
    struct sockaddr_un address = {0};
    socklen_t size = sizeof(address) - 1;
    struct stat status;

    if (getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0
        || address.sun_path[0] == '\0' || lstat(address.sun_path, &status) < 0)
        return false;
    *group = status.st_gid;
    return true;
}
