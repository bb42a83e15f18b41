/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake-sys.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void make_directory(const char *path)
{
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

void fake_sys_put(const struct fake_sys *fake, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s%s", fake->path, name, text ? "" : "/");
    for (char *at = path + strlen(fake->path) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        make_directory(path);
        *at = '/';
    }
    if (!text)
        return;
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void fake_sys_link(const struct fake_sys *fake, const char *target)
{
    struct stat node;
    char link[128];

    assert_int_equal(fstat(fake->fd, &node), 0);
    snprintf(link, sizeof(link), "%s/dev/char/%u:%u", fake->path, major(node.st_rdev),
             minor(node.st_rdev));
    assert_true(unlink(link) == 0 || errno == ENOENT);
    assert_int_equal(target ? symlink(target, link) : 0, 0);
}

void fake_sys_init_as(struct fake_sys *fake, const char *device)
{
    char target[64];

    strcpy(fake->path, "/tmp/tabrmd-sys.XXXXXX");
    assert_non_null(mkdtemp(fake->path));
    fake->fd = open(FAKE_SYS_DEVICE, O_RDWR | O_CLOEXEC);
    assert_true(fake->fd >= 0);
    fake_sys_put(fake, "dev/char", NULL);
    snprintf(target, sizeof(target), "../../devices/x/tpm/%s", device);
    fake_sys_link(fake, target);
}

void fake_sys_init(struct fake_sys *fake, int number)
{
    char name[64];

    snprintf(name, sizeof(name), "tpm%d", number);
    fake_sys_init_as(fake, name);
    snprintf(name, sizeof(name), "class/tpm/tpm%d", number);
    fake_sys_put(fake, name, NULL);
    snprintf(name, sizeof(name), "class/tpmrm/tpmrm%d", number);
    fake_sys_put(fake, name, NULL);
}

void fake_sys_remove(const struct fake_sys *fake, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", fake->path, name);
    assert_int_equal(remove(path), 0);
}

int fake_sys_open(const struct fake_sys *fake, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", fake->path, name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A socket's file: to open it is an error, ENXIO. */
void fake_sys_put_dead(const struct fake_sys *fake, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    fake_sys_put(fake, name, "");
    fake_sys_remove(fake, name);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", fake->path, name);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void fake_sys_clear(struct fake_sys *fake)
{
    if (fake->fd >= 0)
        close(fake->fd);
    assert_int_equal(nftw(fake->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}
