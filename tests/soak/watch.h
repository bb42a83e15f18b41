/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's memory and descriptors over time, as the kernel tells them, and whether they stay
 * flat. Memory is flat when what it is at the end is not much more than what it was after a
 * quarter of the time, when all kinds of clients have been there; descriptors are, when there are
 * as many without clients after the soak as before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct watch {
    pid_t pid;
    size_t idle_files; /* before the first client; 0: the kernel does not tell this user */
    size_t first_kb;   /* resident memory without clients */
    size_t warm_kb;    /* most of it in the second quarter */
    size_t late_kb;    /* most of it in the last quarter */
    size_t last_kb;    /* as it is now */
    size_t most_files; /* descriptors */
};

/* Starts with a daemon that has no clients. */
void watch_start(struct watch *watch, pid_t pid);

/* A look, `part` being how much of the time has gone, from 0 to 1. */
void watch_look(struct watch *watch, double part);

bool watch_memory_is_flat(const struct watch *watch);

/* Open descriptors; 0 when the kernel does not tell. */
size_t watch_files(const struct watch *watch);
