/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory that stands in for sysfs and for /dev. A character device that the test itself has
 * open stands for the kernel's TPM: the directory says that it is called so.
 */
#pragma once

/* The character device, which no other part of a test opens. */
#define FAKE_SYS_DEVICE "/dev/full"

struct fake_sys {
    char path[32];
    int fd; /* what stands for /dev/tpmN, -1 while it is closed */
};

/* The kernel's view of TPM number `number`, with a resource manager and nothing else. */
void fake_sys_init(struct fake_sys *fake, int number);
/* The device has this name of the kernel's, and sysfs says no more. */
void fake_sys_init_as(struct fake_sys *fake, const char *device);
void fake_sys_clear(struct fake_sys *fake);

/* sysfs calls the device by this path, relative to where its link stands; NULL: it does not know
 * the device. */
void fake_sys_link(const struct fake_sys *fake, const char *target);

/* Puts a file with this text, and the directories that lead there; or a directory, with NULL. */
void fake_sys_put(const struct fake_sys *fake, const char *name, const char *text);

/* Opens a file that was put there, for reading and writing. */
int fake_sys_open(const struct fake_sys *fake, const char *name);

/* Removes a file or an empty directory. */
void fake_sys_remove(const struct fake_sys *fake, const char *name);

/* Puts a file that cannot be read for want of a device. */
void fake_sys_put_dead(const struct fake_sys *fake, const char *name);
