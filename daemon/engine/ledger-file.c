/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/ledger-file.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEDGER_FILE_NAME 32

/* How often the file is opened anew because another daemon removed it meanwhile. */
#define LEDGER_FILE_TRIES 10

struct ledger_file {
    struct ledger *ledger;
    int dir_fd, fd; /* -1: the ledger is plain memory */
    char name[LEDGER_FILE_NAME];
};

/* FNV-1a, 64 bits: names need to differ, not to be secret. */
uint64_t ledger_file_hash(const char *owner)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *owner; owner++)
        hash = (hash ^ (uint8_t)*owner) * UINT64_C(0x100000001b3);
    return hash;
}

static void ledger_file_drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Opens and locks the file once. 0, -EAGAIN when it was removed meanwhile, or another negative
 * errno. */
static int ledger_file_lock(struct ledger_file *file)
{
    struct stat status;

    file->fd = openat(file->dir_fd, file->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return -errno;
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (fstat(file->fd, &status) < 0)
        return -errno;
    if (status.st_nlink == 0)
        return -EAGAIN;
    /* Another user's file is no reason to flush anything. */
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
        return -EPERM;
    return 0;
}

/* Maps the file, all of it backed: a full disk is an error here and no signal later. */
static int ledger_file_map(struct ledger_file *file)
{
    struct stat status;
    int error;
    void *map;

    if (fstat(file->fd, &status) < 0)
        return -errno;
    if (status.st_size != (off_t)sizeof(struct ledger) && ftruncate(file->fd, 0) < 0)
        return -errno;
    error = posix_fallocate(file->fd, 0, (off_t)sizeof(struct ledger));
    if (error)
        return -error;
    map = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    file->ledger = map;
    return 0;
}

static int ledger_file_attach(struct ledger_file *file, const char *dir)
{
    int error = -EAGAIN;

    file->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->dir_fd < 0)
        return -errno;
    for (unsigned i = 0; i < LEDGER_FILE_TRIES && error == -EAGAIN; i++) {
        ledger_file_drop(&file->fd);
        error = ledger_file_lock(file);
    }
    return error ? error : ledger_file_map(file);
}

static void ledger_file_explain(const struct ledger_file *file, const char *dir, int error)
{
    if (error == -EBUSY)
        log_warning("%s/%s is another daemon's: no record of sessions is kept; stop the other one",
                    dir, file->name);
    else
        log_warning("no record of sessions can be kept in %s/%s (%s): if tabrmd is killed, its "
                    "sessions stay in the TPM",
                    dir, file->name, strerror(-error));
}

struct ledger_file *ledger_file_open(const char *dir, const char *owner)
{
    struct ledger_file *file = calloc(1, sizeof(*file));
    int error = 0;

    if (!file)
        return NULL;
    file->dir_fd = file->fd = -1;
    snprintf(file->name, sizeof(file->name), "sessions-%016" PRIx64, ledger_file_hash(owner));
    if (dir)
        error = ledger_file_attach(file, dir);
    else
        log_info("no runtime directory (RUNTIME_DIRECTORY, XDG_RUNTIME_DIR): if tabrmd is killed, "
                 "its sessions stay in the TPM");
    if (error)
        ledger_file_explain(file, dir, error);
    if (file->ledger)
        return file;
    ledger_file_drop(&file->fd);
    ledger_file_drop(&file->dir_fd);
    file->ledger = calloc(1, sizeof(*file->ledger));
    if (!file->ledger) {
        free(file);
        return NULL;
    }
    return file;
}

struct ledger *ledger_file_ledger(struct ledger_file *file)
{
    return file->ledger;
}

/* A ledger that was never filled in is as good as an empty one. */
static bool ledger_file_is_empty(const struct ledger *ledger)
{
    struct ledger empty;

    ledger_clear(&empty);
    return !ledger_is_valid(ledger) || memcmp(ledger, &empty, sizeof(empty)) == 0;
}

void ledger_file_close(struct ledger_file *file)
{
    if (!file)
        return;
    if (file->fd < 0) {
        free(file->ledger);
    } else {
        if (ledger_file_is_empty(file->ledger))
            unlinkat(file->dir_fd, file->name, 0);
        munmap(file->ledger, sizeof(*file->ledger));
    }
    ledger_file_drop(&file->fd);
    ledger_file_drop(&file->dir_fd);
    free(file);
}
