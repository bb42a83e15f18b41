/* SPDX-License-Identifier: BSD-2-Clause */
#include "fork-mark.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

void fork_mark_init(struct fork_mark *mark)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *mark = (struct fork_mark){NULL, 0};
    if (page != MAP_FAILED && madvise(page, size, MADV_WIPEONFORK) == 0) {
        mark->page = page;
        *mark->page = 1;
        return;
    }
    if (page != MAP_FAILED)
        munmap(page, size);
    mark->process = getpid();
}

bool fork_mark_forked(const struct fork_mark *mark)
{
    return mark->page != NULL ? *mark->page == 0 : mark->process != getpid();
}

void fork_mark_clear(struct fork_mark *mark)
{
    if (mark->page != NULL)
        munmap((void *)mark->page, (size_t)sysconf(_SC_PAGESIZE));
    *mark = (struct fork_mark){NULL, 0};
}
