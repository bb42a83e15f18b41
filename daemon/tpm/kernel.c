/* SPDX-License-Identifier: BSD-2-Clause */
#include "tpm/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The descriptors of this process. */
#define KERNEL_OWN_FDS "/proc/self/fd"

/* More digits than the number of a TPM has. */
#define KERNEL_DIGITS 6

/* N where `path` ends in "/tpmN", else -1. */
static int kernel_number(const char *path)
{
    const char *name = strrchr(path, '/');
    size_t digits;

    if (!name || strncmp(name, "/tpm", 4) != 0)
        return -1;
    name += 4;
    digits = strspn(name, "0123456789");
    return digits > 0 && digits < KERNEL_DIGITS && name[digits] == '\0' ? atoi(name) : -1;
}

/* Where the symbolic link `path` leads. */
static bool kernel_link(const char *path, char target[PATH_MAX])
{
    ssize_t size = readlink(path, target, PATH_MAX - 1);

    if (size < 0)
        return false;
    target[size] = '\0';
    return true;
}

/* Finds what sysfs calls a device, as the end of a path; false when it does not know it. */
static bool kernel_device(const char *sys, const struct stat *node, char target[PATH_MAX])
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/dev/char/%u:%u", sys, major(node->st_rdev),
             minor(node->st_rdev));
    return kernel_link(path, target);
}

/* N where a descriptor is one of /dev/tpmN, whatever that node is called here; else -1. `name` is
 * the descriptor's in the list. It is looked at by its link, as another thread may close it. */
static int kernel_number_of(const char *sys, const char *name)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct stat node;

    snprintf(path, sizeof(path), KERNEL_OWN_FDS "/%s", name);
    if (stat(path, &node) < 0 || !S_ISCHR(node.st_mode))
        return -1;
    if (kernel_device(sys, &node, target))
        return kernel_number(target);
    return kernel_link(path, target) ? kernel_number(target) : -1;
}

/* Whether sysfs has something of this number in a class of devices. */
static bool kernel_has(const char *sys, const char *class, int number, const char *what)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/class/%s/%s%d%s", sys, class, class, number, what);
    return access(path, F_OK) == 0;
}

static bool kernel_has_trusted_keys(const char *sys)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/module/trusted", sys);
    return access(path, F_OK) == 0;
}

static void kernel_read(struct kernel_tpm *tpm, const char *sys)
{
    bool unknown = tpm->number < 0 || !kernel_has(sys, "tpm", tpm->number, "");

    tpm->has_manager = unknown || kernel_has(sys, "tpmrm", tpm->number, "");
    tpm->keeps_sessions = unknown || kernel_has(sys, "tpm", tpm->number, "/null_name");
    tpm->trusted_keys = unknown || kernel_has_trusted_keys(sys);
}

/* The TCTI does not tell which device it has open, and may have chosen the device itself. */
bool kernel_find(struct kernel_tpm *tpm, const char *sys)
{
    DIR *directory = opendir(KERNEL_OWN_FDS);
    struct dirent *entry;

    *tpm = (struct kernel_tpm){.number = -1};
    while (directory && tpm->number < 0 && (entry = readdir(directory))) {
        if (entry->d_name[0] != '.')
            tpm->number = kernel_number_of(sys, entry->d_name);
    }
    if (tpm->number >= 0 || !directory)
        kernel_read(tpm, sys);
    if (directory)
        closedir(directory);
    return tpm->number >= 0 || !directory;
}

/* Whether sysfs says that there is no TPM behind this file of a PCR. */
static bool kernel_has_no_pcr(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), error;
    char byte;

    error = fd < 0 || read(fd, &byte, 1) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error == ENODEV || error == ENXIO;
}

bool kernel_disabled(const char *sys, const char *node)
{
    char target[PATH_MAX], path[PATH_MAX];
    struct stat status;
    glob_t files;
    bool disabled;

    if (stat(node, &status) < 0 || !S_ISCHR(status.st_mode) || !kernel_device(sys, &status, target)
        || kernel_number(target) < 0)
        return false;
    snprintf(path, sizeof(path), "%s/class/tpm/tpm%d/pcr-*/0", sys, kernel_number(target));
    if (glob(path, 0, NULL, &files) != 0)
        return false;
    disabled = kernel_has_no_pcr(files.gl_pathv[0]);
    globfree(&files);
    return disabled;
}
