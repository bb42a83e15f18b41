/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/kept-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of Linux 6.3: the memory can never be executed. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* The least size that is tried, where addresses are few. */
#define KEPT_MEMORY_LEAST ((size_t)1 << 24)

#define KEPT_MEMORY_HEADER 4096 /* bytes that a later daemon writes to */

static bool make_room(void *data, size_t offset, size_t size)
{
    const struct kept_memory *kept = data;
    int error;

    if (offset > kept->memory.capacity || size > kept->memory.capacity - offset)
        return false;
    do {
        error = posix_fallocate(kept->fd, (off_t)offset, (off_t)size);
    } while (error == EINTR);
    return error == 0;
}

static int make_file(void)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("tabrmd-journal", flags | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("tabrmd-journal", flags);
    return fd;
}

/* Maps the file. 0 or a negative errno. */
static int map(struct kept_memory *kept, int protection)
{
    void *bytes = mmap(NULL, kept->memory.capacity, protection, MAP_SHARED, kept->fd, 0);

    if (bytes == MAP_FAILED)
        return -errno;
    kept->memory.bytes = bytes;
    (void)madvise(bytes, kept->memory.capacity, MADV_DONTDUMP);
    return 0;
}

/* Closes a file that was not mapped, and gives the error. */
static int give_up(struct kept_memory *kept, int error)
{
    close(kept->fd);
    *kept = (struct kept_memory){0};
    return error;
}

int kept_memory_make(struct kept_memory *kept)
{
    int error = -ENOMEM;

    *kept =
        (struct kept_memory){.memory = {.make_room = make_room, .data = kept}, .fd = make_file()};
    if (kept->fd < 0) {
        *kept = (struct kept_memory){0};
        return -errno;
    }
    if (fcntl(kept->fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        return give_up(kept, -errno);
    for (size_t size = KEPT_MEMORY_MOST; error == -ENOMEM && size >= KEPT_MEMORY_LEAST; size /= 2) {
        kept->memory.capacity = size;
        error = map(kept, PROT_READ | PROT_WRITE);
    }
    return error ? give_up(kept, error) : 0;
}

/* Its size; 0 when it is not memory that we made. */
static size_t measure(int fd)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) < 0)
        return 0;
    if (status.st_size < KEPT_MEMORY_HEADER || (uintmax_t)status.st_size > KEPT_MEMORY_MOST)
        return 0;
    return (size_t)status.st_size;
}

int kept_memory_open(struct kept_memory *kept, int fd)
{
    size_t size = measure(fd);
    int error;

    *kept = (struct kept_memory){0};
    if (size == 0)
        return -EPERM;
    *kept = (struct kept_memory){.memory.capacity = size, .fd = fd};
    error = map(kept, PROT_READ);
    if (!error && mprotect(kept->memory.bytes, KEPT_MEMORY_HEADER, PROT_READ | PROT_WRITE) < 0) {
        error = -errno;
        munmap(kept->memory.bytes, size);
    }
    if (error)
        *kept = (struct kept_memory){0};
    return error;
}

void kept_memory_clear(struct kept_memory *kept)
{
    if (!kept->memory.bytes)
        return;
    munmap(kept->memory.bytes, kept->memory.capacity);
    close(kept->fd);
    *kept = (struct kept_memory){0};
}
