/* SPDX-License-Identifier: BSD-2-Clause */
#include "counts.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* Makes the file a table if it is empty; the caller holds its lock. */
static bool counts_prepare(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return false;
    if (st.st_size == 0) {
        if (ftruncate(fd, sizeof(struct counts)) < 0)
            return false;
        return pwrite(fd, COUNTS_MAGIC, 8, 0) == 8;
    }
    if (st.st_size != sizeof(struct counts)) {
        errno = EINVAL;
        return false;
    }
    return true;
}

struct counts *counts_open(const char *path)
{
    struct counts *counts = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int error;

    if (fd < 0)
        return NULL;
    if (flock(fd, LOCK_EX) == 0 && counts_prepare(fd)) {
        counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (counts == MAP_FAILED) {
            counts = NULL;
        } else if (memcmp(counts->magic, COUNTS_MAGIC, 8) != 0) {
            counts_close(counts);
            counts = NULL;
            errno = EINVAL;
        }
    }
    error = errno;
    /* The mapping keeps the open file, and with it the lock, past close(). */
    flock(fd, LOCK_UN);
    close(fd);
    errno = error;
    return counts;
}

void counts_close(struct counts *counts)
{
    if (counts)
        munmap(counts, sizeof(*counts));
}

void counts_add(struct counts *counts, uint32_t code)
{
    uint64_t *slot = code < COUNTS_CODES ? &counts->code[code] : &counts->other;

    __atomic_add_fetch(slot, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&counts->total, 1, __ATOMIC_SEQ_CST);
}

void counts_read(const struct counts *counts, struct counts *copy)
{
    memcpy(copy->magic, counts->magic, sizeof(copy->magic));
    copy->total = __atomic_load_n(&counts->total, __ATOMIC_SEQ_CST);
    copy->other = __atomic_load_n(&counts->other, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < COUNTS_CODES; i++)
        copy->code[i] = __atomic_load_n(&counts->code[i], __ATOMIC_SEQ_CST);
}

uint64_t counts_between(const struct counts *before, const struct counts *after, uint32_t code)
{
    return code < COUNTS_CODES ? after->code[code] - before->code[code]
                               : after->other - before->other;
}

uint64_t counts_total_between(const struct counts *before, const struct counts *after)
{
    return after->total - before->total;
}

uint64_t counts_context_between(const struct counts *before, const struct counts *after)
{
    return counts_between(before, after, TPM2_CC_ContextSave)
           + counts_between(before, after, TPM2_CC_ContextLoad)
           + counts_between(before, after, TPM2_CC_FlushContext);
}
