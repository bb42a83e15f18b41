/* SPDX-License-Identifier: BSD-2-Clause */
#include "watch.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* What memory may grow by: the allocators' own unevenness, those of sanitizers too. */
#define SLACK_PERCENT 10
#define SLACK_KB      6144

static size_t resident_kb(pid_t pid)
{
    char path[64], line[128];
    size_t kb = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %zu kB", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

size_t watch_files(const struct watch *watch)
{
    const struct dirent *entry;
    size_t count = 0;
    char path[64];
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)watch->pid);
    dir = opendir(path);
    if (!dir)
        return 0;
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

void watch_start(struct watch *watch, pid_t pid)
{
    *watch = (struct watch){.pid = pid};
    watch->idle_files = watch_files(watch);
    watch->first_kb = resident_kb(pid);
}

static void keep_most(size_t *most, size_t value)
{
    if (value > *most)
        *most = value;
}

void watch_look(struct watch *watch, double part)
{
    watch->last_kb = resident_kb(watch->pid);
    keep_most(&watch->most_files, watch_files(watch));
    if (part >= 0.25 && part < 0.5)
        keep_most(&watch->warm_kb, watch->last_kb);
    if (part >= 0.75)
        keep_most(&watch->late_kb, watch->last_kb);
}

bool watch_memory_is_flat(const struct watch *watch)
{
    return watch->warm_kb > 0
           && watch->late_kb <= watch->warm_kb + watch->warm_kb * SLACK_PERCENT / 100 + SLACK_KB;
}
