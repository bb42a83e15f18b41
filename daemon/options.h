/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of the daemon, from the command line and the configuration files. The command line
 * takes all options of tpm2-abrmd, and long options of tabrmd's own. Main thread.
 */
#pragma once

#include "base/log.h"
#include "conf-files.h"
#include "engine/reserve.h"
#include "option-policies.h"

#include <stdbool.h>
#include <stdint.h>

/* How many connections, sessions and transient objects a client or a user may have. */
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
    char *socket_group;
    enum log_sink logger;
    enum log_level level;
    bool flush_all;
    struct options_limits limits;
    bool guests_apart; /* each guest has its own account */
    GArray *rules;     /* of struct rule: what users may have, as lists of users and sections say */
    struct option_policies policies;
    struct reserve_rule reserve;
    int idle_release_ms; /* or IDLE_NEVER, IDLE_AUTO */
    bool allow_root;
    bool show_version;
    struct settings settings; /* what all of that was made of */
};

enum options_result {
    OPTIONS_RUN,   /* *text, if it is not NULL, has lines that are to be warned of */
    OPTIONS_PRINT, /* *text is for standard output, and all that was asked for */
    OPTIONS_BAD,   /* *text is one line that says what is wrong with the command line */
    OPTIONS_UNFIT, /* *text has all that is wrong with the configuration files, a line each */
};

/*
 * Reads a command line, argv[0] being the program, and the configuration files: those of `places`
 * with NULL for none, or that of --config and the drop-ins of its name. *text, when it is not NULL,
 * is to be freed with free(). Fills *options in any case; options_clear() gives back what it holds.
 * Looks users up by name.
 */
enum options_result options_parse(struct options *options, int argc, char *const *argv,
                                  const struct conf_places *places, char **text);

void options_clear(struct options *options);
