/* SPDX-License-Identifier: BSD-2-Clause */
#include "watch.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What memory may grow by: the allocators' own unevenness, those of sanitizers too. */
#define SLACK_PERCENT 10
#define SLACK_KB      6144
/* What the journal may: it grows by 64 KiB, and by what the clients happen to hold at a time. */
#define JOURNAL_SLACK_KB 256

/* What the kernel calls the journal. */
#define JOURNAL_NAME "/memfd:tabrmd-journal"

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

/* The memory of a journal that has this descriptor, or 0. */
static size_t journal_part_kb(const char *directory, const char *name)
{
    char path[384], target[sizeof(JOURNAL_NAME)];
    struct stat status;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (readlink(path, target, sizeof(target)) < (ssize_t)sizeof(JOURNAL_NAME) - 1
        || strncmp(target, JOURNAL_NAME, sizeof(JOURNAL_NAME) - 1) != 0 || stat(path, &status) < 0)
        return 0;
    return (size_t)status.st_blocks / 2;
}

static size_t journal_kb(pid_t pid)
{
    const struct dirent *entry;
    char path[64];
    size_t kb = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        kb += journal_part_kb(path, entry->d_name);
    if (dir)
        closedir(dir);
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

void watch_journal(struct watch *watch, double part, bool lived_long)
{
    watch->last_journal_kb = journal_kb(watch->pid);
    keep_most(lived_long ? &watch->long_journal_kb : &watch->brief_journal_kb,
              watch->last_journal_kb);
    if (part >= 0.25 && part < 0.5)
        keep_most(&watch->warm_journal_kb, watch->last_journal_kb);
    if (part >= 0.75)
        keep_most(&watch->late_journal_kb, watch->last_journal_kb);
}

static bool is_flat(size_t warm_kb, size_t late_kb, size_t slack_kb)
{
    return warm_kb > 0 && late_kb <= warm_kb + warm_kb * SLACK_PERCENT / 100 + slack_kb;
}

bool watch_memory_is_flat(const struct watch *watch)
{
    return is_flat(watch->warm_kb, watch->late_kb, SLACK_KB);
}

bool watch_journal_is_flat(const struct watch *watch)
{
    return is_flat(watch->warm_journal_kb, watch->late_journal_kb, JOURNAL_SLACK_KB)
           && is_flat(watch->brief_journal_kb, watch->long_journal_kb, JOURNAL_SLACK_KB);
}
