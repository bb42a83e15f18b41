/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option of the daemon, in one table: what the command line, the configuration files, the
 * help and --show-config know of them. Pure data; the manual pages are checked against it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The section of a configuration file that has the options. */
#define OPTION_SECTION "Daemon"

/* In the order of the help. */
enum option_id {
    OPTION_TCTI,
    OPTION_SESSION,
    OPTION_DBUS_NAME,
    OPTION_NO_DBUS,
    OPTION_SOCKET,
    OPTION_NO_SOCKET,
    OPTION_SOCKET_GROUP,
    OPTION_LOGGER,
    OPTION_VERBOSE,
    OPTION_FLUSH_ALL,
    OPTION_MAX_CONNECTIONS,
    OPTION_MAX_CONNECTIONS_PER_USER,
    OPTION_MAX_SESSIONS,
    OPTION_MAX_SESSIONS_PER_USER,
    OPTION_MAX_TRANSIENTS,
    OPTION_MAX_TRANSIENTS_PER_USER,
    OPTION_MAX_ABANDONED_PER_USER,
    OPTION_GUESTS,
    OPTION_HIGH_PRIORITY,
    OPTION_LOW_PRIORITY,
    OPTION_POLICY,
    OPTION_ALLOW,
    OPTION_DENY,
    OPTION_GUEST_POLICY,
    OPTION_ADMIN,
    OPTION_RESERVE,
    OPTION_IDLE_RELEASE,
    OPTION_PRNG_SEED_FILE,
    OPTION_ALLOW_ROOT,
    OPTION_TPM,
    OPTION_CONFIG,
    OPTION_CHECK_CONFIG,
    OPTION_SHOW_CONFIG,
    OPTION_VERSION,
    OPTION_HELP,
    OPTION_COUNT
};

struct option_entry {
    const char *name;      /* of the long option, and of the key in a file */
    const char *argument;  /* what the help calls the value; NULL for a flag, which is yes or no */
    const char *standard;  /* the value when nothing is said; NULL: there is none */
    const char *otherwise; /* what the help says of a default that is more than `standard` */
    const char *help;
    unsigned least, most; /* of a number; 0 and 0: it is none */
    char letter;          /* of the short option; 0: it has none */
    bool no_key;          /* for the command line alone */
    bool live;            /* a reload changes it */
};

/* By enum option_id. */
extern const struct option_entry option_table[OPTION_COUNT];

/* The option of a long option's or a key's name, or of a letter; OPTION_COUNT: there is none. */
enum option_id option_table_find(const char *name);
enum option_id option_table_letter(char letter);
