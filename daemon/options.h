/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: what tpm2-abrmd takes, and long options of tabrmd's own. */
#pragma once

#include "base/log.h"
#include "engine/reserve.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_TCTI     "device:/dev/tpm0"
#define OPTIONS_BUS_NAME "com.intel.tss2.Tabrmd"

/* Users that an option names. */
struct options_users {
    uint32_t *uids;
    unsigned count;
};

/* How many a client or a user may have. */
struct options_limits {
    unsigned max_connections; /* in all */
    unsigned max_connections_per_user;
    unsigned max_sessions; /* of one connection */
    unsigned max_sessions_per_user;
    unsigned max_transients; /* of one connection */
    unsigned max_transients_per_user;
    unsigned max_abandoned_per_user; /* saved sessions that outlive their connections */
};

struct options {
    char *tcti;
    char *bus_name;
    bool session_bus;
    bool no_bus;
    char *socket; /* NULL: not named, so that the place is the service manager's to say */
    bool no_socket;
    enum log_sink logger;
    enum log_level level;
    bool flush_all;
    struct options_limits limits;
    bool guests_apart; /* each user that the user database does not know has its own account */
    struct options_users high_priority, low_priority;
    struct reserve_rule reserve;
    int idle_release_ms; /* or IDLE_NEVER, IDLE_AUTO */
    bool prng_seed_file; /* --prng-seed-file was given; it has no effect */
    bool allow_root;
    bool show_version;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP, /* *text is what --help prints */
    OPTIONS_BAD,  /* *text is one line that says what is wrong */
};

/*
 * Reads a command line; argv[0] is the program. *text, when it is not NULL, is to be freed with
 * free(). Fills *options in any case; options_clear() gives back what it holds. Looks users up by
 * name.
 */
enum options_result options_parse(struct options *options, int argc, char **argv, char **text);

void options_clear(struct options *options);
