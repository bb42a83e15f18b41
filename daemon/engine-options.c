/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-options.h"

#include "engine/membership.h"
#include "process.h"

#include <grp.h>

/* How long a connection waits for the user database, milliseconds. */
#define ENGINE_OPTIONS_ACCOUNT_TIMEOUT_MS 2000

/* Whoever is let in by the socket's group, or by that of the bus policy where there is no socket,
 * is a member; without any such group all are guests. */
struct accounts_config engine_options_accounts(const struct options *options,
                                               const struct sockets *sockets)
{
    struct accounts_config config = {
        .lookup = membership_lookup,
        .list = membership_list,
        .group = (gid_t)-1,
        .apart = options->guests_apart,
        .timeout_ms = ENGINE_OPTIONS_ACCOUNT_TIMEOUT_MS,
    };

    if (!sockets->clients || !listener_group(sockets->clients, &config.group)) {
        const struct group *group = getgrnam(options->socket_group);

        if (group)
            config.group = group->gr_gid;
    }
    return config;
}

char *engine_options_name(const struct options *options, const char *socket_path)
{
    if (options->no_bus)
        return g_strdup_printf("socket %s", socket_path ? socket_path : "");
    return g_strdup_printf("%s %s", options->session_bus ? "session" : "system", options->bus_name);
}

void engine_options_fill_live(const struct options *options, struct engine_config *config)
{
    const struct options_limits *limits = &options->limits;

    config->rules = (struct rules_config){
        .limits = {.objects_per_client = limits->max_transients,
                   .sessions_per_client = limits->max_sessions,
                   .objects_per_uid = limits->max_transients_per_user,
                   .sessions_per_uid = limits->max_sessions_per_user,
                   .abandoned_per_uid = limits->max_abandoned_per_user,
                   .share_sessions = true},
        .connections_per_user = limits->max_connections_per_user,
        .rules = (gconstpointer)options->rules->data,
        .count = options->rules->len,
    };
    config->max_connections = process_carries(limits->max_connections);
    config->idle_release_ms = options->idle_release_ms;
    option_policies_fill(&options->policies, &config->policies);
}

void engine_options_fill(const struct options *options, struct engine_config *config)
{
    config->tcti = options->tcti;
    config->reserve = options->reserve;
    config->sleep_untold = options->no_bus || options->session_bus;
    config->flush_all = options->flush_all;
    engine_options_fill_live(options, config);
}
