/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's memory, journal and descriptors over time, as the kernel tells them, and whether
 * they stay flat. Memory and the journal are flat when what they are at the end is not much more
 * than what they were after a quarter of the time, when all kinds of clients have been there, and
 * the journal of a daemon that lived long than that of others; descriptors are, when there are as
 * many without clients after the soak as before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct watch {
    pid_t pid;         /* of the daemon; another one may take its place */
    size_t idle_files; /* before the first client; 0: the kernel does not tell this user */
    size_t first_kb;   /* resident memory without clients */
    size_t warm_kb;    /* most of it in the second quarter */
    size_t late_kb;    /* most of it in the last quarter */
    size_t last_kb;    /* as it is now */
    size_t warm_journal_kb, late_journal_kb, last_journal_kb; /* the same of the journal */
    size_t brief_journal_kb; /* most of it in daemons that had lived for no longer than usual, */
    size_t long_journal_kb;  /* and in others; 0: there were none */
    size_t most_files;       /* descriptors */
};

/* Starts with a daemon that has no clients. */
void watch_start(struct watch *watch, pid_t pid);

/* A look, `part` being how much of the time has gone, from 0 to 1. */
void watch_look(struct watch *watch, double part);

/* The same for the journal of a daemon that has lived longer than usual, or not. */
void watch_journal(struct watch *watch, double part, bool lived_long);

bool watch_memory_is_flat(const struct watch *watch);
bool watch_journal_is_flat(const struct watch *watch);

/* Open descriptors; 0 when the kernel does not tell. */
size_t watch_files(const struct watch *watch);
